"""Writes down what happens in one job: its logs, its events, and how far it is."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from zoo_runner.execution.context import Context, change_job, end_job
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.progress import JobProgress, ProgressTracker
from zoo_runner.model import clock
from zoo_runner.model.codec import event_to_plain
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event, Report, StageStarted, StepLines, begins_anew, mask_event
from zoo_runner.model.job import Job, Outcome
from zoo_staging.progress import Transferred

_SECONDS_BETWEEN_UPDATES = 1.0


@dataclass
class _Since:
    """The events of the last pod that is known of a job; `first` is what it said first, None of the first pod."""

    first: Event | None
    known: Counter[str] = field(default_factory=Counter)


class Journal:
    """The one receiver of a job's events while a process works on it: a receiver that fails does not end the job.

    Every event goes to the logs and to `report`, masked. The event log gets all but the lines of steps, which lie in
    the step logs already, and of transfers one a second. The job's record gets its progress at most once a second, and
    at every change of the stage.
    """

    def __init__(self, context: Context, job: Job, log: JobLog, report: Report) -> None:
        self.job, self.log = job, log
        self._context, self._report = context, report
        self._tracker = ProgressTracker(len(context.store.load_package(job.package).process.get("steps", ())))
        self._lock = threading.Lock()
        # events that are reported again, and of them those of the last pod
        self._known, self._since = Counter[str](), _Since(None)
        self._is_over = False
        self._updated = self._transferred = 0.0
        self._store_fails = False

    def __call__(self, event: Event) -> None:
        """Write an event down."""
        if self._is_over:
            return
        self.log(event)
        masked = mask_event(event, self.log.masker)
        with self._lock:
            self._try_to_store(masked)
        self._try_to_report(masked)

    def change(self, change: Callable[[Job], Job]) -> None:
        """Store a change of the job."""
        self.job = change_job(
            self._context.store, self.job, lambda stored: replace(change(stored), updated=clock.now())
        )

    def end(self, outcome: Outcome, at: str) -> None:
        """Store that the job has ended, how and when."""
        self.job = end_job(self._context.store, self.job, outcome, at)

    def begin_again(self, note: str) -> None:
        """Expect all events again, from the first: lines that the logs have, and known events, are kept once."""
        self.log.take_up()
        self.log.write("job", note)
        try:
            for _, event in self._context.events.read(self.job.id):
                if begins_anew(event):
                    self._since = _Since(event)
                self._known[_write(event)] += 1
                self._since.known[_write(event)] += 1
        except (RunnerError, OSError) as error:
            self.log.write(
                "job", f"events that were stored before could not be read, some may be stored twice: {error}"
            )

    def hand_over(self) -> None:
        """Write nothing more down: another process has taken the job over, and writes into the same logs."""
        self._is_over = True

    def _try_to_store(self, event: Event) -> None:
        try:
            if self._is_kept(event):
                self._keep(event)
            if progress := self._tracker.note(event):
                self._show(progress, at_once=isinstance(event, StageStarted))
        except (RunnerError, OSError) as error:
            if not self._store_fails:
                self.log.write("job", f"events or progress could not be stored, the job goes on: {error}")
            self._store_fails = True
        else:
            self._store_fails = False

    def _try_to_report(self, event: Event) -> None:
        try:
            self._report(event)
        except Exception as error:  # noqa: BLE001 a display, which may be gone: the job goes on without it
            self._report = _ignore
            self.log.write("job", f"progress is no longer shown, the job goes on: {type(error).__name__}: {error}")

    def _is_kept(self, event: Event) -> bool:
        if isinstance(event, Transferred):
            due = event.files_done == event.files_total or time.monotonic() - self._transferred >= 1.0
            self._transferred = time.monotonic() if due else self._transferred
            return due
        return not isinstance(event, StepLines)

    def _keep(self, event: Event) -> None:
        if begins_anew(event):
            # those of the pod before are not reported again
            self._known = self._since.known if event == self._since.first else Counter()
        if self._known[_write(event)] > 0:
            self._known[_write(event)] -= 1
            return
        self._context.events.append(self.job.id, [event])

    def _show(self, progress: JobProgress, at_once: bool) -> None:
        if not at_once and time.monotonic() - self._updated < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated = time.monotonic()

        def show(stored: Job) -> Job:
            # of a job that was taken up again, the progress does not go back
            percent = max(stored.progress, progress.percent)
            return replace(stored, progress=percent, step=progress.step, message=progress.message)

        self.change(show)


def _ignore(_: Event) -> None:
    """Stand in for a display that is gone."""


def _write(event: Event) -> str:
    return json.dumps(event_to_plain(event), sort_keys=True)
