"""Streams of the API: closing them from outside, and telling what changed between two listings."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from zoo_runner.engines.manifests import Manifest


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
