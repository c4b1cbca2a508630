"""Symbolic links among the outputs of a step that cannot be followed, or must not be."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_staging.boundary import Boundary, OutsideError, list_links


def find_fault(outputs: Mapping[str, Any], boundary: Boundary) -> str | None:
    """Report the output of a step that is or has a dangling or circular link, or one that leads out of the job.

    The words are those of cwltool's own errors of outputs. It crashes on the first and follows the others.
    """
    for name, value in outputs.items():
        for path in map(Path, list_paths(value)):
            for link in (*([path] if path.is_symlink() else ()), *list_links(path)):
                if why := _find_fault(link, boundary):
                    shown = str(link.relative_to(path.parent))
                    return f"Error collecting output for parameter '{name}': the link {shown!r} {why}"
    return None


def list_paths(value: Any) -> Iterator[str]:
    """List the absolute paths of all files and folders of this machine in a job order, output object or package."""
    if isinstance(value, Mapping) and value.get("class") in ("File", "Directory"):
        location = str(value.get("location") or value.get("path") or "")
        if location.startswith("/"):
            yield location
        elif location.startswith("file:"):
            yield unquote(urlsplit(location).path)
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for member in members:
        yield from list_paths(member)


def _find_fault(link: Path, boundary: Boundary) -> str | None:
    try:
        boundary.resolve(link)
    except OutsideError:
        return f"leads out of the job ({link.readlink()})" if link.exists() else f"leads to nothing ({link.readlink()})"
    if not link.exists():
        return f"leads to nothing ({link.readlink()})"
    if link.parent.resolve().is_relative_to(link.resolve()):
        return f"leads in a circle ({link.readlink()})"
    return None
