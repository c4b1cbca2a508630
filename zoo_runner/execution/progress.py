"""From what happens in a job to its progress: percent, the current step, and a message."""

from dataclasses import dataclass

from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import (
    EngineLine,
    Event,
    StageStarted,
    StepEnded,
    StepReused,
    StepStarted,
    is_not_again,
)
from zoo_staging.progress import Transferred

_SPANS = {Stage.STAGE_IN: (10, 25), Stage.EXECUTE: (25, 85), Stage.STAGE_OUT: (85, 95)}
_TITLES = {Stage.STAGE_IN: "staging in", Stage.EXECUTE: "executing", Stage.STAGE_OUT: "staging out the results"}
_PARTS = 5


def may_have_begun(stage: Stage, percent: int) -> bool:
    """Whether a job that is so far may have begun a stage; pure."""
    return percent >= _SPANS[stage][0]


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: percent from 0 to 100, the step that runs, and what to show people."""

    percent: int
    step: str | None
    message: str


class ProgressTracker:
    """Computes the progress of one job; the percentage never goes back.

    `steps` is how many steps the workflow has; scattered ones run more often, and the number then grows more slowly.
    Transfers count in fifths.
    """

    def __init__(self, steps: int) -> None:
        self._steps = max(steps, 1)
        self._ended = self._started = 0
        self._running: set[str] = set()
        self._percent = 0
        self._step: str | None = None
        self._part = -1

    def note(self, event: Event) -> JobProgress | None:
        """Take note of an event; returns the progress where it is worth showing."""
        match event:
            case StageStarted():
                self._part, self._step = -1, None
                if event.stage is Stage.EXECUTE:
                    # a job whose pod was lost runs its steps again, but for those that it says had ended
                    self._ended = self._started = 0
                    self._running.clear()
                return self.reach(_SPANS.get(event.stage, (10, 10))[0], _TITLES.get(event.stage, str(event.stage)))
            case Transferred():
                return self._note_transfer(event)
            case StepStarted():
                # a step whose attempt was lost begins again
                self._started += event.step not in self._running
                self._running.add(event.step)
                self._step = event.step
                return self.reach(self._step_percent(), f"step {event.step} runs ({self._count()})")
            case StepEnded():
                self._running.discard(event.step)
                self._ended += 1
                self._step = None if self._step == event.step else self._step
                ended = "could not start" if event.exit_code is None else f"ended with exit code {event.exit_code}"
                return self.reach(self._step_percent(), f"step {event.step} {ended} ({self._count()})")
            case StepReused() | EngineLine():
                return self._note_known(event)
            case _:
                return None

    def reach(self, percent: int, message: str) -> JobProgress:
        """Move on to a percentage, unless the job is further already."""
        self._percent = max(self._percent, min(percent, 100))
        return JobProgress(self._percent, self._step, message)

    def _count(self) -> str:
        return f"{self._ended} of {max(self._steps, self._started)} ended"

    def _step_percent(self) -> int:
        first, last = _SPANS[Stage.EXECUTE]
        return first + (last - first) * self._ended // max(self._steps, self._started)

    def _note_known(self, event: StepReused | EngineLine) -> JobProgress | None:
        """Count a step that does not run, as its outputs are there: of another job, or of a pod that was lost."""
        if isinstance(event, EngineLine) and not is_not_again(event):
            return None
        self._started += 1
        self._ended += 1
        said = f"step {event.step} is reused" if isinstance(event, StepReused) else "a step had ended before"
        return self.reach(self._step_percent(), f"{said} ({self._count()})")

    def _note_transfer(self, event: Transferred) -> JobProgress | None:
        part = event.files_done * _PARTS // max(event.files_total, 1)
        if part <= self._part or not event.files_done:
            return None
        self._part = part
        stage = Stage(event.stage)
        first, last = _SPANS[stage]
        mib = event.bytes_done / 2**20
        text = f"{_TITLES[stage]}: {event.files_done} of {event.files_total} files, {mib:.1f} MiB"
        return self.reach(first + (last - first) * part // _PARTS, text)
