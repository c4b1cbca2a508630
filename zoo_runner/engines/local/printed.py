"""What a step prints, read to its end: that of the step, and not of whoever else holds its output open."""

import array
import fcntl
import io
import os
import select
import termios
import time

# a tool may leave somebody behind who prints on (`tee` its last lines, a daemon for ever): heard for so long
_LAST_WORDS_SECONDS = 2.0


class Printed(io.RawIOBase):
    """The reading end of a pipe that a step prints into; `tell_end` is called when the step has ended.

    All that the step printed is read, however long that takes.
    """

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._bell, self._ringer = os.pipe()
        # bytes that are there when the end is told, None before
        self._due: int | None = None
        self._until = 0.0

    def tell_end(self) -> None:
        """The step has ended: what it printed is in the pipe, or was read."""
        os.close(self._ringer)

    def readable(self) -> bool:
        """Whether this is for reading; a method of files."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what is there, or what comes next; 0 at the end."""
        if not self._has_more():
            return 0
        count = os.readv(self._reader, [buffer])
        if self._due:
            self._due = max(0, self._due - count)
        return count

    def _has_more(self) -> bool:
        if self._due is None:
            if self._bell not in select.select([self._reader, self._bell], [], [])[0]:
                return True
            self._due = _count_waiting(self._reader)
        if self._due > 0:
            return True
        self._until = self._until or time.monotonic() + _LAST_WORDS_SECONDS
        left = self._until - time.monotonic()
        return left > 0 and bool(select.select([self._reader], [], [], left)[0])

    def close(self) -> None:
        """Let go of the pipe."""
        if not self.closed:
            os.close(self._reader)
            os.close(self._bell)
        super().close()


def _count_waiting(pipe: int) -> int:
    """How many bytes are in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]
