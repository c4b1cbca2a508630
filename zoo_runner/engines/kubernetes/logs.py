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
    position, patience = _Position(), Patience()
    while True:
        over = whole = ended.is_set()
        since = {"sinceTime": f"{position.last[:19]}Z"} if position.last else {}
        query = {"follow": "true", "timestamps": "true", **named, **since}
        try:
            async for lines in connection.read_stream(path, what, query, _SILENCE_SECONDS):
                before = position.last
                if new := position.take_new(lines):
                    # not for what only kubelet says
                    if position.last != before:
                        patience.note_success()
                    yield new
        except ApiError as error:
            over = whole and error.status == 404
            if not over and not patience.retries(error.status):
                raise
        if over:
            return
        await _wait(ended, patience.next_wait_seconds(), whole)


class _Position:
    """How far a log was read: up to the line of the time `last`."""

    def __init__(self) -> None:
        self.last, self._untimed = "", ""

    def take_new(self, lines: list[str]) -> list[str]:
        """Select the lines that were not read before, without their times.

        Those without a time are kubelet's own, such as that it cannot read the log now, and come with each stream.
        """
        new, last = [], self.last
        for line in lines:
            stamp, _, text = line.partition(" ")
            time = read_time(stamp)
            if time is None:
                new += [line] if line != self._untimed else []
                self._untimed = line
            elif time > last:
                new.append(text)
                self.last = time
        return new


def read_time(stamp: str) -> str | None:
    """Return the time that kubelet puts before a line, in UTC, as a text that sorts as times do; None where it is none.

    Containers write the local time of their node, whose offset changes where it has summer time.

    >>> read_time("2026-11-29T18:00:00.000000001+08:00")
    '2026-11-29T10:00:00.000000001'
    """
    end = -1 if stamp.endswith("Z") else -6
    seconds = _to_utc(stamp[:19], stamp[end:].replace("Z", "+00:00"))
    return seconds and f"{seconds}{stamp[19:end]}"


@lru_cache(maxsize=16)
def _to_utc(seconds: str, offset: str) -> str | None:
    try:
        return datetime.fromisoformat(f"{seconds}{offset}").astimezone(timezone.utc).isoformat()[:19]
    except ValueError:
        return None


async def _wait(ended: asyncio.Event, seconds: float, whole: bool) -> None:
    """Wait before the next try; while the container runs, no longer than until it ends."""
    if whole:
        await asyncio.sleep(seconds)
        return
    waiting = asyncio.ensure_future(ended.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()
