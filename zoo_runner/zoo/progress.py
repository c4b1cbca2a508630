"""Turn the events of a job into the progress and the message of its status."""

import threading
from collections.abc import Callable

from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted, StepEnded, StepStarted
from zoo_runner.model.masking import Masker
from zoo_runner.zoo.results import build_message
from zoo_staging.progress import Transferred

Update = Callable[[int, str], None]
"""Reports percent from 0 to 100, and a message, to the kernel."""

_SPANS = {Stage.STAGE_IN: (10, 25), Stage.EXECUTE: (25, 85), Stage.STAGE_OUT: (85, 95)}
_TITLES = {Stage.STAGE_IN: "staging in", Stage.EXECUTE: "executing", Stage.STAGE_OUT: "staging out the results"}
_PARTS = 5


class Progress:
    """Turns events into few status updates: the number never decreases, no message is repeated at once.

    Each update costs the kernel a database connection, so transfers are reported in fifths. `steps` is the number of
    steps of the workflow; if scattered steps run more often, the number grows more slowly.
    """

    def __init__(self, update: Update, masker: Masker, steps: int) -> None:
        self._update, self._masker = update, masker
        self._steps = max(steps, 1)
        self._ended = self._begun = 0
        self._percent = 0
        self._last: tuple[int, str] | None = None
        self._part = -1
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Report an event if it changes what users see."""
        with self._lock:
            match event:
                case StageStarted():
                    self._part = -1
                    self._send(_SPANS.get(event.stage, (10, 10))[0], _TITLES.get(event.stage, str(event.stage)))
                case Transferred():
                    self._report_transfer(event)
                case StepStarted():
                    self._begun += 1
                    self._send(self._step_percent(), f"step {event.step} runs ({self._count()})")
                case StepEnded():
                    self._ended += 1
                    ended = "could not start" if event.exit_code is None else f"ended with exit code {event.exit_code}"
                    self._send(self._step_percent(), f"step {event.step} {ended} ({self._count()})")
                case _:
                    pass

    def report(self, percent: int, text: str) -> None:
        """Report something that is not an event of the engine."""
        with self._lock:
            self._send(percent, text)

    def _count(self) -> str:
        return f"{self._ended} of {max(self._steps, self._begun)} ended"

    def _step_percent(self) -> int:
        first, last = _SPANS[Stage.EXECUTE]
        return first + (last - first) * self._ended // max(self._steps, self._begun)

    def _report_transfer(self, event: Transferred) -> None:
        part = event.files_done * _PARTS // max(event.files_total, 1)
        if part <= self._part or not event.files_done:
            return
        self._part = part
        stage = Stage(event.stage)
        first, last = _SPANS[stage]
        mib = event.bytes_done / 2**20
        text = f"{_TITLES[stage]}: {event.files_done} of {event.files_total} files, {mib:.1f} MiB"
        self._send(first + (last - first) * part // _PARTS, text)

    def _send(self, percent: int, text: str) -> None:
        self._percent = max(self._percent, min(percent, 100))
        update = (self._percent, build_message(self._masker.mask(text)))
        if update != self._last:
            self._last = update
            self._update(*update)
