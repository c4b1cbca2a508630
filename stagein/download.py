"""Bringing one file to disk: under a hidden name beside its target, verified, then renamed."""

import asyncio
import errno
import hashlib
import os
from pathlib import Path

from stagein.disk import Disk
from stagein.landing import Landing
from stagein.progress import Progress, Transfer
from stagein.settings import StageInOptions
from stagein.sources import Chunk, Content, SourceTable
from zoo_staging.errors import Kind, RetryableError, StagingError, merge_errors
from zoo_staging.parts import ChangedError, NoPartsError, Part, broken_off
from zoo_staging.pool import RetryOptions, retry, run_pool
from zoo_staging.threads import Workers

# below this, handing a chunk to a thread costs more than writing it
SMALL_CHUNK_BYTES = 256 << 10
# up to this size, a file is held in memory and written at once
SMALL_BYTES = 1 << 20
# from this size on, a file is fetched in parts, several at once: each goes on where it broke off
LARGE_BYTES = 64 << 20
PART_BYTES = 32 << 20
PARTS_AT_ONCE = 4


class Downloader:
    """Brings files; never more streams at once than the options allow, whatever number of parts they belong to."""

    def __init__(self, sources: SourceTable, progress: Progress, options: StageInOptions) -> None:
        self._sources = sources
        self._progress = progress
        self._waits = RetryOptions(options.retries, options.first_wait_seconds, options.longest_wait_seconds)
        self._streams = asyncio.Semaphore(options.concurrency)
        self._workers = Workers()
        self._disk = Disk(self._workers)
        self._folders: set[Path] = set()

    def close(self) -> None:
        """Let the threads end."""
        self._workers.close()

    async def bring(self, transfer: Transfer) -> None:
        """Bring one file; raises `StagingError`, and then nothing is there."""
        try:
            if transfer.target.parent not in self._folders:
                transfer.target.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(transfer.target.parent)
            await self._fetch(transfer)
        except OSError as error:
            raise translate_disk(error, transfer) from error
        self._progress.add(transfer, 0, files=1)

    async def _fetch(self, transfer: Transfer) -> None:
        try:
            await retry(lambda: self._attempt(transfer), self._waits)
        except ChangedError:
            await retry(lambda: self._attempt(transfer), self._waits)
        except NoPartsError:
            await retry(lambda: self._attempt(transfer, in_parts=False), self._waits)

    async def _attempt(self, transfer: Transfer, *, in_parts: bool = True) -> None:
        """From the first byte to the last."""
        landing, done = Landing(transfer), False
        try:
            await self._land(landing, in_parts=in_parts)
            done = True
        finally:
            if not done:
                self._progress.add(transfer, -landing.size_bytes)
                landing.discard()

    async def _land(self, landing: Landing, *, in_parts: bool) -> None:
        transfer = landing.transfer
        async with self._streams, self._sources.get(transfer.href).open(transfer.href) as content:
            size = _agree_on_size(transfer, content)
            self._progress.expect(transfer, size)
            if size is not None and size <= SMALL_BYTES:
                await self._bring_small(content, landing, size)
                return
            large = in_parts and content.validator is not None and size is not None and size >= LARGE_BYTES
            await self._workers.run(landing.open)
            if size is not None:
                await self._workers.run(lambda: landing.reserve(size))
            digest_hex = None if large else await self._write_whole(content, landing)
        if large:
            digest_hex = await self._write_parts(landing, size or 0, content.validator or "")
        _verify(transfer, size, landing.size_bytes, digest_hex)
        self._progress.expect(transfer, landing.size_bytes)
        await self._workers.run(landing.finish)

    async def _bring_small(self, content: Content, landing: Landing, size: int) -> None:
        """All bytes at once; counted when they are there."""
        data = b""
        async for chunk in content.chunks:
            data = bytes(chunk) if not data else data + chunk
        checksum = landing.transfer.checksum
        _verify(landing.transfer, size, len(data), checksum.compute(data) if checksum else None)

        def write() -> None:
            landing.open()
            landing.write(data, 0)
            landing.finish()

        await self._disk.run(write)
        landing.size_bytes = len(data)
        self._progress.add(landing.transfer, len(data))

    async def _write_whole(self, content: Content, landing: Landing) -> str | None:
        checksum = landing.transfer.checksum
        digest = checksum.start() if checksum else None
        async for chunk in content.chunks:
            await self._write(landing, chunk, landing.size_bytes, digest)
        return digest.hexdigest() if digest is not None else None

    async def _write_parts(self, landing: Landing, size: int, validator: str) -> str | None:
        parts = [Part(start, min(start + PART_BYTES, size), validator) for start in range(0, size, PART_BYTES)]
        _, errors = await run_pool(
            [lambda part=part: self._write_part(landing, part) for part in parts],  # type: ignore[misc]
            PARTS_AT_ONCE,
            settle_seconds=0,
        )
        if errors:
            telling = (error for error in errors if isinstance(error, ChangedError | NoPartsError))
            raise next(telling, merge_errors(errors))
        checksum = landing.transfer.checksum
        return await self._workers.run(lambda: landing.digest(checksum.algorithm)) if checksum else None

    async def _write_part(self, landing: Landing, part: Part) -> None:
        """Bring one part; after a failure that may pass, go on where it broke off."""
        offset = part.start

        async def attempt() -> None:
            nonlocal offset
            source, rest = self._sources.get(landing.transfer.href), Part(offset, part.end, part.validator)
            async with self._streams, source.open(landing.transfer.href, rest) as content:
                async for chunk in content.chunks:
                    await self._write(landing, chunk, offset)
                    offset += len(chunk)
            if offset < part.end:
                raise broken_off(landing.transfer.href)

        await retry(attempt, self._waits)

    async def _write(self, landing: Landing, chunk: Chunk, offset: int, digest: "hashlib._Hash | None" = None) -> None:
        def keep() -> None:
            landing.write(chunk, offset)
            if digest is not None:
                digest.update(memoryview(chunk))

        if len(chunk) < SMALL_CHUNK_BYTES:
            keep()
        else:
            await self._workers.run(keep)
        landing.size_bytes += len(chunk)
        self._progress.add(landing.transfer, len(chunk))


def _agree_on_size(transfer: Transfer, content: Content) -> int | None:
    stated, offered = transfer.size_bytes, content.size_bytes
    if stated is not None and offered is not None and stated != offered:
        raise StagingError(
            Kind.SIZE,
            transfer.href,
            f"the source offers {offered} bytes, but its metadata states {stated}",
            "The data's publisher must mend the stated size or the file.",
        )
    return stated if offered is None else offered


def _verify(transfer: Transfer, size: int | None, came: int, digest_hex: str | None) -> None:
    if size is not None and came != size:
        raise RetryableError(
            Kind.SIZE,
            transfer.href,
            f"{came} bytes came instead of {size}",
            "Try again; if it stays, the data's publisher must mend the file or its stated size.",
        )
    if transfer.checksum is not None and digest_hex != transfer.checksum.digest_hex:
        raise StagingError(
            Kind.CHECKSUM,
            transfer.href,
            f"its {transfer.checksum.algorithm} is {digest_hex}, "
            f"but its metadata states {transfer.checksum.digest_hex}",
            "The file was changed or damaged at its source: the data's publisher must mend file or checksum.",
        )


def translate_disk(error: OSError, transfer: Transfer) -> StagingError:
    """Say what an error of the local disk means for a transfer."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StagingError(
        Kind.DISK,
        transfer.href,
        f"cannot be written to {os.fspath(transfer.target.parent)}: {error.strerror or error}",
        "Free space, or use a folder on a larger disk." if full else "Check the folder and its permissions.",
    )
