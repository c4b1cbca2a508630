"""Places for work that takes long: few at once, shared out between workspaces, with an end of the queue.

Used on the event loop of the server only.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

from zoo_runner.model.errors import EngineError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """A number of all, and the part of it that one workspace may take."""

    most: int
    share: int

    def has_room(self, taken: Counter[str], workspace: str) -> bool:
        """Whether a workspace may take one more."""
        return taken.total() < self.most and taken[workspace] < self.share


_NO_QUEUE = Limit(0, 0)


@dataclass(eq=False)
class _Waiter:
    workspace: str
    turn: "asyncio.Future[None]"


class Places:
    """Places that requests take for as long as their work lasts, and a queue of those that find none.

    Whoever waits longest is next, unless its workspace has its share.
    """

    def __init__(self, places: Limit, queue: Limit = _NO_QUEUE) -> None:
        self._places, self._queue = places, queue
        self._taken, self._waiting = Counter[str](), list[_Waiter]()
        # threads of their own: what takes long must not take those that answer
        self._limiter = CapacityLimiter(places.most)

    async def run(self, workspace: str, operation: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """Run an operation in a thread, once there is a place; raises `EngineError` (`request.busy`)."""
        async with self._take(workspace):
            return await to_thread.run_sync(partial(operation, *given, **named), limiter=self._limiter)

    @asynccontextmanager
    async def take(self, workspace: str, seconds: float) -> AsyncIterator[None]:
        """Take a place while the block runs, once there is one; raises `EngineError` (`request.busy`).

        That is also where none is free within so many `seconds`.
        """
        try:
            await asyncio.wait_for(self._enter(workspace), seconds)
        except asyncio.TimeoutError:
            raise self._build_busy() from None
        try:
            yield
        finally:
            self._give_back(workspace)

    @contextmanager
    def try_take(self, workspace: str) -> Iterator[bool]:
        """Take a place while the block runs, if there is one; yields whether there is."""
        found = self._places.has_room(self._taken, workspace)
        self._taken[workspace] += found
        try:
            yield found
        finally:
            if found:
                self._give_back(workspace)

    @asynccontextmanager
    async def _take(self, workspace: str) -> AsyncIterator[None]:
        await self._enter(workspace)
        try:
            yield
        finally:
            self._give_back(workspace)

    async def _enter(self, workspace: str) -> None:
        """Take a place, once there is one."""
        if self._places.has_room(self._taken, workspace):
            self._taken[workspace] += 1
        else:
            await self._wait(workspace)

    async def _wait(self, workspace: str) -> None:
        if not self._queue.has_room(Counter(waiter.workspace for waiter in self._waiting), workspace):
            raise self._build_busy()
        waiter = _Waiter(workspace, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                self._give_back(workspace)
            raise

    def _build_busy(self) -> EngineError:
        return EngineError(
            f"the server is busy: {self._taken.total()} such requests are worked on, {len(self._waiting)} wait",
            "Send the request again later; Retry-After says when.",
            code="request.busy",
        )

    def _give_back(self, workspace: str) -> None:
        self._taken[workspace] -= 1
        self._taken += Counter()  # forgets workspaces that have none
        for waiter in tuple(self._waiting):
            # one that was cancelled has not left yet
            if not waiter.turn.done() and self._places.has_room(self._taken, waiter.workspace):
                self._waiting.remove(waiter)
                self._taken[waiter.workspace] += 1
                waiter.turn.set_result(None)
