"""Removes the results of jobs: by their workspace, or once they are older than its profile says."""

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from zoo_runner.config.profiles import EVERY
from zoo_runner.engines.pipeline import load_stage_out_options, translated
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import JobNotFoundError, RunnerError, StageOutError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.model.stored_results import StoredResults
from zoo_runner.server.api import Api, Call
from zoo_runner.server.installation import find_folder, list_results_retention
from zoo_runner.server.jobs import get_job
from zoo_runner.server.results import build_no_results, build_not_ended

logger = logging.getLogger(__name__)


def remove_results(api: Api, call: Call, job_id: str) -> None:
    """Remove the results of a job, also of one whose record was removed, with the logs that lie beside them.

    Raises `JobNotFoundError`, `EngineError` before the end of the job, and `StageOutError`; it can then be repeated.
    """
    stored = api.store.results.find(call.workspace, job_id)
    if stored is None:
        stored = _read_uncounted(get_job(api, call, job_id))
    with suppress(JobNotFoundError):
        job = get_job(api, call, job_id)
        if job.status not in FINAL:
            raise build_not_ended(job)
    _remove(api, stored)


def remove_expired_results(api: Api, stopped: threading.Event) -> int:
    """Remove the results that were stored longer ago than they are kept; returns of how many jobs."""
    removed = 0
    for stored in _find_expired(api):
        if stopped.is_set():
            break
        try:
            _remove(api, stored)
            removed += 1
        except RunnerError as error:
            logger.warning("the results of job %s could not be removed: %s", stored.job_id, error)
    return removed


def _find_expired(api: Api) -> Iterator[StoredResults]:
    """Find the results of each workspace that are older than they are kept there."""
    known = list_results_retention(api.settings)
    for name, days in known.items():
        if days is None:
            continue
        until = clock.days_after(-days)
        if name == EVERY:
            yield from api.store.results.find_older(until, apart_from=known.keys() - {EVERY})
        else:
            yield from api.store.results.find_older(until, name)


def _read_uncounted(job: Job) -> StoredResults:
    """Read from its record what a job stored that is not counted, as a worker of an earlier release ended it."""
    if job.status not in FINAL or job.outcome is None or job.outcome.results is None:
        raise build_no_results(job)
    return StoredResults(job.id, job.workspace, job.destination, job.outcome.results.size_bytes, job.updated)


def _remove(api: Api, stored: StoredResults) -> None:
    """Remove what is stored, then what is known of it, so that all of it can be repeated."""
    from stageout.stage import remove_results as remove_stored

    storage, place = api.find_configuration(stored.workspace).workspace.storage, stored.destination.rstrip("/")
    _ensure_mounted(stored)
    with translated(StageOutError):
        options = load_stage_out_options(storage, stored.job_id, "")
        for one in (f"{place}/logs/{stored.job_id}", place):
            remove_stored(one, options)
    # its record may have been removed
    with suppress(JobNotFoundError):
        job = api.store.jobs.get(stored.job_id)
        if job.outcome:
            api.store.jobs.update(replace(job, outcome=replace(job.outcome, results=None, published=None)))
    api.store.results.remove(stored.job_id)


def _ensure_mounted(stored: StoredResults) -> None:
    """Refuse to take results for removed where the folder that they lie in is not there at the moment."""
    folder = find_folder(stored.destination)
    if folder and not folder.parent.is_dir():
        raise StageOutError(
            f"the results of job {stored.job_id} cannot be removed: there is no folder {folder.parent}",
            "Mount it, then repeat the request. Where it was removed for good, create it empty before.",
            level=Level.PLATFORM,
            code="destination.missing",
        )
