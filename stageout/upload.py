"""Executes a plan: files in a bounded pool, then documents wave by wave; sizes are verified."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from stageout.destinations import Destination
from stageout.model import Plan, PlannedDocument, PlannedFile
from zoo_staging.errors import Kind, Side, StagingError, merge_errors
from zoo_staging.pool import run_pool
from zoo_staging.progress import Report, Transferred

_SETTLE_SECONDS = 5.0


@dataclass
class _Progress:
    report: Report
    files_total: int
    bytes_total: int
    files_done: int = field(default=0)
    bytes_done: int = field(default=0)

    def add(self, href: str, size_bytes: int) -> None:
        self.files_done += 1
        self.bytes_done += size_bytes
        self.report(
            Transferred("stage-out", href, self.files_done, self.files_total, self.bytes_done, self.bytes_total)
        )


@dataclass(frozen=True)
class Uploaded:
    """How much was written."""

    files: int
    bytes: int


async def upload(plan: Plan, destination: Destination, concurrency: int, report: Report) -> Uploaded:
    """Write everything in the order of the plan. Raises the StagingError of the first failure."""
    waves = [[(document, _encode(document)) for document in wave] for wave in plan.documents]
    bodies = [body for wave in waves for _, body in wave]
    progress = _Progress(
        report,
        len(plan.files) + len(bodies),
        sum(file.size_bytes for file in plan.files) + sum(len(body) for body in bodies),
    )
    await _run([partial(_put_file, file, destination, progress) for file in plan.files], concurrency)
    await _run([partial(destination.put_folder, folder) for folder in plan.folders], concurrency)
    for wave in waves:
        await _run([partial(_put_document, *each, destination, progress) for each in wave], concurrency)
    return Uploaded(progress.files_done, progress.bytes_done)


def _encode(document: PlannedDocument) -> bytes:
    if isinstance(document.body, bytes):
        return document.body
    # a lone surrogate, which JSON can hold and UTF-8 cannot, stays the escape that it was
    return json.dumps(document.body, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


async def _run(actions: list[Callable[[], Awaitable[None]]], concurrency: int) -> None:
    _, errors = await run_pool(actions, concurrency, settle_seconds=_SETTLE_SECONDS)
    if errors:
        raise merge_errors(errors)


async def _put_file(file: PlannedFile, destination: Destination, progress: _Progress) -> None:
    try:
        os.close(os.open(file.source, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        unreadable = StagingError(
            Kind.NOT_FOUND if isinstance(error, FileNotFoundError) else Kind.FORBIDDEN,
            file.key,
            f"cannot read the file {file.source.name!r}: {error.strerror}",
            "Keep the output folder of the run, readable, until the results are staged out.",
        )
        unreadable.side = Side.OUTPUT
        raise unreadable from error
    if not await destination.put_file(file.key, file.source, file.media_type):
        await _check_size(file.key, file.size_bytes, destination)
    progress.add(destination.get_href(file.key), file.size_bytes)


async def _put_document(document: PlannedDocument, body: bytes, destination: Destination, progress: _Progress) -> None:
    if not await destination.put_bytes(document.key, body, document.media_type):
        await _check_size(document.key, len(body), destination)
    progress.add(destination.get_href(document.key), len(body))


async def _check_size(key: str, size_bytes: int, destination: Destination) -> None:
    found = await destination.get_size(key)
    if found != size_bytes:
        stored = "no object" if found is None else f"{found} bytes"
        raise StagingError(
            Kind.SIZE,
            destination.get_href(key),
            f"{stored} stored after {size_bytes} bytes were written",
            "Try again; if it persists, contact the operator of the destination.",
        )
