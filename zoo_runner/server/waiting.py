"""Waiting for the end of jobs: woken by the workers of this server, and looking now and then for those of others."""

import threading
from time import monotonic

from anyio import CapacityLimiter, to_thread

from zoo_runner.model.job import FINAL, Job
from zoo_runner.store.sql import SqlStore

_LOOK_SECONDS = 1.0
_MOST_WAITING = 500


class Endings:
    """Those who wait for jobs; there are few, and all look when one has ended."""

    def __init__(self) -> None:
        self._changed, self._stopping = threading.Condition(), False
        # threads of their own: those who wait must not take those that answer
        self._limiter = CapacityLimiter(_MOST_WAITING)

    def notify(self, _job_id: str) -> None:
        """Wake those who wait: a job has ended."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """Have nobody wait any longer: the server stops. May be called by a signal's handler."""
        # those who wait look soon; the lock may be held by what the signal has interrupted
        self._stopping = True

    async def wait_aside(self, store: SqlStore, job_id: str, seconds: float) -> Job:
        """Do what `wait` does in a thread, without taking one of those that answer other requests."""
        return await to_thread.run_sync(self.wait, store, job_id, seconds, limiter=self._limiter)

    def wait(self, store: SqlStore, job_id: str, seconds: float) -> Job:
        """Wait for the end of a job, so long at most, and return it as it is then; raises `JobNotFoundError`."""
        deadline = monotonic() + seconds
        with self._changed:
            while True:
                job = store.jobs.get(job_id)
                left = deadline - monotonic()
                if job.status in FINAL or left <= 0 or self._stopping:
                    return job
                self._changed.wait(min(left, _LOOK_SECONDS))
