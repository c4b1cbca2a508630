"""How long a stream that breaks or is refused is opened again."""

import time
from collections.abc import Callable

_PASSING = (0, 410, 429, 500, 502, 503, 504)
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _REFUSED_SECONDS = 0.2, 10.0, 30.0


class Patience:
    """How long a stream is tried again, and after which waits.

    An API server that is unavailable, restarting or busy is waited for without limit. After a restart, it refuses
    requests until it has loaded its authorization rules: a stream that worked before is opened again for a while.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._worked, self._refused_since, self._wait_seconds = False, 0.0, _FIRST_WAIT_SECONDS

    def note_success(self) -> None:
        """Start again: the stream works."""
        self._worked, self._refused_since, self._wait_seconds = True, 0.0, _FIRST_WAIT_SECONDS

    def retries(self, status: int) -> bool:
        """Whether a refusal with this HTTP status (0: no connection) may pass."""
        if status in _PASSING:
            return True
        self._refused_since = self._refused_since or self._clock()
        return self._worked and self._clock() - self._refused_since < _REFUSED_SECONDS

    @property
    def has_waited(self) -> bool:
        """Whether something was waited for since the stream worked."""
        return self._wait_seconds > _FIRST_WAIT_SECONDS

    def next_wait_seconds(self) -> float:
        """Return how long to wait before the next try."""
        self._wait_seconds = min(self._wait_seconds * 2, _LONGEST_WAIT_SECONDS)
        return self._wait_seconds / 2
