"""Removes what jobs leave on purpose, their records and logs, once nobody needs it any more."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from zoo_runner.config.folders import RESULTS_DOCUMENT
from zoo_runner.model import clock
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.store.protocol import JobStore


def find_expired(jobs: Iterable[Job], days: float) -> list[Job]:
    """Return the jobs that ended more than so many days ago, oldest first; pure but for the clock."""
    until = clock.days_after(-days)
    expired = [job for job in jobs if job.status in FINAL and (job.finished or job.updated) <= until]
    return sorted(expired, key=lambda job: job.finished or job.updated)


def remove_job(store: JobStore, job: Job) -> None:
    """Remove the logs of a job, then its record; its results stay, also those in the folder of the logs.

    A platform keeps its own list of jobs, and answers with links to them: to the files, and to the document.
    Raises `OSError` where a log cannot be removed: then the record stays too.
    """
    results = [_read_folder(job.destination), Path(job.log_folder) / RESULTS_DOCUMENT]
    remove_logs(job, results if job.status is Status.SUCCESSFUL else ())
    store.delete(job.id)


def _read_folder(destination: str) -> Path:
    """Return the folder of results on this machine, which may be written as `file://…`."""
    is_uri = destination.startswith("file:")
    return Path(unquote(urlsplit(destination).path) if is_uri else destination)


def remove_logs(job: Job, keep: Iterable[Path] = ()) -> None:
    """Remove the logs of a job, wherever it wrote them, but not what to `keep`; what is gone already is fine.

    Raises `OSError`.
    """
    if job.log:
        Path(job.log).unlink(missing_ok=True)
    if job.log_folder:
        _remove(Path(job.log_folder), [path for path in keep if path.exists()])


def _remove(path: Path, keep: Sequence[Path]) -> None:
    if path in keep:
        return
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
    elif not any(one.is_relative_to(path) for one in keep):
        shutil.rmtree(path)
    else:
        for entry in list(path.iterdir()):
            _remove(entry, keep)
