"""Items of a STAC catalog by place and time: by its search where it is an API, else by a walk through its documents.

The server asks the catalog, under the same rules for addresses as stage-in (STAGEIN_ALLOW_PRIVATE,
STAGEIN_PRIVATE_HOSTS), without credentials.
Source: STAC API 1.0, item search (GET).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from stagein.stac import Document, parse_document, read_features
from zoo_runner.model.errors import InputError
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import CatalogItem, CatalogItems
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.pages.maps import Box, read_box, read_geometry
from zoo_staging.errors import StagingError
from zoo_staging.hrefs import resolve_href
from zoo_staging.http import HttpClient, HttpOptions
from zoo_staging.stac import StacType

MOST_ITEMS = 100
_MOST_DOCUMENTS, _MOST_BYTES = 200, 4 << 20
_SECONDS_FOR_ONE, _SECONDS_FOR_ALL = 10.0, 30.0
_LONGEST_ID = 200

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns the document at an address; raises `StagingError`."""


@dataclass(frozen=True)
class Wanted:
    """Which Items: within a box, of an interval (ISO 8601, `..` for an open end), of collections; empty: all."""

    box: Box | None = None
    interval: str = ""
    collections: tuple[str, ...] = ()
    limit: int = 20

    def build_query(self) -> str:
        """Write it as the parameters of a search."""
        parts = {
            "bbox": ",".join(map(str, self.box)) if self.box else "",
            "datetime": self.interval,
            "collections": ",".join(self.collections),
            "limit": str(self.limit),
        }
        return urlencode({name: value for name, value in parts.items() if value})


def search_catalog(api: Api, call: Call, catalog: str, wanted: Wanted) -> CatalogItems:
    """Search a catalog; empty: the first of the settings. Raises `InputError` for one that cannot be read."""
    known = api.settings.catalogs
    catalog = catalog or (known[0] if known else "")
    links = call.link_pages("items", None)
    if not catalog:
        return {"catalog": "", "items": [], "links": links}
    if urlsplit(catalog).scheme not in ("http", "https"):
        raise build_invalid(
            f"the catalog {catalog[:200]!r} is not an address of the web", "Give one with http or https."
        )
    settings = api.find_configuration(call.workspace).settings
    options = HttpOptions(settings.reach, _SECONDS_FOR_ONE, _SECONDS_FOR_ONE, proxies=settings.proxies)
    try:
        found = asyncio.run(_search(catalog, wanted, options))
    except StagingError as error:
        raise InputError(str(error), error.remedy, code=error.code) from error
    except asyncio.TimeoutError as error:
        raise InputError(
            f"the catalog {catalog[:200]} did not answer within {_SECONDS_FOR_ALL:g} s",
            "Narrow the search, or try again later.",
            code="source.unreachable",
        ) from error
    return {"catalog": catalog, "items": [describe_item(item) for item in found], "links": links}


async def _search(catalog: str, wanted: Wanted, options: HttpOptions) -> list[Document]:
    async with HttpClient(options) as client:

        async def fetch(href: str) -> bytes:
            return await _read(client, href)

        return await asyncio.wait_for(find_items(catalog, wanted, fetch), _SECONDS_FOR_ALL)


async def _read(client: HttpClient, href: str) -> bytes:
    found = b""
    async with client.get(href, headers=("Accept: application/json, application/geo+json",)) as answer:
        async for chunk in answer.chunks:
            found += chunk
            if len(found) > _MOST_BYTES:
                raise InputError(
                    f"{href[:200]} has more than {_MOST_BYTES >> 20} MiB",
                    "Give the address of a STAC API, or of a smaller catalog.",
                    code="request.too-large",
                )
    return found


async def find_items(catalog: str, wanted: Wanted, fetch: Fetch) -> list[Document]:
    """Find Items: by the search that the catalog links to, else in its documents, the first 200 of them.

    Raises `StagingError` for a catalog that cannot be read; what is wrong further down is passed over.
    """
    root = parse_document(await fetch(catalog), catalog)
    search = _find_search(root)
    if search:
        return read_features(parse_document(await fetch(_add_query(search, wanted)), search))[: wanted.limit]
    found: list[Document] = []
    waiting, known = deque([root]), {catalog}
    while waiting and len(found) < wanted.limit:
        document = waiting.popleft()
        if document.type is StacType.ITEM:
            found += [document] if fits(document.content, wanted) else []
            continue
        if document.type is StacType.ITEMS:
            waiting.extendleft(reversed(read_features(document)))
        for href in _list_links(document):
            if href not in known and len(known) < _MOST_DOCUMENTS:
                known.add(href)
                waiting += await _read_one(href, fetch)
    return found


async def _read_one(href: str, fetch: Fetch) -> list[Document]:
    """Read a document; nothing where it cannot be read, or is none of STAC."""
    try:
        return [parse_document(await fetch(href), href)]
    except StagingError:
        return []


def _find_search(root: Document) -> str | None:
    for link in root.content.get("links", []):
        if link["rel"] == "search" and str(link.get("method") or "GET").upper() == "GET":
            return resolve_href(root.href, link["href"])
    return None


def _add_query(search: str, wanted: Wanted) -> str:
    return f"{search}{'&' if urlsplit(search).query else '?'}{wanted.build_query()}"


def _list_links(document: Document) -> Iterator[str]:
    for link in document.content.get("links", []):
        if link["rel"] in ("item", "child", "items"):
            # one that leads to a file of this machine is passed over
            with suppress(StagingError):
                yield resolve_href(document.href, link["href"])


def fits(item: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether an Item lies in the box and the interval, and is of one of the collections."""
    if wanted.collections and item.get("collection") not in wanted.collections:
        return False
    box = read_box(item.get("bbox"))
    if wanted.box and not (box and _meet(box, wanted.box)):
        return False
    start, _, end = wanted.interval.partition("/")
    time = str((item.get("properties") or {}).get("datetime") or "")
    # times of ISO 8601 in UTC sort as text; a day includes all that lies in it
    end = end if "/" in wanted.interval else start
    return (
        (start in ("", "..") or time >= start)
        and (end in ("", "..") or time <= f"{end}~")
        and (bool(time) or not wanted.interval)
    )


def _meet(one: Box, other: Box) -> bool:
    """Whether two boxes have a place in common; one across the antimeridian has west > east."""
    if one[3] < other[1] or other[3] < one[1]:
        return False
    return any(
        west <= other_east and other_west <= east
        for west, east in _split(one)
        for other_west, other_east in _split(other)
    )


def _split(box: Box) -> list[tuple[float, float]]:
    west, _, east, _ = box
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def describe_item(item: Document) -> CatalogItem:
    """Describe an Item: `href` is how an input refers to it."""
    content, box = item.content, read_box(item.content.get("bbox"))
    own = next((link["href"] for link in content.get("links", []) if link["rel"] == "self"), "")
    described: CatalogItem = {
        "id": str(content.get("id"))[:_LONGEST_ID],
        "href": resolve_href(item.href, own) if own else item.href,
        "datetime": str((content.get("properties") or {}).get("datetime") or "")[:_LONGEST_ID],
    }
    if content.get("collection"):
        described["collection"] = str(content["collection"])[:_LONGEST_ID]
    if box:
        described |= {"bbox": list(box), "geometry": dict(read_geometry(content.get("geometry"), box))}
    return described


def read_wanted(bbox: str, interval: str, collections: str, limit: int) -> Wanted:
    """Read the parameters of a search; raises `InputError`."""
    box = read_box(bbox) if bbox else None
    if bbox and box is None:
        raise build_invalid(f"bbox is {bbox[:100]!r}", "Write west,south,east,north in degrees.")
    return Wanted(box, interval, tuple(one.strip() for one in collections.split(",") if one.strip()), limit)
