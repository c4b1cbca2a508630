"""Reads the output of a step until the step ends, not until every holder of the pipe has closed it."""

import array
import fcntl
import io
import os
import termios
import time

from zoo_runner.engines.cwl_process.processes import wait_until_readable

LAST_LINES_SECONDS = 2.0
"""How long a step is listened to after its end: it may leave a process behind that still prints its last lines."""


class Printed(io.RawIOBase):
    """The reading end of a pipe that a step prints into; `note_end` is called when the step has ended.

    All output of the step itself is read, however long that takes; that of others, such as a daemon that the step
    started, for `last_lines_seconds`.
    """

    def __init__(self, reader: int, last_lines_seconds: float = LAST_LINES_SECONDS) -> None:
        self._reader, self._last_lines_seconds = reader, last_lines_seconds
        self._bell, self._ringer = os.pipe()
        # bytes in the pipe when the step ends, None before
        self._due: int | None = None
        self._until = 0.0

    def note_end(self) -> None:
        """Note that the step has ended: its output is in the pipe, or was read."""
        os.close(self._ringer)

    def readable(self) -> bool:
        """Whether this is for reading; a method of files."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what is available, or wait for it; 0 at the end."""
        if not self._has_more():
            return 0
        count = os.readv(self._reader, [buffer])
        if self._due:
            self._due = max(0, self._due - count)
        return count

    def _has_more(self) -> bool:
        if self._due is None:
            if self._bell not in wait_until_readable([self._reader, self._bell]):
                return True
            self._due = _count_waiting(self._reader)
        if self._due > 0:
            return True
        self._until = self._until or time.monotonic() + self._last_lines_seconds
        left = self._until - time.monotonic()
        return left > 0 and bool(wait_until_readable([self._reader], left))

    def close(self) -> None:
        """Close the pipe."""
        if not self.closed:
            os.close(self._reader)
            os.close(self._bell)
        super().close()


def _count_waiting(pipe: int) -> int:
    """Count the bytes in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
