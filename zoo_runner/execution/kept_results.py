"""Publishing the results of a job later: those that its engine kept because they could not be stored at its end."""

from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from zoo_runner.engines.pipeline import find_destination
from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.accept import build_masker
from zoo_runner.execution.context import Context, build_paths, build_workspace
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.job_record import build_documents
from zoo_runner.execution.publish import publish_logs, publish_record
from zoo_runner.model import clock
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, JobBusyError, JobChangedError, RunnerError
from zoo_runner.model.events import EngineLine, Event, Report, mask_event
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.model.outcomes import has_failed_in_stage_out, may_have_kept
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.protocol import JobStore


def publish_kept(
    context: Context,
    job_id: str,
    destination: str | None = None,
    report: Report = lambda _: None,
    cancellation: Cancellation | None = None,
) -> Outcome:
    """Store the results of a job that failed in stage-out, at its destination or another; the job is then successful.

    Raises `EngineError` (`job.nothing-kept`) where there are none, `StageOutError` where they cannot be stored this
    time either: then they are still kept. `JobBusyError` while another process does the same.
    """
    context.store.get(job_id)  # of an unknown job there is nothing to lease
    lease = context.store.lease(job_id, context.owner, context.keeper.lease_seconds)
    if lease is None:
        raise JobBusyError(f"job {job_id} is worked on by another process", "Wait for its end.")
    cancellation = cancellation or Cancellation(None)
    try:
        job = _take(context.store, job_id, destination)
        workspace = build_workspace(job, context.find_workspace_of(job))
        with ExitStack() as stack:
            log = stack.enter_context(
                JobLog(build_paths(job, workspace), build_masker(workspace, {}), readers=workspace.readers)
            )
            stack.enter_context(context.keeper.keeping(lease, cancellation, None))
            return _publish(context, job, workspace, log, _guard(log, report), cancellation)
    finally:
        # a lease that cannot be given back ends by itself
        with suppress(RunnerError, OSError):
            context.store.release(lease)


def forget_kept(context: Context, job: Job) -> None:
    """Remove what was kept of a job, if there is anything; raises `RunnerError`."""
    if job.handle and may_have_kept(job.outcome):
        engine, handle = context.find_engine(job.engine, context.find_workspace_of(job)), Handle(**job.handle)
        remove_with_results(engine, handle)


def remove_with_results(engine: Engine, handle: Handle) -> None:
    """Remove all of a job; where its results cannot be forgotten, still the rest of it. Raises `RunnerError`."""
    try:
        engine.forget(handle)
    finally:
        engine.remove(handle)


def _take(store: JobStore, job_id: str, destination: str | None) -> Job:
    """Return the job as it is to be published, now that nobody else may work on it."""
    job = store.get(job_id)
    _ensure_failed_in_stage_out(job)
    if job.cancel_requested:
        # a request that came too late for the job does not stop its publication
        job = store.update(replace(job, cancel_requested=False))
    return replace(job, destination=find_destination(destination) if destination else job.destination)


def _publish(
    context: Context, job: Job, workspace: Workspace, log: JobLog, report: Report, cancellation: Cancellation
) -> Outcome:
    engine, handle = context.find_engine(job.engine, workspace), Handle(**job.handle or {})
    spec = JobSpec(log.paths, context.store.load_package(job.package), job.inputs, job.destination, uid=job.uid)
    log.write("job", f"the kept results of {job.id} are published again, to {job.destination}")
    results = engine.publish(handle, spec, report, cancellation).masked(log.masker)
    before = job.outcome or Outcome(Status.FAILED)
    outcome = Outcome(Status.SUCCESSFUL, results, usage=before.usage, reused=before.reused)
    # before anything else, so that nothing that goes wrong from here on loses the success
    ended = _store(context.store, job, outcome)
    _remove(engine, handle, report)
    publish_logs(log, job.destination, workspace.storage, outcome, report)
    if log.published:
        place = job.destination, workspace.storage
        publish_record(log.paths, *place, lambda: build_documents(ended, spec.package, log.masker), report)
        outcome = replace(outcome, published=log.published)
        with suppress(RunnerError, OSError):
            _store(context.store, job, outcome, ended.updated)
    log.write_end(None, results.collection_href)
    return outcome


def _store(store: JobStore, job: Job, outcome: Outcome, at: str | None = None) -> Job:
    """Store that the job is successful, also where others change it at the same time; return it as it is stored."""
    now = at or clock.now()
    facts: dict[str, Any] = {"destination": job.destination, "outcome": outcome, "status": outcome.status}
    facts |= {"progress": 100, "updated": now, "finished": now}
    while True:
        try:
            return store.update(replace(job, **facts))
        except JobChangedError:
            job = store.get(job.id)


def _guard(log: JobLog, report: Report) -> Report:
    """Write events down and report them, masked; a display that fails does not end the publication."""
    displays = [report]

    def log_and_report(event: Event) -> None:
        log(event)
        try:
            for display in displays:
                display(mask_event(event, log.masker))
        except Exception as error:  # noqa: BLE001 a display, which may be gone
            displays.clear()
            log.write("job", f"progress is no longer shown: {type(error).__name__}: {error}")

    return log_and_report


def _remove(engine: Engine, handle: Handle, report: Report) -> None:
    try:
        remove_with_results(engine, handle)
    except (EngineError, OSError) as error:
        report(
            EngineLine("warning", f"not everything of the job was removed ({error}); `zoo-runner gc` finds the rest")
        )


def _ensure_failed_in_stage_out(job: Job) -> None:
    if job.status in FINAL and job.handle and has_failed_in_stage_out(job.outcome):
        return
    raise EngineError(
        f"job {job.id} has no results that wait to be published: it is {job.status}",
        f"Look at it with `zoo-runner show {job.id}`.",
        code="job.nothing-kept",
    )
