"""Looks at what a stage-in would download, without downloading it: whether the sources answer, how much it is."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from stagein.fetch import Fetcher
from stagein.plan import Reference, Where, build_plan
from stagein.progress import Transfer, check_bytes, check_files
from stagein.settings import StageInOptions
from stagein.sources import SourceTable, open_sources
from zoo_staging.errors import Kind, Side, StagingError, about
from zoo_staging.pool import run_pool

MOST_ASKED = 20
"""Of one reference, so many files are asked for; of the others the size that a document gives is believed."""
LONGEST_SECONDS = 60.0
"""What a look may take in all."""


@dataclass(frozen=True)
class Survey:
    """What would be downloaded: how many different files, their known bytes, and why it would fail, with where."""

    files: int
    known_bytes: int
    errors: tuple[tuple[Where, StagingError], ...] = ()


@dataclass(frozen=True)
class _Part:
    """What one reference leads to: sizes in bytes by address, 0 where a size is not known."""

    where: Where
    href: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    error: StagingError | None = None


def survey(job_order: Mapping[str, Any], options: StageInOptions) -> Survey:
    """Look at all that `job_order` refers to; nothing is written. Not to be called inside a running event loop."""
    with about(Side.SOURCE):
        references = build_plan(job_order, Path().absolute())
        # who asks is waiting: a source that is away for a moment is reported as such
        return asyncio.run(_survey_in_time(references, replace(options, retries=0))) if references else Survey(0, 0)


async def _survey_in_time(references: Iterable[Reference], options: StageInOptions) -> Survey:
    try:
        return await asyncio.wait_for(_survey(references, options), LONGEST_SECONDS)
    except asyncio.TimeoutError:
        raise StagingError(
            Kind.TIMEOUT,
            "the sources of the inputs",
            f"not all have answered within {LONGEST_SECONDS:g} s",
            "Look at each by itself, or go on without this look.",
        ) from None


async def _survey(references: Iterable[Reference], options: StageInOptions) -> Survey:
    async with open_sources(options) as sources:
        fetcher = Fetcher(sources, Path("/"), options)
        actions = [partial(_look, fetcher, sources, reference, options) for reference in references]
        parts, _ = await run_pool(actions, options.documents_at_once)
    # several inputs may refer to one file: it is counted once
    sizes = _merge_sizes(item for part in parts for item in part.sizes.items())
    known = sum(sizes.values())
    errors = [(part.where, part.error) for part in parts if part.error]
    for part in parts[:1]:
        try:
            with about(Side.SOURCE):
                check_bytes(known, part.href, options.max_bytes)
        except StagingError as error:
            errors.append((part.where, error))
    return Survey(len(sizes), known, tuple(errors))


async def _look(fetcher: Fetcher, sources: SourceTable, reference: Reference, options: StageInOptions) -> _Part:
    try:
        with about(Side.SOURCE):
            staged = await fetcher.prepare(reference)
            check_files(len(staged.transfers), reference.href, options.max_files)
            asked = [one for one in staged.transfers if not (one.may_be_missing or one.is_side)][:MOST_ASKED]
            sizes, errors = await run_pool([partial(_ask, sources, one) for one in asked], options.documents_at_once)
            if errors:
                raise errors[0]
    except StagingError as error:
        return _Part(reference.where, reference.href, error=error)
    believed = _merge_sizes((one.href, one.size_bytes or 0) for one in staged.transfers)
    return _Part(reference.where, reference.href, {**believed, **dict(sizes)})


def _merge_sizes(sizes: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the size of each address, 0 only where none of those that refer to it knows it."""
    merged: dict[str, int] = {}
    for href, size in sizes:
        merged[href] = max(size, merged.get(href, 0))
    return merged


async def _ask(sources: SourceTable, transfer: Transfer) -> tuple[str, int]:
    """Begin to read a file, and leave it at that; return its address and its size, 0 if that is not known."""
    try:
        async with sources.get(transfer.href).open(transfer.href) as content:
            return transfer.href, content.size_bytes or transfer.size_bytes or 0
    except StagingError as error:
        raise error.explain(transfer.what) if transfer.what else error from error
