"""An output folder on disk: its files, and the targets of the hrefs in its STAC documents."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_staging.hrefs import is_relative, is_remote, read_paths


class OutsideError(Exception):
    """An href leads out of the output folder, or cannot be followed; the text says how."""


def resolve(path: Path) -> Path:
    """Follow all symbolic links; unlike `Path.resolve`, a loop of links is not an error."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder has that is no folder: `path`, its `name` below that folder, and whether it is a link."""

    path: str
    name: str
    is_link: bool


def walk(folder: Path) -> Iterator[Entry]:
    """Yield every entry below a folder that is not a folder, in order.

    A folder behind a link is entered once on each path, and only where it leads into `folder`.
    """
    yield from _walk(os.fspath(folder), "", ())


def _walk(folder: str, below: str, above: tuple[Path, ...]) -> Iterator[Entry]:
    real = resolve(Path(folder))
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name, is_link = f"{below}{entry.name}", entry.is_symlink()
        if not is_link:
            enter, skip = entry.is_dir(), False
        else:
            target, leads_to_folder = resolve(Path(entry.path)), os.path.isdir(entry.path)  # noqa: PTH112
            skip = leads_to_folder and target in (*above, real)
            enter = leads_to_folder and not skip and target.is_relative_to((*above, real)[0])
        if enter:
            yield from _walk(entry.path, f"{name}/", (*above, real))
        elif not skip:
            yield Entry(entry.path, name, is_link)


def find_origin(self_href: str | None, root: str) -> str | None:
    """Return the path of the folder when its root document `root` was written; None if unknown.

    A tool in a container writes absolute hrefs that hold in the container only; they begin with this.
    """
    if not self_href or is_relative(self_href):
        return None
    try:
        folder = posixpath.dirname(_strip_file_scheme(self_href))
    except ValueError:
        return None
    below = posixpath.dirname(root)
    if below:
        folder = folder.removesuffix(f"/{below}") if folder.endswith(f"/{below}") else ""
    return folder or None


@dataclass(frozen=True)
class OutputFolder:
    """An output folder, and the place where its catalog says it was written (`origin`)."""

    path: Path
    origin: str | None = None

    def locate(self, href: str, document: str) -> str | None:
        """Return where an href of `document` leads below the folder; None when it leads to another machine.

        Raises OutsideError when it leads out of the folder, also by a symbolic link. Whether the target
        exists is checked only if the answer depends on it.
        """
        try:
            return self._locate(href, document)
        except (ValueError, OSError) as error:
            raise OutsideError(f"{href!r} cannot be followed ({error})") from error

    def _locate(self, href: str, document: str) -> str | None:
        written_there = self._cut_origin(href)
        if is_remote(href) and (written_there is None or not (self.path / written_there).exists()):
            return None
        base = "" if written_there is not None else posixpath.dirname(document)
        readings = [
            self._place(path, base, href) for path in read_paths(href if written_there is None else written_there)
        ]
        name = next((name for name in readings if (self.path / name).exists()), readings[0])
        if not resolve(self.path / name).is_relative_to(resolve(self.path)):
            raise OutsideError(f"{href!r} leads out of the output folder through a symbolic link")
        return name

    def _cut_origin(self, href: str) -> str | None:
        absolute = _strip_file_scheme(href)
        if self.origin is None or not absolute.startswith(f"{self.origin.rstrip('/')}/"):
            return None
        return absolute[len(self.origin.rstrip("/")) + 1 :]

    def _place(self, path: str, base: str, href: str) -> str:
        absolute = os.path.normpath(self.path.absolute() / base / path)
        for folder in (self.path.absolute(), resolve(self.path)):
            if Path(absolute).is_relative_to(folder):
                return Path(absolute).relative_to(folder).as_posix()
        raise OutsideError(f"{href!r} leads out of the output folder")


def _strip_file_scheme(href: str) -> str:
    return next(read_paths(href)) if href[:5].lower() == "file:" else href
