"""Streams of the API: closing them from outside, and telling what changed between two listings."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from zoo_runner.engines.kubernetes.names import Manifest

_PASSING = (0, 410, 429, 500, 502, 503, 504)
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _REFUSED_SECONDS = 0.2, 10.0, 30.0


class Streams:
    """Closes the streams of one job from outside, whoever reads them."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._open: set[Any] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """End every stream, also one that waits for its next line."""
        self.closed.set()
        with self._lock:
            open_now = tuple(self._open)
        for answer in open_now:
            with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
                answer.shutdown()

    @contextlib.contextmanager
    def holding(self, answer: Any) -> Iterator[None]:
        """Keep an answer closable while it is read."""
        with self._lock:
            self._open.add(answer)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(answer)
            answer.close()


class Patience:
    """How long a stream is tried again, and after which waits.

    An API server that is away, restarts or is busy is waited for without end. One that has just come back refuses
    what it allowed before, until it has read its own rules: a stream that worked once bears that for a while.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._worked, self._refused_since, self._wait_seconds = False, 0.0, _FIRST_WAIT_SECONDS

    def note_success(self) -> None:
        """Begin anew: the stream works."""
        self._worked, self._refused_since, self._wait_seconds = True, 0.0, _FIRST_WAIT_SECONDS

    def bears(self, status: int) -> bool:
        """Whether a refusal with this HTTP status (0: no connection) may pass."""
        if status in _PASSING:
            return True
        self._refused_since = self._refused_since or self._clock()
        return self._worked and self._clock() - self._refused_since < _REFUSED_SECONDS

    def next_wait_seconds(self) -> float:
        """Return how long to wait before the next try."""
        self._wait_seconds = min(self._wait_seconds * 2, _LONGEST_WAIT_SECONDS)
        return self._wait_seconds / 2


def remember(known: dict[str, Manifest], change: str, item: Manifest) -> None:
    """Keep the newest state of an object that a watch told of."""
    if change == "DELETED":
        known.pop(item["metadata"]["uid"], None)
    else:
        known[item["metadata"]["uid"]] = item


def compare(known: dict[str, Manifest], items: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Tell what changed between what was known and what is listed now."""
    listed = {item["metadata"]["uid"]: item for item in items}
    gone = [known.pop(uid) for uid in tuple(known) if uid not in listed]
    yield from (("DELETED", item) for item in gone)
    for uid, item in listed.items():
        if uid not in known:
            yield "ADDED", item
        elif known[uid]["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            yield "MODIFIED", item
        known[uid] = item
