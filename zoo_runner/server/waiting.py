"""Waiting for the end of jobs: woken by the workers of this server, and looking now and then for those of others."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from anyio import CapacityLimiter, to_thread

from zoo_runner.model.job import FINAL, Job
from zoo_runner.server.places import Limit, Places
from zoo_runner.store.sql import SqlStore

_LOOK_SECONDS = 1.0
_WAITING = Limit(500, 100)


class Endings:
    """Those who wait for jobs; each looks at its job when something happens to it."""

    def __init__(self) -> None:
        self._lock, self._waiting, self._stopping = threading.Lock(), dict[str, list[threading.Event]](), False
        # threads of their own: those who wait must not take those that answer
        self._limiter, self._places = CapacityLimiter(_WAITING.most), Places(_WAITING)

    def notify(self, job_id: str) -> None:
        """Wake those who wait for a job: it may have ended."""
        with self._lock:
            for changed in self._waiting.get(job_id, ()):
                changed.set()

    def stop(self) -> None:
        """Have nobody wait any longer: the server stops. May be called by a signal's handler."""
        # those who wait look soon; the lock may be held by what the signal has interrupted
        self._stopping = True

    async def wait_aside(self, store: SqlStore, workspace: str, job_id: str, seconds: float) -> Job:
        """Do what `wait` does in a thread, without taking one of those that answer other requests.

        Where as many wait as may, of all or of the workspace of the caller, the job is returned as it is.
        """
        with self._places.try_take(workspace) as found:
            if not found:
                return await to_thread.run_sync(store.jobs.get, job_id)
            return await to_thread.run_sync(self.wait, store, job_id, seconds, limiter=self._limiter)

    def wait(self, store: SqlStore, job_id: str, seconds: float) -> Job:
        """Wait for the end of a job, so long at most, and return it as it is then; raises `JobNotFoundError`."""
        deadline = monotonic() + seconds
        with self._expecting(job_id) as changed:
            while True:
                changed.clear()
                job = store.jobs.get(job_id)
                left = deadline - monotonic()
                if job.status in FINAL or left <= 0 or self._stopping:
                    return job
                changed.wait(min(left, _LOOK_SECONDS))

    @contextmanager
    def _expecting(self, job_id: str) -> Iterator[threading.Event]:
        changed = threading.Event()
        with self._lock:
            self._waiting.setdefault(job_id, []).append(changed)
        try:
            yield changed
        finally:
            with self._lock:
                self._waiting[job_id].remove(changed)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
