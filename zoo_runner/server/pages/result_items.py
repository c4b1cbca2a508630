"""The STAC Items of results, and what their assets are."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote

from zoo_runner.server.pages.maps import Box, read_box, read_geometry
from zoo_runner.server.result_bucket import Begin
from zoo_runner.server.result_files import ResultFiles

_LARGEST_BYTES = 256 << 10
# what a page looks at: links and assets cost a look at the disk each, whether or not they lead anywhere
_MOST_LINKS, _AT_ONCE = 1000, 10
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
    """An Item: its place, None where it has none, and those of its files that lie among the results."""

    title: str
    path: str
    box: Box | None
    geometry: Mapping[str, Any]
    assets: tuple[Asset, ...]


def list_items(files: ResultFiles, start: Mapping[str, Any]) -> list[ResultItem]:
    """List the Items that the STAC Collection of results leads to, the first of them.

    The numbers of documents, of links, and of assets that are looked at are limited.
    """
    found, known, assets_left, tried = list[ResultItem](), set[str](), _MOST_ASSETS, 0
    waiting = deque(islice(_list_links("", start), _MOST_LINKS))
    while waiting and tried < _MOST_LINKS and len(known) < files.most_documents:
        paths = list[str]()
        while waiting and tried < _MOST_LINKS and len(paths) < min(_AT_ONCE, files.most_documents - len(known)):
            tried += 1
            path = _find(files, *waiting.popleft())
            if path and path not in known and path not in paths:
                paths.append(path)
        known.update(paths)
        for path, begin in zip(paths, files.read(paths, _LARGEST_BYTES), strict=True):
            document = _read(begin)
            if document.get("type") == "Feature":
                item, looked = _read_item(files, path, document, min(_MOST_ASSETS_OF_ITEM, assets_left))
                assets_left -= looked
                found.append(item)
            else:
                waiting.extend(islice(_list_links(path, document), _MOST_LINKS - len(waiting)))
    return found


def _list_links(path: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List what a document leads to: the document's path, and the address."""
    return ((path, href) for href in _list_followed(document))


def _list_followed(document: Mapping[str, Any]) -> Iterator[Any]:
    """List the addresses of the Items and catalogs that a STAC document leads to."""
    links = document.get("links")
    for link in links if isinstance(links, list | tuple) else ():
        if isinstance(link, Mapping) and link.get("rel") in _FOLLOWED:
            yield link.get("href")


def _find(files: ResultFiles, own: str, href: Any) -> str | None:
    path = locate(own, href, files.bases)
    return files.find(path) if path else None


def locate(own: str, href: Any, bases: Iterable[str]) -> str | None:
    """Find the path below the results that a document at `own` refers to; None for what lies elsewhere."""
    if not isinstance(href, str) or not 0 < len(href) <= _LONGEST_HREF:
        return None
    base = next((one for one in bases if href.startswith(one)), None)
    if base is None and ("://" in href or href.startswith("/")):
        return None
    path = normpath(unquote(href.removeprefix(base)) if base else join(dirname(own), unquote(href)))
    return None if path in (".", "..") or path.startswith(("../", "/")) else path


def _read(begin: Begin | None) -> Mapping[str, Any]:
    try:
        document = json.loads(begin.content) if begin else {}
    except (ValueError, RecursionError):
        # too large, or no JSON
        return {}
    return document if isinstance(document, Mapping) else {}


def _read_item(files: ResultFiles, path: str, document: Mapping[str, Any], most_assets: int) -> tuple[ResultItem, int]:
    """Read an Item and the first of its assets; returns how many of these were looked at, too."""
    box, assets = read_box(document.get("bbox")), document.get("assets")
    tried = dict(islice(assets.items(), most_assets)) if isinstance(assets, Mapping) else {}
    item = ResultItem(
        _cut(document.get("id")) or _cut(PurePosixPath(path).stem),
        path,
        box,
        read_geometry(document.get("geometry"), box) if box else {},
        tuple(_list_assets(tried, lambda href: _find(files, path, href))),
    )
    return item, len(tried)


def _list_assets(assets: Mapping[str, Any], find: Callable[[Any], str | None]) -> Iterator[Asset]:
    for name, asset in assets.items():
        found = find(asset.get("href")) if isinstance(asset, Mapping) else None
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
