"""What is remembered between requests, within a limit: the names in requests are anybody's."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")
ENTRY_BYTES = 1000
"""What an entry takes at least, with its key."""


class Remembered(Generic[T]):
    """Values by key, as many as fit; the one that was not used for longest is forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._kept: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def get(self, key: str) -> T | None:
        """Return a value, None where there is none."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: str, value: T, size: int = 0) -> None:
        """Keep a value of about so many bytes."""
        self.drop(key)
        size += ENTRY_BYTES
        self._kept[key], self._bytes = (value, size), self._bytes + size
        while self._bytes > self._most_bytes:
            self.drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Forget a value; what is gone already is fine."""
        _, size = self._kept.pop(key, (None, 0))
        self._bytes -= size

    def __len__(self) -> int:
        return len(self._kept)
