"""The STAC Items of results that lie on this machine, and what their assets are."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from zoo_runner.model.job import Job
from zoo_runner.server.pages.maps import Box, read_box, read_geometry
from zoo_runner.server.results import find_result_file

_LARGEST_BYTES = 256 << 10
_MOST_DOCUMENTS = 200
_FOLLOWED = ("item", "child")


@dataclass(frozen=True)
class Asset:
    """A file of an Item, by its path below the results of its job."""

    title: str
    path: str
    media_type: str


@dataclass(frozen=True)
class ResultItem:
    """An Item: its place, None where it has none, and those of its files that lie on this machine."""

    title: str
    path: str
    box: Box | None
    geometry: Mapping[str, Any]
    assets: tuple[Asset, ...]


def list_items(job: Job) -> list[ResultItem]:
    """List the Items that the STAC Collection of a job leads to, those on this machine, the first of them."""
    results = job.outcome.results if job.outcome else None
    if results is None or "://" in job.destination:
        return []
    found, known = list[ResultItem](), set[Path]()
    waiting = deque(_list_documents(job, Path(job.destination) / "collection.json", results.collection))
    while waiting and len(known) < _MOST_DOCUMENTS:
        file = waiting.popleft()
        if file in known:
            continue
        known.add(file)
        document = _read(file)
        if document.get("type") == "Feature":
            found.append(_read_item(job, file, document))
        else:
            waiting.extend(_list_documents(job, file, document))
    return found


def _list_documents(job: Job, file: Path, document: Mapping[str, Any]) -> Iterator[Path]:
    links = document.get("links")
    for link in links if isinstance(links, list | tuple) else ():
        if isinstance(link, Mapping) and link.get("rel") in _FOLLOWED:
            found = _locate(job, file, link.get("href"))
            if found:
                yield found


def _locate(job: Job, file: Path, href: Any) -> Path | None:
    """Find the file of results that a document refers to; None where it lies elsewhere."""
    if not isinstance(href, str):
        return None
    own = f"{Path(job.destination).as_uri()}/"
    if href.startswith(own):
        return find_result_file(job, unquote(href.removeprefix(own)))
    if "://" in href:
        return None
    return find_result_file(job, str(file.parent / unquote(href)))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        # removed meanwhile, too large, or no JSON
        return {}
    return document if isinstance(document, Mapping) else {}


def _read_item(job: Job, file: Path, document: Mapping[str, Any]) -> ResultItem:
    box, assets = read_box(document.get("bbox")), document.get("assets")
    return ResultItem(
        str(document.get("id") or file.stem),
        _shorten(job, file),
        box,
        read_geometry(document.get("geometry"), box) if box else {},
        tuple(_list_assets(job, file, assets)) if isinstance(assets, Mapping) else (),
    )


def _list_assets(job: Job, file: Path, assets: Mapping[str, Any]) -> Iterator[Asset]:
    for name, asset in assets.items():
        found = _locate(job, file, asset.get("href")) if isinstance(asset, Mapping) else None
        if found:
            yield Asset(str(asset.get("title") or name), _shorten(job, found), str(asset.get("type") or ""))


def _shorten(job: Job, file: Path) -> str:
    return str(file.relative_to(Path(job.destination).resolve()))
