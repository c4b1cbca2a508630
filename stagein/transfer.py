"""Moving bytes to disk: checked, never visible in part, each address once."""

import asyncio
import errno
import os
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stagein.settings import StageInOptions
from stagein.sources import Content, SourceTable
from staging.checksum import Checksum
from staging.errors import Kind, RetryableError, StagingError, mask_href, merge_errors
from staging.pool import RetryOptions, retry, run_pool
from staging.progress import Report, Transferred

# below this, handing a chunk to a thread costs more than writing it
SMALL_BYTES = 256 << 10
SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Transfer:
    """One file to bring: from `href` to `target`; size and checksum are verified where known."""

    href: str
    target: Path
    size_bytes: int | None = None
    checksum: Checksum | None = None


class Progress:
    """Counts files and bytes of one stage-in and reports them; stops it when it gets too large."""

    def __init__(self, transfers: Iterable[Transfer], report: Report, max_bytes: int | None) -> None:
        self._sizes = {transfer: transfer.size_bytes for transfer in transfers}
        # kept as running sums: thousands of files report thousands of times
        self._known_bytes = sum(size or 0 for size in self._sizes.values())
        self._unknown_files = sum(size is None for size in self._sizes.values())
        self._report = report
        self._max_bytes = max_bytes
        self._files_done = 0
        self._bytes_done = 0

    def expect(self, transfer: Transfer, size_bytes: int | None) -> None:
        """A size became known."""
        before = self._sizes[transfer]
        self._sizes[transfer] = size_bytes
        self._known_bytes += (size_bytes or 0) - (before or 0)
        self._unknown_files += (size_bytes is None) - (before is None)
        self._check(self._known_bytes, transfer)

    def add(self, transfer: Transfer, size_bytes: int, *, files: int = 0) -> None:
        """Bytes came (or, negative, came in vain)."""
        self._bytes_done += size_bytes
        self._files_done += files
        self._check(self._bytes_done, transfer)
        self._report(
            Transferred(
                stage="stage-in",
                href=mask_href(transfer.href),
                files_done=self._files_done,
                files_total=len(self._sizes),
                bytes_done=self._bytes_done,
                bytes_total=None if self._unknown_files else self._known_bytes,
            )
        )

    def _check(self, count: int, transfer: Transfer) -> None:
        if self._max_bytes is not None and count > self._max_bytes:
            raise StagingError(
                Kind.REFUSED,
                transfer.href,
                f"with it the inputs of this job have more than the allowed {self._max_bytes} bytes",
                "Refer to less data, or raise STAGEIN_MAX_BYTES.",
            )


async def transfer_all(
    transfers: Iterable[Transfer], sources: SourceTable, options: StageInOptions, report: Report
) -> None:
    """Bring all files, in one bounded pool; the same address is downloaded once and then linked or copied.

    Raises `StagingError`: the first problem, with those that came up beside it.
    """
    groups: dict[tuple[str, int | None, Checksum | None], list[Transfer]] = {}
    for transfer in transfers:
        groups.setdefault((transfer.href, transfer.size_bytes, transfer.checksum), []).append(transfer)
    firsts = [group[0] for group in groups.values()]
    progress = Progress(firsts, report, options.max_bytes)
    _check_space(firsts)
    waits = RetryOptions(options.retries, options.first_wait_seconds, options.longest_wait_seconds)

    async def bring(group: list[Transfer]) -> None:
        first, *others = group
        await retry(lambda: download(first, sources, progress), waits)
        for other in others:
            await asyncio.to_thread(_duplicate, first.target, other)

    _, errors = await run_pool(
        [lambda group=group: bring(group) for group in groups.values()],  # type: ignore[misc]
        options.concurrency,
        settle_seconds=SETTLE_SECONDS,
    )
    if errors:
        raise merge_errors(errors)


async def download(transfer: Transfer, sources: SourceTable, progress: Progress) -> None:
    """Bring one file: written under a hidden name beside its target, verified, then renamed."""
    partial = transfer.target.parent / f".{secrets.token_hex(8)}.part"
    counter = _Counter()
    try:
        transfer.target.parent.mkdir(parents=True, exist_ok=True)
        async with sources.get(transfer.href).open(transfer.href) as content:
            size = _agree_on_size(transfer, content)
            progress.expect(transfer, size)
            with partial.open("xb") as file:
                digest_hex = await _write(content, file, transfer, progress, counter)
        _verify(transfer, size, counter.size_bytes, digest_hex)
        partial.replace(transfer.target)
        progress.expect(transfer, counter.size_bytes)
        progress.add(transfer, 0, files=1)
    except OSError as error:
        raise _translate_disk(error, transfer) from error
    finally:
        if partial.exists():
            partial.unlink()
            progress.add(transfer, -counter.size_bytes)


@dataclass
class _Counter:
    size_bytes: int = 0


async def _write(
    content: Content, file: BinaryIO, transfer: Transfer, progress: Progress, counter: _Counter
) -> str | None:
    digest = transfer.checksum.start() if transfer.checksum else None

    def keep(chunk: bytes) -> None:
        file.write(chunk)
        if digest is not None:
            digest.update(chunk)

    async for chunk in content.chunks:
        if len(chunk) < SMALL_BYTES:
            keep(chunk)
        else:
            await asyncio.to_thread(keep, chunk)
        counter.size_bytes += len(chunk)
        progress.add(transfer, len(chunk))
    return digest.hexdigest() if digest is not None else None


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


def _duplicate(first: Path, other: Transfer) -> None:
    """Give a file a second place: by a hard link where the disk can, else by a copy; both at once visible."""
    partial = other.target.parent / f".{secrets.token_hex(8)}.part"
    try:
        other.target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.hardlink_to(first)
        except OSError:
            shutil.copyfile(first, partial)
        partial.replace(other.target)
    except OSError as error:
        raise _translate_disk(error, other) from error
    finally:
        partial.unlink(missing_ok=True)


def _check_space(transfers: list[Transfer]) -> None:
    wanted = sum(transfer.size_bytes or 0 for transfer in transfers)
    if not wanted:
        return
    folder = next(parent for parent in transfers[0].target.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise StagingError(
            Kind.DISK,
            str(folder),
            f"the inputs need {wanted} bytes, but {free} are free",
            "Free space, or use a folder on a larger disk.",
        )


def _translate_disk(error: OSError, transfer: Transfer) -> StagingError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StagingError(
        Kind.DISK,
        transfer.href,
        f"cannot be written to {os.fspath(transfer.target.parent)}: {error.strerror or error}",
        "Free space, or use a folder on a larger disk." if full else "Check the folder and its permissions.",
    )
