"""The page of permissions has a row for every operation, also for those that the OpenAPI document leaves out."""

import os

from tests.live.isolation import OTHERS, build_page
from tests.operations import list_operations
from tests.values import ROOT

PAGE = ROOT / "docs" / "isolation.md"


def test_every_operation_has_a_row() -> None:
    found = list_operations()
    assert set(found) == set(OTHERS), "tests/live/isolation.py says for each operation what others may do"
    page = build_page(found)
    if os.environ.get("UPDATE_DOCS"):  # noqa: TID251 what a person asks of this run
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "UPDATE_DOCS=1 writes docs/isolation.md"
