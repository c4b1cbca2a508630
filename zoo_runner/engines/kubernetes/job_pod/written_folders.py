"""What a step may write to, as it is before its first attempt: as that it has to be before the next one.

Files of an attempt that was lost could otherwise be taken for results of the next, or be added to twice.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo_runner.removal import remove_tree

_MOST_ENTRIES = 100_000

Mark = tuple[int, ...]


class WrittenFolders:
    """Remembers what is at and below some paths, by kind, size and time; no link is followed."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(roots)
        self._before: dict[Path, Mark] = {}
        self._is_whole = True
        for path in (found for root in self._roots for found in _walk(root)):
            if len(self._before) >= _MOST_ENTRIES:
                self._is_whole = False
                break
            self._before[path] = _mark(path)

    def restore(self) -> str | None:
        """Remove what was added since; return what else was changed, which nobody can undo, and None for nothing.

        Of more than 100,000 files it is not known what was changed.
        """
        if not self._is_whole:
            return f"one of more than {_MOST_ENTRIES} files"
        for path, mark in self._before.items():
            if _mark(path) != mark:
                return str(path)
        folders = [path for path, mark in self._before.items() if stat.S_ISDIR(mark[0])]
        for path in (*self._roots, *(found for folder in folders for found in list(folder.iterdir()))):
            if path not in self._before and _mark(path):
                remove_tree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return None


def _walk(root: Path) -> Iterator[Path]:
    if _mark(root):
        yield root
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in (*folders, *files))


def _mark(path: Path) -> Mark:
    """Return what tells whether a path is as it was; nothing where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ()
    if stat.S_ISDIR(found.st_mode):
        # its time changes with what is added
        return found.st_mode, found.st_ino
    return found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns
