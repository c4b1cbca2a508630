"""Symbolic links among the outputs of a step: those that cannot be followed, or must not be, and those to inputs.

And the names of files that no location can have.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.model.problems import ValuePath
from zoo_runner.model.scalars import are_scalars
from zoo_staging.boundary import Boundary, OutsideError, list_links

_ERROR = "Error collecting output for parameter '{}'"
_NOT_UTF8 = re.compile("[\ud800-\udfff]")


def find_fault(outputs: Mapping[str, Any], boundary: Boundary) -> str | None:
    """Report the output of a step that is or has a dangling or circular link, or one that leads out of the job.

    Or a file whose name is not UTF-8. The words are those of cwltool's own errors of outputs. It crashes on such names
    and on links to nothing, and follows the others.
    """
    for name, path in _list_output_paths(outputs):
        if bad := _find_bad_name(path):
            return f"{_ERROR.format(name)}: {describe_bad_name(bad)}"
    for name, path, link in _list_output_links(outputs):
        if why := _find_fault(link, boundary):
            return _describe(name, link.relative_to(path.parent), why)
    return None


def translate_container_links(folder: Path, shown: Path, mapper: Iterable[Any] | None) -> None:
    """Point the links that a tool made in a container to what they lead to on this machine.

    `folder` is the output folder, which the tool saw as `shown`; `mapper` is cwltool's, with the places of its inputs.
    Whether such a link may be followed is for the boundary to check.
    """
    entries = [entry for entry in mapper or () if entry.type in ("File", "Directory")]
    places = {Path(entry.target): Path(entry.resolved) for entry in entries if entry.resolved.startswith("/")}
    places[shown] = folder
    for link in list(list_links(folder)):
        aim = link.readlink()
        seen = Path(os.path.normpath(shown / link.parent.relative_to(folder) / aim))
        if seen.is_relative_to(shown) and not aim.is_absolute():
            continue
        known = next((place for place in (seen, *seen.parents) if place in places), None)
        if known is not None:
            _point(link, places[known] / seen.relative_to(known))


def _point(link: Path, aim: Path) -> None:
    # what cannot be changed is refused by the boundary
    with suppress(OSError):
        link.unlink()
        link.symlink_to(aim)


def replace_links_to_inputs(outputs: Mapping[str, Any], folder: Path, boundary: Boundary) -> str | None:
    """Replace each link in the output folder of a step that leads out of it by what it leads to.

    An output that links to an input has the input's content (cwltool issue 1364). cwltool moves the link instead, away
    from a target that is removed with the step, or that is not part of the results. Files of the job are hard-linked;
    an input from elsewhere is copied, because its file may be the user's own. Links below an input folder are followed
    too. Reports the output with a link that cannot be followed, as `find_fault` does.
    """
    inside = folder.resolve()
    for name, path, link in _list_output_links(outputs):
        target = boundary.resolve(link)
        if not (link.parent.resolve() / link.name).is_relative_to(inside) or target.is_relative_to(inside):
            continue
        link.unlink()
        try:
            _place(target, link, boundary, ())
        except OutsideError as error:
            return _describe(name, link.relative_to(path.parent), str(error))
    return None


def _list_output_links(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Path, Path]]:
    """List the links among the outputs, each with the name of its output and the path of the file or folder."""
    for name, path in _list_output_paths(outputs):
        for link in (*([path] if path.is_symlink() else ()), *list_links(path)):
            yield name, path, link


def _list_output_paths(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """List the paths of files and folders among the outputs, each with the name of its output."""
    return ((name, Path(path)) for name, value in outputs.items() for path in list_paths(value))


def _find_bad_name(path: Path) -> str | None:
    """Find the name of an entry of a folder that is not UTF-8, which Python reads with surrogates."""
    names = (name for _, folders, files in os.walk(path) for name in (*folders, *files))
    return next((name for name in names if _NOT_UTF8.search(name)), None)


def describe_bad_name(path: str) -> str:
    """Say which file name is not UTF-8, escaped; the diagnosis finds it by these words."""
    name = os.fsencode(path).rpartition(b"/")[2]
    return f"a file name is not valid UTF-8: {ascii(name)[1:]}"


def _describe(name: str, link: Path, why: str) -> str:
    return f"{_ERROR.format(name)}: the link '{link}' {why}"


def _place(source: Path, target: Path, boundary: Boundary, above: tuple[Path, ...]) -> None:
    """Place a file or folder, with links followed; raises `OutsideError`. `above` are the folders that it is in."""
    if source.is_symlink() and (why := _find_fault(source, boundary)):
        raise OutsideError(f"leads to {source.name!r}, which {why}")
    found = boundary.resolve(source)
    if found in above:
        raise OutsideError(f"leads in a circle ({found.name})")
    if found.is_dir():
        target.mkdir()  # writable, also where the input is not
        for path in found.iterdir():
            _place(path, target / path.name, boundary, (*above, found))
    else:
        (_link if boundary.is_own(found) else shutil.copy2)(str(found), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # too many links to it, or a file system without hard links
        shutil.copy2(source, target)


def list_paths(value: Any) -> Iterator[str]:
    """List the absolute paths of all files and folders of this machine in a job order, output object or package."""
    return (path for _, path in list_places(value))


def list_places(value: Any, where: ValuePath = ()) -> Iterator[tuple[ValuePath, str]]:
    """List the same with the way to each in the value."""
    if isinstance(value, Mapping) and value.get("class") in ("File", "Directory"):
        location = str(value.get("location") or value.get("path") or "")
        if location.startswith("/"):
            yield where, location
        elif location.startswith("file:"):
            yield where, unquote(urlsplit(location).path)
    if isinstance(value, Mapping):
        members: Iterable[tuple[str | int, Any]] = value.items()
    else:
        members = enumerate(value) if isinstance(value, list) and not are_scalars(value) else ()
    for name, member in members:
        yield from list_places(member, (*where, name))


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
