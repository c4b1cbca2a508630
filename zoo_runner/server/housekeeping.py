"""Removes what has become old, and ends jobs that wait too long for a worker.

Old are jobs that ended or were created long ago, results, files, sessions and tokens that expired, callbacks of no
job, and versions of processes that were replaced or undeployed. Several servers of one database may look at the same
time.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from time import monotonic, time

from zoo_runner.execution.context import end_job
from zoo_runner.model import clock
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.server.api import Api
from zoo_runner.server.installation import list_retention
from zoo_runner.server.jobs import remove_ended_job
from zoo_runner.server.stored_results import remove_expired_results
from zoo_runner.server.uploads import remove_expired_uploads, remove_rests
from zoo_runner.store.protocol import JobQuery, JobStore
from zoo_runner.store.selection import iterate_jobs

EVERY_SECONDS = 3600.0
# how often a limit of waiting is looked at, as a part of it, and in seconds
_LOOKS_PER_LIMIT, _LEAST_SECONDS, _MOST_SECONDS = 10, 0.2, 30.0
_LEASE_TO_END_SECONDS = 30.0
_MOST_PER_PAGE = 1000
_SECONDS_PER_HOUR = 3600

logger = logging.getLogger(__name__)


@dataclass
class _Chore:
    """What is done again and again; `due` is of the monotonic clock."""

    do: Callable[[], None]
    every_seconds: float
    due: float = 0.0


class Housekeeper:
    """A thread that does each chore when it is due; `on_end` is called with the id of each job that it has ended."""

    def __init__(self, api: Api, on_end: Callable[[str], None], every_seconds: float = EVERY_SECONDS) -> None:
        self._api, self._on_end = api, on_end
        self._chores = [_Chore(self._remove_old, every_seconds)]
        if (limit := api.settings.queue_seconds) is not None:
            often = min(max(limit / _LOOKS_PER_LIMIT, _LEAST_SECONDS), _MOST_SECONDS)
            self._chores.append(_Chore(self._end_overdue, often))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            for chore in self._chores:
                if chore.due <= monotonic():
                    self._do(chore)
            self._stopped.wait(min(chore.due for chore in self._chores) - monotonic())

    def _do(self, chore: _Chore) -> None:
        chore.due = monotonic() + chore.every_seconds
        try:
            chore.do()
        except RunnerError as error:
            logger.warning("housekeeping is put off: %s", error)
        # the end of a thread: the next time may succeed
        except Exception:
            logger.exception("housekeeping failed")

    def _remove_old(self) -> None:
        self._api.store.callbacks.remove_orphans()
        for kept in (self._api.store.sessions, self._api.store.tokens, self._api.store.step_tokens):
            kept.remove_expired(clock.now())
        remove_expired_uploads(self._api, self._stopped)
        remove_rests(self._api.configuration.workspace.folders.scratch)
        if removed := remove_expired(self._api, self._stopped):
            logger.info("%d jobs were removed that ended more than ZOO_RUNNER_RETENTION_DAYS ago", removed)
        # of workers of an earlier release, beside which this one runs
        self._api.store.results.count_missed(time() - clock.SECONDS_PER_DAY)
        if removed := remove_expired_results(self._api, self._stopped):
            logger.info("the results of %d jobs were removed that are older than their resultsRetentionDays", removed)
        if removed := remove_unstarted(self._api, self._stopped):
            logger.info("%d jobs were removed that nobody started for ZOO_RUNNER_UNSTARTED_HOURS", removed)
        if (days := self._api.settings.version_days) is not None:
            # after the jobs, some of which may have been the last that ran a version
            removed = self._api.store.processes.remove_versions(clock.days_after(-days))
            logger.info("%d versions of processes were removed (ZOO_RUNNER_VERSION_RETENTION_DAYS)", removed)

    def _end_overdue(self) -> None:
        limit = self._api.settings.queue_seconds or 0.0
        for job in find_overdue(self._api.store.jobs, clock.after(-limit)):
            if end_overdue(self._api.store.jobs, job, limit):
                self._on_end(job.id)


def end_overdue(store: JobStore, job: Job, seconds: float) -> bool:
    """End a job that waits longer than so many seconds for a worker; returns whether none has taken it meanwhile."""
    lease = store.lease(job.id, f"queue-limit-{new_job_id()}", _LEASE_TO_END_SECONDS)
    if lease is None:
        return False
    job = store.get(job.id)
    if job.status is Status.ACCEPTED and job.handle is None:
        error = EngineError(
            f"no worker took the job within {seconds:g} s (ZOO_RUNNER_QUEUE_LIMIT)",
            "Run the job again when fewer jobs wait, or ask the operator for more workers.",
            code="job.queue-limit",
        )
        job = end_job(store, job, Outcome(Status.FAILED, diagnosis=error.diagnosis, exit_code=error.exit_code))
    store.release(lease)
    return job.status in FINAL


def find_overdue(store: JobStore, until: str) -> Iterator[Job]:
    """Find the jobs that have waited for a worker since a time."""
    for job in iterate_jobs(store, JobQuery(statuses=(Status.ACCEPTED,), created_to=until)):
        # one that was created before it was accepted waits since then
        if job.updated <= until:
            yield job


def find_unstarted(store: JobStore, until: str) -> Iterator[Job]:
    """Find the jobs that were created before a time and neither started nor changed since."""
    for job in iterate_jobs(store, JobQuery(statuses=(Status.CREATED,), created_to=until, limit=_MOST_PER_PAGE)):
        if job.updated <= until:
            yield job


def find_old(
    store: JobStore, until: str, workspace: str | None = None, apart_from: Collection[str] = ()
) -> Iterator[Job]:
    """Find the jobs of a workspace that ended before a time, or (None) those of all workspaces apart from these."""
    # what ended before a time was created before it
    query = JobQuery(workspace, tuple(sorted(apart_from)), statuses=tuple(FINAL), created_to=until)
    for job in iterate_jobs(store, replace(query, limit=_MOST_PER_PAGE)):
        if (job.finished or job.updated) <= until:
            yield job


def remove_unstarted(api: Api, stopped: threading.Event) -> int:
    """Remove the jobs that were created long ago and neither started nor changed since. Returns how many."""
    removed, until = 0, clock.after(-api.settings.unstarted_hours * _SECONDS_PER_HOUR)
    for job in find_unstarted(api.store.jobs, until):
        if stopped.is_set():
            break
        # one that is started at this moment stays
        removed += api.store.jobs.delete_unchanged(job)
    return removed


def remove_expired(api: Api, stopped: threading.Event) -> int:
    """Remove the jobs that ended longer ago than they are kept, with their logs; results stay. Returns how many."""
    removed = 0
    for job in _find_expired(api):
        if stopped.is_set():
            break
        try:
            remove_ended_job(api.store.jobs, job, api.find_workspace_of(job))
            removed += 1
        except RunnerError as error:
            logger.warning("job %s could not be removed: %s", job.id, error)
    return removed


def _find_expired(api: Api) -> Iterator[Job]:
    """Find what ended longer ago than it is kept: of each workspace that says so itself, then of all others.

    Jobs that are kept longer are not read: once an hour it would be all that there are.
    """
    others, by_workspace = list_retention(api.settings, api.configuration)
    for name, days in by_workspace.items():
        if days is not None:
            yield from find_old(api.store.jobs, clock.days_after(-days), name)
    if others is not None:
        yield from find_old(api.store.jobs, clock.days_after(-others), apart_from=by_workspace.keys())
