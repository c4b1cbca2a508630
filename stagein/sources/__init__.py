"""Where data comes from: one small interface, one module per kind of source, one table by URL scheme."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from stagein.paging import Query
from stagein.settings import StageInOptions
from stagein.sources.http import HttpSource, open_http
from stagein.sources.inline import open_inline
from stagein.sources.local import open_local
from stagein.sources.object_store import open_s3
from stagein.sources.protocol import Chunk, Content, Entry, Source
from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import get_scheme

__all__ = ["SOURCES", "Chunk", "Content", "Entry", "Source", "SourceTable", "open_sources"]


class OpenSource(Protocol):
    """Opens a kind of source for the duration of one stage-in."""

    def __call__(self, options: StageInOptions) -> AbstractAsyncContextManager[Source]: ...


# a new scheme is one module and one line here
SOURCES: Mapping[str, OpenSource] = {
    "file": open_local,
    "http": open_http,
    "https": open_http,
    "s3": open_s3,
    "gs": open_s3,
    "az": open_s3,
    "data": open_inline,
}


class SourceTable:
    """The opened sources; finds the one for an address."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def get(self, href: str) -> Source:
        """Return the source for the scheme of `href`; raises `StagingError` that lists the known schemes."""
        scheme = get_scheme(href)
        if scheme not in self._sources:
            raise StagingError(
                Kind.UNSUPPORTED,
                href,
                f"unsupported scheme {scheme!r}",
                f"Use one of: {', '.join(self._sources)}, or a plain path.",
            )
        return self._sources[scheme]

    def ask(self, query: Query) -> AbstractAsyncContextManager[Content]:
        """Start reading the answer to a query; a query with a body is for web servers only."""
        source = self.get(query.href)
        return source.ask(query) if isinstance(source, HttpSource) else source.open(query.href)


@asynccontextmanager
async def open_sources(options: StageInOptions) -> AsyncIterator[SourceTable]:
    """Open every kind of source once, and close them at the end."""
    async with AsyncExitStack() as stack:
        opened: dict[Callable[..., object], Source] = {}
        for open_source in SOURCES.values():
            if open_source not in opened:
                opened[open_source] = await stack.enter_async_context(open_source(options))
        yield SourceTable({scheme: opened[open_source] for scheme, open_source in SOURCES.items()})
