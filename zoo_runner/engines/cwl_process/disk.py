"""Watches how much disk a run takes, and says when that is too much.

A part of the supervisor; it needs the standard library only. Nothing is read in short intervals: the next look is when
the run could be at its limit at the earliest, and looking takes a twentieth of the time at most.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterable

TOO_LARGE = 124
"""The exit code of a run that was ended because it takes too much disk."""
FASTEST = 2 << 30
"""What a run writes in a second at most."""
SOONEST_SECONDS = 0.5
LATEST_SECONDS = 60.0
_PAUSES = 19
_SMALLEST = 4096
_DEEPEST = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskWatch:
    """The folder of one run, which may have `most` bytes; `seconds` is when to look next."""

    def __init__(self, folder: str, most: int) -> None:
        self._folder, self._most = folder, most
        self.seconds = _wait_for(most, 0)

    def look(self, processes: Iterable[int]) -> str | None:
        """Say why the run has to end; None while it may go on. `processes` are those of the run."""
        began = time.monotonic()
        try:
            used = measure(self._folder, processes, self._most)
        except PermissionError as error:
            return f"a folder that cannot be read ({error.filename})"
        except RecursionError:
            return f"a folder that is more than {_DEEPEST} levels deep"
        self.seconds = _wait_for(self._most - used, time.monotonic() - began)
        return f"more than {self._most} bytes" if used > self._most else None


def _wait_for(left: int, took: float) -> float:
    return max(SOONEST_SECONDS, took * _PAUSES, min(LATEST_SECONDS, left / FASTEST))


def measure(folder: str, processes: Iterable[int], most: int) -> int:
    """Return the bytes on disk of all that is in a folder; where it is more than `most`, of a part that is more, too.

    A file with several names counts once, and each has at least a block. Files without a name that these processes have
    open, as far as this user sees them, count too. No link is followed. Raises `PermissionError` for a folder that
    cannot be read, and `RecursionError` for one that is too deep.
    """
    found = _Found(most)
    top = os.open(folder, _FOLDER)
    try:
        device = os.fstat(top).st_dev
        found.add_folder(top, 0)
    finally:
        os.close(top)
    for process in processes:
        found.add_unnamed(process, device)
    return found.used


class _Found:
    def __init__(self, most: int) -> None:
        self.used, self._most = 0, most
        self._seen: set[int] = set()

    def add_folder(self, folder: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise RecursionError
        with os.scandir(folder) as entries:
            for entry in entries:
                if self.used > self._most:
                    return
                # another process may remove or replace it
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    self._add(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        self._enter(entry.name, folder, depth)

    def _enter(self, name: str, parent: int, depth: int) -> None:
        folder = _open_folder(name, parent)
        try:
            self.add_folder(folder, depth + 1)
        finally:
            os.close(folder)

    def add_unnamed(self, process: int, device: int) -> None:
        # it may have ended, or be another user's
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    file = descriptor.stat()
                    if file.st_nlink == 0 and file.st_dev == device and stat.S_ISREG(file.st_mode):
                        self._add_once(file)

    def _add(self, file: os.stat_result) -> None:
        if file.st_nlink > 1 and not stat.S_ISDIR(file.st_mode):
            self._add_once(file)
        else:
            self.used += _count(file)

    def _add_once(self, file: os.stat_result) -> None:
        if file.st_ino not in self._seen:
            self._seen.add(file.st_ino)
            self.used += _count(file)


def _count(file: os.stat_result) -> int:
    return max(file.st_blocks * 512, _SMALLEST)


def _open_folder(name: str, parent: int) -> int:
    """Open a folder; one that a step made unreadable is made readable for its owner."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            # by its descriptor: a link that a step puts there is not followed
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101
            return os.open(".", _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
