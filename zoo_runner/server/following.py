"""Following a job while it runs: one watch for each job that is followed, whatever the number of viewers.

Whatever happens in a job is written to its job log at once, by whichever process works on it. So the watch waits for
changes of that file, and looks once a second anyway: the log may lie on a shared disk, and the end of a job is stored
after its last line.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from watchfiles import Change, watch

from zoo_runner.model.errors import JobNotFoundError, RunnerError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.store.protocol import JobStore

_LOOK_SECONDS, _STEP_MS, _DEBOUNCE_MS = 1.0, 20, 100

WatchFiles = Callable[..., Iterator[Any]]
"""Yields whenever files change, as `watchfiles.watch` does; raises `OSError` or `RuntimeError` if it cannot watch."""


def has_ended(job_id: str, store: JobStore) -> bool:
    """Whether a job has ended or was removed."""
    try:
        return store.get(job_id).status in FINAL
    except JobNotFoundError:
        return True
    except RunnerError:
        # a database that does not answer now is asked again
        return False


class JobWatch:
    """The watch of one job. Its viewers take `changed` before they read, and wait for it afterwards."""

    def __init__(self, job: Job, store: JobStore, watch_files: WatchFiles = watch) -> None:
        self.changed = asyncio.Event()
        self.ended = False
        self.viewers = 0
        self._job, self._store, self._watch_files = job, store, watch_files
        self._loop, self._stop = asyncio.get_running_loop(), threading.Event()
        threading.Thread(target=self._watch, name=f"watch-{job.id}", daemon=True).start()

    def stop(self) -> None:
        """End the watch, and all waits for it."""
        self._stop.set()
        self._loop.call_soon_threadsafe(self._notify, True)

    def _watch(self) -> None:
        for _ in self._wait():
            ended = has_ended(self._job.id, self._store)
            self._loop.call_soon_threadsafe(self._notify, ended)
            if ended:
                return

    def _wait(self) -> Iterator[None]:
        """Yield whenever it is time to look, until the watch is stopped."""
        # the kernel limits watches, and the folder may be gone: then only the clock is left
        with suppress(OSError, RuntimeError):
            yield from self._wait_for_changes()
        while not self._stop.wait(_LOOK_SECONDS):
            yield

    def _wait_for_changes(self) -> Iterator[None]:
        log, looked = Path(self._job.log), monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)

        def is_due(_: Change, path: str) -> bool:
            # other jobs write into the same folder, and whatever they write restarts the time-out
            return path == str(log) or monotonic() - looked >= _LOOK_SECONDS

        changes = self._watch_files(
            log.parent,
            watch_filter=is_due,
            step=_STEP_MS,
            debounce=_DEBOUNCE_MS,
            rust_timeout=int(_LOOK_SECONDS * 1000),
            stop_event=self._stop,
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=False,
        )
        for _ in changes:
            looked = monotonic()
            yield

    def _notify(self, ended: bool) -> None:
        self.ended = self.ended or ended
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class Following:
    """The watches of a server; used on its event loop only."""

    def __init__(self, watch_files: WatchFiles = watch) -> None:
        self._watches: dict[str, JobWatch] = {}
        self._watch_files = watch_files

    @asynccontextmanager
    async def watching(self, job: Job, store: JobStore) -> AsyncIterator[JobWatch]:
        """Watch a job while the block runs."""
        found = self._watches.get(job.id)
        if found is None:
            found = self._watches[job.id] = JobWatch(job, store, self._watch_files)
        found.viewers += 1
        try:
            yield found
        finally:
            found.viewers -= 1
            if not found.viewers:
                del self._watches[job.id]
                found.stop()

    def stop(self) -> None:
        """End all streams: the server stops."""
        for found in list(self._watches.values()):
            found.stop()
