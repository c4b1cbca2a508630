"""The boundary of a job: every path that is read for it leads, links followed, to what belongs to the job.

A package may name any path, and its tools may leave symbolic links anywhere in their output folders. A link is followed
name by name; where it lies decides how far it may lead. Links in an input are those of the data's owner and lead where
they lead; links in a folder that tools write to lead nowhere but to the job's own folders and inputs.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_MOST_LINKS = 40


class OutsideError(OSError):
    """A path leads out of the job's folders and inputs, or is neither a file nor a folder; the text says how."""


@dataclass(frozen=True)
class Boundary:
    """What belongs to a job: the folders that its tools write to, and the files and folders staged for it.

    `lent` is where links in inputs have led so far: it belongs to the job too. `own` is the folder of inputs that were
    fetched for this job alone.
    """

    written: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()
    lent: set[str] = field(default_factory=set)
    own: Path | None = None

    @classmethod
    def build(cls, written: Iterable[Path], inputs: Iterable[Path] = (), own: Path | None = None) -> "Boundary":
        """Build a boundary from paths that exist; links in them are followed once, here."""
        found = tuple(dict.fromkeys(map(_resolve, inputs)))
        return cls(tuple(map(_resolve, written)), found, own=own and _resolve(own))

    def resolve(self, path: str | os.PathLike[str]) -> Path:
        """Return the path with all links followed, whether it exists or not; raises `OutsideError`."""
        return Path(self.find(os.fspath(path)))

    def find(self, path: str) -> str:
        """Do what `resolve` does without a `Path`, which costs more than all that is asked of the disk."""
        whole = path if path.startswith("/") else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
        place = whole if _has_no_links(whole) else self._follow(whole)
        if not (_is_below(place, self._known) or _is_below(place, self.lent)):
            raise OutsideError(f"{Path(path).name!r} is, or leads, outside of what belongs to the job")
        return place or "/"

    def _follow(self, path: str) -> str:
        """Follow the links of a path name by name, each as far as it may lead; raises `OutsideError` for a circle."""
        place, names, links = "", _split(path), 0
        while names:
            name = names.pop()
            if name == "..":
                place = place.rpartition("/")[0]
                continue
            there = f"{place}/{name}"
            if not os.path.islink(there):  # noqa: PTH114
                place = there
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OutsideError(f"{Path(path).name!r} leads in a circle")
            if self._is_input(there):
                place = os.path.realpath(there)
                self.lent.add(place)
            else:
                target = os.readlink(there)  # noqa: PTH115
                place = "" if target.startswith("/") else place
                names.extend(_split(target))
        return place

    def open(self, path: str | os.PathLike[str]) -> int:
        """Open a regular file for reading and return its descriptor; raises `OutsideError`, `OSError`.

        No link is followed any more once the path is resolved (as openat2 does with RESOLVE_NO_SYMLINKS), so that a
        link put there in between leads nowhere; and opening a pipe does not wait for its writer.
        """
        *folders, name = self.resolve(path).parts[1:]
        folder = os.open("/", os.O_PATH | os.O_DIRECTORY)
        try:
            for part in folders:
                inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OutsideError(f"{Path(path).name!r} is not a regular file")
        return descriptor

    def open_folder(self, path: str | os.PathLike[str]) -> int:
        """Open a folder and return its descriptor; raises `OutsideError` where links lead out, and `OSError`.

        What is done beside this descriptor is done in that folder, whatever is put in its place meanwhile.
        """
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # where it is, after all links: one call, where looking at each name takes as many as there are names
            place = os.readlink(f"/proc/self/fd/{folder}")  # noqa: PTH115
        except OSError:
            place = os.path.realpath(path)  # without /proc
        if _is_below(place, self._known):
            return folder
        os.close(folder)
        raise OutsideError(f"{Path(path).name!r} is, or leads, outside of what belongs to the job")

    def check_links(self, path: Path) -> None:
        """Check a path and every link below it; raises `OutsideError` for one that leads outside."""
        for link in (path, *list_links(path)):
            self.resolve(link)

    def is_written(self, path: Path) -> bool:
        """Whether a path, links followed, lies in a folder that tools write to."""
        return any(map(path.is_relative_to, self.written))

    def is_own(self, path: Path) -> bool:
        """Whether a path, links followed, is the job's alone: made by a tool, or fetched for it."""
        return self.is_written(path) or (self.own is not None and path.is_relative_to(self.own))

    def _is_input(self, path: str) -> bool:
        """Whether a path lies in an input and nowhere that tools write to, which may lie inside of an input."""
        return _is_below(path, self._given) and not self.is_written(Path(path))

    @cached_property
    def _given(self) -> frozenset[str]:
        return frozenset(map(str, self.inputs))

    @cached_property
    def _known(self) -> frozenset[str]:
        return self._given.union(map(str, self.written))


def list_links(folder: Path) -> Iterator[Path]:
    """List the links below a folder, without following any; what cannot be listed has none."""
    folders = [os.fspath(folder)]
    while folders:
        # no Path for what is no link: a folder may have thousands of files
        for entry in _list_entries(folders.pop()):
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def _list_entries(folder: str) -> list[os.DirEntry[str]]:
    """List what is in a folder; nothing where it is no folder or may not be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _has_no_links(path: str) -> bool:
    """Whether a path exists and is, as it is written, where the kernel finds it: then there is no link to judge.

    Three calls, whatever the number of names; the file itself is not opened (open(2), O_PATH).
    """
    try:
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        return os.readlink(f"/proc/self/fd/{found}") == path  # noqa: PTH115
    except OSError:
        return False  # without /proc
    finally:
        os.close(found)


def _split(path: str | os.PathLike[str]) -> list[str]:
    """Split a path into names, the last one first."""
    return [name for name in reversed(os.fspath(path).split("/")) if name not in ("", ".")]


def _is_below(path: str, places: Set[str]) -> bool:
    """Whether a path is one of these places or lies in one; independent of how many there are."""
    while path and path not in places:
        path = path.rpartition("/")[0]
    return bool(path) or "/" in places


def _resolve(path: Path) -> Path:
    return Path(os.path.realpath(path))
