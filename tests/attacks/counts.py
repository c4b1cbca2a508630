"""Counts the attacks for docs/security.md: `python -m tests.attacks.counts` writes the numbers of its tables."""

import re
import subprocess
import sys
from collections import Counter

from tests.values import ROOT

PAGE = ROOT / "docs" / "security.md"
ROW_OF_FILE = re.compile(r"^(\|[^|]*\| `(test_\w+\.py)` \| )(\d+)( \|)", re.MULTILINE)
ROW_OF_SENTENCE = re.compile(r"^(\| \d+ \| [^|]+ \| )(\d+)( \| (`test_[^|]*) \|)$", re.MULTILINE)
ROW_OF_KIND = re.compile(r"^(\| (\d+) [^|]+\|[^|]*\| )(\d+)( \| ([^|]*) \|)$", re.MULTILINE)


def count_attacks() -> Counter[str]:
    """Count the attacks of each file (`test_x.py`) and of each function in it (`test_x.py::test_y`)."""
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "--collect-only", "-p", "no:cacheprovider"]
    listed = subprocess.run([*command, "tests/attacks"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^tests/attacks/(test_\w+\.py)(::\w+)", listed, re.MULTILINE)
    return Counter(name for file, function in found for name in (file, f"{file}{function}"))


def list_named(tests: str) -> list[str]:
    """List the files and functions that a row names."""
    return re.findall(r"`(test_\w+\.py(?:::\w+)?)`", tests)


def count_kind(files: str, counts: Counter[str]) -> int:
    """Count the attacks of the files that a row names, without those of other tiers."""
    return sum(counts[name] for name in re.findall(r"`(test_\w+\.py)`", files))


def write_counts(text: str, counts: Counter[str]) -> str:
    """Put the numbers into the tables."""
    text = ROW_OF_SENTENCE.sub(lambda row: f"{row[1]}{sum(map(counts.__getitem__, list_named(row[4])))}{row[3]}", text)
    text = ROW_OF_FILE.sub(lambda row: f"{row[1]}{counts[row[2]]}{row[4]}", text)
    return ROW_OF_KIND.sub(lambda row: f"{row[1]}{count_kind(row[5], counts)}{row[4]}", text)


if __name__ == "__main__":
    PAGE.write_text(write_counts(PAGE.read_text(), count_attacks()))
