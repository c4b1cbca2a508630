"""Results in a bucket: files of one job are read with the credentials of its workspace, within limits.

The process of a quick-look asks for parts of a raster over a socket (`quicklook_process`), and gets neither address nor
credentials.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo_runner.model.job import FINAL, Job
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.quicklook_process import ASKED, LARGEST_PART
from zoo_staging.errors import Kind, StagingError
from zoo_staging.ranges import ByteRange, ChangedError, NoRangesError

if TYPE_CHECKING:  # a server needs this library, and stage-out, for buckets only
    from zoo_staging.object_store import S3Object, Store

LARGEST_READ_BYTES = 64 << 20
"""What is read of a raster in all; of one with overviews a small part is enough."""
_MOST_PARTS = 1000
_ANSWER_SECONDS = 10.0
_PAGE_SECONDS, _AT_ONCE = 8.0, 10
_LONGEST_PATH = 1024


@dataclass(frozen=True)
class Begin:
    """The first bytes of a file, and how many it has in all."""

    content: bytes
    size_bytes: int

    @property
    def is_cut(self) -> bool:
        """Whether the file goes on."""
        return self.size_bytes > len(self.content)


@dataclass(frozen=True)
class ResultBucket:
    """The place of the results of a job; `prefix` is that of their keys, and ends with a slash."""

    address: str
    prefix: str
    store: "Store"

    @classmethod
    def open(cls, job: Job, storage: StorageProfile) -> "ResultBucket":
        """Open the place of a job's results; nothing is requested yet. Raises `StagingError`."""
        from stageout.settings import load_options
        from zoo_staging.object_store import open_store, split_url

        scheme, name, prefix = split_url(job.destination)
        options = load_options(storage.variables, job.id, job.process_id).options
        place, seconds = (scheme, name), _ANSWER_SECONDS
        store = open_store(place, options.s3, options.clouds, retries=1, request_timeout_seconds=seconds)
        prefix = f"{prefix.strip('/')}/".lstrip("/")
        return cls(f"{scheme}://{name}/{prefix}", prefix, store)

    async def read(self, path: str, most_bytes: int) -> bytes:
        """Read an object of at most so many bytes, by its path below the place; raises `StagingError`."""
        content = bytearray()
        async for chunk in (await self.open_object(path)).chunks:
            content += chunk
            if len(content) > most_bytes:
                raise StagingError(Kind.SIZE, self.address + path, f"more than {most_bytes} bytes", "Download it.")
        return bytes(content)

    async def read_begin(self, path: str, most_bytes: int) -> Begin:
        """Read at most so many first bytes of an object; raises `StagingError`."""
        size, validator = await self.measure(path)
        if not size:
            return Begin(b"", 0)
        chunks = await self.open_part(path, ByteRange(0, min(size, most_bytes), validator or ""))
        return Begin(b"".join([chunk async for chunk in chunks]), size)

    async def open_part(self, path: str, part: ByteRange) -> AsyncIterator[bytes]:
        """Start reading a part of an object, of a service that serves none by reading it up to there.

        Raises `StagingError`.
        """
        try:
            return (await self.open_object(path, part)).chunks
        except NoRangesError:
            whole = await self.open_object(path)
            if (whole.validator or "") != part.validator:
                raise ChangedError(self.address + path) from None
            return _cut_chunks(whole.chunks, part)

    async def open_object(self, path: str, part: ByteRange | None = None) -> "S3Object":
        """Start reading an object, or a part of it; raises `StagingError`."""
        from zoo_staging.object_store import read_object

        key, href = self.prefix + path, self.address + path
        return await read_object(self.store, key, href, read_timeout_seconds=_ANSWER_SECONDS, part=part)

    async def measure(self, path: str) -> tuple[int, str | None]:
        """Ask for the size of an object, and what names this version of it; raises `StagingError`."""
        from zoo_staging.object_store import measure_object

        key, href = self.prefix + path, self.address + path
        return await measure_object(self.store, key, href, read_timeout_seconds=_ANSWER_SECONDS)


@dataclass(frozen=True)
class StoredFile:
    """A file in a bucket, as it was when it was measured; `validator` names that version of it."""

    bucket: ResultBucket
    path: str
    size: int
    validator: str


@dataclass(frozen=True)
class BucketFiles:
    """The files of results in a bucket, which are read until a moment of the monotonic clock; None: none can be."""

    job: Job
    bucket: ResultBucket | None
    until: float = 0.0
    most_documents: int = 50

    @classmethod
    def open(cls, job: Job, storage: StorageProfile) -> "BucketFiles":
        """Open the files of a job for as long as a page may wait for them; nothing is requested yet."""
        try:
            return cls(job, ResultBucket.open(job, storage), monotonic() + _PAGE_SECONDS)
        except StagingError:
            return cls(job, None)

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses below which the results lie: for clients, then in the store."""
        place = f"{self.job.destination.rstrip('/')}/"
        if not self.job.public_url:
            return (place,)
        return (f"{self.job.public_url.rstrip('/')}{urlsplit(place).path}", place)

    def find(self, path: str) -> str | None:
        """Return the path of a file that may be there: to ask for it is a request."""
        return path if _is_path(path) else None

    def read(self, paths: Sequence[str], most_bytes: int) -> list[Begin | None]:
        """Read the begins of files, several at once, those that are read in time."""
        found: list[Begin | None] = [None] * len(paths)

        async def fill() -> None:
            places = asyncio.Semaphore(_AT_ONCE)
            await asyncio.gather(
                *(self._fill(found, number, path, most_bytes, places) for number, path in enumerate(paths))
            )

        seconds = self.until - monotonic()
        if self.bucket and paths and seconds > 0:
            with suppress(asyncio.TimeoutError):
                asyncio.run(asyncio.wait_for(fill(), seconds))
        return found

    async def _fill(
        self, found: list[Begin | None], number: int, path: str, most_bytes: int, places: asyncio.Semaphore
    ) -> None:
        async with places:
            with suppress(StagingError):
                if self.bucket:
                    found[number] = await self.bucket.read_begin(path, most_bytes)


async def _cut_chunks(chunks: AsyncIterator[bytes], part: ByteRange) -> AsyncIterator[bytes]:
    at = 0
    async for chunk in chunks:
        if wanted := chunk[max(part.start - at, 0) : max(part.end - at, 0)]:
            yield wanted
        at += len(chunk)
        if at >= part.end:
            return


def is_stored(job: Job) -> bool:
    """Whether the results of a job lie in a bucket."""
    return "://" in job.destination


def find_stored(job: Job, path: str, storage: StorageProfile) -> StoredFile | None:
    """Find an object among the results of a job that has ended; None for what can be none. Raises `StagingError`."""
    if job.status not in FINAL or not _is_path(path):
        return None
    bucket = ResultBucket.open(job, storage)
    size, validator = asyncio.run(bucket.measure(path))
    return StoredFile(bucket, path, size, validator or "")


def _is_path(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and not {"", ".", ".."} & {*path.split("/")}


def serve_parts(raster: StoredFile, asking: socket.socket, until: float) -> str:
    """Send the parts of a raster that are asked for, until the other end is closed; returns why it was given up."""
    asking.setblocking(False)
    try:
        return asyncio.run(asyncio.wait_for(_serve(raster, asking), max(until - monotonic(), 0.1)))
    except asyncio.TimeoutError:
        return "its bucket is too slow"
    except StagingError as error:
        return error.reason
    except OSError:
        # the process has ended
        return ""


async def _serve(raster: StoredFile, asking: socket.socket) -> str:
    loop, parts, left = asyncio.get_running_loop(), _Parts(raster), LARGEST_READ_BYTES
    for _ in range(_MOST_PARTS):
        asked = await _receive(loop, asking)
        if not asked:
            return ""
        start, size = ASKED.unpack(asked)
        if not 0 < size <= LARGEST_PART or start + size > raster.size:
            return "it cannot be read"
        left -= size
        if left < 0:
            break
        await loop.sock_sendall(asking, await parts.read(start, start + size))
    return f"more than {LARGEST_READ_BYTES >> 20} MiB of it would have to be read, as it has no overviews"


async def _receive(loop: asyncio.AbstractEventLoop, asking: socket.socket) -> bytes:
    asked = b""
    while len(asked) < ASKED.size:
        part = await loop.sock_recv(asking, ASKED.size - len(asked))
        if not part:
            return b""
        asked += part
    return asked


@dataclass
class _Parts:
    """Reads parts of a raster; of a service that serves none, the whole, where it is not too large."""

    raster: StoredFile
    whole: bytes | None = None

    async def read(self, start: int, end: int) -> bytes:
        if self.whole is None:
            try:
                return await self._read(ByteRange(start, end, self.raster.validator))
            except NoRangesError:
                self.whole = await self.raster.bucket.read(self.raster.path, LARGEST_READ_BYTES)
        return self.whole[start:end]

    async def _read(self, part: ByteRange) -> bytes:
        opened = await self.raster.bucket.open_object(self.raster.path, part)
        return b"".join([chunk async for chunk in opened.chunks])
