"""Who holds leases in a folder, and whether that process still lives: each owner holds a lock as long as it lives.

Source: flock(2). The lock ends with the process, however that ends, so that its leases are free at once and not only
when they expire.
"""

import contextlib
import fcntl
import os
import tempfile
import threading
from pathlib import Path

from zoo_runner.model.ids import file_name


class Owners:
    """The owners with leases in one folder of a store; a lock file each, which its last release removes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._leases: dict[str, set[str]] = {}

    def take(self, owner: str, job_id: str) -> None:
        """Hold the lock of an owner of this process, from its first lease on."""
        with self._lock:
            if owner not in self._held:
                self._held[owner] = self._lock_file(owner)
            self._leases.setdefault(owner, set()).add(job_id)

    def _lock_file(self, owner: str) -> int:
        """Create a lock file that is held before it has its name, so that nobody ever sees it free."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            Path(draft).replace(self._path(owner))
        except OSError:
            os.close(descriptor)
            Path(draft).unlink(missing_ok=True)
            raise
        return descriptor

    def let_go(self, owner: str, job_id: str) -> None:
        """Give the lock back with the owner's last lease."""
        with self._lock:
            leases = self._leases.get(owner, set())
            leases.discard(job_id)
            if not leases and owner in self._held:
                self._path(owner).unlink(missing_ok=True)
                os.close(self._held.pop(owner))

    def is_alive(self, owner: str) -> bool:
        """Whether the process of an owner lives."""
        if owner in self._held:
            return True
        try:
            descriptor = os.open(self._path(owner), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # its process is gone; the name may be that of a new file by now
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == self._path(owner).stat().st_ino:
                    self._path(owner).unlink()
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, owner: str) -> Path:
        return self._folder / file_name(owner)
