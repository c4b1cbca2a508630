"""Web servers."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType

from stagein.content_check import CHECKED_BYTES, find_foreign, is_page
from stagein.paging import Query
from stagein.progress import Transfer
from stagein.settings import StageInOptions
from stagein.sources.protocol import Content, Entry, Source, check_document_size
from stagein.sources.zarr import list_zarr
from zoo_staging.addresses import Reach
from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import name_of
from zoo_staging.http import Answer, HttpClient, HttpOptions
from zoo_staging.media import JSON
from zoo_staging.ranges import ByteRange


@asynccontextmanager
async def open_http(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the web as a source."""
    async with HttpClient(
        HttpOptions(
            reach=Reach(options.allow_private, options.private_hosts),
            connect_timeout_seconds=options.connect_timeout_seconds,
            read_timeout_seconds=options.read_timeout_seconds,
            authorization=options.hosts,
            proxies=options.proxies,
        )
    ) as client:
        yield HttpSource(client, options.max_files)


class HttpSource:
    """Addresses of http and https."""

    def __init__(self, client: HttpClient, max_files: int | None) -> None:
        self._client = client
        self._max_files = max_files

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Start reading the answer from `href`."""
        return _Opened(self._client.get(href, part))

    def ask(self, query: Query) -> AbstractAsyncContextManager[Content]:
        """Start reading the answer to a query."""
        body = None if query.body is None else query.body.encode()
        return _Opened(self._client.get(query.href, body=body, headers=query.headers))

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return the files of a zarr store with consolidated metadata; HTTP cannot list any other folder."""
        return await list_zarr(self._read, href, self._max_files)

    async def _read(self, href: str) -> bytes | None:
        data = bytearray()
        try:
            async with self._client.get(href) as answer:
                async for chunk in answer.chunks:
                    data += chunk
                    check_document_size(len(data), href)
        except StagingError as error:
            if error.kind in (Kind.NOT_FOUND, Kind.FORBIDDEN):
                return None
            raise
        wanted = Transfer(href, Path(name_of(href)), media_type=JSON)
        foreign = find_foreign(answer, wanted, bytes(data[:CHECKED_BYTES]))
        # some servers answer with their start page where nothing is; a login page says what to do
        if foreign and (foreign.kind is Kind.FORBIDDEN or not is_page(data)):
            raise foreign
        return None if foreign else bytes(data)


class _Opened:
    """An answer as the content of a source: a class, as a generator costs more for each of thousands of files."""

    def __init__(self, answers: AbstractAsyncContextManager[Answer]) -> None:
        self._answers = answers

    async def __aenter__(self) -> Content:
        answer = await self._answers.__aenter__()
        size, chunks, validator = answer.size_bytes, answer.chunks, answer.validator
        media_type, name, pieces = answer.media_type, answer.file_name, answer.pieces
        whole, version = answer.read_all, answer.version
        return Content(answer.href, size, chunks, validator, media_type, name, pieces, whole, version)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._answers.__aexit__(kind, error, trace)
