"""A source in memory, for tests of what stage-in does with what it gets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from stagein.sources.protocol import Content, Entry
from zoo_staging.errors import Kind, StagingError
from zoo_staging.ranges import ByteRange


class Memory:
    """Files by address, each a list of chunks; `sized` gives their sizes before they come; all others are missing."""

    def __init__(self, files: Mapping[str, Sequence[bytes]], *, sized: bool = True) -> None:
        self._files = files
        self._sized = sized
        self.opened: list[str] = []
        self.chunks_sent = 0

    @asynccontextmanager
    async def open(self, href: str, part: ByteRange | None = None) -> AsyncIterator[Content]:
        self.opened.append(href)
        if href not in self._files:
            raise StagingError(Kind.NOT_FOUND, href, "does not exist", "Check the address.")
        chunks = self._files[href]
        yield Content(href, sum(map(len, chunks)) if self._sized else None, self._send(chunks))

    async def _send(self, chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
        for chunk in chunks:
            self.chunks_sent += 1
            yield chunk

    async def list_folder(self, href: str) -> list[Entry] | None:
        return None
