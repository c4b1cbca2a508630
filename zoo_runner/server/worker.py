"""A worker: takes jobs from the queue and works on each to its end, whatever happens.

A server that started it says on a stream what happens elsewhere: a line with a job's id has the worker look at the
queue and at that job, the end of the stream means that it shall stop after the jobs that it works on. On another stream
the worker writes the id of each job that has ended, one a line. Of a local engine it runs one job at a time, of a
remote one it follows many. After a number of jobs, or with too much memory, it is worn and takes no more.
"""

import contextlib
import logging
import os
import threading
from concurrent.futures import Future
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import TextIO

from zoo_runner.config.server import ServerSettings
from zoo_runner.execution.context import MOST_AT_ONCE, Context, end_job
from zoo_runner.execution.execute import start
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import (
    EngineError,
    JobBusyError,
    JobNotFoundError,
    NotReachedError,
    RunnerError,
    SettingsError,
)
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.model.outcomes import build_defect
from zoo_runner.server.hidden_settings import hide_settings
from zoo_runner.server.installation import build_quotas
from zoo_runner.server.log_lines import about
from zoo_runner.server.tracing import StageTimes, Tracing
from zoo_runner.server.worker_metrics import LEFT, WorkerMetrics
from zoo_runner.store.protocol import JobQueue, Share

# before a job is tried again that could not be followed
_AWAY_SECONDS = 10.0
_LONGEST_FACTOR = 6
# those that wait for a thread of their own; what has ended would wait behind more of them, and others could begin them
_MOST_BEGINNING = 2 * MOST_AT_ONCE

logger = logging.getLogger(__name__)


class AwayJobs:
    """Jobs that could not be followed: each is tried again after `seconds`, then twice, four and six times as long.

    Threads share it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        self._until: dict[str, tuple[float, float]] = {}

    def add(self, job_id: str) -> None:
        """Take note that a job could not be followed."""
        with self._lock:
            _, before = self._until.get(job_id, (0.0, 0.0))
            seconds = min(2 * before, _LONGEST_FACTOR * self._seconds) or self._seconds
            self._until[job_id] = (monotonic() + seconds, seconds)

    def discard(self, job_id: str) -> None:
        """Take note that a job has been followed."""
        with self._lock:
            self._until.pop(job_id, None)

    def list_waiting(self) -> frozenset[str]:
        """Return the jobs that are not to be tried now."""
        now = monotonic()
        with self._lock:
            # others may have followed a job to its end
            self._until = {key: one for key, one in self._until.items() if one[0] + _LONGEST_FACTOR * one[1] > now}
            return frozenset(job_id for job_id, (until, _) in self._until.items() if until > now)

    def find_seconds(self) -> float:
        """Return how long it takes until the first of them is to be tried; endless where there is none."""
        now = monotonic()
        with self._lock:
            return min((until - now for until, _ in self._until.values() if until > now), default=inf)


class Worker:
    """Works on the jobs of a queue; `most_jobs` at a time.

    A job that cannot be followed now, because its engine does not answer or a setting cannot be read, is left for
    `away_seconds`, and longer each time; other jobs are not.
    """

    def __init__(
        self,
        context: Context,
        jobs: JobQueue,
        settings: ServerSettings,
        most_jobs: int,
        tracing: Tracing | None = None,
        away_seconds: float = _AWAY_SECONDS,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        self._context, self._jobs, self._settings = context, jobs, settings
        self._tracing, self._metrics = tracing, metrics
        self._share = Share(most_per_workspace=settings.jobs_per_workspace, quota_of=build_quotas(settings))
        self._most_jobs = most_jobs
        self._running: dict[str, Cancellation] = {}
        self._beginning = 0
        self._changed = threading.Condition()
        self._away = AwayJobs(away_seconds)
        self._woken = self._stopping = False
        self._jobs_begun = 0

    def run(self, source: TextIO | None, sink: TextIO) -> None:
        """Work until `source` ends or `stop` is called, and on to the end of the jobs that run then.

        A worker that is worn returns too. Of a remote engine it returns at once, as it does on `stop` where nobody has
        a `source` for it: its jobs go on, and any worker can follow them (`follows`).
        """
        if source:
            threading.Thread(target=self._read, args=(source,), name="listener", daemon=True).start()
        while self._wait_for_room():
            job = self._claim()
            if job is not None:
                self._begin(job, sink)
            else:
                self._wait_for_work()
        leaves = self._most_jobs > 1
        with self._changed:
            self._changed.wait_for(lambda: not self._running or (leaves and (source is None or not self._stopping)))

    @property
    def follows(self) -> bool:
        """Whether there are jobs that it still works on."""
        with self._changed:
            return bool(self._running)

    @property
    def jobs(self) -> int:
        """How many jobs it works on."""
        with self._changed:
            return len(self._running)

    @property
    def most_jobs(self) -> int:
        """How many it works on at most."""
        return self._most_jobs

    @property
    def jobs_away(self) -> int:
        """How many could not be followed, and are tried again later."""
        return len(self._away.list_waiting())

    @property
    def worn(self) -> bool:
        """Whether it has run so many jobs, or takes so much memory, that it is to be started anew.

        One that has not run a job is never worn, and one that is stopped is not either.
        """
        jobs, mib = self._settings.worker_jobs, self._settings.worker_mib
        is_worn = (jobs is not None and self._jobs_begun >= jobs) or (mib is not None and _measure_mib() > mib)
        return is_worn and self._jobs_begun > 0 and not self._stopping

    def _claim(self) -> Job | None:
        try:
            share = replace(self._share, without=self._away.list_waiting())
            job = self._jobs.claim(self._context.owner, self._settings.lease_seconds, share)
        except EngineError as error:
            if self._metrics:
                self._metrics.count_failed_look()
            # the jobs that run go on without the database, and must not end with this process
            logger.warning("no job could be taken: %s", error)
            self._wait_for_database()
            return None
        if self._metrics:
            self._metrics.count_look(job)
        return job

    def _wait_for_database(self) -> None:
        """Wait until the database answers again, and then until those who work had time to renew their leases."""
        while not self._pause(1.0):
            try:
                self._context.store.find_lease(self._context.owner)
            except NotReachedError:
                continue
            except RunnerError:
                pass
            self._pause(2 * self._context.keeper.beat_seconds)
            return

    def _pause(self, seconds: float) -> bool:
        """Wait so long, or until the worker is stopped; returns whether it is."""
        self._show_life()
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, seconds)

    def _show_life(self) -> None:
        """Set the time of the file that probes look at."""
        if self._settings.alive_file:
            # a full disk is no reason to stop
            with contextlib.suppress(OSError):
                self._settings.alive_file.touch()

    def stop(self) -> None:
        """Take no further job; may be called by a signal's handler."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        with self._changed:
            while not self._changed.wait_for(self._has_room, self._settings.lease_seconds / 3):
                self._show_life()
            self._show_life()
            self._woken = False
            return not (self._stopping or self.worn)

    def _has_room(self) -> bool:
        has_room = len(self._running) < self._most_jobs and self._beginning < _MOST_BEGINNING
        return self._stopping or has_room

    def _wait_for_work(self) -> None:
        with self._changed:
            # the lease of a lost worker may run out while nobody wakes this one
            seconds = min(self._settings.lease_seconds / 3, self._away.find_seconds())
            self._changed.wait_for(lambda: self._stopping or self._woken, seconds)

    def _begin(self, job: Job, sink: TextIO) -> None:
        cancellation = Cancellation(job.time_limit_seconds)
        with self._changed:
            self._jobs_begun += 1
            self._beginning += 1
            self._running[job.id] = cancellation

        def begun() -> None:
            with self._changed:
                self._beginning -= 1
                self._changed.notify_all()

        logger.info("job taken", extra=about(job, {"engine": job.engine}))
        taken, times = monotonic(), StageTimes()

        def end(done: Future[Outcome]) -> None:
            try:
                self._settle(job, done.exception())
                seconds = monotonic() - taken
                _log_end(job, done, seconds)
                if self._metrics:
                    status = LEFT if done.exception() else done.result().status.value
                    self._metrics.count_end(job, status, seconds)
                self._trace(job, times)
                # a server that was killed hears nothing any more
                with contextlib.suppress(OSError, ValueError):
                    sink.write(f"{job.id}\n")
                    sink.flush()
            finally:
                with self._changed:
                    del self._running[job.id]
                    self._changed.notify_all()

        start(self._context, job.id, times.report, cancellation, begun=begun).add_done_callback(end)

    def _trace(self, job: Job, times: StageTimes) -> None:
        """Send the spans of a job, if it has ended."""
        if self._tracing is None:
            return
        # a database that is away, or a job that was removed, is no reason to fail
        with contextlib.suppress(RunnerError):
            stored = self._context.store.get(job.id)
            if stored.status in FINAL:
                self._tracing.record_job(stored, times)

    def _settle(self, job: Job, error: BaseException | None) -> None:
        """See that a job has ended that could not be worked on, unless it may still run in its engine."""
        if error is None or isinstance(error, JobBusyError | JobNotFoundError):
            self._away.discard(job.id)
            return
        if isinstance(error, NotReachedError) or self._may_run(job, error):
            # any worker asks again, after some time
            self._away.add(job.id)
            return
        self._away.discard(job.id)
        failure = hide_settings(error) if isinstance(error, RunnerError) else build_defect(error)
        outcome = Outcome(Status.FAILED, diagnosis=failure.diagnosis, exit_code=failure.exit_code)
        end_job(self._context.store, job, outcome)

    def _may_run(self, job: Job, error: BaseException) -> bool:
        """Whether a setting is why a job was not followed that its engine has: what is wrong may be put right."""
        return isinstance(error, SettingsError) and self._context.store.get(job.id).handle is not None

    def _read(self, source: TextIO) -> None:
        for line in source:
            self.look_at(line.strip())
        self.stop()

    def look_at(self, job_id: str) -> None:
        """Look at the queue, and at a job if it is one of those that run: it may be to be cancelled."""
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


def _log_end(job: Job, done: Future[Outcome], seconds: float) -> None:
    """Log how the work on a job has ended; one that could not be worked on now is taken up later."""
    error, said = done.exception(), about(job, {"seconds": round(seconds, 3)})
    if error is None:
        outcome = done.result()
        code = {"code": outcome.diagnosis.code} if outcome.diagnosis else {}
        said["about"] |= {"status": outcome.status.value, **code}
        logger.info("job ended", extra=said)
    elif isinstance(error, RunnerError):
        said["about"]["code"] = error.diagnosis.code
        logger.warning("job not worked on: %s", error, extra=said)
    else:
        logger.error("job not worked on", extra=said, exc_info=error)


def _measure_mib() -> float:
    """Measure the memory of this process (proc(5), /proc/pid/statm: pages)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
