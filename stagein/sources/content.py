"""What a source gives."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Content:
    """Bytes that have begun to come: their final address, their size if the source tells it."""

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class Entry:
    """A file in a remote folder: its address, its path relative to the folder, its size."""

    href: str
    path: str
    size_bytes: int


class Source(Protocol):
    """A kind of place that data comes from. Errors are `StagingError`s."""

    def open(self, href: str) -> AbstractAsyncContextManager[Content]:
        """Begin to read `href`; chunks have at most a few MiB."""
        ...

    async def list_folder(self, href: str) -> list[Entry] | None:
        """All files under `href`, however deep; None where `href` is not a folder of this source."""
        ...
