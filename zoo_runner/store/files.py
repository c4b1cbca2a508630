"""Jobs in a folder, each in a private folder of its own; any number of processes of one machine may use it.

<id>/job.json       the job, written atomically; changed under the lock of its folder, if its version is as read
<id>/inputs.json    its inputs where they are long: they never change
<id>/lease.json     who works on it until when
<id>/events.jsonl   what happened in it, an event a line
.packages/<digest>  packed packages, each once
.owners/<owner>     locks of the processes that hold leases
"""

import contextlib
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from zoo_runner.files import write_atomically
from zoo_runner.model import clock
from zoo_runner.model.codec import event_from_plain, event_to_plain, from_plain, to_plain
from zoo_runner.model.errors import EngineError, JobNotFoundError, SettingsError
from zoo_runner.model.events import Event
from zoo_runner.model.ids import check_job_id
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.model.written import read_json, write_json
from zoo_runner.store.errors import build_changed, build_damaged, build_exists, build_not_found
from zoo_runner.store.owners import Owners
from zoo_runner.store.protocol import Held, JobPage, JobQuery, Lease
from zoo_runner.store.selection import find_each_held, renew_each, select_abandoned, select_page

_JOB, _INPUTS, _LEASE, _EVENTS = "job.json", "inputs.json", "lease.json", "events.jsonl"
_MOST_COUNTS = 256
# the record of a job is written at each stage, and read every second
_LONG_INPUTS_BYTES = 64 << 10
_MOST_INPUTS = 16
_LOGGER = logging.getLogger(__name__)


class FileStore:
    """Keeps jobs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owners = Owners(folder / ".owners")
        # by id and uid: another process may have deleted a job, and created one of the same id
        self._inputs: dict[tuple[str, str], Mapping[str, Any]] = {}

    def create(self, job: Job, package: Package, owner: str | None = None, seconds: float = 0.0) -> Job:
        """Keep a new job and its package, leased where there is an owner.

        Raises `JobExistsError`, and `SettingsError` for a folder of no use.
        """
        created = replace(job, version=1)
        folder = self._path(job.id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # the folder may exist, with the log of a caller
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._keep_package(package)
            with _flocked(folder):
                if (folder / _JOB).exists():
                    raise build_exists(job.id)
                if owner:
                    self._owners.take(owner, job.id)
                    _write_lease(folder, Lease(job.id, owner, clock.after(seconds)))
                inputs = _dump(to_plain(job.inputs))
                if len(inputs) > _LONG_INPUTS_BYTES:
                    write_atomically(folder / _INPUTS, inputs)
                    self._remember((job.id, job.uid), job.inputs)
                write_atomically(folder / _JOB, self._dump_job(created))
        except OSError as error:
            raise SettingsError(
                f"cannot write to the jobs folder {self._folder}: {error.strerror}",
                "Set ZOO_RUNNER_STATE to a folder that this user may write to.",
            ) from error
        return created

    def get(self, job_id: str) -> Job:
        """Return a job; raises `JobNotFoundError`."""
        path = self._path(job_id) / _JOB
        try:
            record = read_json(path.read_bytes())
            if isinstance(record, dict) and record.get("inputs", ()) is None:
                record["inputs"] = self._read_inputs(job_id, record.get("uid", ""))
            return from_plain(Job, record)
        except FileNotFoundError:
            raise build_not_found(job_id, str(self._folder)) from None
        except (OSError, ValueError) as error:
            raise build_damaged(str(path), error) from error

    def update(self, job: Job) -> Job:
        """Keep a changed job; raises `JobChangedError` and `JobNotFoundError`."""
        with self._locked(job.id) as folder:
            stored = self.get(job.id)
            if stored.version != job.version:
                raise build_changed(job.id, job.version, stored.version)
            changed = replace(job, version=job.version + 1)
            write_atomically(folder / _JOB, self._dump_job(replace(changed, inputs=stored.inputs)))
        return changed

    def delete(self, job_id: str) -> None:
        """Forget a job and its events; whoever works on it does not bring it back."""
        folder = self._path(job_id)
        self._inputs = {key: inputs for key, inputs in self._inputs.items() if key[0] != job_id}
        with contextlib.suppress(FileNotFoundError), _flocked(folder):
            (folder / _JOB).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def find(self, query: JobQuery) -> JobPage:
        """List jobs, newest first."""
        return select_page(self._list(), query)

    def load_package(self, digest: str) -> Package:
        """Return the package of a job; raises `JobNotFoundError`."""
        try:
            return from_plain(Package, read_json(self._package_path(digest).read_bytes()))
        except FileNotFoundError:
            raise build_not_found(digest, str(self._folder)) from None

    def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        """Take the right to work on a job; None while another owner, whose process lives, has it."""
        with self._locked(job_id) as folder:
            held = self.find_lease(job_id)
            if held and held.owner != owner:
                return None
            self._owners.take(owner, job_id)
            return _write_lease(folder, Lease(job_id, owner, clock.after(seconds)))

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Have a lease last longer; None where another owner took it, or the job was deleted."""
        with contextlib.suppress(JobNotFoundError), self._locked(lease.job_id) as folder:
            stored = _read_lease(folder)
            if stored and stored.owner == lease.owner:
                return _write_lease(folder, replace(lease, expires=clock.after(seconds)))
        return None

    def renew_all(self, leases: Sequence[Lease], seconds: float) -> Mapping[str, Held | None]:
        """Have leases last longer, by job; None where another owner took it, or the job was deleted."""
        return renew_each(self, leases, seconds)

    def find_held(self, leases: Sequence[Lease]) -> Mapping[str, Held | None]:
        """Look at leases, by job; None where it does not hold any more."""
        return find_each_held(self, leases)

    def release(self, lease: Lease) -> None:
        """Give a lease back; of a job that was deleted meanwhile too."""
        with contextlib.suppress(JobNotFoundError), self._locked(lease.job_id) as folder:
            stored = _read_lease(folder)
            if stored and stored.owner == lease.owner:
                (folder / _LEASE).unlink()
        self._owners.let_go(lease.owner, lease.job_id)

    def find_lease(self, job_id: str) -> Lease | None:
        """Return the lease that holds now; that of a process that is gone holds no more."""
        lease = _read_lease(self._path(job_id))
        return lease if lease and lease.expires > clock.now() and self._owners.is_alive(lease.owner) else None

    def find_abandoned(self, limit: int = 100) -> tuple[Job, ...]:
        """Return jobs that are not at their end and that nobody has a lease of, oldest first."""
        return select_abandoned(((job, self.find_lease(job.id)) for job in self._list()), limit)

    def _list(self) -> Iterator[Job]:
        for path in self._folder.glob(f"*/{_JOB}"):
            try:
                job = self.get(path.parent.name)
            except JobNotFoundError:
                continue  # deleted meanwhile
            except EngineError as error:
                _LOGGER.warning("a job is left out: %s", error)
            else:
                yield job

    def _dump_job(self, job: Job) -> bytes:
        """Write the record of a job, without inputs that have a file of their own."""
        if self._inputs.get((job.id, job.uid)) is job.inputs:
            return _dump({**to_plain(replace(job, inputs={})), "inputs": None})
        return _dump(to_plain(job))

    def _read_inputs(self, job_id: str, uid: str) -> Mapping[str, Any]:
        known = self._inputs.get((job_id, uid))
        if known is None:
            path = self._path(job_id) / _INPUTS
            try:
                known = read_json(path.read_bytes())
            except FileNotFoundError as error:
                if path.with_name(_JOB).exists():
                    raise build_damaged(str(path), error) from error
                raise  # deleted meanwhile
            self._remember((job_id, uid), known)
        return known

    def _remember(self, key: tuple[str, str], inputs: Mapping[str, Any]) -> None:
        if len(self._inputs) >= _MOST_INPUTS:
            self._inputs.clear()
        self._inputs[key] = inputs

    def _locked(self, job_id: str) -> contextlib.AbstractContextManager[Path]:
        return _locked_job(self._folder, job_id)

    def _path(self, job_id: str) -> Path:
        return self._folder / check_job_id(job_id)

    def _package_path(self, digest: str) -> Path:
        return self._folder / ".packages" / f"{check_job_id(digest)}.json"

    def _keep_package(self, package: Package) -> None:
        path = self._package_path(package.digest)
        if not path.exists():
            write_atomically(path, _dump(to_plain(package)))


class FileEventLog:
    """Keeps events beside the jobs of a `FileStore`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, tuple[int, int]] = {}

    def append(self, job_id: str, events: Iterable[Event]) -> int:
        """Add events and return the number of the last; raises `JobNotFoundError`."""
        lines = [json.dumps(event_to_plain(event)).encode() + b"\n" for event in events]
        with _locked_job(self._folder, job_id) as folder, (folder / _EVENTS).open("ab+") as file:
            _cut_torn_line(file)
            count = self._count(job_id, file.tell()) + len(lines)
            file.write(b"".join(lines))
            # a count that is known saves reading the file, and no more: a process may work on any number of jobs
            if len(self._counts) >= _MOST_COUNTS:
                self._counts.clear()
            self._counts[job_id] = (file.tell(), count)
        return count

    def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Iterator[tuple[int, Event]]:
        """Yield events with their numbers from the one that follows `after`."""
        last = float("inf") if limit is None else after + limit
        with contextlib.suppress(FileNotFoundError), self._path(job_id).open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > last or not line.endswith(b"\n"):
                    return
                if number > after and (event := _read_event(line)):
                    yield number, event

    def _count(self, job_id: str, size: int) -> int:
        known, count = self._counts.get(job_id, (0, 0))
        if known == size:
            return count
        return self._path(job_id).read_bytes().count(b"\n")

    def _path(self, job_id: str) -> Path:
        return self._folder / check_job_id(job_id) / _EVENTS


@contextlib.contextmanager
def _locked_job(store: Path, job_id: str) -> Iterator[Path]:
    """Hold the lock of a job that is there; raises `JobNotFoundError`, also where it is deleted meanwhile."""
    folder = store / check_job_id(job_id)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_flocked(folder))
        except FileNotFoundError:
            raise build_not_found(job_id, str(store)) from None
        if not (folder / _JOB).exists():
            raise build_not_found(job_id, str(store))
        yield folder


@contextlib.contextmanager
def _flocked(folder: Path) -> Iterator[None]:
    """Hold the lock of a job's folder for the length of a change."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_lease(folder: Path) -> Lease | None:
    try:
        return from_plain(Lease, json.loads((folder / _LEASE).read_bytes()))
    except (FileNotFoundError, ValueError):  # a damaged one holds nothing
        return None


def _read_event(line: bytes) -> Event | None:
    try:
        return event_from_plain(json.loads(line))
    except ValueError:
        return None


def _cut_torn_line(file: BinaryIO) -> None:
    """Remove half of a line that a writer left which was killed, or whose disk was full."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)


def _write_lease(folder: Path, lease: Lease) -> Lease:
    write_atomically(folder / _LEASE, _dump(to_plain(lease)))
    return lease


def _dump(node: Any) -> bytes:
    return write_json(node).encode()
