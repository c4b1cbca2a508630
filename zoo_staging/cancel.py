"""Stopping a transfer: a switch with callbacks, not polled."""

import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from zoo_staging.errors import Kind, StagingError

T = TypeVar("T")


class Cancellation:
    """A switch that any thread may press once; registered callbacks are called at that moment."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may press it in the thread that is registering
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
        """Call `call` when the switch is pressed, at once if it was; return a function that withdraws it."""
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


def run_cancellable(work: Coroutine[Any, Any, T], what: str, where: str, switch: Cancellation | None) -> T:
    """Run `work` to its end, or until the switch is pressed: then a `StagingError` (`CANCELLED`).

    `what` names the program, `where` its source or destination, for that error.
    """
    import asyncio  # with TLS it takes 3 MiB, which a job without transfers does not need

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        cancellation = switch or Cancellation()
        withdraw = cancellation.on_cancel(lambda: loop.call_soon_threadsafe(task.cancel) if task else None)
        try:
            return await work
        finally:
            withdraw()

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError as error:
        raise StagingError(
            Kind.CANCELLED, where, f"{what} was cancelled", "Start it again if this was not intended."
        ) from error
