"""docs/security.md counts the attacks; it names every file of them, and no more than there are."""

import re
import subprocess
import sys

import pytest

from tests.values import ROOT


@pytest.mark.timeout(300)
def test_the_table_of_attacks_names_each_file_and_no_more_attacks_than_it_has() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\|[^|]*\| `(test_\w+\.py)` \| (\d+) \|", page, re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "tests/attacks"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {name: int(count) for name, count in re.findall(r"(test_\w+\.py): (\d+)", listed)}
    assert {name: count for name, count in rows if int(count) > found.get(name, 0)} == {}
    assert sum(int(count) for _, count in rows) >= 150
