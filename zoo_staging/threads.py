"""Threads for calls that block, from an event loop that must not wait for them to end."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

T = TypeVar("T")
Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Workers:
    """One thread for each concurrent call; an abandoned call is left to end by itself.

    The standard library's executors make a cancelled program wait for calls that nothing can interrupt, such
    as name resolution; these threads do not outlive the program.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a thread; use from one event loop only."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._busy += 1
        future.add_done_callback(self._count_down)
        if self._busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._work, name=f"staging-{self._threads}", daemon=True).start()
        self._jobs.put((call, loop, future))
        return cast("T", await future)

    def close(self) -> None:
        """Stop the threads when their current calls have ended."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _count_down(self, future: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if future.cancelled():
            self._threads -= 1  # its thread may be blocked for long: do not reuse it
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, loop, future = job
            try:
                result, failure = call(), None
            except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
                result, failure = None, error
            with suppress(RuntimeError):  # the loop has ended: nothing waits any more
                loop.call_soon_threadsafe(_settle, future, result, failure)
            del call, job, future, result, failure


def _settle(future: "asyncio.Future[Any]", result: object, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
