"""Commands for the jobs of this store: list them, show one, print or download its results."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_runner.cli.job_ids import job_argument
from zoo_runner.cli.show import (
    describe_outcome,
    print_json,
    print_message,
    print_output_object,
    show_diagnosis,
    show_results,
)

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.model.job import Job, Outcome

Read = Callable[..., "Configuration"]

STATUSES = ("accepted", "running", "successful", "failed", "dismissed")
_format = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: one document on stdout."
)


def add_jobs(cli: click.Group, read: Read) -> None:
    """Add the commands to the command line."""

    @cli.command()
    @click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="Only these; repeatable.")
    @click.option("--process", "process_ids", multiple=True, metavar="ID", help="Only of this process; repeatable.")
    @click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
    @_format
    def jobs(statuses: tuple[str, ...], process_ids: tuple[str, ...], limit: int, form: str) -> None:
        """List jobs, newest first."""
        found = _find(read(), process_ids, statuses, limit)
        if form == "json":
            print_json([_describe(job) for job in found])
        else:
            _show_list(found)

    @cli.command()
    @job_argument
    @_format
    def show(job_id: str, form: str) -> None:
        """Show one job: its status, progress, times, places, and how it ended."""
        job = _get(job_id, read())
        if form == "json":
            print_json(_describe(job))
        else:
            _show_job(job)

    @cli.command()
    @job_argument
    @click.option(
        "--download",
        type=click.Path(path_type=Path, file_okay=False),
        help="Also download all files of the results here.",
    )
    @click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", "cwl"]),
        default="text",
        help="json: one document on stdout; cwl: the CWL output object.",
    )
    def results(job_id: str, download: Path | None, form: str) -> None:
        """Print the results of a job; of one that failed, why, with the exit code that it had."""
        configuration = read()
        job = _get(job_id, configuration)
        if job.outcome is None:
            raise _not_ended(job)
        _download(job, configuration, download)
        _show_results(job, job.outcome, form)
        sys.exit(job.outcome.exit_code)


def _download(job: "Job", configuration: "Configuration", folder: Path | None) -> None:
    results = job.outcome.results if job.outcome else None
    if folder is None or results is None:
        return
    from zoo_runner.execution.context import build_workspace
    from zoo_runner.execution.download import download_results

    storage = build_workspace(job, configuration.workspace).storage
    print_message(f"{download_results(job, results, storage, folder)} files downloaded to {folder}")


def _find(
    configuration: "Configuration", process_ids: tuple[str, ...], statuses: tuple[str, ...], limit: int
) -> "tuple[Job, ...]":
    from zoo_runner.model.job import Status
    from zoo_runner.store.files import FileStore
    from zoo_runner.store.protocol import JobQuery

    query = JobQuery(process_ids=process_ids, statuses=tuple(map(Status, statuses)), limit=limit)
    return FileStore(configuration.workspace.folders.state).find(query).jobs


def _get(job_id: str, configuration: "Configuration") -> "Job":
    from zoo_runner.store.files import FileStore

    return FileStore(configuration.workspace.folders.state).get(job_id)


def _not_ended(job: "Job") -> Exception:
    from zoo_runner.model.errors import JobNotFoundError

    return JobNotFoundError(
        f"job {job.id} has no results yet: it is {job.status}",
        f"Wait for its end: zoo-runner logs -f {job.id}",
        code="job.not-ended",
    )


def _describe(job: "Job") -> dict[str, Any]:
    """Describe a job as it is now; member names are those of OGC API - Processes where it defines them."""
    outcome = job.outcome
    return {
        "jobID": job.id,
        "processID": job.process_id,
        "status": str(job.status),
        "progress": job.progress,
        "step": job.step,
        "message": job.message,
        "workspace": job.workspace,
        "engine": job.engine,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.updated,
        "destination": job.destination,
        "log": job.log,
        "stepLogs": job.log_folder,
        "results": outcome.results.document if outcome and outcome.results else None,
        "diagnosis": describe_outcome(job, outcome)["diagnosis"] if outcome else None,
    }


def _show_list(jobs: "tuple[Job, ...]") -> None:
    for job in jobs:
        click.echo(f"{job.id:<36}  {job.status:<10}  {job.created[:19]}  {_took(job):>8}  {job.process_id}")


def _show_job(job: "Job") -> None:
    # what a job that has ended was last at is over
    left_out = {"results", "diagnosis", *(("step", "message") if job.outcome else ())}
    for name, value in _describe(job).items():
        if name not in left_out and value is not None:
            click.echo(f"{name:<13} {value}")
    if job.outcome:
        _show_outcome(job.outcome)


def _show_outcome(outcome: "Outcome") -> None:
    if outcome.results:
        show_results(outcome.results)
    if outcome.diagnosis:
        show_diagnosis(outcome.diagnosis)


def _show_results(job: "Job", outcome: "Outcome", form: str) -> None:
    if form == "json":
        print_json(describe_outcome(job, outcome))
    elif form == "cwl":
        print_output_object(outcome)
    else:
        _show_outcome(outcome)


def _took(job: "Job") -> str:
    """Return how long the job ran, in whole seconds; for a running job, until its last change."""
    if not job.started:
        return "-"
    started, ended = (datetime.fromisoformat(time.replace("Z", "+00:00")) for time in (job.started, job.updated))
    return f"{(ended - started).total_seconds():.0f} s"
