"""Files that lines are appended to, each at once: kept open, because a tool may print a hundred thousand lines."""

import contextlib
import errno
import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path

# a neighbour may have put a link into a public folder, or a pipe that nobody reads
_SAFE = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT
# of all jobs of a process: a scattered package may have thousands of steps, a worker hundreds of jobs, a process
# few files
_KEPT_OPEN = 64


class LogFiles:
    """Appends to files by their paths; threads may share it. A file that others removed is created again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, int] = OrderedDict()

    def append(self, path: Path, *lines: str) -> None:
        """Add lines at once; raises `OSError` where the file cannot be written."""
        self.append_text(path, "\n".join((*lines, "")))

    def append_text(self, path: Path, text: str) -> None:
        """Add text at once, as it is; raises `OSError` where the file cannot be written."""
        with self._lock:
            os.write(self._find(path), text.encode("utf-8", "backslashreplace"))

    def measure(self, path: Path) -> int:
        """Return where in a file will be what is added next; raises `OSError` where it cannot be written."""
        with self._lock:
            return os.fstat(self._find(path)).st_size

    def close(self, *places: Path) -> None:
        """Close the files that lie at or below these places; what is appended later is opened again."""
        with self._lock:
            for path in [path for path in self._open if any(path.is_relative_to(place) for place in places)]:
                self._close(path)

    def _find(self, path: Path) -> int:
        handle = self._open.get(path)
        if handle is not None and _leads_to(path, handle):
            self._open.move_to_end(path)
            return handle
        if handle is not None:
            self._close(path)
        if len(self._open) >= _KEPT_OPEN:
            self._close(next(iter(self._open)))
        self._open[path] = handle = _open_for_appending(path)
        return handle

    def _close(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            os.close(self._open.pop(path))


def link_names(first: Path, second: Path) -> bool:
    """Let both names lead to one file, which is created if there is none.

    False where that is not possible: on two disks, or where both are files already.
    """
    with contextlib.suppress(OSError):
        return os.path.samestat(first.lstat(), second.lstat())
    try:
        if not second.exists():
            os.close(_open_for_appending(first))
            second.hardlink_to(first)
        else:
            first.parent.mkdir(parents=True, exist_ok=True)
            first.hardlink_to(second)
    except OSError:
        return False
    return True


def _leads_to(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except OSError:
        return False


def _open_for_appending(path: Path) -> int:
    try:
        return open_regular(path, _APPEND)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_regular(path, _APPEND)


def open_regular(path: Path, flags: int) -> int:
    """Open a log, and nothing else that lies in its place; raises `OSError`."""
    handle = os.open(path, flags | _SAFE, 0o666)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


LOG_FILES = LogFiles()
"""The open log files of this process."""
