"""The CWL output object of a finished job, as CWL runners print it: files on this machine with checksum and listing."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from zoo_staging.media import GEOJSON

if TYPE_CHECKING:
    from zoo_runner.model.job import Results


def build_output_object(results: "Results") -> dict[str, Any]:
    """Build the output object; a Directory on this machine is listed, but for the STAC item that stage-out added."""
    added = frozenset(_find_items(results.document))
    return {name: _complete(value, added) for name, value in results.outputs.items()}


def _find_items(value: Any) -> Iterator[Path]:
    """Find the STAC items that stand for outputs in the results document."""
    match value:
        case {"href": str() as href, "type": kind} if kind == GEOJSON:
            yield _as_path(href)
        case Mapping():
            for member in value.values():
                yield from _find_items(member)
        case list():
            for member in value:
                yield from _find_items(member)


def _complete(value: Any, added: frozenset[Path]) -> Any:
    match value:
        case {"class": "File", "location": str() as location} if _is_local(location):
            return {key: _complete(member, added) for key, member in value.items()} | _measure(_as_path(location))
        case {"class": "Directory", "location": str() as location} if _is_local(location):
            return {**value, "listing": list(_list(_as_path(location), added))}
        case Mapping():
            return {key: _complete(member, added) for key, member in value.items()}
        case list():
            return [_complete(member, added) for member in value]
    return value


def _list(folder: Path, added: frozenset[Path]) -> Iterator[dict[str, Any]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        named = {"location": path.as_uri(), "basename": entry.name}
        if entry.is_dir():
            yield {"class": "Directory", **named, "listing": list(_list(path, added))}
        elif path not in added:
            yield {"class": "File", **named, **_measure(path)}


def _measure(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.sha1(usedforsecurity=False)  # the checksum of CWL
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"size": path.stat().st_size, "checksum": f"sha1${digest.hexdigest()}"}


def _is_local(location: str) -> bool:
    return location.startswith("file:")


def _as_path(location: str) -> Path:
    return Path(unquote(urlsplit(location).path))
