"""Writes docs/failures.md: causes every failure and keeps its message as printed.

Run it as `python -m tests.contract.failures_table` from the repository's folder.
"""

import json
import tempfile
from pathlib import Path

from tests.contract.failures import FAILURES
from tests.contract.reported import REPORTED
from tests.contract.scenes import Scene, build_item, shown_message
from tests.servers import serve_files, serve_s3
from tests.site import Site
from tests.values import ROOT

BEGINNING = """# Failures

Each way to fail that the tests cause, with the message as printed. `zoo-runner run --format json` gives the same as
data (`diagnosis`), the job log ends with it, and the job record keeps it. [errors.md](errors.md) explains the codes.
*Level* says who can act: the **user** (author of the package or client), the **engine**'s operator, or the **platform**
(network, stores, disks).

The failures with an address were reported in public, of this or other runners; each is brought about again, and where
that needs what a test does not have (a GPU, a bucket of somebody), the tool prints what the tool of the report did.

This page is written by `python -m tests.contract.failures_table`; places that differ from machine to machine are in
angle brackets.

"""


def main() -> None:
    """Cause every failure and write the page."""
    rows = ["| failure | code | exit code | stage | level |", "| --- | --- | --- | --- | --- |"]
    parts = []
    with tempfile.TemporaryDirectory() as folder, serve_s3(Path(folder) / "s3") as s3:
        for number, failure in enumerate((*FAILURES, *REPORTED)):
            own = Path(folder) / str(number)
            own.mkdir()
            s3.put("results", "item.json", json.dumps(build_item()).encode())
            with serve_files(own / "web") as web:
                scene = Scene(Site(own, Path(folder) / "cache"), web, s3)
                message = shown_message(failure.cause_it(scene), scene)
            anchor = failure.name.lower().replace(" ", "-")
            row = f"`{failure.code}` | {failure.exit_code} | {failure.stage} | {failure.level}"
            rows.append(f"| [{failure.name}](#{anchor}) | {row} |")
            what = f"{failure.what} Reported: {failure.report}" if failure.report else failure.what
            parts.append(f"## {failure.name}\n\n{what}\n\n```text\n{message}\n```\n")
    target = ROOT / "docs" / "failures.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(BEGINNING + "\n".join(rows) + "\n\n" + "\n".join(parts))


if __name__ == "__main__":
    main()
