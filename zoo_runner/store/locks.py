"""Locks in a job's private folder, which end with the process that holds them, however that ends.

Source: flock(2).
"""

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobLock:
    """A lock by the name of its file, which several may hold at once."""

    name: str

    @contextlib.contextmanager
    def hold(self, record: Path) -> Iterator[None]:
        """Hold the lock in a job's private folder."""
        with (record / self.name).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def is_held(self, record: Path) -> bool:
        """Whether a process holds the lock now."""
        try:
            with (record / self.name).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def wait_released(self, record: Path) -> None:
        """Wait until nobody holds the lock."""
        with (record / self.name).open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


SERVICE = JobLock("service.lock")
"""Held by a service of a ZOO kernel while it works on a job, also before the job is stored and after it has ended.

Where it is free and the job is not at its end, the job is lost. Shared, so that a second service of one job is refused
at once and does not wait for the first.
"""
