"""The interface of sources."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from zoo_staging.errors import Kind, StagingError
from zoo_staging.ranges import ByteRange

Chunk = bytes | memoryview
LARGEST_DOCUMENT_BYTES = 64 << 20


@dataclass(frozen=True)
class Content:
    """An open stream of bytes: their final address, and their size if known.

    `media_type` and `file_name` are what a web server says, the latter safe. `validator` names this version, if ranges
    are served. `version` names it also where they are not, and may be as coarse as a time; empty where nothing does.
    A chunk is valid until the next one is requested. `pieces` are those of its chunks, where a source has
    them, and `read_all` returns all bytes, of a small file whose size is known: use one of the three.
    """

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[Chunk]
    validator: str | None = None
    media_type: str = ""
    file_name: str = ""
    pieces: AsyncIterator[Sequence[Chunk]] | None = None
    read_all: Callable[[], Awaitable[bytes]] | None = None
    version: str = ""


@dataclass(frozen=True)
class Entry:
    """A file in a folder: its address, its path relative to the folder, its size (None: not known).

    `media_type` is what it has to be, where that is known; `array` names the zarr array whose chunk it is.
    """

    href: str
    path: str
    size_bytes: int | None
    may_be_missing: bool = False
    media_type: str | None = None
    array: str = ""


def check_document_size(size_bytes: int, href: str) -> None:
    """Raise `StagingError` (`CONTENT`) for a document that is too large."""
    if size_bytes > LARGEST_DOCUMENT_BYTES:
        raise StagingError(
            Kind.CONTENT,
            href,
            f"too large for a metadata document (more than {LARGEST_DOCUMENT_BYTES} bytes)",
            "If it is data, give it as a File; otherwise use a smaller collection.",
        )


class Source(Protocol):
    """A kind of place that data comes from. Errors are `StagingError`s."""

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Start reading `href`, or a part of it; chunks have at most a few MiB.

        Raises `ChangedError` if the file no longer has the version of the part.
        """
        ...

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return all files below `href`, at any depth; None where `href` is not a folder of this source."""
        ...
