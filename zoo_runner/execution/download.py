"""Downloading the results of a job: all files that stage-out wrote, under the same names."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_runner.engines.pipeline import load_stage_out_options, translated
from zoo_runner.model.errors import StageInError
from zoo_runner.model.job import Job, Results
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.cancel import run_cancellable
from zoo_staging.progress import ignore

if TYPE_CHECKING:
    from stageout.destinations import Destination
    from stageout.model import StageOutOptions


def download_results(job: Job, results: Results, storage: StorageProfile, folder: Path) -> int:
    """Download the results of a job into `folder`, where files of the same names are replaced; return their number.

    Links between the documents are relative and hold in the folder too. Raises `StageInError`: also where a later job
    has replaced these results.
    """
    with translated(StageInError):
        options = load_stage_out_options(storage, job.id, job.workflow_id)
        return run_cancellable(_download(job, results, options, folder), "the download", str(folder), None)


async def _download(job: Job, results: Results, options: "StageOutOptions", folder: Path) -> int:
    from stagein.progress import Transfer
    from stagein.settings import StageInOptions
    from stagein.sources import open_sources
    from stagein.transfer import transfer_all
    from stageout.destinations import open_destination
    from stageout.names import FOLDER_MARKER

    destination = open_destination(job.destination, options)
    keys = await _list_keys(job, results, destination)
    empty = [key for key in keys if key.rpartition("/")[2] == FOLDER_MARKER]
    transfers = [Transfer(destination.get_href(key), folder / key) for key in keys if key not in empty]
    reading = StageInOptions(s3=options.s3, clouds=options.clouds)
    async with open_sources(reading) as sources:
        await transfer_all(transfers, sources, reading, ignore)
    for key in empty:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
    return len(keys)


async def _list_keys(job: Job, results: Results, destination: "Destination") -> Sequence[str]:
    from stageout.earlier_results import list_results
    from stageout.names import RESULT_COLLECTION

    keys = await list_results(destination)
    stored = json.loads(await destination.get_bytes(RESULT_COLLECTION) or b"{}") if keys else {}
    if stored.get("id") != results.collection.get("id"):
        what = "those of another job are" if keys else "nothing is"
        raise StageInError(
            f"the results of job {job.id} are no longer at {job.destination}: {what}",
            "Run the job again, to a destination of its own.",
            code="source.not-found",
        )
    return keys
