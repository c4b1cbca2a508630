"""The story of a job: accept it, run it on an engine, keep what happened whatever happens."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.pipeline import ensure_address
from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.publish import publish_logs
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import DismissedError, EngineError, NotReachedError, RunnerError
from zoo_runner.model.events import EngineLine, Event, Report
from zoo_runner.model.ids import accept_job_id, new_job_id, new_uid
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.files import Records, new_record, with_outcome
from zoo_runner.store.locks import RUN


def accept_job(
    package: Package,
    order: Mapping[str, Any],
    destination: Callable[[JobPaths], str],
    workspace: Workspace,
    job_id: str | None = None,
) -> JobSpec:
    """Make a job of what was checked already; nothing is created yet. `destination` may depend on its names.

    Raises `SettingsError` for what is no job id, `StageOutError` for what is no destination.
    """
    job_id = accept_job_id(job_id) if job_id else new_job_id()
    paths = JobPaths.build(workspace.folders, package.workflow_id, job_id)
    job = JobSpec(paths, package, dict(order), destination(paths), workspace.limits.time_seconds, new_uid())
    ensure_address(job.destination)
    return job


def run_job(
    job: JobSpec, engine: Engine, workspace: Workspace, report: Report, cancellation: Cancellation | None = None
) -> Outcome:
    """Run a job to its end and return how it ended: this never raises for what a job can do wrong.

    Raises `SettingsError` before anything happens where its id is taken or its logs or record cannot be kept. Job
    log, step logs, usage report and record are kept on every path.
    """
    masker = Masker([*workspace.secrets, *job.secrets])
    records = Records(workspace.folders.state, masker)
    cancellation = cancellation or Cancellation(job.time_limit_seconds)
    plan = engine.plan(job)
    log = JobLog(job.paths, masker)
    record = records.create(new_record(job, engine.name))
    # held until its record says how it ended: a job that nobody holds before that is lost
    with RUN.hold(job.paths.record), log:
        log.tell("job", f"{job.workflow_id} {job.id} on engine {engine.name}, results to {job.destination}")
        log.write_plan(plan.describe())
        tell = tee(log, report)
        record = records.save(record.moved_to(Status.RUNNING))
        handle: Handle | None = None

        def run() -> Results:
            nonlocal handle, record
            handle = engine.submit(plan, tell, cancellation)
            record = records.save(replace(record, handle=asdict(handle)))
            return engine.follow(handle, tell, cancellation).result()

        with cancellation.deadline():
            outcome = guard(run, job.paths, masker)
        # its outcome is kept before anything of the job is removed, and it has ended once all is done
        ended = with_outcome(record, outcome)
        records.save(replace(ended, status=Status.RUNNING))
        outcome = conclude(outcome, job.destination, log, workspace, tell)
        if handle:
            remove(engine, handle, tell)
        records.save(replace(ended, published=outcome.published))
    return outcome


def tee(log: JobLog, report: Report) -> Report:
    """Give every event to the log first, then to `report`."""

    def tell(event: Event) -> None:
        log(event)
        report(event)

    return tell


def remove(engine: Engine, handle: Handle, report: Report) -> None:
    """Remove what the engine created for a job that has ended; what cannot be removed does not change how it ended."""
    try:
        engine.remove(handle)
    except RunnerError as error:
        report(EngineLine("warning", f"not all of the job was removed ({error}); `zoo-runner gc` finds the rest"))


def conclude(outcome: Outcome, destination: str, log: JobLog, workspace: Workspace, report: Report) -> Outcome:
    """End the job's log and have it published, where the engine could not do that itself."""
    results = outcome.results
    log.tell_end(outcome.diagnosis, results.collection_href if results else None)
    if log.published is None:
        publish_logs(log, destination, workspace.storage, (results, outcome.diagnosis), report)
    return replace(outcome, usage=log.usage, published=log.published)


def guard(run: Callable[[], Results], paths: JobPaths, masker: Masker) -> Outcome:
    """Turn whatever goes wrong into an outcome; this is the one place where a job's errors end.

    Raises `NotReachedError`, which says nothing of the job.
    """
    try:
        return Outcome(Status.SUCCESSFUL, run())
    except NotReachedError:
        raise
    except RunnerError as error:
        return _failed(error, paths, masker)
    except Exception as error:  # noqa: BLE001 the door of the job: a defect must not lose its logs
        # for whoever mends it; the job log is for users
        (paths.record / "defect.txt").write_text(masker.mask(traceback.format_exc()))
        return _failed(build_defect(error), paths, masker)


def build_defect(error: BaseException) -> RunnerError:
    """Describe an error that nobody foresaw."""
    return EngineError(
        f"the runner has a defect: {type(error).__name__}: {error}",
        "Report it with the job log; the job itself may be sound.",
        level=Level.ENGINE,
    )


def _failed(error: RunnerError, paths: JobPaths, masker: Masker) -> Outcome:
    status = Status.DISMISSED if isinstance(error, DismissedError) else Status.FAILED
    diagnosis = replace(error.diagnosis.masked(masker.mask), log=str(paths.job_log))
    return Outcome(status, diagnosis=diagnosis, exit_code=error.exit_code)
