"""Waiting for the end of jobs: woken by the workers of this server, and looking now and then for those of others."""

import threading
from time import monotonic

from zoo_runner.model.job import FINAL, Job
from zoo_runner.store.sql import SqlStore

_LOOK_SECONDS = 1.0


class Endings:
    """Those who wait for jobs; there are few, and all look when one has ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def notify(self, _job_id: str) -> None:
        """Wake those who wait: a job has ended."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, store: SqlStore, job_id: str, seconds: float) -> Job:
        """Wait for the end of a job, so long at most, and return it as it is then; raises `JobNotFoundError`."""
        deadline = monotonic() + seconds
        with self._changed:
            while True:
                job = store.jobs.get(job_id)
                left = deadline - monotonic()
                if job.status in FINAL or left <= 0:
                    return job
                self._changed.wait(min(left, _LOOK_SECONDS))
