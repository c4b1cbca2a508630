"""Locks in a job's private folder: who works on the job holds one, and it ends with the process, however that ends.

Source: flock(2). A lock of one holder is looked at with a shared lock, so that any number may look at once; one that
several may hold shows to an exclusive lock only.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobLock:
    """A lock by the name of its file; `shared`: several may hold it at once, else whoever comes later waits."""

    name: str
    shared: bool

    @contextlib.contextmanager
    def hold(self, record: Path) -> Iterator[None]:
        """Hold the lock in a job's private folder, once that can be."""
        with (record / self.name).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX)
            yield

    def is_held(self, record: Path) -> bool:
        """Whether a process holds the lock now."""
        try:
            with (record / self.name).open("r+") as lock:
                fcntl.flock(lock, (fcntl.LOCK_EX if self.shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def is_abandoned(self, record: Path) -> bool:
        """Whether the lock was held once and nobody holds it now: the work ended, or the process that did it."""
        return (record / self.name).exists() and not self.is_held(record)

    def wait_released(self, record: Path) -> None:
        """Wait until nobody holds the lock."""
        with (record / self.name).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


RUN = JobLock("lock", shared=False)
"""Held by the process that runs or follows a job."""

SERVICE = JobLock("service.lock", shared=True)
"""Held by a service of a ZOO kernel while it works on a job: where it is free and the job is not at its end, the job is
lost. Shared, so that a second service of one job is refused at once and does not wait for the first."""
