"""Writing small files: at once where the disk is quick, in threads where it makes one wait."""

import time
from collections.abc import Callable

from zoo_staging.threads import Workers

# a visit to a thread costs a fraction of this, and so does a write to a quick disk; a network's disk takes more
QUICK_SECONDS = 0.001
# that many slow ones without a quick one between them: a single one may be slow because the machine is busy
SLOW_IN_A_ROW = 8


class Disk:
    """Makes short writes in the event loop until they turn out slow; from then on, in threads."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._slow = 0

    async def run(self, write: Callable[[], None]) -> None:
        """Do one short write."""
        if self._slow >= SLOW_IN_A_ROW:
            await self._workers.run(write)
            return
        start = time.perf_counter()
        write()
        self._slow = 0 if time.perf_counter() - start < QUICK_SECONDS else self._slow + 1
