"""A worker: takes jobs from the queue and works on each to its end, whatever happens.

A server that started it says on a stream what happens elsewhere: a line with a job's id has the worker look at the
queue and at that job, the end of the stream means that it shall stop after the jobs that it works on. On another stream
the worker writes the id of each job that has ended, one a line. Of a local engine it runs one job at a time, of a
remote one it follows many.
"""

import contextlib
import logging
import threading
from concurrent.futures import Future
from typing import TextIO

from zoo_runner.config.server import ServerSettings
from zoo_runner.execution.context import Context, end_job
from zoo_runner.execution.execute import start
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, JobBusyError, JobNotFoundError, NotReachedError, RunnerError
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.outcomes import build_defect
from zoo_runner.store.protocol import JobQueue, Share

# before the next job, where an engine did not answer
_AWAY_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Worker:
    """Works on the jobs of a queue; `most_jobs` at a time.

    After an engine did not answer, no job is taken for `away_seconds`.
    """

    def __init__(
        self,
        context: Context,
        jobs: JobQueue,
        settings: ServerSettings,
        most_jobs: int,
        away_seconds: float = _AWAY_SECONDS,
    ) -> None:
        self._context, self._jobs, self._settings = context, jobs, settings
        self._away_seconds = away_seconds
        self._share = Share(most_per_workspace=settings.jobs_per_workspace)
        self._most_jobs = most_jobs
        self._running: dict[str, Cancellation] = {}
        self._changed = threading.Condition()
        self._woken = self._stopping = self._away = False

    def run(self, source: TextIO | None, sink: TextIO) -> None:
        """Work until `source` ends or `stop` is called, and on to the end of the jobs that run then."""
        if source:
            threading.Thread(target=self._listen, args=(source,), name="listener", daemon=True).start()
        while self._wait_for_room():
            job = self._claim()
            if job is not None:
                self._begin(job, sink)
            else:
                self._wait_for_work()
        with self._changed:
            self._changed.wait_for(lambda: not self._running)

    def _claim(self) -> Job | None:
        try:
            return self._jobs.claim(self._context.owner, self._settings.lease_seconds, self._share)
        except EngineError as error:
            # the jobs that run go on without the database, and must not end with this process
            logger.warning("no job could be taken: %s", error)
            return None

    def stop(self) -> None:
        """Take no further job; may be called by a signal's handler."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or len(self._running) < self._most_jobs)
            if self._away:
                # its job is the next of the queue again: no busy loop
                self._changed.wait_for(lambda: self._stopping, self._away_seconds)
            self._woken = self._away = False
            return not self._stopping

    def _wait_for_work(self) -> None:
        with self._changed:
            # the lease of a lost worker may run out while nobody wakes this one
            self._changed.wait_for(lambda: self._stopping or self._woken, self._settings.lease_seconds / 3)

    def _begin(self, job: Job, sink: TextIO) -> None:
        cancellation = Cancellation(job.time_limit_seconds)
        with self._changed:
            self._running[job.id] = cancellation

        def end(done: Future[Outcome]) -> None:
            try:
                self._settle(job, done.exception())
                # a server that was killed hears nothing any more
                with contextlib.suppress(OSError, ValueError):
                    sink.write(f"{job.id}\n")
                    sink.flush()
            finally:
                with self._changed:
                    del self._running[job.id]
                    self._changed.notify_all()

        start(self._context, job.id, cancellation=cancellation).add_done_callback(end)

    def _settle(self, job: Job, error: BaseException | None) -> None:
        """See that a job has ended that could not be worked on."""
        # where the engine did not answer, the job may go on: whoever takes it next asks again
        if isinstance(error, NotReachedError):
            with self._changed:
                self._away = True
        if error is None or isinstance(error, NotReachedError | JobBusyError | JobNotFoundError):
            return
        failure = error if isinstance(error, RunnerError) else build_defect(error)
        outcome = Outcome(Status.FAILED, diagnosis=failure.diagnosis, exit_code=failure.exit_code)
        end_job(self._context.store, job, outcome)

    def _listen(self, source: TextIO) -> None:
        for line in source:
            self._look_at(line.strip())
        self.stop()

    def _look_at(self, job_id: str) -> None:
        with self._changed:
            self._woken = True
            cancellation = self._running.get(job_id)
            self._changed.notify_all()
        try:
            if cancellation and self._context.store.get(job_id).cancel_requested:
                cancellation.cancel()
        except RunnerError:
            # the keeper looks again soon
            return
