"""Files that lines are appended to, each at once: kept open, because a tool may print a hundred thousand lines."""

import contextlib
import os
from collections import OrderedDict
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
# a scattered package may have thousands of steps, and a process few files
_KEPT_OPEN = 16


class LogFiles:
    """Appends to files by their paths. One that others removed meanwhile is made anew, with its folder."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()

    def append(self, path: Path, line: str) -> None:
        """Add a line; raises `OSError` where the file cannot be written."""
        os.write(self._find(path), f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close what is open; what is appended later is opened again."""
        while self._open:
            self._close_oldest()

    def _find(self, path: Path) -> int:
        handle = self._open.get(path)
        if handle is not None and os.fstat(handle).st_nlink:
            self._open.move_to_end(path)
            return handle
        if handle is not None:
            del self._open[path]
            os.close(handle)
        if len(self._open) >= _KEPT_OPEN:
            self._close_oldest()
        self._open[path] = handle = _open_for_appending(path)
        return handle

    def _close_oldest(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._open.popitem(last=False)[1])


def _open_for_appending(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o666)
