"""The access documents of all workspaces, as a server knows them.

A document is read when it is first needed and again after an interval, in the background; one of twice that age is read
before it is used. What was read last holds while the bucket does not answer, or has something that is no such document.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from zoo_runner.access_documents import NOTHING_PUBLISHED, AccessDocument, parse_document
from zoo_runner.server.access.remembered import Remembered
from zoo_staging.errors import StagingError

_ANSWER_SECONDS = 5.0
_MOST_KEPT_BYTES = 256 << 20
# a document in memory, for each of its bytes
_PARSED = 8

Read = Callable[[str], Awaitable[bytes | None]]
"""Reads the document of a workspace, None: there is none. Raises `StagingError`."""

logger = logging.getLogger(__name__)


@dataclass
class _Kept:
    document: AccessDocument
    read_at: float


class AccessDocuments:
    """The documents of all workspaces, read again every so many seconds; used in one event loop."""

    def __init__(
        self,
        read: Read,
        every_seconds: float,
        clock: Callable[[], float] = monotonic,
        most_bytes: int = _MOST_KEPT_BYTES,
    ) -> None:
        self._read, self._every_seconds, self._clock = read, every_seconds, clock
        self._kept: Remembered[_Kept] = Remembered(most_bytes)
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def find(self, workspace: str) -> AccessDocument | None:
        """Return what a workspace publishes; None where that was never read, and cannot be read now."""
        kept = self._kept.get(workspace)
        age = self._clock() - kept.read_at if kept else None
        if age is None or age > self._every_seconds:
            task = self._reading.get(workspace) or self._start(workspace)
            # what nobody asked for in a while may have been withdrawn long ago
            if age is None or age > 2 * self._every_seconds:
                await asyncio.shield(task)
                kept = self._kept.get(workspace)
        return kept.document if kept else None

    def _start(self, workspace: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._refresh(workspace))
        self._reading[workspace] = task
        task.add_done_callback(lambda _: self._reading.pop(workspace, None))
        return task

    async def _refresh(self, workspace: str) -> None:
        try:
            body = await asyncio.wait_for(self._read(workspace), _ANSWER_SECONDS)
            document = NOTHING_PUBLISHED if body is None else parse_document(body)
        except (StagingError, asyncio.TimeoutError, ValueError, RecursionError) as error:
            why = error.reason if isinstance(error, StagingError) else str(error) or "no answer in time"
            known = self._kept.get(workspace)
            left = "the one of before holds" if known else "nothing of it is public"
            logger.warning("the access document of %s cannot be read, %s: %s", workspace, left, why)
            if known:
                # not at every request, but at the next interval
                known.read_at = self._clock()
            return
        self._kept.put(workspace, _Kept(document, self._clock()), _PARSED * len(body or b""))
