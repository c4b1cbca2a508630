"""The STAC Items of results, of those that lie on this machine, and what their assets are."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from zoo_runner.model.job import Job
from zoo_runner.server.pages.maps import Box, read_box, read_geometry
from zoo_runner.server.results import find_result_file

_LARGEST_BYTES = 256 << 10
# what a page looks at: links and assets cost a look at the disk each, whether or not they lead anywhere
_MOST_DOCUMENTS, _MOST_LINKS = 200, 1000
_MOST_ASSETS_OF_ITEM, _MOST_ASSETS = 50, 2000
_LONGEST_HREF, _LONGEST_TITLE = 4096, 200
_FOLLOWED = ("item", "child")


@dataclass(frozen=True)
class Asset:
    """A file of an Item, by its path below the results of its job; bytes and checksum where the Item has them."""

    title: str
    path: str
    media_type: str
    size: int | None = None
    checksum: str = ""


@dataclass(frozen=True)
class ResultItem:
    """An Item: its place, None where it has none, and those of its files that lie on this machine."""

    title: str
    path: str
    box: Box | None
    geometry: Mapping[str, Any]
    assets: tuple[Asset, ...]


def list_items(job: Job) -> list[ResultItem]:
    """List the Items that the STAC Collection of a job leads to, those on this machine, the first of them.

    The numbers of documents, of links, and of assets that are looked at are limited.
    """
    results = job.outcome.results if job.outcome else None
    if results is None or "://" in job.destination:
        return []
    found, known, assets_left = list[ResultItem](), set[Path](), _MOST_ASSETS
    start = Path(job.destination) / "collection.json"
    waiting = deque(islice(_list_links(start, results.collection), _MOST_LINKS))
    for _ in range(_MOST_LINKS):
        if not waiting or len(known) == _MOST_DOCUMENTS:
            break
        file = _locate(job, *waiting.popleft())
        if file is None or file in known:
            continue
        known.add(file)
        document = _read(file)
        if document.get("type") == "Feature":
            item, tried = _read_item(job, file, document, min(_MOST_ASSETS_OF_ITEM, assets_left))
            assets_left -= tried
            found.append(item)
        else:
            waiting.extend(islice(_list_links(file, document), _MOST_LINKS - len(waiting)))
    return found


def _list_links(file: Path, document: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """List what a document leads to: the document's file, and the address."""
    return ((file, href) for href in list_followed(document))


def list_followed(document: Mapping[str, Any]) -> Iterator[Any]:
    """List the addresses of the Items and catalogs that a STAC document leads to."""
    links = document.get("links")
    for link in links if isinstance(links, list | tuple) else ():
        if isinstance(link, Mapping) and link.get("rel") in _FOLLOWED:
            yield link.get("href")


def _locate(job: Job, file: Path, href: Any) -> Path | None:
    """Find the file of results that a document refers to; None where it lies elsewhere."""
    if not isinstance(href, str) or len(href) > _LONGEST_HREF:
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


def _read_item(job: Job, file: Path, document: Mapping[str, Any], most_assets: int) -> tuple[ResultItem, int]:
    """Read an Item and the first of its assets; returns how many of these were looked at, too."""

    def locate(href: Any) -> str | None:
        found = _locate(job, file, href)
        return _shorten(job, found) if found else None

    assets = document.get("assets")
    tried = min(len(assets), most_assets) if isinstance(assets, Mapping) else 0
    return read_item(_shorten(job, file), document, locate, most_assets), tried


def read_item(
    path: str, document: Mapping[str, Any], locate: Callable[[Any], str | None], most_assets: int = _MOST_ASSETS_OF_ITEM
) -> ResultItem:
    """Read an Item and the first of its assets; `locate` gives the path of an asset by its address."""
    box, assets = read_box(document.get("bbox")), document.get("assets")
    tried = islice(assets.items(), most_assets) if isinstance(assets, Mapping) else ()
    return ResultItem(
        _cut(document.get("id")) or _cut(PurePosixPath(path).stem),
        path,
        box,
        read_geometry(document.get("geometry"), box) if box else {},
        tuple(_list_assets(tried, locate)),
    )


def _list_assets(assets: Iterable[tuple[str, Any]], locate: Callable[[Any], str | None]) -> Iterator[Asset]:
    for name, asset in assets:
        found = locate(asset.get("href")) if isinstance(asset, Mapping) else None
        if found:
            size, title = asset.get("file:size"), _cut(asset.get("title")) or _cut(name)
            yield Asset(
                title,
                found,
                _cut(asset.get("type")),
                size if isinstance(size, int) else None,
                _cut(asset.get("file:checksum")),
            )


def _cut(text: Any) -> str:
    return str(text)[:_LONGEST_TITLE] if isinstance(text, str | int | float) else ""


def _shorten(job: Job, file: Path) -> str:
    return str(file.relative_to(Path(job.destination).resolve()))
