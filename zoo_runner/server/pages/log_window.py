"""A part of a log: its end, what is before it, or the lines that have a text. A log of any size is opened at once."""

import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

WINDOW_BYTES, MOST_LINES = 128 << 10, 2000
SEARCHED_BYTES = 64 << 20
_MOST_FOUND = 500
_LONGEST_LINE = 4000
_SEARCHED_AT_ONCE = 16 << 10
_WARNINGS, _ERRORS = ("warning", "warn"), ("error", "failed", "fatal", "traceback", "critical")

# what the job log has before each line
_SOURCE = re.compile(r"^\S+Z \[[^\]]*\] ")


@dataclass(frozen=True)
class Line:
    """A line, and where it begins in its log; `kind` is error, warning or empty.

    `parts` are its text, each with whether it is what was searched for.
    """

    place: int
    kind: str
    parts: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class LogWindow:
    """Lines of a log of `size` bytes; `earlier` is where the part before them ends, None where there is none.

    Of a search, `searched_from` is where it began, and `is_full` whether more was found than is shown.
    """

    lines: tuple[Line, ...]
    size: int
    earlier: int | None = None
    searched_from: int | None = None
    is_full: bool = False


def read_window(path: Path, before: int | None = None) -> LogWindow:
    """Read the lines before a place of a log, by default before its end; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            end = size if before is None else min(before, size)
            return _read_before(file, end, size)
    except OSError:
        # not written yet, or removed
        return LogWindow((), 0)


def _read_before(file: BinaryIO, end: int, size: int) -> LogWindow:
    start = max(end - WINDOW_BYTES, 0)
    file.seek(start)
    data = file.read(end - start)
    if start:
        # the first line is cut, unless it fills the window
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    found = list(_split(data, start))
    kept = found[-MOST_LINES:]
    first = kept[0][0] if kept else 0
    lines = tuple(_build_line(place, text, "") for place, text in kept)
    return LogWindow(lines, size, first or None)


def find_lines(path: Path, text: str) -> LogWindow:
    """Find the lines of a log that have a text, in upper or lower case; the last ones where there are many.

    A line longer than 16 KiB is searched, and found, in parts of that size.
    """
    wanted, before, count = text.lower(), "", 0
    found: deque[tuple[int, str]] = deque(maxlen=_MOST_FOUND)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(size - SEARCHED_BYTES, 0)
            file.seek(start)
            for place, part in _read_parts(file, start, size):
                line = part.rstrip(b"\r\n").decode("utf-8", "replace")
                lower = before + line.lower()
                if wanted in lower:
                    found.append((place, line))
                    count += 1
                # a text may begin in one part of a line and end in the next
                before = "" if part.endswith(b"\n") else lower[max(len(lower) - len(wanted) + 1, 0) :]
    except OSError:
        return LogWindow((), 0)
    lines = tuple(_build_line(place, line, text) for place, line in found)
    return LogWindow(lines, size, None, start, count > len(lines))


def _read_parts(file: BinaryIO, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    while place < end and (part := file.readline(_SEARCHED_AT_ONCE)):
        yield place, part
        place += len(part)


def _split(data: bytes, place: int) -> Iterator[tuple[int, str]]:
    for line in data.splitlines(keepends=True):
        yield place, line.rstrip(b"\r\n").decode("utf-8", "replace")
        place += len(line)


def _build_line(place: int, text: str, searched: str) -> Line:
    text = text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]} … ({len(text)} characters)"
    return Line(place, find_kind(text), tuple(_mark(text, searched)))


def find_kind(text: str) -> str:
    """Recognise an error or a warning by the first words of a line, after its time and source."""
    first = _SOURCE.sub("", text)[:60].lower().replace(":", " ").replace("[", " ").replace("]", " ").split()[:3]
    if any(word in _ERRORS for word in first):
        return "error"
    return "warning" if any(word in _WARNINGS for word in first) else ""


def _mark(text: str, searched: str) -> Iterator[tuple[str, bool]]:
    """Split a text at what was searched for."""
    place, lower, wanted = 0, text.lower(), searched.lower()
    # where the lower case has another length, places of one are not those of the other
    while wanted and len(lower) == len(text) and (found := lower.find(wanted, place)) >= 0:
        if found > place:
            yield text[place:found], False
        place = found + len(wanted)
        yield text[found:place], True
    if place < len(text) or not text:
        yield text[place:], False
