"""Publishing the results of a job later: those that its engine kept because they could not be stored at its end."""

from dataclasses import replace

from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.accept import build_masker
from zoo_runner.execution.context import Context, build_paths, build_workspace
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.publish import publish_logs
from zoo_runner.model import clock
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, JobBusyError
from zoo_runner.model.events import EngineLine, Event, Report
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.model.workspace import Workspace


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
    job = context.store.get(job_id)
    _ensure_failed_in_stage_out(job)
    lease = context.store.lease(job_id, context.owner, context.keeper.lease_seconds)
    if lease is None:
        raise JobBusyError(f"job {job_id} is worked on by another process", "Wait for its end.")
    try:
        workspace = build_workspace(job, context.find_workspace(job.workspace))
        job = replace(job, destination=destination or job.destination)
        with JobLog(build_paths(job, workspace), build_masker(workspace, {})) as log:
            return _publish(context, job, workspace, log, report, cancellation or Cancellation(None))
    finally:
        context.store.release(lease)


def _publish(
    context: Context, job: Job, workspace: Workspace, log: JobLog, report: Report, cancellation: Cancellation
) -> Outcome:
    engine, handle = context.find_engine(job.engine, workspace), Handle(**job.handle or {})
    spec = JobSpec(log.paths, context.store.load_package(job.package), job.inputs, job.destination, uid=job.uid)

    def tell(event: Event) -> None:
        log(event)
        report(event)

    log.write("job", f"the kept results of {job.id} are published again, to {job.destination}")
    results = engine.publish(handle, spec, tell, cancellation).masked(log.masker)
    outcome = Outcome(Status.SUCCESSFUL, results, usage=job.outcome.usage if job.outcome else ())
    publish_logs(log, job.destination, workspace.storage, outcome, tell)
    outcome = replace(outcome, published=log.published)
    now = clock.now()
    ended = replace(job, status=Status.SUCCESSFUL, outcome=outcome, updated=now, finished=now, progress=100)
    context.store.update(ended)
    log.write_end(None, results.collection_href)
    _remove(engine, handle, tell)
    return outcome


def _remove(engine: Engine, handle: Handle, report: Report) -> None:
    try:
        engine.remove(handle)
    except EngineError as error:
        report(
            EngineLine("warning", f"not everything of the job was removed ({error}); `zoo-runner gc` finds the rest")
        )


def _ensure_failed_in_stage_out(job: Job) -> None:
    diagnosis = job.outcome.diagnosis if job.outcome else None
    if job.status in FINAL and job.handle and diagnosis and diagnosis.stage is Stage.STAGE_OUT:
        return
    raise EngineError(
        f"job {job.id} has no results that wait to be published: it is {job.status}",
        f"Look at it with `zoo-runner show {job.id}`.",
        code="job.nothing-kept",
    )
