"""What every store can do: keep jobs, the packages they run, and what happened in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo_runner.model.events import Event
from zoo_runner.model.job import Job, Status
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.model.workspace import Quota


@dataclass(frozen=True)
class JobQuery:
    """Which jobs to list, newest first. What is None or empty narrows nothing; times are ISO 8601 in UTC.

    A duration is that from the start of a job to its end, or to now, in seconds; a job that has not started has none.
    `apart_from` are workspaces whose jobs are left out; `deployed_in` is the workspace of the process. `text` is part
    of what the status of a job says (`search_text`), and with `in_inputs` of the values of its inputs, in upper or
    lower case; `codes` and `steps` are those of its diagnosis; `caller` asked for it. `skip` leaves out so many jobs.
    `cursor` is what the page before gave as `next`.
    """

    workspace: str | None = None
    apart_from: tuple[str, ...] = ()
    process_ids: tuple[str, ...] = ()
    deployed_in: str | None = None
    statuses: tuple[Status, ...] = ()
    created_from: str | None = None
    created_to: str | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    text: str | None = None
    in_inputs: bool = True
    caller: str | None = None
    codes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    limit: int = 100
    skip: int = 0
    cursor: str | None = None


@dataclass(frozen=True)
class JobPage:
    """Some jobs, and the cursor of the next page; None on the last."""

    jobs: tuple[Job, ...]
    next: str | None = None


@dataclass(frozen=True)
class Lease:
    """The right of one owner to work on a job until `expires` (ISO 8601 in UTC), unless it is renewed before."""

    job_id: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Held:
    """A lease that holds, and the version of its job: it shows whether the job has changed."""

    lease: Lease
    version: int


@dataclass(frozen=True)
class ProcessPage:
    """Some processes, and the cursor of the next page; None on the last."""

    processes: tuple[Process, ...]
    next: str | None = None


class ProcessStore(Protocol):
    """Keeps the deployed packages of workspaces, every version of them; any number of processes may use one store."""

    def deploy(self, process: Process, package: Package) -> Process:
        """Keep a new process and return it with its number; raises `ProcessExistsError` where the id is taken."""
        ...

    def replace(self, process: Process, package: Package, number: int | None = None) -> Process:
        """Put another package in the place of a deployed one, which stays readable by its number.

        With a `number`, only in the place of that version: raises `InputError` where another one is deployed. Raises
        `ProcessNotFoundError`.
        """
        ...

    def undeploy(self, workspace: str, process_id: str, number: int | None = None) -> None:
        """Take a process out of the list, with a `number` that version only; its jobs keep their package.

        Raises `ProcessNotFoundError`, and `InputError` where another version is deployed.
        """
        ...

    def get(self, workspace: str, process_id: str, number: int | None = None) -> Process:
        """Return a deployed process, or one of its earlier versions by number; raises `ProcessNotFoundError`."""
        ...

    def get_number(self, workspace: str, process_id: str) -> int:
        """Return the number of what is deployed under an id now; raises `ProcessNotFoundError`."""
        ...

    def find(self, workspace: str, limit: int = 100, cursor: str | None = None) -> ProcessPage:
        """List the deployed processes of a workspace by id."""
        ...

    def remove_versions(self, until: str) -> int:
        """Remove versions that are not deployed, that no job runs, and that were deployed at a time or before.

        Packages that nothing refers to go too. Times are ISO 8601 in UTC. Returns how many versions.
        """
        ...

    def load_package(self, digest: str) -> Package:
        """Return a package; raises `ProcessNotFoundError` where none has this digest."""
        ...


@dataclass(frozen=True)
class Share:
    """What a worker may take of the queue: jobs of these engines (empty: of any), so many of one workspace at once.

    `quota_of` returns what a workspace may use, by its name: the number of its jobs, and what they may take together.
    Jobs of the ids `without` are left.
    """

    engines: tuple[str, ...] = ()
    most_per_workspace: int | None = None
    quota_of: Callable[[str], Quota] | None = None
    without: frozenset[str] = frozenset()


ANY_JOB = Share()
"""A worker of every engine, without a limit."""


class JobQueue(Protocol):
    """The jobs that wait for a worker: a job's record is its place in the queue."""

    def claim(self, owner: str, seconds: float, share: Share = ANY_JOB) -> Job | None:
        """Lease the next job that is not at its end and that nobody has a lease of; None where there is none.

        The highest `priority` goes first; among equals a job of the workspace with the fewest leased jobs, then the
        oldest. No two callers get one job.
        """
        ...


class JobStore(Protocol):
    """Keeps jobs and the packages they run; any number of processes may use one store."""

    def create(self, job: Job, package: Package, owner: str | None = None, seconds: float = 0.0) -> Job:
        """Keep a new job and its package; raises `JobExistsError` where the id is taken.

        With an `owner` it is leased for so many seconds from the first moment, so that nobody else takes it.
        """
        ...

    def get(self, job_id: str) -> Job:
        """Return a job; raises `JobNotFoundError`."""
        ...

    def update(self, job: Job) -> Job:
        """Keep a changed job and return it with its next version.

        Raises `JobChangedError` where somebody else stored a change since `job.version` was read, and
        `JobNotFoundError`.
        """
        ...

    def delete(self, job_id: str) -> None:
        """Forget a job and its events; what is gone already is fine."""
        ...

    def find(self, query: JobQuery) -> JobPage:
        """List jobs, newest first."""
        ...

    def load_package(self, digest: str) -> Package:
        """Return the package of a job; raises `JobNotFoundError` where no job ever brought it."""
        ...

    def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        """Take the right to work on a job; None while another owner has it."""
        ...

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Have a lease last longer; None where another owner took it since it ran out, or the job is gone."""
        ...

    def renew_all(self, leases: Sequence[Lease], seconds: float) -> Mapping[str, Held | None]:
        """Have leases of one owner last longer, by job; None as `renew` returns it.

        What could not be found out of a job is left out. Databases write all of them at once.
        """
        ...

    def find_held(self, leases: Sequence[Lease]) -> Mapping[str, Held | None]:
        """Look at leases of one owner, by job, and write nothing; None where it does not hold any more."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        ...

    def find_lease(self, job_id: str) -> Lease | None:
        """Return the lease that holds now; None where nobody works on the job."""
        ...

    def find_abandoned(self, limit: int = 100) -> tuple[Job, ...]:
        """Return jobs that are not at their end and that nobody has a lease of, oldest first."""
        ...


class EventLog(Protocol):
    """Keeps what happened in a job, in order; the first event has the number 1.

    Lines of steps are not kept here: the step logs have them already.
    """

    def append(self, job_id: str, events: Iterable[Event]) -> int:
        """Add events and return the number of the last."""
        ...

    def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Iterator[tuple[int, Event]]:
        """Yield events with their numbers from the one that follows `after`."""
        ...
