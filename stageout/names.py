"""Converts users' names to object keys, file names and identifiers; pure."""

import re
from collections.abc import Iterable
from hashlib import sha256

from zoo_staging.errors import Kind, StagingError

RESULT_COLLECTION = "collection.json"
FOLDER_MARKER = ".stageout-empty"
"""The object that stands for an empty folder in a bucket, which has no folders."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def build_segment(name: str) -> str:
    """Turn any name into one key segment; a changed one ends in a hash, so that two never collide."""
    fit = _UNFIT.sub("-", name).lstrip(".")
    if fit == name and name not in ("", RESULT_COLLECTION) and len(name) <= 128:
        return name
    return f"{fit[:80]}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def build_segments(names: Iterable[str]) -> dict[str, str]:
    """Turn names into key segments of which no two are the same; one that fits as it is keeps its name.

    >>> build_segments(["a b", "a-b-c8687a08", "c"])
    {'a-b-c8687a08': 'a-b-c8687a08', 'c': 'c', 'a b': 'a-b-c8687a08_2'}
    """
    segments, ids = {name: build_segment(name) for name in names}, Ids()
    changed = sorted(segments, key=lambda name: segments[name] != name)
    return {name: ids.claim(segments[name]) for name in changed}


def check_relative_name(name: str, href: str) -> str:
    """Return `name`, a `/`-separated path below a folder; StagingError(REFUSED) when it is invalid."""
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        problem = "it leads out of its folder"
    elif any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in name):
        problem = "it has control characters or is not UTF-8"
    else:
        return name
    raise StagingError(
        Kind.REFUSED,
        href,
        f"unusable name {name!r}: {problem}",
        "Let the tool give its output file a plain name.",
    )


class Ids:
    """Returns identifiers or names of which no two are the same: `col_7`, `col_7_2`, …."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, wanted: str) -> str:
        """Return `wanted`, with a number appended if it is taken."""
        number, claimed = 1, wanted
        while claimed in self._taken:
            number += 1
            claimed = f"{wanted}_{number}"
        self._taken.add(claimed)
        return claimed
