"""Removes what jobs leave on purpose, their records and logs, once nobody needs it any more."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from zoo_runner.model import clock
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.store.protocol import JobStore

_SECONDS_PER_DAY = 86_400


def find_expired(jobs: Iterable[Job], days: float) -> list[Job]:
    """Return the jobs that ended more than so many days ago, oldest first; pure but for the clock."""
    until = clock.after(-days * _SECONDS_PER_DAY)
    expired = [job for job in jobs if job.status in FINAL and (job.finished or job.updated) <= until]
    return sorted(expired, key=lambda job: job.finished or job.updated)


def remove_job(store: JobStore, job: Job) -> None:
    """Remove the logs of a job, then its record; its results stay, also those in the folder of the logs.

    Raises `OSError` where a log cannot be removed: then the record stays too.
    """
    results = Path(job.destination) if job.status is Status.SUCCESSFUL else None
    remove_logs(job, results)
    store.delete(job.id)


def remove_logs(job: Job, keep: Path | None = None) -> None:
    """Remove the logs of a job, wherever it wrote them, but not the folder `keep`; what is gone already is fine.

    Raises `OSError`.
    """
    if job.log:
        Path(job.log).unlink(missing_ok=True)
    if job.log_folder:
        _remove(Path(job.log_folder), keep)


def _remove(path: Path, keep: Path | None) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
    elif keep is None or not keep.is_relative_to(path):
        shutil.rmtree(path)
    elif path != keep:
        for entry in list(path.iterdir()):
            _remove(entry, keep)
