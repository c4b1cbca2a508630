"""What users of such runners reported gets the right answer, and docs/reports.md has it as printed."""

import pytest

from tests.contract.cases import CASES, Case, answer, copy_case, write_line
from tests.contract.cases_table import PAGE, write_row
from tests.contract.scenes import Scene
from tests.contract.test_failures import without_evidence
from tests.servers import FileServer, S3Server
from tests.site import Site

WRITE_ANEW = "run `python -m tests.contract.cases_table` and look at what changed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_reported_case_has_the_right_answer(case: Case, site: Site, web: FileServer, s3: S3Server) -> None:
    page = PAGE.read_text()
    assert write_row(case) in page, WRITE_ANEW
    section = page.partition(f"\n## {case.name}\n")[2].partition("```text\n")[2].partition("\n```\n")[0]
    scene = Scene(site, web, s3)
    folder = copy_case(case, scene)
    for command in case.commands:
        code, text = answer(command, scene, folder)
        assert bool(code) == bool(command.code), text
        assert command.code in text
        assert [fact for fact in command.facts if fact not in text] == [], text
        shown = section.partition(f"$ {write_line(command)}\n")[2].partition("\n\n$ ")[0]
        assert without_evidence(shown) == without_evidence(text), WRITE_ANEW


def test_every_case_has_a_folder_and_commands() -> None:
    assert len({case.name for case in CASES}) == len(CASES) == 17
    assert all(case.commands for case in CASES)
