"""Progress of a transfer as plain values; the library never prints."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Transferred:
    """Progress of a stage, after bytes of the file `href` were transferred.

    `bytes_total` is None while the size of a file is unknown; secrets in `href` are masked.
    """

    stage: Literal["stage-in", "stage-out"]
    href: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int | None


Report = Callable[[Transferred], None]


def ignore(_: Transferred) -> None:
    """Ignore progress: the default."""


_EACH_FILE = 1000
_SECONDS = 1.0


def pace(report: Report) -> Report:
    """Return a report that passes on each of the first thousand files; beyond, and within a file, one a second.

    The last file is always passed on. Those who receive progress write it to logs, stores and displays.
    """
    files, last = 0, 0.0

    def paced(progress: Transferred) -> None:
        nonlocal files, last
        is_file = progress.files_done != files and progress.files_done <= _EACH_FILE
        if not (is_file or progress.files_done == progress.files_total or time.monotonic() - last >= _SECONDS):
            return
        files, last = progress.files_done, time.monotonic()
        report(progress)

    return paced
