"""What all followed jobs of a process share: one event loop in its own thread, and a few threads for blocking calls.

The loop holds the connections; a job's items (changes, lines, timers) are handled one after the other in the pool, so
that engines and whoever they report to stay synchronous. The number of threads does not grow with the number of jobs.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")

_WORKERS = 8
# after so many items of one job, those of others have their turn
_ITEMS_PER_TURN = 64


class Background:
    """An event loop that runs in its own thread for as long as the process lives, and a pool of threads."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="kubernetes")
        # apart from the pool, whose threads may wait for requests that have to log in first
        self.login = ThreadPoolExecutor(1, thread_name_prefix="kubernetes-login")
        self._thread = threading.Thread(target=self.loop.run_forever, name="kubernetes-loop", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for its result; not to be called from the loop itself."""
        started = self.start(work)
        try:
            return started.result()
        except BaseException:
            started.cancel()
            raise

    def chain(
        self,
        begin: Callable[[], "Future[S]"],
        conclude: Callable[["Future[S]"], T],
        pool: ThreadPoolExecutor | None = None,
    ) -> "Future[T]":
        """Call `begin` in the pool, and `conclude` once the future has ended that it returned; returns at once.

        A `conclude` that takes long has a `pool` of its own, so that other jobs do not wait for it.
        """
        result: Future[T] = Future()

        def end(begun: "Future[S]") -> None:
            try:
                concluded = conclude(begun)
            except BaseException as error:  # noqa: BLE001 it is raised where the result is waited for
                result.set_exception(error)
            else:
                result.set_result(concluded)

        def start() -> None:
            try:
                begun = begin()
            except BaseException as error:  # noqa: BLE001 as above
                result.set_exception(error)
            else:
                begun.add_done_callback(end if pool is None else lambda done: pool.submit(end, done))

        self.pool.submit(start)
        return result

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call something on the loop."""
        self.loop.call_soon_threadsafe(call, *arguments)

    def call_later(self, seconds: float, call: Callable[[], object]) -> "Timer":
        """Call something quick on the loop after a while."""
        return Timer(self, seconds, call)


@lru_cache(1)
def find_background() -> Background:
    """Return the background of this process; it is started by the first call."""
    return Background()


# threads do not survive a fork: the child starts its own
os.register_at_fork(after_in_child=find_background.cache_clear)


class Timer:
    """A call that is due after a while; `cancel` may come from any thread."""

    def __init__(self, background: Background, seconds: float, call: Callable[[], object]) -> None:
        self._background, self._call = background, call
        self._cancelled = False
        self._handle: asyncio.TimerHandle | None = None
        due = background.loop.time() + seconds
        background.call_soon(self._arm, due)

    def cancel(self) -> None:
        """Cancel the call, unless it was made already."""
        self._cancelled = True
        self._background.call_soon(self._disarm)

    def _arm(self, due: float) -> None:
        if not self._cancelled:
            self._handle = self._background.loop.call_at(due, self._fire)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        if not self._cancelled:
            self._call()


class Inbox(Generic[T]):
    """Hands the items of one job to `handle`, one after the other, in threads of the pool.

    What `handle` raises ends the inbox: later items are dropped, and `fail` is called with the error.
    """

    def __init__(
        self, background: Background, handle: Callable[[T], object], fail: Callable[[BaseException], object]
    ) -> None:
        self._background, self._handle, self._fail = background, handle, fail
        self._items: deque[tuple[T, Future[None]]] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False

    def put(self, item: T) -> "Future[None]":
        """Hand over an item; the future ends when it was handled, or dropped."""
        handled: Future[None] = Future()
        # a waiting task may be cancelled; the item is handled in any case
        handled.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                handled.set_result(None)
                return handled
            self._items.append((item, handled))
            wake, self._busy = not self._busy, True
        if wake:
            self._background.pool.submit(self._take_turn)
        return handled

    def close(self) -> None:
        """Drop the items that were not handled yet, and all later ones."""
        with self._lock:
            self._closed = True
            dropped, self._items = self._items, deque()
        for _, handled in dropped:
            handled.set_result(None)

    def _take_turn(self) -> None:
        for _ in range(_ITEMS_PER_TURN):
            with self._lock:
                if not self._items:
                    self._busy = False
                    return
                item, handled = self._items.popleft()
            try:
                self._handle(item)
            except BaseException as error:  # noqa: BLE001 it is raised where the end of the job is waited for
                self.close()
                self._fail(error)
            handled.set_result(None)
        self._background.pool.submit(self._take_turn)
