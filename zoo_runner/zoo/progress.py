"""Turn the events of a job into few status updates of a kernel."""

import threading
from collections.abc import Callable

from zoo_runner.execution.progress import JobProgress, ProgressTracker
from zoo_runner.model.events import Event
from zoo_runner.model.masking import Masker
from zoo_runner.zoo.results import build_message

Update = Callable[[int, str], None]
"""Updates the status of the job in the kernel: percent from 0 to 100, and a message."""


class Progress:
    """Turns events into status updates: each costs the kernel a database connection, so none comes twice in a row."""

    def __init__(self, update: Update, masker: Masker, steps: int) -> None:
        self._update, self._masker = update, masker
        self._tracker = ProgressTracker(steps)
        self._last: tuple[int, str] | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Report an event where it is worth it."""
        with self._lock:
            self._show(self._tracker.note(event))

    def report(self, percent: int, text: str) -> None:
        """Report something that is no event of the engine."""
        with self._lock:
            self._show(self._tracker.reach(percent, text))

    def _show(self, progress: JobProgress | None) -> None:
        if progress is None:
            return
        update = (progress.percent, build_message(self._masker.mask(progress.message)))
        if update != self._last:
            self._last = update
            self._update(*update)
