"""Stopping a job: a value to which everything that waits can subscribe."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from zoo_runner.model.errors import DismissedError, RunnerError, TimeLimitError


class Reason(Enum):
    """Why a job is stopped before its end."""

    DISMISSED = "dismissed"
    TIME_LIMIT = "time limit"


class Cancellation:
    """Set once, never unset; callbacks run in the thread that cancels."""

    def __init__(self, time_limit_seconds: float | None = None) -> None:
        # a signal handler cancels too, and may run while its own thread holds the lock
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], None]] = []
        self._time_limit_seconds = time_limit_seconds
        self.reason: Reason | None = None

    @property
    def time_limit_seconds(self) -> float | None:
        """How long the job may take."""
        return self._time_limit_seconds

    def cancel(self, reason: Reason = Reason.DISMISSED) -> None:
        """Stop the job; only the first reason counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Whether the job is to be stopped."""
        return self.reason is not None

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Cancel automatically once the time limit has passed."""
        if self._time_limit_seconds is None:
            yield
            return
        timer = threading.Timer(self._time_limit_seconds, self.cancel, [Reason.TIME_LIMIT])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call `callback` on cancellation while the block runs; at once if it is already cancelled."""
        with self._lock:
            self._callbacks.append(callback)
            late = self.reason is not None
        if late:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def when_cancelled(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, on cancellation; at once if it is already cancelled."""
        with self._lock:
            if self.reason is None:
                self._callbacks.append(callback)
                return
        callback()

    def error(self) -> RunnerError:
        """Build the error that says why the job was stopped."""
        if self.reason is Reason.TIME_LIMIT:
            return TimeLimitError(
                f"the job took longer than its time limit of {self._time_limit_seconds:g} s and was stopped",
                "Raise the time limit (--time-limit, ZOO_RUNNER_TIME_LIMIT) or reduce its work.",
            )
        return DismissedError("the job was dismissed", "Nothing to do; run it again when its results are wanted.")

    def check(self) -> None:
        """Raise that error if the job was stopped."""
        if self.reason is not None:
            raise self.error()


@contextmanager
def cancelling_on_signals(cancellation: Cancellation) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and the end of the terminal into a cancellation while the block runs; main thread only.

    A signal that this process was started to ignore (`nohup`, a job in the background of a script) stays ignored.
    """
    all_numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    numbers = [number for number in all_numbers if signal.getsignal(number) is not signal.SIG_IGN]
    former = {number: signal.signal(number, lambda *_: cancellation.cancel()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
