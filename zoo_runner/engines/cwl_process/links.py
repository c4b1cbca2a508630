"""Symbolic links among the outputs of a step: those that cannot be followed, or must not be, and those to inputs."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
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


def replace_links_to_inputs(outputs: Mapping[str, Any], folder: Path, boundary: Boundary) -> None:
    """Replace each link in the output folder of a step that leads out of it by what it leads to.

    An output that links to an input has the input's content (cwltool issue 1364). cwltool moves the link instead, away
    from a target that is removed with the step, or that is not part of the results. What a step made is hard-linked;
    an input is copied, because its file may be the user's own.
    """
    inside = folder.resolve()
    places = {path.parent.resolve() / path.name for path in map(Path, list_paths(outputs))}
    for path in places:
        if not path.is_relative_to(inside):
            continue
        for link in (*([path] if path.is_symlink() else ()), *list_links(path)):
            target = boundary.resolve(link)
            if not target.is_relative_to(inside):
                link.unlink()
                _place(target, link, _link if boundary.is_written(target) else shutil.copy2)


def _place(source: Path, target: Path, place_file: Callable[[str, str], Any]) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=place_file)
    else:
        place_file(str(source), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # too many links to it, or a file system without hard links
        shutil.copy2(source, target)


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
