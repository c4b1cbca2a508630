"""What every job needs from the process that works on it, in one thread for all jobs.

At each beat its lease is looked at, so that a request to cancel it is noticed wherever it was made; once a third of it
is over it is renewed. Its time limit is kept.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.store.protocol import Held, JobStore, Lease

LEASE_SECONDS = 60.0
BEAT_SECONDS = 5.0
_PARTS_OF_A_BEAT = 4
_PARTS_OF_A_LEASE = 3
_LOGGER = logging.getLogger(__name__)


class Look(str, Enum):
    """What a look at a lease has found."""

    __str__ = str.__str__

    RENEWED = "renewed"
    LOST = "lost"
    UNANSWERED = "unanswered"


@dataclass
class _Kept:
    """A job that this process works on. Times are of the monotonic clock."""

    lease: Lease
    cancellation: Cancellation
    deadline: float | None
    next_beat: float
    on_loss: Callable[[], None]
    renew_at: float = 0.0
    # of its record as it was last looked at
    version: int | None = None
    is_lost: bool = False

    @property
    def next_look(self) -> float:
        return self.next_beat if self.deadline is None else min(self.next_beat, self.deadline)


class Keeper:
    """Keeps the jobs of one process; its thread lives as long as there are any."""

    def __init__(
        self, store: JobStore, beat_seconds: float = BEAT_SECONDS, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._store, self.beat_seconds, self.lease_seconds = store, beat_seconds, lease_seconds
        self.count: Callable[[Look, int], None] = lambda _, __: None
        """Called with what looks at leases have found, and for how many; a lease is lost once."""
        self._changed = threading.Condition()
        self._kept: dict[str, _Kept] = {}
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def keeping(
        self,
        lease: Lease,
        cancellation: Cancellation,
        seconds_left: float | None,
        on_loss: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Keep a job while the block runs; it is cancelled once `seconds_left` have passed (None: no limit).

        `on_loss` is called when another process has the lease.
        """
        now = time.monotonic()
        deadline = None if seconds_left is None else now + seconds_left
        with self._changed:
            self._kept[lease.job_id] = _Kept(lease, cancellation, deadline, now + self.beat_seconds, on_loss)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-keeper", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._kept[lease.job_id]
                self._changed.notify()

    def _run(self) -> None:
        while due := self._wait():
            for kept in due:
                self._keep_time(kept)
            self._beat([kept for kept in due if kept.next_beat <= time.monotonic() + self._apart])

    def _wait(self) -> list[_Kept]:
        """Wait until a job is due, and return all that are due soon; none where there are no more jobs."""
        with self._changed:
            while self._kept:
                now = time.monotonic()
                if any(kept.next_look <= now for kept in self._kept.values()):
                    # those of many jobs come to be due together, and are written at once
                    return [kept for kept in self._kept.values() if kept.next_look <= now + self._apart]
                self._changed.wait(min(kept.next_look for kept in self._kept.values()) - now)
            self._thread = None
            return []

    @property
    def _apart(self) -> float:
        return self.beat_seconds / _PARTS_OF_A_BEAT

    def _keep_time(self, kept: _Kept) -> None:
        """Keep the time limit of a job."""
        if kept.deadline is None or kept.deadline > time.monotonic():
            return
        kept.deadline = None
        try:
            kept.cancellation.cancel(Reason.TIME_LIMIT)
        except Exception:
            _LOGGER.debug("job %s could not be cancelled", kept.lease.job_id, exc_info=True)

    def _beat(self, due: Sequence[_Kept]) -> None:
        """Look at leases, and renew those of which a third is over."""
        now = time.monotonic()
        old: list[_Kept] = []
        fresh: list[_Kept] = []
        for kept in due:
            kept.next_beat = now + self.beat_seconds
            (old if kept.renew_at <= now else fresh).append(kept)
        for kept, held in self._find(fresh, self._store.find_held):
            if held is None:
                # after a machine has slept, a lease may be over that nobody took: renewing it says which
                old.append(kept)
            else:
                self._look_at(kept, held)
        for kept, held in self._find(old, lambda leases: self._store.renew_all(leases, self.lease_seconds)):
            kept.renew_at = now + self.lease_seconds / _PARTS_OF_A_LEASE
            self._look_at(kept, held)
            if held is not None:
                self.count(Look.RENEWED, 1)

    def _find(
        self, some: Sequence[_Kept], find: Callable[[Sequence[Lease]], Mapping[str, Held | None]]
    ) -> Iterator[tuple[_Kept, Held | None]]:
        """Yield the jobs of which something is known, with what that is; those of one owner are asked for at once."""
        by_owner: dict[str, list[_Kept]] = {}
        for kept in some:
            by_owner.setdefault(kept.lease.owner, []).append(kept)
        for of_owner in by_owner.values():
            try:
                found = find([kept.lease for kept in of_owner])
            except Exception:
                # a store that does not answer now is asked again at the next beat; the lease lasts for several
                _LOGGER.debug("leases could not be looked at", exc_info=True)
                self.count(Look.UNANSWERED, len(of_owner))
                continue
            yield from ((kept, found[kept.lease.job_id]) for kept in of_owner if kept.lease.job_id in found)

    def _look_at(self, kept: _Kept, held: Held | None) -> None:
        """Notice what became of a job; one that fails here does not take the others with it."""
        try:
            if held is None:
                if not kept.is_lost:
                    kept.is_lost = True
                    self.count(Look.LOST, 1)
                # `_Work.conclude` finds out for itself, whenever the job ends
                kept.on_loss()
            elif held.version == kept.version:
                # nobody has changed it
                kept.lease = held.lease
                return
            else:
                kept.lease = held.lease
            job = self._store.get(kept.lease.job_id)
            kept.version = job.version
            if job.cancel_requested:
                kept.cancellation.cancel()
        except Exception:
            _LOGGER.debug("job %s could not be looked after", kept.lease.job_id, exc_info=True)
