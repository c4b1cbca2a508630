"""What is kept beside a log, which is plain text: the colours of its lines, and where each attempt of a step begins.

Both are files of lines of equal length in the order of the log, so that what belongs to a part of a log is found at
once. They lie in the folder of the logs, where others may write: what is read of them is checked, and has a limit.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from zoo_runner.execution.log_files import LOG_FILES, open_regular
from zoo_runner.model.colours import ColouredLine, Run, Style
from zoo_runner.model.text_lines import TextLines

MOST_BYTES, MOST_BYTES_OF_ALL = 4 << 20, 32 << 20
"""Of the colours of one log, and of all logs of a job: what comes later has none."""
LONGEST_LINE = 4000
"""Characters of a line that pages show; colours behind them are not kept."""
MOST_RUNS, MOST_ATTEMPTS = 5000, 100
"""Read at once."""

# place and length of the line; begin, end and style of the run
_COLOUR = "{:016x} {:08x} {:04x} {:04x} {:03x}\n"
_COLOUR_LINE = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{8}) ([0-9a-f]{4}) ([0-9a-f]{4}) ([0-9a-f]{3})\n")
_COLOUR_BYTES, _PLACE_DIGITS = 40, 16
_ATTEMPT_BYTES = _PLACE_DIGITS + 1


def locate_colours(log: Path, folder: Path) -> Path:
    """Return where the colours of a log lie; `folder` has the logs of the steps."""
    # no step has a file name that begins with a point
    return log.with_suffix(".colours") if log.parent == folder else folder / ".job.colours"


def locate_attempts(log: Path) -> Path:
    """Return where is kept what begins where in the log of a step."""
    return log.with_suffix(".attempts")


class LogNotes:
    """Writes what is kept beside the logs of one job. Raises `OSError` where a file cannot be written."""

    def __init__(self) -> None:
        self._left_bytes = MOST_BYTES_OF_ALL

    def keep_colours(self, log: Path, folder: Path, lines: Sequence[str], shift: int = 0) -> None:
        """Keep the colours of lines that will be added to a log, each `shift` characters behind its begin.

        They are written first: who reads a line finds its colours.
        """
        if isinstance(lines, TextLines) or ColouredLine not in set(map(type, lines)):
            return
        place, notes = LOG_FILES.measure(log), locate_colours(log, folder)
        written: list[str] = []
        for line in lines:
            if isinstance(line, ColouredLine):
                written += _write_runs(place, line, shift)
            place += shift + len(line.encode("utf-8", "backslashreplace")) + 1
        size = len(written) * _COLOUR_BYTES
        if size <= self._left_bytes and LOG_FILES.measure(notes) + size <= MOST_BYTES:
            self._left_bytes -= size
            LOG_FILES.append_text(notes, "".join(written))

    def keep_attempt(self, log: Path) -> None:
        """Keep that another attempt of a step begins with the next line of its log; of the first there is nothing."""
        if place := LOG_FILES.measure(log):
            notes = locate_attempts(log)
            if LOG_FILES.measure(notes) < MOST_ATTEMPTS * _ATTEMPT_BYTES:
                LOG_FILES.append(notes, f"{place:016x}")


def _write_runs(place: int, line: ColouredLine, shift: int) -> Iterator[str]:
    for run in line.runs:
        begin, end = run.begin + shift, min(run.end + shift, LONGEST_LINE)
        if begin < end:
            yield _COLOUR.format(place, len(line) + shift, begin, end, run.style.encode())


def read_runs(notes: Path, start: int, end: int) -> dict[tuple[int, int], list[Run]]:
    """Read the colours of the lines that begin at `start` or after it and before `end`, by their place and length.

    There are none where they cannot be read. Of very many, the last are read.
    """
    found: dict[tuple[int, int], list[Run]] = {}
    for line in _read_records(notes, _COLOUR_BYTES, start, end, MOST_RUNS):
        if fits := _COLOUR_LINE.fullmatch(line):
            place, length, first, last, style = (int(word, 16) for word in fits.groups())
            if first < last <= length:
                found.setdefault((place, length), []).append(Run(first, last, Style.decode(style)))
    return found


def read_attempts(log: Path) -> list[int]:
    """Read where the second attempt of a step begins in its log, the third, and so on; in order."""
    records = _read_records(locate_attempts(log), _ATTEMPT_BYTES, 0, 1 << 64, MOST_ATTEMPTS)
    return sorted({place for line in records if (place := _read_place(line)) > 0})


def _read_records(path: Path, size: int, start: int, end: int, most: int) -> list[str]:
    with suppress(OSError), os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        count = file.seek(0, os.SEEK_END) // size

        def find(number: int) -> int:
            file.seek(number * size)
            return _read_place(file.read(_PLACE_DIGITS).decode("ascii", "replace"))

        last = bisect_left(range(count), end, key=find)
        first = max(bisect_left(range(count), start, key=find), last - most, 0)
        file.seek(first * size)
        text = file.read(max(last - first, 0) * size).decode("ascii", "replace")
        return [text[at : at + size] for at in range(0, len(text), size)]
    # there are none, or they are gone
    return []


def _read_place(line: str) -> int:
    try:
        return int(line[:_PLACE_DIGITS], 16)
    except ValueError:
        return 0
