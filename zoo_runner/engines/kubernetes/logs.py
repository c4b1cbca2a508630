"""The log of a pod, line by line, each once; no thread waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from datetime import datetime, timezone
from functools import lru_cache

from zoo_runner.engines.kubernetes.background import Background
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.paths import build_path
from zoo_runner.engines.kubernetes.patience import Patience

# a stream without new lines for so long is opened again, which loses no line
_SILENCE_SECONDS = 3600.0

Take = Callable[[list[str]], "Future[None]"]
"""Takes the next lines; later lines wait until the returned future has ended."""


class LogReader:
    """Reads the log of a pod to its end. `done` ends with it, or with the `ApiError` that broke it off."""

    done: "Future[None]"

    def __init__(self, background: Background, take: Take, ended: bool) -> None:
        self._background, self._take = background, take
        self._ended = asyncio.Event()
        if ended:
            self._ended.set()

    def start(self, connection: Connection, namespace: str, pod: str, container: str | None = None) -> None:
        """Read from the start of the log; of a pod with several containers one has to be named."""
        self.done = self._background.start(self._read(connection, namespace, pod, container))

    def note_end(self) -> None:
        """Take note that the container has ended, as its status says: once its log is over, no more will come."""
        self._background.call_soon(self._ended.set)

    def close(self) -> None:
        """Read no further."""
        self.done.cancel()

    async def _read(self, connection: Connection, namespace: str, pod: str, container: str | None) -> None:
        async for lines in read_log(connection, namespace, pod, self._ended, container):
            await asyncio.wrap_future(self._take(lines))


async def read_log(
    connection: Connection, namespace: str, pod: str, ended: asyncio.Event, container: str | None = None
) -> AsyncIterator[list[str]]:
    """Yield the lines of a pod's log as they come, until its container has `ended`, as its status says.

    The end of a stream is not the end of the log: kubelet ends each stream after four hours, and the API ends it in the
    same way if a kubelet is lost. Raises `ApiError` for errors that do not pass by waiting.
    """
    path, what = f"{build_path('Pod', namespace, pod)}/log", f"reading the log of pod {pod}"
    named = {"container": container} if container else {}
    last, patience = "", Patience()
    while True:
        over = whole = ended.is_set()
        since = {"sinceTime": f"{last[:19]}Z"} if last else {}
        query = {"follow": "true", "timestamps": "true", **named, **since}
        try:
            async for lines in connection.read_stream(path, what, query, _SILENCE_SECONDS):
                stamped = [line.partition(" ") for line in lines]
                timed = [(read_time(stamp), text) for stamp, _, text in stamped]
                fresh = [(time, text) for time, text in timed if time > last]
                if fresh:
                    patience.note_success()
                    last = fresh[-1][0]
                    yield [text for _, text in fresh]
        except ApiError as error:
            over = whole and error.status == 404
            if not over and not patience.retries(error.status):
                raise
        if over:
            return
        await _wait(ended, patience.next_wait_seconds(), whole)


def read_time(stamp: str) -> str:
    """Return the time that kubelet puts before a line, in UTC, as a text that sorts as times do.

    Containers write the local time of their node, whose offset changes where it has summer time.

    >>> read_time("2026-11-29T18:00:00.000000001+08:00")
    '2026-11-29T10:00:00.000000001'
    """
    if stamp.endswith("Z"):
        return stamp[:-1]
    return f"{_to_utc(stamp[:19], stamp[-6:])}{stamp[19:-6]}"


@lru_cache(maxsize=16)
def _to_utc(seconds: str, offset: str) -> str:
    try:
        return datetime.fromisoformat(f"{seconds}{offset}").astimezone(timezone.utc).isoformat()[:19]
    except ValueError:  # no time
        return seconds


async def _wait(ended: asyncio.Event, seconds: float, whole: bool) -> None:
    """Wait before the next try; while the container runs, no longer than until it ends."""
    if whole:
        await asyncio.sleep(seconds)
        return
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
