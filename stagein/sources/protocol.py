"""What a source gives."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from zoo_staging.ranges import ByteRange

Chunk = bytes | memoryview


@dataclass(frozen=True)
class Content:
    """Bytes that have begun to arrive: their final address, and their size if known.

    `validator` names this version of the file where the source can give parts of it. A chunk is valid until
    the next one is asked for.
    """

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[Chunk]
    validator: str | None = None


@dataclass(frozen=True)
class Entry:
    """A file in a remote folder: its address, its path relative to the folder, its size."""

    href: str
    path: str
    size_bytes: int


class Source(Protocol):
    """A kind of place that data comes from. Errors are `StagingError`s."""

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Begin to read `href`, or a part of it; chunks have at most a few MiB.

        Raises `ChangedError` where the version of the file is not the part's.
        """
        ...

    async def list_folder(self, href: str) -> list[Entry] | None:
        """All files under `href`, however deep; None where `href` is not a folder of this source."""
        ...
