"""One thread for one piece of work, and a future for its result."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def run_in_background(name: str, work: Callable[[], Result]) -> Future[Result]:
    """Start `work` in a new thread, which does not keep the process alive; returns at once."""
    future: Future[Result] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 the end of the thread: what waits gets the error
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def fail(error: BaseException) -> Future[Result]:
    """Return a future that has failed already."""
    future: Future[Result] = Future()
    future.set_exception(error)
    return future
