"""Writes docs/reports.md: runs the commands of every case and keeps their answers as printed.

Run it as `python -m tests.contract.cases_table` from the repository's folder.
"""

import tempfile
from pathlib import Path

from tests.contract.cases import CASES, GITHUB, Case, answer, copy_case, write_line
from tests.contract.scenes import Scene
from tests.servers import serve_files, serve_s3
from tests.site import Site
from tests.values import ROOT

PAGE = ROOT / "docs" / "reports.md"
BEGINNING = """# What users reported elsewhere, and the answer here

The cases are small inputs that bring about again what users of such runners reported in public. Each answer below is as
printed, with `--quiet` and `ZOO_RUNNER_CONTAINERS=none`, followed by the file of the results that shows the point, or
the names of the files. Logs and times are left out, and places are in angle brackets; of long answers the beginning is
shown. `data.example` is the web server of the test.

This page is written by `python -m tests.contract.cases_table`, and `tests/contract/test_cases.py` compares it with real
answers. [failures.md](failures.md) has the failures that were reported, [public-packages.md](public-packages.md) the
public packages that were tried.

"""


def main() -> None:
    """Run every case and write the page."""
    rows = ["| case | reported | answers |", "| --- | --- | --- |"]
    parts = []
    with tempfile.TemporaryDirectory() as folder, serve_s3(Path(folder) / "s3") as s3:
        for case in CASES:
            own = Path(folder) / case.name
            own.mkdir()
            with serve_files(own / "web") as web:
                parts.append(write_section(case, Scene(Site(own, Path(folder) / "cache"), web, s3)))
            rows.append(write_row(case))
    PAGE.write_text(BEGINNING + "\n".join(rows) + "\n\n" + "\n".join(parts))


def write_row(case: Case) -> str:
    """Write the row of a case: the code of each command, or that it runs."""
    codes = [f"`{command.code}`" if command.code else "runs" for command in case.commands]
    report = f"[{case.report.removeprefix(GITHUB)}]({case.report})" if case.report else "seen in public packages"
    return f"| [{case.name}](#{case.name}) | {report} | {', '.join(codes)} |"


def write_section(case: Case, scene: Scene) -> str:
    """Run the commands of a case; write them with their answers."""
    folder = copy_case(case, scene)
    answers = [f"$ {write_line(command)}\n{answer(command, scene, folder)[1]}" for command in case.commands]
    return f"## {case.name}\n\n{case.what}\n\n```text\n" + "\n\n".join(answers) + "\n```\n"


if __name__ == "__main__":
    main()
