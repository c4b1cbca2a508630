"""Symbolic links among the outputs of a step that cannot be followed."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def find_fault(outputs: Mapping[str, Any]) -> str | None:
    """Report the output of a step that is a dangling or circular link, worded as cwltool's own errors of outputs.

    cwltool itself crashes on the first and follows the second without end.
    """
    for name, value in outputs.items():
        for path in map(Path, _list_paths(value)):
            for link in _list_links(path):
                if why := _find_fault(link):
                    shown = str(link.relative_to(path.parent))
                    return f"Error collecting output for parameter '{name}': the link {shown!r} {why}"
    return None


def _list_paths(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value.get("class") in ("File", "Directory"):
        location = str(value.get("location") or value.get("path") or "")
        if location.startswith("/"):
            yield location
        elif location.startswith("file:"):
            yield unquote(urlsplit(location).path)
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for member in members:
        yield from _list_paths(member)


def _list_links(path: Path) -> Iterator[Path]:
    if path.is_symlink():
        yield path
    for folder, folders, files in os.walk(path):
        yield from (link for name in (*folders, *files) if (link := Path(folder, name)).is_symlink())


def _find_fault(link: Path) -> str | None:
    if not link.exists():
        return f"leads to nothing ({link.readlink()})"
    if link.parent.resolve().is_relative_to(link.resolve()):
        return f"leads in a circle ({link.readlink()})"
    return None
