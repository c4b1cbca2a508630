"""Files of this machine, for STAC documents on disk and their assets."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from stagein.settings import StageInOptions
from stagein.sources.protocol import Content, Entry, Source
from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import local_path
from zoo_staging.ranges import ByteRange

CHUNK_BYTES = 1 << 20


@asynccontextmanager
async def open_local(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the local disk as a source."""
    yield LocalSource(options.allowed_roots)


class LocalSource:
    """Plain paths and `file:` URLs, inside the allowed roots."""

    def __init__(self, allowed_roots: tuple[Path, ...] | None) -> None:
        self._allowed_roots = allowed_roots

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Start reading a file; parts are never requested."""
        return self._open(href)

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return the files of a folder, links followed; None for a file."""
        path = local_path(href, Path.cwd())
        if not path.is_dir():
            return None
        check_local(path, self._allowed_roots)
        return await asyncio.to_thread(lambda: list(_list(path, self._allowed_roots)))

    @asynccontextmanager
    async def _open(self, href: str) -> AsyncIterator[Content]:
        path = check_local(local_path(href, Path.cwd()), self._allowed_roots)
        try:
            file = path.open("rb")
            size = path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            yield Content(href, size, _stream(file, path))


def check_local(path: Path, allowed_roots: tuple[Path, ...] | None) -> Path:
    """Check that `path` exists and, links followed, is in an allowed root; raises `StagingError`."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise _unreadable(path, error) from error
        raise StagingError(
            Kind.NOT_FOUND,
            str(path),
            "no such file or folder on this machine",
            "Check the spelling; a relative path starts at the folder of the document that contains it.",
        ) from error
    if allowed_roots is not None and not any(resolved.is_relative_to(root.resolve()) for root in allowed_roots):
        raise StagingError(
            Kind.REFUSED,
            str(path),
            "local files are allowed only in " + (", ".join(map(str, allowed_roots)) or "no folder"),
            "Use a remote address, or ask the operator to allow the folder (STAGEIN_ALLOWED_ROOTS).",
        )
    return path


def _list(folder: Path, allowed_roots: tuple[Path, ...] | None) -> Iterator[Entry]:
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            if path.is_symlink():
                check_local(path, allowed_roots)
        for name in sorted(names):
            path = Path(parent, name)
            # a path with percent signs is not decoded again in a URL
            yield Entry(path.as_uri(), path.relative_to(folder).as_posix(), path.stat().st_size)


async def _stream(file: BinaryIO, path: Path) -> AsyncIterator[bytes]:
    while True:
        try:
            chunk = await asyncio.to_thread(file.read, CHUNK_BYTES)
        except OSError as error:
            raise _unreadable(path, error) from error
        if not chunk:
            return
        yield chunk


def _unreadable(path: Path, error: OSError) -> StagingError:
    kind = Kind.FORBIDDEN if isinstance(error, PermissionError) else Kind.DISK
    return StagingError(kind, str(path), f"cannot read: {error.strerror}", "Check the file and its permissions.")
