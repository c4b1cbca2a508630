"""Reading a STAC document and all that hangs below it, within limits."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from stagein.stac import Document, StacType, invalid, read_features
from staging.errors import Kind, StagingError, merge_errors
from staging.pool import run_pool

ReadDocument = Callable[[str], Awaitable[Document]]


@dataclass
class Found:
    """What a walk found, in the order of the links."""

    source: Document
    items: list[Document] = field(default_factory=list)
    collections: list[Document] = field(default_factory=list)


async def walk(href: str, read: ReadDocument, *, max_items: int, concurrency: int) -> Found:
    """Read the document at `href` and follow its item, child and paging links, level by level.

    Each document is read once, so that circles end. Raises `StagingError`: a document that cannot be read or
    is not STAC, more than `max_items` items (or documents), or no item at all.
    """
    source = await read(href)
    found = Found(source)
    seen = {href, source.href}
    level = [source]
    documents = 1
    while level:
        following = [link for document in level for link in _take(document, found, seen)]
        documents += len(following)
        _check_limit(max(len(found.items), documents - len(found.collections) - 1), max_items, href)
        level, errors = await run_pool([_reader(read, link) for link in following], concurrency)
        if errors:
            raise merge_errors(errors)
    if not found.items:
        raise invalid(href, "it holds no item")
    return found


def _reader(read: ReadDocument, href: str) -> Callable[[], Awaitable[Document]]:
    return lambda: read(href)


def _take(document: Document, found: Found, seen: set[str]) -> list[str]:
    """Note what a document is; give the links to go on with that were not seen yet."""
    match document.type:
        case StacType.ITEM:
            found.items.append(document)
            return []
        case StacType.ITEMS:
            found.items += read_features(document)
            links = list(document.links("next"))
        case StacType.COLLECTION:
            found.collections.append(document)
            # an API lists a collection's items in pages, a static catalog links each
            links = list(document.links("item", "child")) or list(document.links("items"))
        case StacType.CATALOG:
            links = list(document.links("item", "child"))
    fresh = [link for link in dict.fromkeys(links) if link not in seen]
    seen.update(fresh)
    return fresh


def _check_limit(count: int, max_items: int, href: str) -> None:
    if count > max_items:
        raise StagingError(
            Kind.REFUSED,
            href,
            f"it holds more than {max_items} items",
            "Refer to a smaller collection or to single items, or raise STAGEIN_MAX_ITEMS.",
        )
