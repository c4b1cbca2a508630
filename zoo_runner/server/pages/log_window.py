"""A part of a log: its end, what is before it, or the lines that have a text. A log of any size is opened at once.

What is kept beside the log gives its lines their colours, and says where each attempt of its step begins.
"""

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from zoo_runner.execution.log_notes import LONGEST_LINE, read_runs
from zoo_runner.model.colours import Run

WINDOW_BYTES, MOST_LINES = 128 << 10, 2000
SEARCHED_BYTES = 64 << 20
_MOST_FOUND = 500
_SEARCHED_AT_ONCE = 16 << 10
_WARNINGS, _ERRORS = ("warning", "warn"), ("error", "failed", "fatal", "traceback", "critical")

# what the job log has before each line
_SOURCE = re.compile(r"^\S+Z \[[^\]]*\] ")


@dataclass(frozen=True)
class Part:
    """A part of a line: its text, whether it is what was searched for, and the classes of its colours."""

    text: str
    is_found: bool = False
    classes: str = ""


@dataclass(frozen=True)
class Line:
    """A line, and where it begins in its log; `kind` is error, warning or empty. `length` is that of the whole line."""

    place: int
    kind: str
    parts: tuple[Part, ...]
    length: int = 0


@dataclass(frozen=True)
class LogWindow:
    """Lines of a log; `earlier` is where the part before them ends, None where there is none.

    `size` is that of the log, or of the attempt in it that begins at `begin`.
    Of a search, `searched_from` is where it began, and `is_full` whether more was found than is shown.
    """

    lines: tuple[Line, ...]
    size: int
    earlier: int | None = None
    searched_from: int | None = None
    is_full: bool = False
    begin: int = 0


def read_window(path: Path, before: int | None = None, begin: int = 0, end: int | None = None) -> LogWindow:
    """Read the lines before a place of a log, by default before its end; none where it cannot be read.

    Of a log with several attempts, one lies from `begin` to `end`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            last = min(place for place in (before, end, size) if place is not None)
            return _read_before(file, begin, max(last, begin), (size if end is None else min(end, size)) - begin)
    except OSError:
        # not written yet, or removed
        return LogWindow((), 0)


def _read_before(file: BinaryIO, begin: int, end: int, size: int) -> LogWindow:
    start = max(end - WINDOW_BYTES, begin)
    file.seek(start)
    data = file.read(end - start)
    if start > begin:
        # the first line is cut, unless it fills the window
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    found = list(_split(data, start))
    kept = found[-MOST_LINES:]
    first = kept[0][0] if kept else begin
    lines = tuple(_build_line(place, text, "") for place, text in kept)
    return LogWindow(lines, size, first if first > begin else None, begin=begin)


def find_lines(path: Path, text: str, begin: int = 0, end: int | None = None) -> LogWindow:
    """Find the lines of a log that have a text, in upper or lower case; the last ones where there are many.

    A line longer than 16 KiB is searched, and found, in parts of that size. Of a log with several
    attempts, one lies from `begin` to `end`.
    """
    wanted, before, count = text.lower(), "", 0
    found: deque[tuple[int, str]] = deque(maxlen=_MOST_FOUND)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            last = size if end is None else min(end, size)
            start = max(last - SEARCHED_BYTES, begin)
            file.seek(start)
            for place, part in _read_parts(file, start, last):
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
    return LogWindow(lines, last - begin, None, start - begin, count > len(lines), begin)


def _read_parts(file: BinaryIO, place: int, end: int) -> Iterator[tuple[int, bytes]]:
    while place < end and (part := file.readline(_SEARCHED_AT_ONCE)):
        yield place, part
        place += len(part)


def _split(data: bytes, place: int) -> Iterator[tuple[int, str]]:
    for line in data.splitlines(keepends=True):
        yield place, line.rstrip(b"\r\n").decode("utf-8", "replace")
        place += len(line)


def _build_line(place: int, text: str, searched: str) -> Line:
    shown = text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} … ({len(text)} characters)"
    return Line(place, find_kind(shown), tuple(_mark(shown, searched)), len(text))


def colour(window: LogWindow, notes: Path) -> LogWindow:
    """Give the lines of a window the colours that are kept beside the log. Of a line with its own, `kind` is empty."""
    if not window.lines or not notes.exists():
        return window
    if window.searched_from is None:
        runs = read_runs(notes, window.lines[0].place, window.lines[-1].place + 1)
    else:
        # lines that were found may lie far from each other
        runs = {}
        for line in window.lines:
            runs |= read_runs(notes, line.place, line.place + 1)
    return replace(
        window, lines=tuple(_colour_line(line, runs.get((line.place, line.length))) for line in window.lines)
    )


def _colour_line(line: Line, runs: Sequence[Run] | None) -> Line:
    if not runs:
        return line
    parts, at = list[Part](), 0
    for part in line.parts:
        end = at + len(part.text)
        parts += (
            Part(part.text[begin - at : stop - at], part.is_found, classes)
            for begin, stop, classes in _cover(runs, at, end)
        )
        at = end
    return replace(line, kind="", parts=tuple(parts))


def _cover(runs: Sequence[Run], at: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Cut the characters from `at` to `end` at the runs: whatever a file says, each is in one piece."""
    for run in runs:
        begin, stop = max(run.begin, at), min(run.end, end)
        if begin < stop:
            if begin > at:
                yield at, begin, ""
            yield begin, stop, run.style.list_classes()
            at = stop
    if at < end:
        yield at, end, ""


def find_kind(text: str) -> str:
    """Recognise an error or a warning by the first words of a line, after its time and source."""
    first = _SOURCE.sub("", text)[:60].lower().replace(":", " ").replace("[", " ").replace("]", " ").split()[:3]
    if any(word in _ERRORS for word in first):
        return "error"
    return "warning" if any(word in _WARNINGS for word in first) else ""


def _mark(text: str, searched: str) -> Iterator[Part]:
    """Split a text at what was searched for."""
    place, lower, wanted = 0, text.lower(), searched.lower()
    # where the lower case has another length, places of one are not those of the other
    while wanted and len(lower) == len(text) and (found := lower.find(wanted, place)) >= 0:
        if found > place:
            yield Part(text[place:found])
        place = found + len(wanted)
        yield Part(text[found:place], is_found=True)
    if place < len(text) or not text:
        yield Part(text[place:])
