"""Walks through folders, links followed, and never in circles."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

MOST_LINKED_FOLDERS = 10_000
"""Folders that link to each other have more paths than anything can list."""


def resolve(path: Path) -> Path:
    """Follow all symbolic links; unlike `Path.resolve`, a loop of links is not an error."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What a folder has that is no folder: `path`, its `name` below that folder, and whether it is a link."""

    path: str
    name: str
    is_link: bool


CheckLink = Callable[[Path], object]
"""Raises an error for a link that leads where it may not."""


def walk(folder: Path, check_link: CheckLink | None = None) -> Iterator[FolderEntry]:
    """Yield every entry below a folder that is not a folder, in order.

    A folder behind a link is entered once on each path, but not in a circle: without `check_link` only where it leads
    into `folder`, else wherever it leads, after `check_link` was called with each link. Raises `OSError` for a folder
    that cannot be read, and for more than 10,000 links to folders.
    """
    yield from _Walk(check_link).enter(os.fspath(folder), "", ())


class _Walk:
    def __init__(self, check_link: CheckLink | None) -> None:
        self._check_link = check_link
        self._numbers = count(1)

    def enter(self, folder: str, below: str, above: tuple[Path, ...]) -> Iterator[FolderEntry]:
        way = (*above, resolve(Path(folder)))
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name, is_link = f"{below}{entry.name}", entry.is_symlink()
            if is_link and self._check_link:
                self._check_link(Path(entry.path))
            # unlike the entry's own method, it answers for a link that leads to itself
            if not os.path.isdir(entry.path):  # noqa: PTH112
                yield FolderEntry(entry.path, name, is_link)
            elif not is_link:
                yield from self.enter(entry.path, f"{name}/", way)
            elif (target := resolve(Path(entry.path))) not in way:
                if self._check_link or target.is_relative_to(way[0]):
                    self._count(entry.path)
                    yield from self.enter(entry.path, f"{name}/", way)
                else:
                    yield FolderEntry(entry.path, name, is_link)

    def _count(self, path: str) -> None:
        if next(self._numbers) > MOST_LINKED_FOLDERS:
            raise OSError(errno.ELOOP, f"more than {MOST_LINKED_FOLDERS} links to folders", path)
