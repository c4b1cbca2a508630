"""How many streams are open at once: few while files are large, many while they are small."""

import asyncio
import time
from collections import deque

SLOW_ANSWER_SECONDS = 0.02
"""A quicker answer comes from nearby: more requests would only take memory."""

GROWTH = 2
"""Streams that each small file adds: with each answer of the server there are then three times as many."""
BYTES_AT_ONCE = 48 << 20
"""Small files are held in memory: no more streams than this has room for, where all files are as large as the last."""


class Streams:
    """A limit that begins at `least`, grows to `most` by two with each small file, and falls back with a large one.

    Where a server takes its time, most of the time of small files is the wait for an answer, which many requests share;
    large files share the network, and memory. A server that fails or asks for a pause gets half as many.
    """

    def __init__(self, least: int, most: int) -> None:
        self.limit = least
        self._least, self._most = least, max(least, most)
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def open(self) -> "_Place":
        """Wait, in the order of the calls, until one more may be open; hold its place; give the moment of that."""
        return _Place(self)

    async def enter(self) -> None:
        """Take a place, when there is one."""
        if self._open >= self.limit:
            await self._wait()
        else:
            self._open += 1

    def leave(self) -> None:
        """Give it back."""
        self._open -= 1
        self._admit()

    def note_small(self, waited_seconds: float, size_bytes: int) -> None:
        """Note that a small file has arrived, how long its server took to answer, and how large it is."""
        if waited_seconds >= SLOW_ANSWER_SECONDS:
            fitting = BYTES_AT_ONCE // max(1, size_bytes)
            self.limit = max(self._least, min(self.limit + GROWTH, self._most, fitting))
            self._admit()

    def note_large(self) -> None:
        """Note that a file is large, or of unknown size."""
        self.limit = self._least

    def note_trouble(self) -> None:
        """Note that a server failed, or asked for a pause."""
        self.limit = max(self._least, self.limit // 2)

    async def _wait(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            # it may have been admitted at that very moment
            if place.done() and not place.cancelled():
                self._open -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and self._open < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._open += 1
                place.set_result(None)


class _Place:
    """One stream, as an async context manager: a class, as a generator costs more for each of thousands of files."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def __aenter__(self) -> float:
        await self._streams.enter()
        return time.monotonic()

    async def __aexit__(self, *_: object) -> None:
        self._streams.leave()
