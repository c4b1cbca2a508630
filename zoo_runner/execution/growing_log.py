"""A log that is read while it grows: each line once, whichever process writes it."""

import os
from pathlib import Path

_CHUNK_BYTES = 64 * 1024


class GrowingLog:
    """Reads a log from its begin, piece by piece.

    A line is read once it is complete, because a writer that was killed may have left half of it, which the next one
    writes again. What others have put in the place of the log is read from its begin.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file, self._place = path, 0, 0

    def read(self, *, whole: bool = False) -> bytes:
        """Return what follows, nothing where there is no more; with `whole` also a last line that has no end."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_ino, found.st_size >= self._place) != (self._file, True):
                    self._file, self._place = found.st_ino, 0
                file.seek(self._place)
                chunk = file.read(_CHUNK_BYTES)
        except OSError:
            # not written yet, or removed
            return b""
        is_last = len(chunk) < _CHUNK_BYTES
        if not (whole and is_last):
            end = chunk.rfind(b"\n") + 1
            # a line that is longer than a piece comes in several
            chunk = chunk[:end] if end or is_last else chunk
        self._place += len(chunk)
        return chunk
