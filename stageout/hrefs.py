"""Where the hrefs of a STAC document lead: into the output folder, out of it, or to another machine."""

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class OutsideError(Exception):
    """An href leads out of the output folder, or cannot be followed; the text says how."""


def resolve(path: Path) -> Path:
    """Follow all symbolic links; unlike `Path.resolve`, a loop of links is no error."""
    return Path(os.path.realpath(path))


def is_remote(href: str) -> bool:
    """Whether an href leads to another machine: it has a scheme, and that is not `file`."""
    return bool(_SCHEME.match(href)) and not href.lower().startswith("file:")


def is_relative(href: str) -> bool:
    """Whether an href is relative to the document that it stands in."""
    return not _SCHEME.match(href) and not href.startswith("/")


def build_relative_href(target: str, document: str) -> str:
    """Return the href that leads from one document to another path of the same tree, percent-encoded."""
    relative = posixpath.relpath(target, posixpath.dirname(document) or ".")
    return quote(relative if relative.startswith("../") else f"./{relative}")


def find_origin(self_href: str | None) -> str | None:
    """Return the folder where a root catalog says it was written, None when it does not say so absolutely.

    A tool in a container writes absolute hrefs that hold in the container only; they begin with this.
    """
    if not self_href or is_relative(self_href):
        return None
    try:
        return posixpath.dirname(_strip_file_scheme(self_href)) or None
    except ValueError:
        return None


@dataclass(frozen=True)
class OutputFolder:
    """An output folder and the place where its catalog says it was written (`origin`)."""

    path: Path
    origin: str | None = None

    def locate(self, href: str, document: str) -> str | None:
        """Return where an href of `document` leads below the folder; None when it leads to another machine.

        Raises OutsideError when it leads out of the folder, also by a symbolic link. Whether there is
        anything at the place is not looked at, except where the answer depends on it.
        """
        try:
            return self._locate(href, document)
        except (ValueError, OSError) as error:
            raise OutsideError(f"{href!r} cannot be followed ({error})") from error

    def _locate(self, href: str, document: str) -> str | None:
        written_there = self._cut_origin(href)
        if is_remote(href) and (written_there is None or not (self.path / written_there).exists()):
            return None
        path = written_there if written_there is not None else _strip_file_scheme(href)
        base = "" if written_there is not None else posixpath.dirname(document)
        name = self._place(path, base, href)
        if not (self.path / name).exists() and "%" in name:
            name = self._place(unquote(path), base, href)
        self._check_links(name, href)
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

    def _check_links(self, name: str, href: str) -> None:
        if not resolve(self.path / name).is_relative_to(resolve(self.path)):
            raise OutsideError(f"{href!r} leads out of the output folder through a symbolic link")


def _strip_file_scheme(href: str) -> str:
    return unquote(urlsplit(href).path) if href.lower().startswith("file:") else href
