"""Stage-out as a whole: read what the outputs refer to, plan, write, return the results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stageout.destinations import Destination, build_public_href, open_destination
from stageout.earlier_results import claim, discard_unfinished, list_beside, read_earlier, remove_listed, settle
from stageout.model import Plan, PlannedDocument, PlannedFile, StageOutOptions
from stageout.outputs import read_outputs
from stageout.plan import Reach, build_plan
from zoo_staging.cancel import Cancellation, run_cancellable
from zoo_staging.errors import Side, about
from zoo_staging.media import JSON, get_media_type
from zoo_staging.progress import Report, ignore

if TYPE_CHECKING:
    from stageout.upload import Uploaded


@dataclass(frozen=True)
class Results:
    """What the user gets.

    `document` maps output names to values (OGC API - Processes, results): literals as they are, File and
    Directory as a link (`href`, `type`, `title`). `collection` is the STAC Collection of all result items,
    which is at `collection_href`; `catalog_hrefs` are the root catalogs of outputs that came with STAC.
    `outputs` is the CWL output object with the addresses of the results. `files` and `bytes` count everything
    written. `warnings` are sentences for the author of the package.
    """

    document: Mapping[str, Any]
    collection: Mapping[str, Any]
    collection_href: str
    catalog_hrefs: tuple[str, ...]
    files: int
    bytes: int
    warnings: tuple[str, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)


def stage_out(
    outputs: Mapping[str, Any],
    destination: str,
    options: StageOutOptions,
    report: Report = ignore,
    *,
    cancellation: Cancellation | None = None,
    now: datetime | None = None,
) -> Results:
    """Write the outputs of a CWL run to `destination`: a folder, `file://…` or `s3://bucket/prefix`.

    `outputs` is the CWL output object; `now` (with time zone; default: the clock) becomes the time of outputs
    without STAC. Raises StagingError (CANCELLED when `cancellation` was pressed); nothing then links to what was
    written, `discard_results` removes it, and so does the next run to the same place.
    """
    switch = cancellation or Cancellation()
    with about(Side.DESTINATION):
        opened = open_destination(destination, options)
        warnings, build = _prepare(outputs, opened, options, switch, now)
        work = _replace(build, opened, options, report)
        plan, done, more = run_cancellable(work, "stage-out", destination, switch)
    return _build_results(plan, done, (*warnings, *more))


async def _replace(
    build: Callable[[str], Plan], destination: Destination, options: StageOutOptions, report: Report
) -> tuple[Plan, "Uploaded", tuple[str, ...]]:
    """Write new results beside those of an earlier run, then replace these."""
    from stageout.upload import upload

    earlier = await read_earlier(destination)
    plan = earlier.choose_place(build)
    await claim(destination, earlier, plan, options.job_id)
    done = await upload(plan, destination, options.concurrency, report)
    left = await settle(destination, earlier, plan)
    return plan, done, (left,) if left else ()


def plan_stage_out(
    outputs: Mapping[str, Any],
    destination: Destination,
    options: StageOutOptions,
    *,
    cancellation: Cancellation | None = None,
    now: datetime | None = None,
) -> tuple[Plan, tuple[str, ...]]:
    """Read the outputs and plan what would be written to an empty destination; nothing is written or requested."""
    warnings, build = _prepare(outputs, destination, options, cancellation or Cancellation(), now)
    return build(""), warnings


def _prepare(
    outputs: Mapping[str, Any],
    destination: Destination,
    options: StageOutOptions,
    switch: Cancellation,
    now: datetime | None,
) -> tuple[tuple[str, ...], Callable[[str], Plan]]:
    """Read the outputs; return warnings, and the function that plans them below the destination."""
    warnings: list[str] = []
    with about(Side.OUTPUT):
        found = read_outputs(outputs, options, warnings, switch)
    time = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)

    def get_href(key: str) -> str:
        return build_public_href(destination, key, options.public_base_url)

    # with a public address readers do not need the store behind it, which may be internal
    public = bool(options.public_base_url)
    reach = Reach(
        get_href, None if public else destination.storage, self_contained=not public and destination.storage is None
    )
    return tuple(warnings), lambda place: build_plan(found, reach, options, time, place)


def put_beside(
    files: Mapping[str, Path],
    documents: Mapping[str, Any],
    destination: str,
    options: StageOutOptions,
    cancellation: Cancellation | None = None,
) -> str:
    """Write small files and JSON documents that are not results, by name; return the href of the destination.

    Documents that are bytes are encoded already. `remove_results` removes all of it too. Raises StagingError.
    """
    from stageout.upload import Uploaded, upload

    opened = open_destination(destination, options)
    plan = Plan(
        files=tuple(PlannedFile(path, name, get_media_type(name), path.stat().st_size) for name, path in files.items()),
        documents=(tuple(PlannedDocument(name, body, JSON) for name, body in documents.items()),),
        results={},
        collection={},
        collection_href="",
        catalog_hrefs=(),
    )

    async def put() -> Uploaded:
        await list_beside(opened, plan)
        return await upload(plan, opened, options.concurrency, ignore)

    run_cancellable(put(), "stage-out", destination, cancellation)
    return build_public_href(opened, "", options.public_base_url).rstrip("/")


def discard_results(destination: str, options: StageOutOptions, cancellation: Cancellation | None = None) -> int:
    """Remove what a stage-out wrote that was broken off, also by its death; complete results stay.

    Returns how many files were written or to be written. Raises StagingError.
    """
    with about(Side.DESTINATION):
        opened = open_destination(destination, options)
        return run_cancellable(discard_unfinished(opened, options.job_id), "stage-out", destination, cancellation)


def remove_results(destination: str, options: StageOutOptions, cancellation: Cancellation | None = None) -> None:
    """Remove the results at a destination that only one job has; raises StagingError, and may then be repeated."""
    with about(Side.DESTINATION):
        opened = open_destination(destination, options)
        run_cancellable(remove_listed(opened), "stage-out", destination, cancellation)


def check_destination(destination: str, options: StageOutOptions) -> None:
    """Check that results can be written: write an empty object and delete it.

    For the start of a long job. Raises the StagingError that stage-out would end in.
    """
    with about(Side.DESTINATION):
        open_destination(destination, options).probe()


def _build_results(plan: Plan, done: "Uploaded", warnings: tuple[str, ...]) -> Results:
    return Results(
        document=plan.results,
        collection=plan.collection,
        collection_href=plan.collection_href,
        catalog_hrefs=plan.catalog_hrefs,
        files=done.files,
        bytes=done.bytes,
        warnings=warnings,
        outputs=plan.outputs,
    )
