"""Downloads all files of a job: in one bounded pool, each address once."""

import asyncio
import secrets
import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from stagein.download import Downloader, translate_disk
from stagein.progress import Progress, Transfer
from stagein.settings import StageInOptions
from stagein.sources import SourceTable
from zoo_staging.checksum import Checksum
from zoo_staging.errors import Kind, StagingError, merge_errors
from zoo_staging.pool import run_pool
from zoo_staging.progress import Report

SETTLE_SECONDS = 2.0


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
    with closing(Downloader(sources, progress, options)) as downloader:

        async def download(group: list[Transfer]) -> None:
            first, *others = group
            try:
                await downloader.download(first)
            except StagingError as error:
                if first.what:
                    raise error.explain(first.what) from error
                raise
            for other in others:
                await asyncio.to_thread(_duplicate, first.target, other)

        _, errors = await run_pool(
            [lambda group=group: download(group) for group in groups.values()],  # type: ignore[misc]
            options.concurrency,
            settle_seconds=SETTLE_SECONDS,
        )
    if errors:
        raise merge_errors(errors)


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
        raise translate_disk(error, other) from error
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
            Kind.DISK_FULL,
            str(folder),
            f"the inputs need {wanted} bytes, {free} are free",
            "Free space, or use a folder on a larger disk.",
        )
