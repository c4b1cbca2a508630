"""A job that continues one that has failed: its steps that succeeded are not run again where they are the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo_runner.engines.pipeline import build_not_continuable
from zoo_runner.engines.protocol import Handle, JobSpec
from zoo_runner.execution.accept import draft_job
from zoo_runner.execution.context import Context
from zoo_runner.inputs.job_file import read_changed_order
from zoo_runner.inputs.limits import read_memory, set_memory
from zoo_runner.model.errors import EngineError
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Workspace


@dataclass(frozen=True)
class Changes:
    """What differs from the failed job: an edited package, inputs (`name=value`), memory of steps (`step=4Gi`)."""

    package: Package | None = None
    inputs: Sequence[str] = ()
    memory: Sequence[str] = ()
    destination: str | None = None


def draft_retry(
    context: Context, job: Job, changes: Changes, workspace: Workspace, new_id: str | None = None
) -> JobSpec:
    """Draft a job that continues a failed one, with the same checks as any job; nothing is created.

    Raises `EngineError` (`job.nothing-kept`) for a job that cannot be continued, and what `draft_job` raises.
    """
    handle = find_continued(context, job, workspace)
    package = set_memory(changes.package or context.store.load_package(job.package), read_memory(changes.memory))
    order = read_changed_order(package, job.inputs, job.secret_inputs, changes.inputs)
    destination = changes.destination or job.destination
    return draft_job(order.package, order.values, lambda _: destination, workspace, new_id, continues=handle)


def find_continued(context: Context, job: Job, workspace: Workspace) -> Handle:
    """Find what leads to a failed job that can be continued.

    Raises `EngineError`: `job.not-ended`, or `job.nothing-kept` for one that cannot.
    """
    handle = _find_handle(job, workspace)
    context.find_engine(job.engine, workspace).ensure_continuable(handle)
    return handle


def ensure_ended(job: Job) -> None:
    """Refuse a job that goes on, or was not started; raises `EngineError` (`job.not-ended`)."""
    if job.status not in FINAL:
        raise EngineError(
            f"job {job.id} has not ended: it is {job.status}",
            "Wait for its end, or cancel it and run it again.",
            code="job.not-ended",
        )


def _find_handle(job: Job, workspace: Workspace) -> Handle:
    ensure_ended(job)
    handle = Handle(**job.handle) if job.handle else Handle(job.engine, job.id, {})
    # one that continued another keeps what it got from that, however it ended
    may_keep = job.status is Status.FAILED or (job.status is Status.DISMISSED and job.continues)
    if not may_keep:
        raise build_not_continuable(handle, f"it is {job.status}, and only a failed job keeps what its steps did")
    if job.workspace != workspace.name:
        raise build_not_continuable(
            handle, f"it belongs to the workspace {job.workspace}, and this is {workspace.name}"
        )
    if not job.handle:
        raise build_not_continuable(handle, "it failed before it was submitted")
    return handle
