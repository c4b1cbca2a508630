"""A job and what becomes of it, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.events import StepEnded
from zoo_runner.model.package import Package
from zoo_runner.package.extensions import find_secret_inputs


class Status(str, Enum):
    """Status of a job: OGC API - Processes, Part 1, `statusCode`."""

    __str__ = str.__str__

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Job:
    """One execution: a package, its inputs (a CWL job order, references as the user gave them), a destination.

    `destination` is `s3://bucket/prefix` or a folder.
    """

    paths: JobPaths
    package: Package
    order: Mapping[str, Any]
    destination: str
    time_limit_seconds: float | None = None

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
        """Values of the inputs that the package calls secret."""
        values = (self.order.get(name) for name in sorted(find_secret_inputs(self.package)))
        return tuple(value for value in values if isinstance(value, str))


@dataclass(frozen=True)
class Plan:
    """What would be submitted, as plain data: `describe` is printable and holds no secret."""

    job: Job
    engine: str
    submission: Mapping[str, Any]

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
            "engine": self.engine,
            "submission": dict(self.submission),
            "logs": {"job": str(self.job.paths.job_log), "steps": str(self.job.paths.log_folder)},
        }


@dataclass(frozen=True)
class Results:
    """What the user gets: `document` by output name, and a STAC Collection of all of it with absolute links."""

    document: Mapping[str, Any]
    collection: Mapping[str, Any]
    collection_href: str


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with results, or with the diagnosis of what went wrong.

    `published` is where its logs lie beside its results, None where they were not put there.
    """

    status: Status
    results: Results | None = None
    diagnosis: Diagnosis | None = None
    exit_code: int = 0
    usage: tuple[StepEnded, ...] = field(default=())
    published: str | None = None
