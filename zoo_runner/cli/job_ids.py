"""The argument JOB of commands, whose values a shell completes."""

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from zoo_runner.cli.options import read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_runner.model.job import Job

_MOST = 50


def _complete(context: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """List the newest jobs whose ids begin so; where they cannot be read, there is nothing to complete."""
    from zoo_runner.model.errors import RunnerError

    del context, parameter
    try:
        jobs = [job for job in _list_jobs() if job.id.startswith(start)]
    except (RunnerError, OSError):
        return []
    return [CompletionItem(job.id, help=f"{job.process_id}, {job.status}, {job.created[:19]}") for job in jobs]


def _list_jobs() -> "Iterator[Job]":
    from zoo_runner.store.files import FileStore
    from zoo_runner.store.protocol import JobQuery

    yield from FileStore(read_configuration().workspace.folders.state).find(JobQuery(limit=_MOST)).jobs


job_argument = click.argument("job_id", metavar="JOB", shell_complete=_complete)
