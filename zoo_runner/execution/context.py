"""What it takes to work on jobs: where they are kept, who may read what, and what runs them."""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.engines import open_engine
from zoo_runner.engines.protocol import Engine
from zoo_runner.execution.keeper import BEAT_SECONDS, LEASE_SECONDS, Keeper
from zoo_runner.model import clock
from zoo_runner.model.errors import JobChangedError, JobExistsError
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.model.workspace import Workspace, lend_storage
from zoo_runner.store.files import FileEventLog, FileStore
from zoo_runner.store.protocol import EventLog, JobStore

MOST_AT_ONCE = 8
"""Jobs that are submitted or concluded at the same time, of those that are started without waiting."""
_BEATS_PER_LEASE = 3


class JobsInWork:
    """The ids of the jobs that one process works on: a lease belongs to the process, whichever of its threads works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, job_id: str) -> bool:
        """Add a job; False where it is in work already."""
        with self._lock:
            known = job_id in self._ids
            self._ids.add(job_id)
            return not known

    def discard(self, job_id: str) -> None:
        """Take a job out again."""
        with self._lock:
            self._ids.discard(job_id)


@dataclass(frozen=True)
class Context:
    """What one process works on jobs with.

    `find_workspace` gives the workspace of a name, `find_engine` the engine of a name for a workspace; both may be
    called from several threads. `owner` is the name of this process in leases, `in_work` what it works on. `pool` does
    what blocks (submitting, concluding) of the jobs that are started without waiting; following them takes none of its
    threads. `find_secrets` gives the values of secret inputs that are kept for a job elsewhere than in the store; it
    raises `RunnerError`.
    """

    store: JobStore
    events: EventLog
    find_workspace: Callable[[str], Workspace]
    find_engine: Callable[[str, Workspace], Engine]
    keeper: Keeper
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}")
    in_work: JobsInWork = field(default_factory=JobsInWork)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_AT_ONCE, "jobs"))
    find_secrets: Callable[[Job], Mapping[str, Any]] = lambda _: {}

    def find_workspace_of(self, job: Job) -> Workspace:
        """Return the workspace that executes a job, with the storage of the one whose job it is."""
        own = self.find_workspace(job.workspace)
        return lend_storage(self.find_workspace(job.runs_in), own) if job.runs_in else own


def open_context(
    configuration: Configuration, engine: Engine | None = None, beat_seconds: float = BEAT_SECONDS
) -> Context:
    """Open the jobs of the one workspace of a configuration; `engine` takes the place of those that it names.

    A request to cancel a job is noticed within `beat_seconds`.
    """
    workspace = configuration.workspace
    store, events = FileStore(workspace.folders.state), FileEventLog(workspace.folders.state)
    engines: dict[tuple[Any, ...], Engine] = {}
    lock = threading.Lock()

    def find_engine(name: str, limited: Workspace) -> Engine:
        """Open an engine once: a local one knows what it submitted. Only the storage depends on the job."""
        if engine:
            return engine
        key = (name, limited.storage.allowed_roots, limited.storage.public_url)
        with lock:
            if key not in engines:
                own = replace(workspace, storage=limited.storage)
                engines[key] = open_engine(name, replace(configuration, workspace=own))
            return engines[key]

    keeper = Keeper(store, beat_seconds, max(LEASE_SECONDS, _BEATS_PER_LEASE * beat_seconds))
    return Context(store, events, lambda _: workspace, find_engine, keeper)


def build_workspace(job: Job, workspace: Workspace) -> Workspace:
    """Return the workspace as far as a job may use it, as its adapter decided when it was accepted; pure."""
    roots = workspace.storage.allowed_roots if job.allowed_roots is None else tuple(map(Path, job.allowed_roots))
    public_url = job.public_url or workspace.storage.public_url
    return replace(workspace, storage=replace(workspace.storage, allowed_roots=roots, public_url=public_url))


def build_paths(job: Job, workspace: Workspace) -> JobPaths:
    """Compute the paths of a job; pure."""
    folders = replace(workspace.folders, temp=Path(job.log).parent)
    return JobPaths.build(folders, job.process_id, job.id)


def change_job(store: JobStore, job: Job, change: Callable[[Job], Job]) -> Job:
    """Store a change of a job, also where others change it at the same time; one that has ended stays as it is."""
    while job.status not in FINAL:
        try:
            return store.update(change(job))
        except JobChangedError:
            job = store.get(job.id)
    return job


def end_job(store: JobStore, job: Job, outcome: Outcome, at: str | None = None) -> Job:
    """Store that a job has ended, and how; one that has ended before stays as it is. `at` is when, None: now.

    An outcome that is stored already is not replaced by one of another status.
    """
    return change_job(store, job, lambda stored: build_ended(stored, outcome, at or clock.now()))


def build_ended(job: Job, outcome: Outcome, at: str) -> Job:
    """Return a job as it is stored once it has ended; pure."""
    known = job.outcome
    final = known if known and known.status is not outcome.status else outcome
    progress = 100 if final.status is Status.SUCCESSFUL else job.progress
    return replace(job.moved_to(final.status, at), outcome=final, progress=progress, step=None)


def record_outcome(store: JobStore, job: Job, outcome: Outcome) -> None:
    """Store what went wrong before or after a job was executed. `job` is as its creator knows it.

    Where it was never stored (version 0), it is created; where another caller has a job of this id, that one stays as
    it is. Of one that has ended, only its diagnosis changes: its results stay.
    """
    if not job.version:
        with suppress(JobExistsError):
            end_job(store, store.create(job, NO_PACKAGE), outcome)
        return
    job = end_job(store, store.get(job.id), outcome)
    if job.outcome and job.outcome != outcome:
        store.update(replace(job, outcome=replace(job.outcome, diagnosis=outcome.diagnosis)))


def request_cancel(store: JobStore, job: Job) -> Job:
    """Store that a job is to be cancelled: whoever works on it will see it."""
    return change_job(store, job, lambda stored: replace(stored, cancel_requested=True))
