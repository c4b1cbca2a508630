"""Reads a STAC document and all documents that it links to, within limits."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stagein.paging import Query
from stagein.progress import check_bytes
from stagein.settings import StageInOptions
from stagein.sources.protocol import LARGEST_DOCUMENT_BYTES
from stagein.stac import Document, read_features
from zoo_staging.errors import Kind, StagingError, merge_errors
from zoo_staging.pool import run_pool
from zoo_staging.stac import StacType

ReadDocument = Callable[[Query], Awaitable[Document]]
# the items of public catalogs have 10 to 60 kB, those with all assets and histograms of their bands 200 kB
DOCUMENT_BYTES_PER_ITEM = 256 << 10


class DocumentBudget:
    """Counts the bytes of all documents of a stage-in, which are held in memory until it ends.

    They may have what the options allow, else 256 KiB for each item that a catalog may have and for each reference, and
    the size of one large document; and no more than all inputs may have.
    """

    def __init__(self, options: StageInOptions) -> None:
        self._options = options
        self._references = 0
        self._bytes = 0

    def include_reference(self) -> None:
        """Allow for the documents of one more reference."""
        self._references += 1

    @contextmanager
    def count(self, href: str) -> Iterator[Callable[[int], None]]:
        """Count the bytes of the document at `href` by the function yielded; none of them if it cannot be read.

        Raises `StagingError` beyond the limit.
        """
        own = 0

        def add(size_bytes: int) -> None:
            nonlocal own
            own += size_bytes
            self._bytes += size_bytes
            self._check(href)

        try:
            yield add
        except BaseException:
            self._bytes -= own
            raise

    def _check(self, href: str) -> None:
        check_bytes(self._bytes, href, self._options.max_bytes)
        usual = LARGEST_DOCUMENT_BYTES + DOCUMENT_BYTES_PER_ITEM * (self._options.max_items + self._references)
        most = self._options.max_document_bytes or usual
        if self._bytes > most:
            raise StagingError(
                Kind.REFUSED,
                href,
                f"with it the STAC documents of this job exceed the limit of {most} bytes",
                "Use a smaller collection or single items, or ask the operator to raise STAGEIN_MAX_DOCUMENT_BYTES.",
            )


@dataclass
class Found:
    """The documents found by a walk, in the order of the links."""

    source: Document
    items: list[Document] = field(default_factory=list)
    collections: list[Document] = field(default_factory=list)


async def walk(href: str, read: ReadDocument, *, max_items: int, concurrency: int) -> Found:
    """Read the document at `href` and follow its item, child and paging links, level by level.

    Each document is read once, so that cycles end. Raises `StagingError`: a document that cannot be read or
    is not STAC, more than `max_items` items (or documents), or no item at all.
    """
    source = await read(Query(href))
    found = Found(source)
    seen = {Query(href), Query(source.href)}
    level, others = [source], 0
    while level:
        steps = [_take(document, found, seen) for document in level]
        items = [link for step in steps for link in step.items]
        more = [link for step in steps for link in step.others]
        others += len(more)
        _check_limit(len(found.items) + len(items), "items", max_items, href)
        _check_limit(others, "catalogs, collections and pages", max_items, href)
        level, errors = await run_pool([_reader(read, link) for link in [*items, *more]], concurrency)
        if errors:
            raise merge_errors(errors)
    _check_limit(len(found.items), "items", max_items, href)
    if not found.items and not any(collection.content.get("assets") for collection in found.collections):
        raise StagingError(
            Kind.STAC_INVALID,
            href,
            "no items found",
            "Use a catalog, collection or search that has items, or the items themselves.",
        )
    return found


def _reader(read: ReadDocument, query: Query) -> Callable[[], Awaitable[Document]]:
    return lambda: read(query)


@dataclass(frozen=True)
class _Step:
    items: list[Query] = field(default_factory=list)
    others: list[Query] = field(default_factory=list)


def _take(document: Document, found: Found, seen: set[Query]) -> _Step:
    """Record a document; return the links to follow that are new."""
    match document.type:
        case StacType.ITEM:
            found.items.append(document)
            return _Step()
        case StacType.ITEMS:
            found.items += read_features(document)
            return _Step(others=_fresh(document, seen, "next"))
        case StacType.COLLECTION:
            found.collections.append(document)
        case StacType.CATALOG:
            pass
    step = _Step(_fresh(document, seen, "item"), _fresh(document, seen, "child"))
    if step.items or step.others or document.type is not StacType.COLLECTION:
        return step
    # an API lists a collection's items in pages, a static catalog links each
    return _Step(others=_fresh(document, seen, "items"))


def _fresh(document: Document, seen: set[Query], rel: str) -> list[Query]:
    fresh = [link for link in dict.fromkeys(document.links(rel)) if link not in seen]
    seen.update(fresh)
    return fresh


def _check_limit(count: int, what: str, most: int, href: str) -> None:
    if count > most:
        raise StagingError(
            Kind.REFUSED,
            href,
            f"more than {most} {what}",
            "Use a smaller collection or single items, or raise STAGEIN_MAX_ITEMS.",
        )
