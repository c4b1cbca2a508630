"""Jobs, their results and their outcomes, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.events import StepEnded, StepReused
from zoo_runner.model.masking import Masker
from zoo_runner.model.needs import NO_NEEDS, Needs
from zoo_runner.model.portable import make_portable, make_text_portable


class Status(str, Enum):
    """Status of a job: OGC API - Processes, Part 1, `statusCode`; Part 4 adds `created`, a job not yet started."""

    __str__ = str.__str__

    CREATED = "created"
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Results:
    """What the user gets: `document` by output name, and a STAC Collection of all of it with absolute links.

    `outputs` is the CWL output object with the addresses of the results; a Directory in it has no listing.
    `size_bytes` is what was stored of all of it.
    """

    document: Mapping[str, Any]
    collection: Mapping[str, Any]
    collection_href: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    size_bytes: int = 0

    def masked(self, masker: Masker) -> "Results":
        """Return the results without secrets, as every store can hold them: tools write what they like."""
        document, collection, outputs = (
            make_portable(masker.mask_data(part)) for part in (self.document, self.collection, self.outputs)
        )
        href = make_text_portable(masker.mask(self.collection_href))
        return replace(self, document=document, collection=collection, collection_href=href, outputs=outputs)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with results, or with the diagnosis of what went wrong.

    `published` is the address of its logs beside its results, None if they were not stored there; `reused` says whose
    outputs were taken in place of running a step.
    """

    status: Status
    results: Results | None = None
    diagnosis: Diagnosis | None = None
    exit_code: int = 0
    usage: tuple[StepEnded, ...] = field(default=())
    published: str | None = None
    reused: tuple[StepReused, ...] = field(default=())


FINAL = frozenset({Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED})
UNFINISHED = frozenset({Status.ACCEPTED, Status.RUNNING})
"""Of jobs that somebody has to work on."""
_NEXT = {
    Status.CREATED: {Status.ACCEPTED, Status.DISMISSED},
    Status.ACCEPTED: {Status.RUNNING, *FINAL},
    Status.RUNNING: FINAL,
}


@dataclass(frozen=True)
class Job:
    """One execution, as stored: all that another process needs to run, follow, finish or cancel it.

    `package` is the digest of the packed package, which the store keeps once; `inputs` the CWL job order with
    references as they were given, without the values of `secret_inputs`, which are never stored. `progress` is percent.
    Times are ISO 8601 in UTC. `log` and `log_folder` are the places of the logs; `handle` identifies what was
    submitted. `allowed_roots` and `public_url` were decided by its adapter (see `StorageProfile`). Of waiting jobs,
    those with the highest `priority` start first. `uid` distinguishes the job from one of the same id in another store.
    `cancel_requested`: the job is to be stopped, if it is not too late for that; `removal_requested`: its logs and data
    are to be removed, however it ends. `version` grows with each stored change. The outcome is known shortly before the
    job has ended: in between its logs are published and what the engine created is removed. `request` has what a
    client sent that the inputs do not say; of a job that was not started, all of it, and it may still change.
    `runs_in` is the workspace that executes it and `deployed_in` the one that has its process, None: `workspace`, whose
    job it is.
    `settings` are those of its engine, by variable, that a copy of the job keeps; None where they are not known.
    `continues` is the handle of the failed job that this one continues. `trace` is the context of the request that it
    came by, as in `traceparent`. `title` is that of its process. `needs` is what it may take at once, as its engine
    said when it was accepted.
    """

    id: str
    workspace: str
    process_id: str
    workflow_id: str
    engine: str
    package: str
    inputs: Mapping[str, Any]
    destination: str
    created: str
    updated: str
    status: Status = Status.ACCEPTED
    secret_inputs: tuple[str, ...] = ()
    allowed_roots: tuple[str, ...] | None = None
    public_url: str | None = None
    time_limit_seconds: float | None = None
    caller: str | None = None
    log: str = ""
    log_folder: str = ""
    started: str | None = None
    finished: str | None = None
    progress: int = 0
    step: str | None = None
    message: str | None = None
    handle: Mapping[str, Any] | None = None
    cancel_requested: bool = False
    removal_requested: bool = False
    outcome: Outcome | None = None
    uid: str = ""
    priority: int = 0
    request: Mapping[str, Any] | None = None
    runs_in: str | None = None
    deployed_in: str | None = None
    settings: Mapping[str, str] | None = None
    continues: Mapping[str, Any] | None = None
    trace: str | None = None
    title: str | None = None
    needs: Needs = NO_NEEDS
    version: int = 0

    def moved_to(self, status: Status, now: str) -> "Job":
        """Return the job in its next state; raises `ValueError` for an invalid transition."""
        if status not in _NEXT.get(self.status, frozenset()):
            raise ValueError(f"a job that is {self.status} cannot become {status}")
        return replace(
            self,
            status=status,
            updated=now,
            started=now if status is Status.RUNNING else self.started,
            finished=now if status in FINAL else None,
            # it said what the job did
            message=None if status in FINAL else self.message,
        )
