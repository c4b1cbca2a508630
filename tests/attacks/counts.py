"""Counts the attacks for docs/security.md: `python -m tests.attacks.counts` writes the numbers of its tables."""

import re
import subprocess
import sys
from collections.abc import Mapping

from tests.values import ROOT

PAGE = ROOT / "docs" / "security.md"
ROW_OF_FILE = re.compile(r"^(\|[^|]*\| `(test_\w+\.py)` \| )(\d+)( \|)", re.MULTILINE)
ROW_OF_KIND = re.compile(r"^(\| (\d+) [^|]*\|[^|]*\| )(\d+)( \| ([^|]*) \|)$", re.MULTILINE)


def count_attacks() -> dict[str, int]:
    """Count the attacks of each file."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "tests/attacks"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name: int(count) for name, count in re.findall(r"(test_\w+\.py): (\d+)", listed)}


def count_kind(files: str, counts: Mapping[str, int]) -> int:
    """Count the attacks of the files that a row names, without those of other tiers."""
    return sum(counts[name] for name in re.findall(r"`(test_\w+\.py)`", files))


def write_counts(text: str, counts: Mapping[str, int]) -> str:
    """Put the numbers into the tables."""
    text = ROW_OF_FILE.sub(lambda row: f"{row[1]}{counts[row[2]]}{row[4]}", text)
    return ROW_OF_KIND.sub(lambda row: f"{row[1]}{count_kind(row[5], counts)}{row[4]}", text)


if __name__ == "__main__":
    PAGE.write_text(write_counts(PAGE.read_text(), count_attacks()))
