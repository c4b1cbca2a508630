"""Removes what jobs leave on purpose, their records and logs, once nobody needs it any more."""

import shutil
from pathlib import Path

from zoo_runner.model import clock
from zoo_runner.model.job import FINAL, Job
from zoo_runner.store.protocol import JobQuery, JobStore
from zoo_runner.store.selection import iterate_jobs

_SECONDS_PER_DAY = 86_400


def find_expired(store: JobStore, workspace: str, days: float) -> list[Job]:
    """Return the jobs of a workspace that ended more than so many days ago, oldest first."""
    until = clock.after(-days * _SECONDS_PER_DAY)
    query = JobQuery(workspace=workspace, statuses=tuple(FINAL), created_to=until)
    expired = [job for job in iterate_jobs(store, query) if (job.finished or job.updated) <= until]
    return sorted(expired, key=lambda job: job.finished or job.updated)


def remove_job(store: JobStore, job: Job) -> None:
    """Remove the record and the logs of a job; results that were stored elsewhere stay."""
    remove_logs(job)
    store.delete(job.id)


def remove_logs(job: Job) -> None:
    """Remove the logs of a job, wherever it wrote them; what is gone already is fine."""
    if job.log:
        Path(job.log).unlink(missing_ok=True)
    if job.log_folder:
        shutil.rmtree(job.log_folder, ignore_errors=True)
