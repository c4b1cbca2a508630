"""Stage-in as a whole: plan, download, write the new job order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stagein.plan import Reference, Where, build_job_order, build_plan, check_staged
from stagein.settings import StageInOptions
from zoo_staging.cancel import Cancellation, run_cancellable
from zoo_staging.errors import Side, about
from zoo_staging.progress import Report, ignore


def stage_in(
    job_order: Mapping[str, Any],
    folder: Path,
    options: StageInOptions,
    report: Report = ignore,
    *,
    base_folder: Path | None = None,
    cancellation: Cancellation | None = None,
    versions: dict[Path, str] | None = None,
) -> dict[str, Any]:
    """Download what `job_order` refers to into `folder`; return a job order whose Files and Directories are local.

    Relative paths count from `base_folder` (the working directory when None). Local files and folders stay
    where they are. Raises `StagingError`; a cancelled one has the kind `CANCELLED`. After an error or an
    interrupt there are no partial files; complete ones may exist. Not to be called inside a running event loop:
    there, await `stage_in_async`. What sources call the version of files (entity tag, time) is added to `versions`, by
    the path of the file: where it is another one, the file may be.
    """
    work = stage_in_async(job_order, folder, options, report, base_folder=base_folder, versions=versions)
    return run_cancellable(work, "stage-in", str(folder), cancellation)


async def stage_in_async(
    job_order: Mapping[str, Any],
    folder: Path,
    options: StageInOptions,
    report: Report = ignore,
    *,
    base_folder: Path | None = None,
    versions: dict[Path, str] | None = None,
) -> dict[str, Any]:
    """Do what `stage_in` does; cancel the task to stop it."""
    with about(Side.SOURCE):
        references = build_plan(job_order, (base_folder or Path()).absolute())
        staged = await stage_references(references, folder, options, report, versions)
        order = build_job_order(job_order, staged)
        check_staged(order, staged.values())
        return order


async def stage_references(
    references: Sequence[Reference],
    folder: Path,
    options: StageInOptions,
    report: Report = ignore,
    versions: dict[Path, str] | None = None,
) -> dict[Where, Path]:
    """Download planned references into `folder`; return the local path of each."""
    if not references:
        return {}
    # the libraries of HTTP and S3 take half a second to import: only if there is something to fetch
    from stagein.fetch import fetch_references

    return await fetch_references(references, folder.absolute(), options, report, versions)
