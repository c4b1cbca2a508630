"""Short calls to a disk from an event loop, which must not wait where the disk is slow."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")

# a call in a thread costs a fraction of this, as does a call to a fast disk; a network disk takes more
QUICK_SECONDS = 0.001
# this many slow ones in a row: a single one may be slow because the machine is busy
SLOW_IN_A_ROW = 8


class ShortCalls:
    """Makes short calls to a disk in the event loop until they prove slow; from then on, in threads by `in_thread`."""

    def __init__(self, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self._in_thread = in_thread
        self._slow = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Make one call; raises what it raises."""
        if self._slow >= SLOW_IN_A_ROW:
            return cast("T", await self._in_thread(call))
        start = time.perf_counter()
        try:
            return call()
        finally:
            self._slow = 0 if time.perf_counter() - start < QUICK_SECONDS else self._slow + 1
