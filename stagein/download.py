"""Downloads one file: to a hidden name beside its target, verified, then renamed."""

import ctypes
import errno
import hashlib
import itertools
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from stagein.content_check import CHECKED_BYTES, find_foreign, has_signature, is_suspicious
from stagein.progress import Progress, Transfer
from stagein.settings import StageInOptions
from stagein.sources import Chunk, Content, SourceTable
from stagein.streams import Streams
from zoo_staging.errors import Kind, RetryableError, StagingError, merge_errors
from zoo_staging.pool import RetryOptions, retry, run_pool
from zoo_staging.ranges import ByteRange, ChangedError, NoRangesError, broken_off
from zoo_staging.short_calls import ShortCalls
from zoo_staging.threads import Workers

# below this, handing a chunk to a thread costs more than writing it
SMALL_CHUNK_BYTES = 256 << 10
# up to this size, a file is held in memory and written at once
SMALL_BYTES = 1 << 20
# from this size on, a file is fetched in parts, several at once: each resumes where it broke off
LARGE_BYTES = 64 << 20
PART_BYTES = 32 << 20
PARTS_AT_ONCE = 4
# of so many files it is remembered which version they are
MOST_VERSIONS = 10_000
# what one call of pwritev(2) takes (IOV_MAX)
_MOST_AT_ONCE = 1024
# hidden names are unique to this process
_RUN = secrets.token_hex(8)
_NUMBERS = itertools.count()


class Downloader:
    """Downloads files, with at most as many streams at once as the options allow, parts included."""

    def __init__(self, sources: SourceTable, progress: Progress, options: StageInOptions) -> None:
        self._sources = sources
        self._progress = progress
        self._waits = RetryOptions(options.retries, options.first_wait_seconds, options.longest_wait_seconds)
        self._streams = Streams(options.concurrency, options.small_concurrency)
        self._workers = Workers()
        self._disk = ShortCalls(self._workers.run)
        self._folders: set[str] = set()
        self.renamed: dict[Path, Path] = {}
        """Where files are that got the name that a web server gave them, by their planned target."""
        self.versions: dict[Path, str] = {}
        """What their sources call the version of files, by where they are; of `MOST_VERSIONS` at most."""

    def close(self) -> None:
        """Stop the threads."""
        self._workers.close()

    async def download(self, transfer: Transfer) -> None:
        """Download one file; raises `StagingError`, and leaves no file."""
        try:
            # a text: the hash of a Path costs more than the rest of this line
            folder = os.path.dirname(transfer.target)  # noqa: PTH120
            if folder not in self._folders:
                transfer.target.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(folder)
            await self._fetch(transfer)
        except OSError as error:
            raise translate_disk(error, transfer) from error
        self._progress.add(transfer, 0, files=1)

    async def _fetch(self, transfer: Transfer) -> None:
        try:
            await retry(lambda: self._attempt(transfer), self._waits)
        except ChangedError:
            await retry(lambda: self._attempt(transfer), self._waits)
        except NoRangesError:
            await retry(lambda: self._attempt(transfer, in_parts=False), self._waits)

    async def _attempt(self, transfer: Transfer, *, in_parts: bool = True) -> None:
        """Try the whole download once."""
        partial, done = PartialFile(transfer), False
        try:
            await self._land(partial, in_parts=in_parts)
            done = True
        except RetryableError:
            self._streams.note_trouble()
            raise
        finally:
            if not done:
                self._progress.add(transfer, -partial.size_bytes)
                partial.discard()

    async def _land(self, partial: "PartialFile", *, in_parts: bool) -> None:
        transfer = partial.transfer
        async with self._streams.open() as asked, self._sources.get(transfer.href).open(transfer.href) as content:
            waited_seconds = time.monotonic() - asked
            size = _agree_on_size(transfer, content)
            self._rename(partial, content)
            if size is not None and content.size_bytes is None:
                content = replace(content, chunks=_stop_beyond(size, content.chunks, transfer))
            self._progress.expect(transfer, size)
            suspicious = is_suspicious(content, transfer)
            if size is not None and size <= SMALL_BYTES:
                await self._bring_small(content, partial, size, suspicious=suspicious)
                self._note_version(transfer, content)
                self._streams.note_small(waited_seconds, size)
                return
            self._streams.note_large()
            if suspicious:
                content = replace(content, chunks=_check_beginning(content, transfer))
            large = in_parts and content.validator is not None and size is not None and size >= LARGE_BYTES
            await self._workers.run(partial.open)
            if size is not None:
                await self._workers.run(lambda: partial.reserve(size))
            digest_hex = None if large else await self._write_whole(content, partial)
        if large:
            digest_hex = await self._write_parts(partial, size or 0, content.validator or "")
        _verify(transfer, size, partial.size_bytes, digest_hex)
        self._progress.expect(transfer, partial.size_bytes)
        await self._workers.run(partial.finish)
        self._note_version(transfer, content)

    def _note_version(self, transfer: Transfer, content: Content) -> None:
        if content.version and len(self.versions) < MOST_VERSIONS:
            self.versions[self.renamed.get(transfer.target, transfer.target)] = content.version

    def _rename(self, partial: "PartialFile", content: Content) -> None:
        transfer = partial.transfer
        if transfer.is_unnamed and content.file_name:
            self.renamed[transfer.target] = transfer.target.with_name(content.file_name)
            partial.rename(content.file_name)

    async def _bring_small(self, content: Content, partial: "PartialFile", size: int, *, suspicious: bool) -> None:
        """Download a small file into memory; count its bytes when it is complete."""
        data: bytes | bytearray
        if content.read_all is not None:
            data = await content.read_all()
        else:
            data = bytearray()
            async for chunk in content.chunks:
                data += chunk
        if suspicious:
            _check(content, partial.transfer, data)
        checksum = partial.transfer.checksum
        _verify(partial.transfer, size, len(data), checksum.compute(data) if checksum else None)

        def write() -> None:
            partial.open()
            partial.write([data], 0)
            partial.finish()

        await self._disk.run(write)
        partial.size_bytes = len(data)
        self._progress.add(partial.transfer, len(data))

    async def _write_whole(self, content: Content, partial: "PartialFile") -> str | None:
        checksum = partial.transfer.checksum
        digest = checksum.start() if checksum else None
        async for chunk in content.chunks:
            await self._write(partial, [chunk], partial.size_bytes, digest)
        return digest.hexdigest() if digest is not None else None

    async def _write_parts(self, partial: "PartialFile", size: int, validator: str) -> str | None:
        parts = [ByteRange(start, min(start + PART_BYTES, size), validator) for start in range(0, size, PART_BYTES)]
        _, errors = await run_pool(
            [lambda part=part: self._write_part(partial, part) for part in parts],  # type: ignore[misc]
            PARTS_AT_ONCE,
            settle_seconds=0,
        )
        if errors:
            telling = (error for error in errors if isinstance(error, ChangedError | NoRangesError))
            raise next(telling, merge_errors(errors))
        checksum = partial.transfer.checksum
        return await self._workers.run(lambda: partial.digest(checksum.algorithm)) if checksum else None

    async def _write_part(self, partial: "PartialFile", part: ByteRange) -> None:
        """Download one part; after a temporary failure, resume where it broke off."""
        offset = part.start

        async def attempt() -> None:
            nonlocal offset
            source, rest = self._sources.get(partial.transfer.href), ByteRange(offset, part.end, part.validator)
            async with self._streams.open(), source.open(partial.transfer.href, rest) as content:
                async for pieces in content.pieces or _as_pieces(content.chunks):
                    end = offset + sum(map(len, pieces))
                    if end > part.end:
                        raise NoRangesError(partial.transfer.href)
                    await self._write(partial, pieces, offset)
                    offset = end
            if offset < part.end:
                raise broken_off(partial.transfer.href)

        await retry(attempt, self._waits)

    async def _write(
        self, partial: "PartialFile", pieces: Sequence[Chunk], offset: int, digest: "hashlib._Hash | None" = None
    ) -> None:
        def keep() -> None:
            partial.write(pieces, offset)
            if digest is not None:
                for piece in pieces:
                    digest.update(memoryview(piece))

        size_bytes = sum(map(len, pieces))
        if size_bytes < SMALL_CHUNK_BYTES:
            keep()
        else:
            await self._workers.run(keep)
        partial.size_bytes += size_bytes
        self._progress.add(partial.transfer, size_bytes)


async def _as_pieces(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Sequence[Chunk]]:
    async for chunk in chunks:
        yield (chunk,)


async def _stop_beyond(size: int, chunks: AsyncIterator[Chunk], transfer: Transfer) -> AsyncIterator[Chunk]:
    """Yield chunks up to the size that the metadata states; raises `StagingError` when more arrives.

    For a source that does not say itself how much it sends.
    """
    came = 0
    async for chunk in chunks:
        came += len(chunk)
        if came > size:
            raise _wrong_size(transfer, f"more than {size} bytes arrived")
        yield chunk


async def _check_beginning(content: Content, transfer: Transfer) -> AsyncIterator[Chunk]:
    """Yield the chunks of a file that may be a page; raises `StagingError` before the first one if it is."""
    start, begun = b"", False
    async for chunk in content.chunks:
        if begun:
            yield chunk
            continue
        is_first, start = not start, start + bytes(chunk)
        if len(start) >= CHECKED_BYTES or (is_first and has_signature(content, transfer, start)):
            begun = True
            _check(content, transfer, start)
            yield start
    if not begun:
        _check(content, transfer, start)
        yield start


def _check(content: Content, transfer: Transfer, start: bytes | bytearray) -> None:
    """Check the beginning of a file; raises the `StagingError` of a page or message in place of it."""
    foreign = find_foreign(content, transfer, bytes(start[:CHECKED_BYTES]))
    if foreign:
        raise foreign


def _agree_on_size(transfer: Transfer, content: Content) -> int | None:
    stated, offered = transfer.size_bytes, content.size_bytes
    if stated is not None and offered is not None and stated != offered:
        raise _wrong_size(transfer, f"the source has {offered} bytes")
    return stated if offered is None else offered


def _wrong_size(transfer: Transfer, found: str) -> StagingError:
    reason = f"{found}, its metadata states {transfer.size_bytes}"
    return StagingError(Kind.SIZE, transfer.href, reason, "The publisher must correct the stated size or the file.")


def _verify(transfer: Transfer, size: int | None, came: int, digest_hex: str | None) -> None:
    if size is not None and came != size:
        raise RetryableError(
            Kind.SIZE,
            transfer.href,
            f"{came} bytes arrived instead of {size}",
            "Try again; if it persists, the publisher must correct the file or its stated size.",
        )
    if transfer.checksum is not None and digest_hex != transfer.checksum.digest_hex:
        raise StagingError(
            Kind.CHECKSUM,
            transfer.href,
            f"its {transfer.checksum.algorithm} is {digest_hex}, its metadata states {transfer.checksum.digest_hex}",
            "The file changed or is damaged at its source; the publisher must correct the file or its checksum.",
        )


def translate_disk(error: OSError, transfer: Transfer) -> StagingError:
    """Translate an error of the local disk to the `StagingError` of a transfer."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StagingError(
        Kind.DISK_FULL if full else Kind.DISK,
        transfer.href,
        f"cannot write to {os.fspath(transfer.target.parent)}: {error.strerror or error}",
        "Free space, or use a folder on a larger disk." if full else "Check the folder and its permissions.",
    )


class PartialFile:
    """The file of an unfinished transfer; `size_bytes` counts the bytes written. Its methods block.

    Threads may still write when the transfer is abandoned: the file is closed when the last one has finished.
    """

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        self.size_bytes = 0
        self._target = os.fspath(transfer.target)
        # a string: creating a Path costs as much as moving a small file
        self._partial = f"{os.path.dirname(self._target)}/.{_RUN}-{next(_NUMBERS)}.part"  # noqa: PTH120
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._users = 0
        self._wanted = True

    def rename(self, name: str) -> None:
        """Choose another final name in the same folder."""
        self._target = os.fspath(self.transfer.target.with_name(name))

    def open(self) -> None:
        """Start with an empty file."""
        with self._lock:
            if self._wanted:
                self._descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def reserve(self, size_bytes: int) -> None:
        """Reserve the space: writing is faster, and a full disk is reported before the first byte arrives."""
        with self._use() as descriptor:
            _allocate(descriptor, size_bytes)

    def write(self, pieces: Sequence[Chunk | bytearray], offset: int) -> None:
        """Write bytes, in pieces that follow each other, at their offset."""
        with self._use() as descriptor:
            # nearly always one call is enough
            written = os.pwritev(descriptor, pieces[:_MOST_AT_ONCE], offset)
            if written == sum(map(len, pieces)):
                return
            views = deque(memoryview(piece) for piece in pieces)
            self._skip(views, written)
            offset += written
            while views:
                written = os.pwritev(descriptor, list(islice(views, _MOST_AT_ONCE)), offset)
                offset += written
                self._skip(views, written)

    @staticmethod
    def _skip(views: deque[memoryview], written: int) -> None:
        """Take away as many bytes as were written."""
        while views and written >= len(views[0]):
            written -= len(views.popleft())
        if written:
            views[0] = views[0][written:]

    def digest(self, algorithm: str) -> str:
        """Compute the hex digest of the bytes written."""
        digest, offset = hashlib.new(algorithm, usedforsecurity=False), 0
        with self._use() as descriptor:
            while self._wanted and (chunk := os.pread(descriptor, 1 << 20, offset)):
                digest.update(chunk)
                offset += len(chunk)
        return digest.hexdigest()

    def finish(self) -> None:
        """Rename the file to its final name."""
        with self._lock:
            if self._wanted:
                os.replace(self._partial, self._target)  # noqa: PTH105
                self._give_up()

    def discard(self) -> None:
        """Delete the file, unless it has its final name."""
        with self._lock:
            if self._wanted and self._descriptor is not None:
                Path(self._partial).unlink(missing_ok=True)
            self._give_up()

    def _give_up(self) -> None:
        self._wanted = False
        if self._descriptor is not None and not self._users:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def _use(self) -> Iterator[int]:
        with self._lock:
            if self._descriptor is None or not self._wanted:
                raise OSError(errno.EBADF, "the transfer was given up")
            descriptor = self._descriptor
            self._users += 1
        try:
            yield descriptor
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._wanted:
                self._give_up()


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Call fallocate(2): `os.posix_fallocate` would write zeros where the file system cannot (NFS before 4.2)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if call is None:
        return
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(descriptor, 0, 0, size_bytes) and ctypes.get_errno() in (errno.ENOSPC, errno.EDQUOT):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
