"""How somebody outside stops a transfer: a switch that is watched, not polled."""

import threading
from collections.abc import Callable


class Cancellation:
    """A switch that any thread may press once; those who asked are called at that moment."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may press it in the thread that registers
        self._cancelled = False
        self._calls: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether the switch was pressed."""
        return self._cancelled

    def cancel(self) -> None:
        """Press the switch; pressing again does nothing."""
        with self._lock:
            calls, self._calls, self._cancelled = self._calls, [], True
        for call in calls:
            call()

    def on_cancel(self, call: Callable[[], object]) -> Callable[[], None]:
        """Have `call` made when the switch is pressed, at once if it was; returns how to withdraw it."""
        with self._lock:
            if not self._cancelled:
                self._calls.append(call)
                return lambda: self._withdraw(call)
        call()
        return lambda: None

    def _withdraw(self, call: Callable[[], object]) -> None:
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)
