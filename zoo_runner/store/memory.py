"""A store in the memory of one process: the double for tests."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zoo_runner.model import clock
from zoo_runner.model.events import Event
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.store.errors import build_changed, build_exists, build_not_found
from zoo_runner.store.protocol import Held, JobPage, JobQuery, Lease
from zoo_runner.store.selection import find_each_held, renew_each, select_abandoned, select_page


class MemoryStore:
    """Keeps jobs, packages and events as they are; threads may share it. It is job store and event log in one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._packages: dict[str, Package] = {}
        self._leases: dict[str, Lease] = {}
        self._events: dict[str, list[Event]] = {}

    def create(self, job: Job, package: Package, owner: str | None = None, seconds: float = 0.0) -> Job:
        """Keep a new job and its package, leased where there is an owner; raises `JobExistsError`."""
        with self._lock:
            if job.id in self._jobs:
                raise build_exists(job.id)
            self._packages[package.digest] = package
            self._jobs[job.id] = replace(job, version=1)
            if owner:
                self.lease(job.id, owner, seconds)
            return self._jobs[job.id]

    def get(self, job_id: str) -> Job:
        """Return a job; raises `JobNotFoundError`."""
        with self._lock:
            try:
                return self._jobs[job_id]
            except KeyError:
                raise build_not_found(job_id) from None

    def update(self, job: Job) -> Job:
        """Keep a changed job; raises `JobChangedError` and `JobNotFoundError`."""
        with self._lock:
            stored = self.get(job.id)
            if stored.version != job.version:
                raise build_changed(job.id, job.version, stored.version)
            self._jobs[job.id] = replace(job, version=job.version + 1)
            return self._jobs[job.id]

    def delete(self, job_id: str) -> None:
        """Forget a job and its events."""
        with self._lock:
            for table in (self._jobs, self._leases, self._events):
                table.pop(job_id, None)

    def find(self, query: JobQuery) -> JobPage:
        """List jobs, newest first."""
        with self._lock:
            return select_page(self._jobs.values(), query)

    def load_package(self, digest: str) -> Package:
        """Return the package of a job; raises `JobNotFoundError`."""
        try:
            return self._packages[digest]
        except KeyError:
            raise build_not_found(digest) from None

    def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        """Take the right to work on a job; None while another owner has it."""
        with self._lock:
            self.get(job_id)
            held = self.find_lease(job_id)
            if held and held.owner != owner:
                return None
            self._leases[job_id] = Lease(job_id, owner, clock.after(seconds))
            return self._leases[job_id]

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Have a lease last longer; None where another owner took it."""
        with self._lock:
            stored = self._leases.get(lease.job_id)
            if stored is None or stored.owner != lease.owner:
                return None
            return self.lease(lease.job_id, lease.owner, seconds)

    def renew_all(self, leases: Sequence[Lease], seconds: float) -> Mapping[str, Held | None]:
        """Have leases last longer, by job; None where another owner took it, or the job was deleted."""
        return renew_each(self, leases, seconds)

    def find_held(self, leases: Sequence[Lease]) -> Mapping[str, Held | None]:
        """Look at leases, by job; None where it does not hold any more."""
        return find_each_held(self, leases)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        with self._lock:
            stored = self._leases.get(lease.job_id)
            if stored and stored.owner == lease.owner:
                del self._leases[lease.job_id]

    def find_lease(self, job_id: str) -> Lease | None:
        """Return the lease that holds now."""
        with self._lock:
            lease = self._leases.get(job_id)
            return lease if lease and lease.expires > clock.now() else None

    def find_abandoned(self, limit: int = 100) -> tuple[Job, ...]:
        """Return jobs that are not at their end and that nobody has a lease of, oldest first."""
        with self._lock:
            return select_abandoned(((job, self.find_lease(job.id)) for job in self._jobs.values()), limit)

    def append(self, job_id: str, events: Iterable[Event]) -> int:
        """Add events and return the number of the last."""
        with self._lock:
            self.get(job_id)
            log = self._events.setdefault(job_id, [])
            log.extend(events)
            return len(log)

    def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Iterator[tuple[int, Event]]:
        """Yield events with their numbers from the one that follows `after`."""
        with self._lock:
            log = list(self._events.get(job_id, ()))
        end = None if limit is None else after + limit
        yield from list(enumerate(log, 1))[after:end]
