"""Walks through folders, links followed, and never in circles."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

MOST_LINKED_FOLDERS = 10_000
"""Folders that link to each other have more paths than anything can list."""


@cache
def _probe_case(folder: Path) -> bool:
    with TemporaryDirectory(prefix=".case-", dir=folder) as probe:
        return Path(probe).with_name(Path(probe).name.swapcase()).exists()


def ignores_case(folder: Path) -> bool:
    """Whether the disk of a folder, which may not exist yet, has one file for `a` and `A`, as SMB and macOS have."""
    try:
        return _probe_case(next(each for each in (folder, *folder.parents) if each.is_dir()))
    except OSError:
        return False  # nothing can be written there, which the first file reports


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


@dataclass(slots=True)
class _Level:
    """A folder that is walked through: where it is after all links, its name, and what is still to come of it."""

    place: str
    below: str
    entries: Iterator["os.DirEntry[str]"]


def walk(
    folder: Path,
    check_link: CheckLink | None = None,
    *,
    skips_unreadable: bool = False,
    most_links: int = MOST_LINKED_FOLDERS,
) -> Iterator[FolderEntry]:
    """Yield every entry below a folder that is not a folder, in order.

    A folder behind a link is entered once on each path, but not in a circle: without `check_link` only where it leads
    into `folder`, else wherever it leads, after `check_link` was called with each link. Raises `OSError` for a folder
    that may not be read, unless `skips_unreadable` and it is below `folder`, and for more than `most_links` to folders.
    """
    top, numbers = os.path.realpath(folder), count(1)
    levels = [_Level(top, "", _list(os.fspath(folder)))]
    while levels:
        level = levels[-1]
        entry = next(level.entries, None)
        if entry is None:
            levels.pop()
            continue
        name, is_link = f"{level.below}{entry.name}", entry.is_symlink()
        if is_link and check_link:
            check_link(Path(entry.path))
        place = _find_place(level, entry, is_link=is_link)
        if place is None or (check_link is None and not Path(place).is_relative_to(top)):
            yield FolderEntry(entry.path, name, is_link)
        elif not is_link or all(place != above.place for above in levels):
            if is_link and next(numbers) > most_links:
                raise OSError(errno.ELOOP, f"more than {most_links} links to folders", entry.path)
            with suppress(PermissionError) if skips_unreadable else nullcontext():
                levels.append(_Level(place, f"{name}/", _list(entry.path)))


def find_empty_folders(folder: Path) -> list[str]:
    """Return the paths of the folders below a folder that have nothing in them, in order; links are not followed."""
    found = (Path(place) for place, folders, files in os.walk(folder) if not folders and not files)
    return sorted(path.relative_to(folder).as_posix() for path in found if path != folder)


def _find_place(level: _Level, entry: "os.DirEntry[str]", *, is_link: bool) -> str | None:
    """Return where a folder is after all links; None for what is none. The disk is asked for links only."""
    if not is_link:
        return f"{level.place.rstrip('/')}/{entry.name}" if entry.is_dir(follow_symlinks=False) else None
    # unlike the entry's own method, it answers for a link that leads to itself
    return os.path.realpath(entry.path) if os.path.isdir(entry.path) else None  # noqa: PTH112


def _list(folder: str) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as found:
        return iter(sorted(found, key=lambda entry: entry.name))
