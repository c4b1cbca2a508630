"""What jobs need in a namespace is looked at once for those that begin within the same second.

A job never relies on an older look. What an administrator changes within that second is found by the jobs of the next,
as what is changed while a job waits for its pod always was: both begin before its first step does.
"""

import threading
from collections.abc import Callable
from time import monotonic

LOOK_SECONDS = 1.0
"""How long a look counts, from its begin on."""


class Looks:
    """Which looks have found everything as it has to be, and when; threads may share it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def share(self, key: str, look: Callable[[], None]) -> None:
        """Call `look`, unless it has succeeded within the last second; whoever comes meanwhile waits for its end.

        What it raises is raised, and found again by the next one.
        """
        place = self._find_place(key)
        with place.lock:
            begun = self._clock()
            if place.looked is not None and begun - place.looked < LOOK_SECONDS:
                return
            place.looked = None
            look()
            place.looked = begun

    def _find_place(self, key: str) -> "_Place":
        now = self._clock()
        with self._lock:
            # a namespace of one job comes once
            for old in [name for name, one in self._places.items() if one.is_over(now)]:
                del self._places[old]
            return self._places.setdefault(key, _Place())


class _Place:
    """When one place was looked at; held while somebody looks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.looked: float | None = None

    def is_over(self, now: float) -> bool:
        return self.looked is not None and now - self.looked >= LOOK_SECONDS and not self.lock.locked()
