"""What a step may write to, as it is before its first attempt: as that it has to be before the next one.

Files of an attempt that was lost could otherwise be taken for results of the next, or be added to twice.
"""

import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from zoo_runner.removal import remove_tree

MOST_MARKS = 100_000
"""How many files and folders are remembered, of all steps that run at the same time together."""

Mark = tuple[int, ...]


class MarkRoom:
    """How many files and folders may still be remembered; threads share it."""

    def __init__(self, most: int = MOST_MARKS) -> None:
        self.most = self._left = most
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take room for one; False where there is none."""
        with self._lock:
            has_room = self._left > 0
            self._left -= has_room
        return has_room

    def give_back(self, number: int) -> None:
        """Give back room that was taken."""
        with self._lock:
            self._left += number


class WrittenFolders:
    """Remembers what is at and below some paths, while a step runs; no link is followed.

    `roots` have no link in them. What is compared is the kind; of files and links also size and time. Numbers of inodes
    are not: some network file systems give others each time. Nothing raises: a path that cannot be looked at counts as
    changed.
    """

    def __init__(self, roots: Iterable[Path], room: MarkRoom) -> None:
        self._roots, self._room = _leave_out_inner(roots), room
        self._before: dict[str, dict[str, Mark]] = {}
        self._taken = 0
        self._unknown: str | None = None

    def __enter__(self) -> "WrittenFolders":
        self._unknown = self._note()
        if self._unknown:
            self._forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget()

    def restore(self) -> str | None:
        """Remove what was added since; return why the paths are not as they were, and None where they are.

        Nothing is removed where something else was changed, which cannot be undone.
        """
        if self._unknown:
            return self._unknown
        try:
            return self._find_change() or self._remove_added()
        except OSError as error:
            return _explain(error)

    def _note(self) -> str | None:
        """Look at all paths; return why they are not known, and None where they are."""
        try:
            for folder, name, mark in self._walk():
                if not self._room.take():
                    return f"only {self._room.most} files of all running steps are remembered, and there are more"
                self._taken += 1
                self._before.setdefault(folder, {})[name] = mark
        except OSError as error:
            return _explain(error)
        return None

    def _walk(self) -> Iterator[tuple[str, str, Mark]]:
        """Yield the folder, name and mark of each path."""
        left = []
        for root in self._roots:
            folder, name = os.path.split(root)
            if mark := _mark(root):
                yield folder, name, mark
                left += [root] if stat.S_ISDIR(mark[0]) else []
        while left:
            folder = left.pop()
            # an empty folder is one of those that are looked into again
            self._before.setdefault(folder, {})
            with _open(folder) as descriptor, os.scandir(descriptor) as entries:
                for entry in entries:
                    mark = _build_mark(entry.stat(follow_symlinks=False))
                    yield folder, entry.name, mark
                    left += [f"{folder}/{entry.name}"] if stat.S_ISDIR(mark[0]) else []

    def _find_change(self) -> str | None:
        for folder, marks in self._before.items():
            for name, mark in marks.items():
                if _mark(path := f"{folder}/{name}") != mark:
                    return f"it has changed {path}"
        return None

    def _remove_added(self) -> str | None:
        inner = [folder for folder in self._before if any(_is_within(folder, root) for root in self._roots)]
        for folder in inner:
            with _open(folder) as descriptor:
                with os.scandir(descriptor) as entries:
                    added = [entry.name for entry in entries if entry.name not in self._before[folder]]
                for name in added:
                    # by the descriptor: the folder may be replaced by a link meanwhile
                    if not _remove(f"/proc/self/fd/{descriptor}/{name}"):
                        return f"it has left {folder}/{name}, which cannot be removed"
        for root in self._roots:
            folder, name = os.path.split(root)
            if name not in self._before.get(folder, {}) and not _remove(root):
                return f"it has left {root}, which cannot be removed"
        return None

    def _forget(self) -> None:
        self._before.clear()
        self._room.give_back(self._taken)
        self._taken = 0


def _leave_out_inner(roots: Iterable[Path]) -> list[str]:
    """List paths, but for those within others."""
    paths = sorted({str(root) for root in roots})
    return [path for path in paths if not any(_is_within(path, one) for one in paths if one != path)]


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _remove(path: str) -> bool:
    """Remove a file, link or folder; False where it is still there."""
    mark = _mark(path)
    if mark and stat.S_ISDIR(mark[0]):
        remove_tree(path)
    elif mark:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 a `Path` for each of very many
    return not _mark(path)


@contextmanager
def _open(folder: str) -> Iterator[int]:
    """Open a folder that is at this very place, behind no link."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.readlink(f"/proc/self/fd/{descriptor}") != folder:  # noqa: PTH115 as above
            raise OSError(errno.ELOOP, "it is behind a link", folder)
        yield descriptor
    finally:
        os.close(descriptor)


def _mark(path: str) -> Mark:
    """Return what shows whether a path is as it was; nothing where there is none."""
    try:
        return _build_mark(os.lstat(path))
    except FileNotFoundError:
        return ()


def _build_mark(found: os.stat_result) -> Mark:
    kind = stat.S_IFMT(found.st_mode)
    # the time of a folder changes with what is added
    return (kind,) if stat.S_ISDIR(kind) else (kind, found.st_size, found.st_mtime_ns)


def _explain(error: OSError) -> str:
    return f"it is not known what it has changed: {error.filename}: {error.strerror}"
