"""Removes the results of jobs: by their workspace, or once they are older than its profile says."""

import logging
import threading
from contextlib import suppress
from dataclasses import replace

from zoo_runner.engines.pipeline import load_stage_out_options, translated
from zoo_runner.model import clock
from zoo_runner.model.errors import JobNotFoundError, RunnerError, StageOutError
from zoo_runner.model.job import FINAL
from zoo_runner.model.stored_results import StoredResults
from zoo_runner.server.api import Api, Call
from zoo_runner.server.installation import find_shortest_results_retention
from zoo_runner.server.jobs import get_job
from zoo_runner.server.results import build_no_results, build_not_ended

_SECONDS_PER_DAY = 86_400

logger = logging.getLogger(__name__)


def remove_results(api: Api, call: Call, job_id: str) -> None:
    """Remove the results of a job, also of one whose record was removed, with the logs that lie beside them.

    Raises `JobNotFoundError`, `EngineError` before the end of the job, and `StageOutError`; it can then be repeated.
    """
    stored = api.store.results.find(call.workspace, job_id)
    if stored is None:
        raise build_no_results(get_job(api, call, job_id))
    with suppress(JobNotFoundError):
        job = get_job(api, call, job_id)
        if job.status not in FINAL:
            raise build_not_ended(job)
    _remove(api, stored)


def remove_expired_results(api: Api, stopped: threading.Event) -> int:
    """Remove the results that were stored longer ago than they are kept; returns of how many jobs."""
    least = find_shortest_results_retention(api.settings)
    if least is None:
        return 0
    removed = 0
    for stored in api.store.results.find_older(clock.after(-least * _SECONDS_PER_DAY)):
        if stopped.is_set():
            break
        days = api.find_profile(stored.workspace).results_retention_days
        if days is None or stored.stored > clock.after(-days * _SECONDS_PER_DAY):
            continue
        try:
            _remove(api, stored)
            removed += 1
        except RunnerError as error:
            logger.warning("the results of job %s could not be removed: %s", stored.job_id, error)
    return removed


def _remove(api: Api, stored: StoredResults) -> None:
    """Remove what is stored, then what is known of it, so that all of it can be repeated."""
    from stageout.stage import remove_results as remove_stored

    storage, place = api.find_configuration(stored.workspace).workspace.storage, stored.destination.rstrip("/")
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
