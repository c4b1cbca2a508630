"""Going on with a job whose caller was lost: same logs, same record, same outcome."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.protocol import Engine, Handle
from zoo_runner.execution.execute import conclude, guard, remove, tee
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.files import FINAL, JobRecord, Records, read_outcome, with_outcome
from zoo_runner.store.locks import RUN


def reattach_job(
    job_id: str, engine: Engine, workspace: Workspace, report: Report, cancellation: Cancellation | None = None
) -> Outcome:
    """Follow a job to its end by its id and return how it ended; one that a process of this machine runs is waited for.

    A remote engine tells the whole story again, so that the logs are written anew from its start. Raises
    `JobNotFoundError` where there is no record of the job, `EngineError` where its caller follows it still, and
    `NotReachedError` where the engine cannot be asked: the job is as it was.
    """
    masker = Masker(workspace.secrets)
    records = Records(workspace.folders.state, masker)
    record = records.load(job_id)
    paths = build_paths(record, workspace)
    cancellation = cancellation or Cancellation()
    if record.status not in FINAL and engine.capabilities.remote:
        _check_lost(paths)
    with RUN.hold(paths.record):
        # whoever held it until now has brought it to its end
        record = records.load(job_id)
        if record.status in FINAL:
            return read_outcome(record)
        return _go_on(record, engine, records, workspace, report, cancellation)


def _go_on(
    record: JobRecord,
    engine: Engine,
    records: Records,
    workspace: Workspace,
    report: Report,
    cancellation: Cancellation,
) -> Outcome:
    masker, paths, job_id = Masker(workspace.secrets), build_paths(record, workspace), record.id
    handle = Handle(**record.handle) if record.handle else None
    with JobLog(paths, masker) as log:
        note = f"{record.workflow_id} {job_id} is followed again on engine {engine.name}"
        log.tell("job", note)
        tell = tee(log, report)
        outcome = read_outcome(record)
        if outcome.results is None and outcome.diagnosis is None:
            again = _retell(lambda: _begin_log_again(log, paths, note), tell) if engine.capabilities.remote else tell
            outcome = guard(lambda: _follow(record, engine, handle, again, cancellation), paths, masker)
        ended = with_outcome(record, outcome)
        records.save(replace(ended, status=Status.RUNNING))
        outcome = conclude(outcome, record.destination, log, workspace, tell)
        if handle:
            remove(engine, handle, tell)
        records.save(replace(ended, published=outcome.published))
    return outcome


def _follow(
    record: JobRecord, engine: Engine, handle: Handle | None, report: Report, cancellation: Cancellation
) -> Results:
    if handle is None:
        raise EngineError(
            f"job {record.id} was lost before it was submitted to the engine {record.engine}",
            "Run it again.",
            code="job.lost",
        )
    return engine.follow(handle, report, cancellation).result()


def _begin_log_again(log: JobLog, paths: JobPaths, note: str) -> None:
    _clear_logs(paths)
    log.tell("job", note)


def _retell(clear: Callable[[], None], report: Report) -> Report:
    """Clear the logs at the first event: a remote engine reports everything again, unless it has forgotten the job."""
    cleared = False

    def tell(event: Event) -> None:
        nonlocal cleared
        if not cleared:
            cleared = True
            clear()
        report(event)

    return tell


def cancel_job(job_id: str, engine: Engine, workspace: Workspace) -> None:
    """Stop a job; one that no process follows is concluded here: its logs stay, nothing else is left."""
    record = Records(workspace.folders.state, Masker()).load(job_id)
    if record.handle:
        engine.cancel(Handle(**record.handle))
    if RUN.is_abandoned(workspace.folders.state / job_id):
        reattach_job(job_id, engine, workspace, lambda _: None)


def _check_lost(paths: JobPaths) -> None:
    if RUN.is_held(paths.record):
        raise EngineError(
            f"job {paths.job_id} has not lost its caller: a process follows it",
            f"See what it does with `zoo-runner logs -f {paths.job_id}`; `zoo-runner cancel` stops it.",
            level=Level.USER,
        )


def build_paths(record: JobRecord, workspace: Workspace) -> JobPaths:
    """Compute a job's paths from its record; pure."""
    folders = replace(workspace.folders, temp=Path(record.log).parent)
    return JobPaths.build(folders, record.workflow_id, record.id)


def _clear_logs(paths: JobPaths) -> None:
    plan = paths.plan.read_bytes() if paths.plan.exists() else None
    paths.job_log.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(paths.log_folder)
    if plan is not None:
        paths.plan.parent.mkdir(parents=True)
        paths.plan.write_bytes(plan)
