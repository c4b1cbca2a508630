"""Files and folders that two jobs have alike: a job that continues another takes them from the place of that.

So steps that get them have the same inputs as before. Files are compared by their SHA-256, folders by that of all that
is in them, and only where names and sizes are the same.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.links import list_paths

_NESTED = ("secondaryFiles", "listing")
_CHUNK_BYTES = 1 << 20
_MAY_RUN = 0o111


def take_same_files(document: Any, earlier: Any) -> Any:
    """Return a document in which each File and Directory with the same content as one of `earlier` is that one.

    Both have local paths. Members other than the place and what is derived from it have to be equal.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in _walk(earlier):
        found.setdefault(_describe(one), []).append(one)
    digests: dict[str, str] = {}

    def replace(node: Any) -> Any:
        if isinstance(node, list | tuple):
            return [replace(one) for one in node]
        if not isinstance(node, Mapping):
            return node
        if _is_reference(node):
            alike = found.get(_describe(node), ()) if found else ()
            own = _digest(node, digests) if alike else ""
            return next((one for one in alike if _digest(one, digests) == own), node)
        return {name: replace(one) for name, one in node.items()}

    return replace(document)


def _walk(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if _is_reference(node):
            yield node
            return
        node = list(node.values())
    if isinstance(node, list | tuple):
        for one in node:
            yield from _walk(one)


def _is_reference(node: Mapping[str, Any]) -> bool:
    """Whether it is a File or Directory on this machine, and no literal."""
    return node.get("class") in ("File", "Directory") and _find_place(node) is not None


def _find_place(node: Mapping[str, Any]) -> str | None:
    return next(list_paths({name: value for name, value in node.items() if name not in _NESTED}), None)


def _describe(node: Mapping[str, Any]) -> str:
    """Describe what has to be equal before any content is read: members, names, sizes."""
    own = {name: value for name, value in node.items() if name not in ("path", "location", *_NESTED)}
    nested = [_describe(one) for part in _NESTED for one in node.get(part) or ()]
    place = _find_place(node)
    shape = [(name, state) for name, _, state in _list_files(Path(place))] if place else []
    return repr((sorted(own.items(), key=lambda item: item[0]), Path(place or "").name, nested, shape))


def _digest(node: Mapping[str, Any], known: dict[str, str]) -> str:
    """Compute the digest of all content of a File or Directory."""
    place = _find_place(node)
    own = (
        known.setdefault(place, _digest_files(Path(place))) if place and place not in known else known.get(place or "")
    )
    nested = [_digest(one, known) for part in _NESTED for one in node.get(part) or ()]
    return hashlib.sha256(repr([own, nested]).encode()).hexdigest()


def _digest_files(place: Path) -> str:
    digest = hashlib.sha256()
    for name, path, state in _list_files(place):
        digest.update(f"{name}\0{state}\0".encode(errors="surrogateescape"))
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        elif path.is_file():
            with path.open("rb") as file:
                while content := file.read(_CHUNK_BYTES):
                    digest.update(content)
    return digest.hexdigest()


def _list_files(place: Path) -> list[tuple[str, Path, str]]:
    """List what is in a folder, or the file itself: names within it, paths and states; links are not followed."""
    if place.is_symlink() or not place.is_dir():
        return [("", place, _describe_state(place))] if place.exists() else []
    below = [Path(folder, name) for folder, folders, files in os.walk(place) for name in (*folders, *files)]
    return sorted((str(path.relative_to(place)), path, _describe_state(path)) for path in below)


def _describe_state(path: Path) -> str:
    """Describe kind, size, and who may run it; of a folder, a link and others only the kind."""
    status = path.lstat()
    rest = f" {status.st_size} {status.st_mode & _MAY_RUN:o}" if stat.S_ISREG(status.st_mode) else ""
    return f"{stat.S_IFMT(status.st_mode):o}{rest}"
