"""Going on with a job whose caller was lost: same logs, same record, same outcome."""

import contextlib
import shutil
from pathlib import Path

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.protocol import Engine
from zoo_runner.execution.execute import conclude, guard
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import Outcome
from zoo_runner.model.masking import Masker
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.files import FINAL, JobRecord, Records, read_diagnosis, with_outcome
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
        if record.diagnosis:
            return Outcome(record.status, diagnosis=read_diagnosis(record.diagnosis), exit_code=record.exit_code or 0)
        if record.status in FINAL:
            return guard(lambda: engine.reattach(job_id, report, cancellation), paths, masker)
        outcome = _go_on(record, engine, workspace, report, cancellation)
        records.save(with_outcome(record, outcome))
    return outcome


def _go_on(
    record: JobRecord, engine: Engine, workspace: Workspace, report: Report, cancellation: Cancellation
) -> Outcome:
    masker, paths, job_id = Masker(workspace.secrets), build_paths(record, workspace), record.id
    if engine.capabilities.remote:
        _clear_logs(paths)
    with JobLog(paths, masker) as log:
        log.tell("job", f"{record.workflow_id} {job_id} is followed again on engine {engine.name}")

        def tell(event: Event) -> None:
            log(event)
            report(event)

        outcome = guard(lambda: engine.reattach(job_id, tell, cancellation), paths, masker)
        return conclude(outcome, record.destination, log, workspace, tell)


def cancel_job(job_id: str, engine: Engine, workspace: Workspace) -> None:
    """Stop a job; one whose caller was lost is concluded here: logs kept, nothing left, its record says dismissed."""
    engine.cancel(job_id)
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
    return JobPaths(
        record.workflow_id,
        record.id,
        Path(record.log).parent,
        workspace.folders.state / record.id,
        workspace.folders.scratch / record.id,
    )


def _clear_logs(paths: JobPaths) -> None:
    plan = paths.plan.read_bytes() if paths.plan.exists() else None
    paths.job_log.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(paths.log_folder)
    if plan is not None:
        paths.plan.parent.mkdir(parents=True)
        paths.plan.write_bytes(plan)
