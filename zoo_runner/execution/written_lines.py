"""What the logs of a job have already, so that a process that takes the job up writes nothing of it a second time.

A remote engine reports a job from its begin again. What a step prints is known by its number, because a step prints
its lines in one order; lines of stages, of the engine and of the runner are known by short digests of their texts. What
is kept in memory has a limit, as one worker takes up hundreds of jobs at once.
"""

import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from operator import eq
from pathlib import Path
from typing import BinaryIO

from zoo_runner.config.folders import JobPaths
from zoo_runner.execution.log_files import link_names, open_regular
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import is_anew_line

_ENGINE = "engine"
_NOT_STEPS = frozenset(("job", _ENGINE, *(str(stage) for stage in Stage)))
_CHUNK_BYTES = 1 << 20
_DIGEST_BYTES = 8
MOST_LINES = 100_000
"""Of a place with more lines that are known by their text, later ones are written again."""

logger = logging.getLogger(__name__)

Place = str | Path
"""The lines of one source in the job log, or a log of its own."""


class WrittenLines:
    """The lines that are there and were not reported again yet; of each log at most `most_lines` are kept."""

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        self._most_lines = most_lines
        self._numbers: dict[Place, int] = {}
        self._texts: dict[Place, Counter[bytes]] = {}
        # places with more lines than are kept
        self._full: set[Place] = set()
        # logs of steps of which nothing was reported again yet
        self._untouched: set[Place] = set()
        # the line with which the last pod begins, and what was written since
        self._anew: str | None = None
        self._since_numbers: dict[Place, int] = {}
        self._since_texts: dict[Place, Counter[bytes]] = {}

    def take_new(self, place: Place, lines: Sequence[str]) -> Sequence[str]:
        """Return those of the next lines of a place that it does not have yet."""
        if texts := self._texts.get(place):
            return [line for line in lines if not _take(texts, line)]
        left = self._numbers.get(place, 0)
        if left:
            self._numbers[place] = max(left - len(lines), 0)
            self._untouched.discard(place)
        return lines[left:]

    def begin_at(self, step: str, own: Path, lines: Sequence[str]) -> None:
        """Find out where these lines are, where they are the first that is reported again of a step.

        The engine may have forgotten how the step began. Lines that are not there are new.
        """
        if own not in self._untouched:
            return
        self._untouched.discard(own)
        passed = self._numbers[own]
        with suppress(OSError), opened_complete(own) as file:
            passed = _find_begin(file, [_encode(line) for line in lines])
        for place in (step, own):
            self._numbers[place] = max(self._numbers.get(place, 0) - passed, 0)

    def begin_anew(self, line: str, paths: JobPaths) -> bool:
        """Expect again only the lines since one with which a pod begins: those of a lost pod are not reported again.

        Return whether that line is new.
        """
        self._untouched.clear()
        if line != self._anew:
            self._numbers, self._texts = {}, {}
            return True
        own: dict[Place, int] = {}
        for step, number in self._since_numbers.items():
            log, before = paths.step_log(str(step)), self._numbers[step] - number
            # where its writer was killed between the two logs, one has more lines than the other
            own[log] = max(self._numbers.get(log, 0) - before, 0)
        self._numbers, self._texts = {**self._since_numbers, **own}, self._since_texts
        return False

    def read_job_log(self, path: Path) -> None:
        """Read the job log; one that is not there has no lines. Its last line is removed if it is not complete."""
        with suppress(OSError), opened_complete(path) as file:
            for line in file:
                _, _, text = _decode(line).partition(" [")
                source, _, text = text.partition("] ")
                if source == _ENGINE and is_anew_line(text):
                    self._anew, self._since_numbers, self._since_texts = text, {}, {}
                self._add(source, text, by_text=source in _NOT_STEPS)

    def read_own_logs(self, paths: JobPaths) -> None:
        """Read the logs of steps and stages in the same way."""
        stages = (paths.stage_in_log, paths.stage_out_log)
        for path in paths.log_folder.glob("*.log"):
            with suppress(OSError), opened_complete(path) as file:
                if path in stages:
                    for line in file:
                        if is_anew_line(text := _decode(line)):
                            self._since_texts.pop(path, None)
                        self._add(path, text, by_text=True)
                else:
                    self._untouched.add(path)
                    self._numbers[path] = sum(chunk.count(b"\n") for chunk in _read_chunks(file))

    def _add(self, place: Place, text: str, *, by_text: bool) -> None:
        if by_text:
            digest = _digest(text)
            self._keep(place, self._texts.setdefault(place, Counter()), digest)
            if self._anew:
                self._keep(place, self._since_texts.setdefault(place, Counter()), digest)
        else:
            self._numbers[place] = self._numbers.get(place, 0) + 1
            self._since_numbers[place] = self._since_numbers.get(place, 0) + 1

    def _keep(self, place: Place, texts: Counter[bytes], digest: bytes) -> None:
        if digest in texts or len(texts) < self._most_lines:
            texts[digest] += 1
        elif place not in self._full:
            self._full.add(place)
            text = "%s has more than %d lines: what is reported again of the others is written again"
            logger.warning(text, place, self._most_lines)


def read_written(paths: JobPaths) -> WrittenLines:
    """Read what the logs of a job have."""
    written = WrittenLines()
    if not link_names(paths.job_log, paths.kept_log):
        with suppress(OSError), opened_complete(paths.job_log):
            # both have all lines
            pass
    written.read_job_log(paths.kept_log)
    with suppress(OSError):
        written.read_own_logs(paths)
    return written


@contextmanager
def opened_complete(path: Path) -> Iterator[BinaryIO]:
    """Open a log without the end of a line whose writer was killed: it is written again. Raises `OSError`."""
    with os.fdopen(open_regular(path, os.O_RDWR), "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = _find_end(file, size)
        if end < size:
            file.truncate(end)
        file.seek(0)
        yield file


def _find_end(file: BinaryIO, size: int) -> int:
    """Return where the last complete line of a file ends."""
    while size:
        start = max(size - _CHUNK_BYTES, 0)
        file.seek(start)
        found = file.read(size - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _find_begin(file: BinaryIO, first: Sequence[bytes]) -> int:
    """Return how many lines of a log are before the first that is followed by these, or by as many as the log has."""
    if not first:
        return 0
    number, last = 0, deque[bytes](maxlen=len(first))
    for number, line in enumerate(file, 1):
        last.append(line.rstrip(b"\n"))
        if len(last) == len(first) and all(map(eq, last, first)):
            return number - len(first)
    known = list(last)
    fitting = (at for at in range(len(known)) if known[at:] == list(first[: len(known) - at]))
    return number - len(known) + next(fitting, len(known))


def _take(texts: Counter[bytes], line: str) -> bool:
    digest = _digest(_encode(line).decode())
    known = texts[digest] > 0
    if known:
        texts[digest] -= 1
    return known


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()


def _decode(line: bytes) -> str:
    return line.rstrip(b"\n").decode(errors="backslashreplace")


def _encode(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace")
