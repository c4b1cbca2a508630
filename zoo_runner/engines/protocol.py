"""The Protocol of engines, and the values that it takes and returns."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from zoo_runner.config.folders import JobPaths
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Report
from zoo_runner.model.job import Results
from zoo_runner.model.masking import list_texts, split_secrets
from zoo_runner.model.needs import Needs
from zoo_runner.model.package import Package
from zoo_runner.model.problems import ValuePath
from zoo_runner.model.remedies import Readers
from zoo_runner.model.workspace import MOST_LOG_BYTES
from zoo_runner.package.extensions import find_secret_inputs


@dataclass(frozen=True)
class Handle:
    """What an engine needs to find a submitted job again, from any process; `data` is JSON and holds no secret."""

    engine: str
    job_id: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class JobSpec:
    """One execution: a package, its inputs (a CWL job order, references as the user gave them), a destination.

    `destination` is `s3://bucket/prefix` or a folder; `uid` distinguishes jobs of one id in several stores;
    `log_bytes` is how much of what a step prints is kept; `continues` is the handle of the failed job that this one
    continues: what has ended there and is the same is not run again; `place` leads to the inputs in the document that
    the client sent, where that is known. `readers` are those of its logs.
    """

    paths: JobPaths
    package: Package
    order: Mapping[str, Any]
    destination: str
    time_limit_seconds: float | None = None
    uid: str = ""
    log_bytes: int = MOST_LOG_BYTES
    continues: Handle | None = None
    place: ValuePath = ()
    readers: Readers = Readers.COMMANDS

    @property
    def id(self) -> str:
        """The job's id."""
        return self.paths.job_id

    @property
    def workflow_id(self) -> str:
        """The id that the author gave the workflow."""
        return self.package.workflow_id

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of the inputs that the package calls secret: all strings in them, and their lines."""
        return split_secrets(list_texts([self.order.get(name) for name in sorted(find_secret_inputs(self.package))]))


@dataclass(frozen=True)
class Plan:
    """What would be submitted, as plain data: `describe` is printable and holds no secret.

    `handle` is computed: by it, all that a submission created is found, also one that broke off at any point.
    `settings` are those, by their variables, with which the engine protects itself from the package: a copy of the job
    keeps them.
    """

    job: JobSpec
    handle: Handle
    submission: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON-serialisable data."""
        return {
            "job": self.job.id,
            "workflow": self.job.workflow_id,
            "package": {
                "digest": f"sha256:{self.job.package.digest}",
                "entry": self.job.package.entry,
                "cwlVersion": self.job.package.cwl_version,
            },
            "inputs": dict(self.job.order),
            "destination": self.job.destination,
            "timeLimitSeconds": self.job.time_limit_seconds,
            "engine": self.handle.engine,
            "submission": dict(self.submission),
            "logs": {"job": str(self.job.paths.job_log), "steps": str(self.job.paths.log_folder)},
        }


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, so that no code depends on its name."""

    remote: bool
    """Whether the run goes on without the process that started it."""
    isolates: bool
    """Whether steps are isolated from each other and from the caller."""


@dataclass(frozen=True)
class Check:
    """One finding of `doctor`: what was checked, found and expected; code, level and what to do if it is not ok."""

    ok: bool
    about: str
    found: str
    expected: str
    remedy: str = ""
    code: str = ""
    level: Level = Level.ENGINE

    @classmethod
    def run(cls, about: str, look: Callable[[], str], expected: str) -> "Check":
        """Check by `look`, which returns what it found, and raises `RunnerError` where that is not as expected."""
        try:
            return cls(True, about, look(), expected)
        except RunnerError as error:
            return cls.refuse(about, error, expected)

    @classmethod
    def refuse(cls, about: str, error: RunnerError, expected: str) -> "Check":
        """Return the finding of an error."""
        found = error.diagnosis
        return cls(False, about, found.cause, expected, found.remedy, found.code, found.level)


@dataclass(frozen=True)
class Leftover:
    """Something of a job that no store knows as running; `created` is RFC 3339.

    `active`: it still runs, or waits to run or to be published. Its worker may be lost, or use another store.
    """

    kind: str
    namespace: str
    name: str
    job: str
    created: str
    active: bool = False


class Engine(Protocol):
    """Runs a job from its inputs, as the user referred to them, to its results.

    The order of calls is `plan`, `submit`, (the caller stores the handle of the plan), `follow`, `remove`. Any process
    that has the handle may call `follow`, `cancel` and `remove`.
    """

    name: str
    capabilities: Capabilities

    def plan(self, job: JobSpec) -> Plan:
        """Return exactly what will be submitted; pure. Raises `RunnerError` for what this engine cannot run."""
        ...

    def measure(self, package: Package) -> Needs:
        """Return what a job of a package may take at once, by the limits of this engine; zero where that is unknown."""
        ...

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Create all that the job needs, but start nothing; idempotent by job id.

        After a caller died before it stored the handle, another one submits again. Raises `RunnerError`;
        `NotReachedError` if the engine does not answer, so that the job may be submitted later. What was created by
        then is removed by `remove`, with the handle of the plan.
        """
        ...

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """Start the job if it does not run yet, and follow it to its end; returns at once.

        The future ends with the results or with the `RunnerError` that says why there are none; `NotReachedError`
        says nothing of the job. `report` is called from threads of the engine, in order. A process may follow hundreds
        of jobs of a remote engine with a bounded number of threads.
        """
        ...

    def cancel(self, handle: Handle) -> None:
        """Stop a job; one that has ended is not an error. Its follower is notified.

        Raises `NotReachedError` if the engine does not answer.
        """
        ...

    def remove(self, handle: Handle) -> None:
        """Remove all that `submit` and `follow` created; objects that are gone already are not an error.

        Raises `NotReachedError` if the engine does not answer, `RunnerError` for what it refuses.
        """
        ...

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        """Store the results that were kept because they could not be stored; `job` has the destination.

        Only of a job that failed in stage-out, after `remove`. Raises `StageOutError`, and `EngineError`
        (`job.nothing-kept`) where the engine has kept none. They are kept on, until `forget`.
        """
        ...

    def forget(self, handle: Handle) -> None:
        """Keep nothing of a job any longer, as once its results were published; `remove` then removes it."""
        ...

    def ensure_continuable(self, handle: Handle) -> None:
        """Raise `EngineError` (`job.nothing-kept`) unless what the steps of a failed job did is there for another job.

        That job has the handle in `JobSpec.continues`.
        """
        ...

    def check(self, destination: str | None, package: Package | None = None) -> Iterator[Check]:
        """Examine this engine, and the results store `destination` from where jobs run, before the first job.

        An engine on a cluster also examines whether it can run the steps of a `package`.
        """
        ...

    def examine(self, package: Package) -> Iterator[RunnerError]:
        """Find, beyond what `plan` sees, why jobs of a package would fail here, such as a missing image.

        Nothing of it stays: on a cluster, the nodes pull the images of steps, with their own logins, for pods that are
        removed again. Raises `NotReachedError` where the engine does not answer.
        """
        ...

    def find_leftovers(self, running: Collection[str]) -> list[Leftover]:
        """Find what is left of jobs other than those in `running` (job ids)."""
        ...

    def remove_leftovers(self, leftovers: Iterable[Leftover]) -> None:
        """Remove what was found."""
        ...
