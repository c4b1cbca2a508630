"""An output folder on disk: the targets of the hrefs in its STAC documents."""

import os
import posixpath
from dataclasses import dataclass
from pathlib import Path

from zoo_staging.folders import resolve
from zoo_staging.hrefs import is_relative, is_remote, read_paths


class OutsideError(Exception):
    """An href leads out of the output folder, or cannot be followed; the text says how."""


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
