"""docs/security.md counts the attacks; it names every file and kind of them, and no more than there are."""

import pytest

from tests.attacks.counts import PAGE, ROW_OF_FILE, ROW_OF_KIND, ROW_OF_SENTENCE, count_attacks, count_kind, list_named
from tests.values import ROOT

# these hold the others
_NO_ATTACKS = {"test_counts.py", "test_fuzzer.py"}


@pytest.mark.timeout(300)
def test_the_tables_of_attacks_name_each_file_and_kind_and_no_more_attacks_than_there_are() -> None:
    page, found = PAGE.read_text(), count_attacks()
    files = {row[2]: int(row[3]) for row in ROW_OF_FILE.finditer(page)}
    assert files.keys() == {path.name for path in (ROOT / "tests" / "attacks").glob("test_*.py")} - _NO_ATTACKS
    assert {name: count for name, count in files.items() if count > found[name]} == {}
    assert sum(files.values()) >= 150
    sentences = [(row[1], int(row[2]), list_named(row[4])) for row in ROW_OF_SENTENCE.finditer(page)]
    assert {int(row.split("|")[1]) for row, _, _ in sentences} == {*range(1, 11)}
    assert [row for row, count, names in sentences if count > sum(found[name] for name in names)] == []
    assert [name for _, _, names in sentences for name in names if not (found[name] or is_elsewhere(name))] == []
    kinds = {int(row[2]): (int(row[3]), row[5]) for row in ROW_OF_KIND.finditer(page)}
    assert [*kinds] == [*range(1, 11)]
    assert {kind: count for kind, (count, names) in kinds.items() if count > count_kind(names, found)} == {}


def is_elsewhere(name: str) -> bool:
    """Whether another tier has a test file with this function."""
    file, _, function = name.partition("::")
    others = [path for path in (ROOT / "tests").rglob(file) if path.parent.name != "attacks"]
    return any(f"def {function}" in path.read_text() for path in others)
