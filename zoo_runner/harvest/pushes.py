"""The sources that were pushed to, between who receives webhooks and who harvests."""

import threading
from collections.abc import Callable
from math import inf
from time import monotonic

from zoo_runner.harvest.probes import BEAT_SECONDS
from zoo_runner.harvest.sources import Harvest, Source


class Pushes:
    """The sources that were pushed to and wait to be harvested. Threads share it."""

    def __init__(self) -> None:
        self._waiting: set[tuple[str, ...]] = set()
        self._changed, self._stopped = threading.Condition(), False
        self._harvest: Harvest | None = None

    def set_harvest(self, harvest: Harvest) -> None:
        """Take note of the sources, and of the secret, that apply to messages from now on."""
        with self._changed:
            self._harvest = harvest

    def get_harvest(self) -> Harvest | None:
        """Return what applies to messages now."""
        with self._changed:
            return self._harvest

    def add(self, sources: tuple[Source, ...]) -> None:
        """Add sources that were pushed to."""
        with self._changed:
            self._waiting.update(source.place for source in sources)
            self._changed.notify_all()

    def stop(self) -> None:
        """End what waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait(self, seconds: float | None, beat: Callable[[], None] = lambda: None) -> frozenset[tuple[str, ...]] | None:
        """Wait so long, None: without end, for pushes; return the places of their sources, or None once stopped.

        `beat` is called all the while.
        """
        end = inf if seconds is None else monotonic() + seconds
        while True:
            beat()
            left = end - monotonic()
            with self._changed:
                part = max(0.0, min(BEAT_SECONDS, left))
                if self._changed.wait_for(lambda: self._stopped or self._waiting, part) or left <= BEAT_SECONDS:
                    found, self._waiting = frozenset(self._waiting), set()
                    return None if self._stopped else found
