"""Jobs that no process works on: taken up from the store alone, or cancelled."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from zoo_runner.engines.protocol import Handle
from zoo_runner.execution.context import Context, request_cancel
from zoo_runner.execution.execute import execute, start
from zoo_runner.model.errors import JobBusyError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import FINAL, Job, Outcome


def recover(context: Context, find_report: Callable[[Job], Report] | None = None) -> dict[str, Future[Outcome]]:
    """Take up all jobs that nobody works on; returns their futures by id.

    One that was submitted is followed by its stored handle, wherever that was; one that was not is submitted.
    """
    return {
        job.id: start(context, job.id, find_report(job) if find_report else _ignore)
        for job in context.store.find_abandoned()
    }


def cancel(context: Context, job_id: str) -> Job:
    """Stop a job; one that nobody works on is concluded here: its logs stay, nothing else is left of it.

    Returns the job as it is then. Raises `JobNotFoundError`, `NotReachedError`.
    """
    job = request_cancel(context.store, context.store.get(job_id))
    if job.status in FINAL:
        return job
    if job.handle:
        workspace = context.find_workspace_of(job)
        context.find_engine(job.engine, workspace).cancel(Handle(**job.handle))
    if context.store.find_lease(job_id) is None:
        with suppress(JobBusyError):  # somebody took it up meanwhile, and sees the request
            execute(context, job_id)
    return context.store.get(job_id)


def _ignore(_: Event) -> None:
    """Leave an event to the logs."""
