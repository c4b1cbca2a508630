"""Secondary files: the files that belong to each file of an input or output.

Source: CWL v1.0 to v1.2, Command Line Tool, `secondaryFiles` and `SecondaryFileSchema`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SecondaryFile:
    """A file that belongs to another: a pattern on its name (or an expression), and whether it is required."""

    pattern: str
    required: bool


def read_secondary_file(entry: Any) -> SecondaryFile:
    """Read an entry: a plain pattern (CWL v1.0), or one that may say whether the file is required (default: yes)."""
    if not isinstance(entry, Mapping):
        return SecondaryFile(str(entry).removesuffix("?"), not str(entry).endswith("?"))
    pattern, required = str(entry.get("pattern", "")), entry.get("required")
    return SecondaryFile(pattern.removesuffix("?"), (required is None or required is True) and pattern[-1:] != "?")


def apply_pattern(pattern: str, name: str) -> str:
    """Build the name of a secondary file: each `^` drops an extension."""
    carets = len(pattern) - len(pattern.lstrip("^"))
    for _ in range(carets):
        stem, dot, _extension = name.rpartition(".")
        name = stem if dot else name
    return name + pattern[carets:]
