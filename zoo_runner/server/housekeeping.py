"""Removes what has become old: jobs that ended or were created long ago, files that expired, callbacks of no job."""

import logging
import threading

from zoo_runner.execution.retention import find_expired
from zoo_runner.model import clock
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import FINAL, Status
from zoo_runner.server.api import Api
from zoo_runner.server.jobs import remove_ended_job
from zoo_runner.server.uploads import remove_expired_uploads
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.selection import iterate_jobs

EVERY_SECONDS = 3600.0
_MOST_PER_PAGE = 1000
_SECONDS_PER_HOUR, _SECONDS_PER_DAY = 3600, 86_400

logger = logging.getLogger(__name__)


class Housekeeper:
    """A thread that looks once an hour; several servers of one database may do the same."""

    def __init__(self, api: Api, every_seconds: float = EVERY_SECONDS) -> None:
        self._api, self._every_seconds = api, every_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove nothing more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._api.store.callbacks.remove_orphans()
                remove_expired_uploads(self._api, self._stopped)
                if removed := remove_expired(self._api, self._stopped):
                    logger.info("%d jobs were removed that ended more than ZOO_RUNNER_RETENTION_DAYS ago", removed)
                if removed := remove_unstarted(self._api, self._stopped):
                    logger.info("%d jobs were removed that nobody started for ZOO_RUNNER_UNSTARTED_HOURS", removed)
            # the door of a thread: the next time may go well
            except Exception:
                logger.exception("old jobs could not be removed")
            self._stopped.wait(self._every_seconds)


def remove_unstarted(api: Api, stopped: threading.Event) -> int:
    """Remove the jobs that were created long ago and neither started nor changed since. Returns how many."""
    removed, until = 0, clock.after(-api.settings.unstarted_hours * _SECONDS_PER_HOUR)
    query = JobQuery(statuses=(Status.CREATED,), created_to=until, limit=_MOST_PER_PAGE)
    for job in iterate_jobs(api.store.jobs, query):
        if stopped.is_set():
            break
        if job.updated <= until:
            # one that is started at this moment stays
            removed += api.store.jobs.delete_unchanged(job)
    return removed


def remove_expired(api: Api, stopped: threading.Event) -> int:
    """Remove the jobs that ended longer ago than they are kept, with their logs; results stay. Returns how many."""
    days = api.configuration.workspace.limits.retention_days
    if days is None:
        return 0
    removed, until = 0, clock.after(-days * _SECONDS_PER_DAY)
    # what ended before a day was created before it
    query = JobQuery(statuses=tuple(FINAL), created_to=until, limit=_MOST_PER_PAGE)
    for job in iterate_jobs(api.store.jobs, query):
        if stopped.is_set():
            break
        if find_expired([job], days):
            try:
                remove_ended_job(api.store.jobs, job, api.find_configuration(job.workspace).workspace)
                removed += 1
            except RunnerError as error:
                logger.warning("job %s could not be removed: %s", job.id, error)
    return removed
