"""Reads the log of a job, also while it grows."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from zoo_runner.config.folders import STAGE_LOGS, JobPaths
from zoo_runner.model.errors import EngineError
from zoo_runner.model.ids import check_job_id
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import FINAL, JobRecord, Records
from zoo_runner.store.locks import RUN

_QUIET_MS = 1_000


def follow_log(job_id: str, step: str | None, follow: bool, state: Path) -> Iterator[str]:
    """Yield the lines of a job's log, or of one step's; with `follow`, as they come until the job ends.

    Raises `JobNotFoundError`, `FileNotFoundError` where there is no such log, and `EngineError` where the process that
    ran the job is gone.
    """
    records = Records(state, Masker())
    record = records.load(job_id)
    path = _log_path(record, step)
    if step is None and not path.exists():
        path = state / check_job_id(job_id) / "job.log"
    with path.open(encoding="utf-8", errors="replace") as file:
        if follow and record.status not in FINAL:
            yield from _follow(file, path, records, state / job_id)
        yield from file


def list_steps(job_id: str, state: Path) -> list[str]:
    """Name the steps of a job that have a log."""
    record = Records(state, Masker()).load(job_id)
    return sorted(path.stem for path in Path(record.log_folder).glob("*.log"))


def _log_path(record: JobRecord, step: str | None) -> Path:
    if step is None:
        return Path(record.log)
    paths = JobPaths(record.workflow_id, record.id, Path(record.log).parent, Path(), Path())
    return paths.log_folder / f"{step}.log" if step in STAGE_LOGS else paths.step_log(step)


def _follow(file: IO[str], path: Path, records: Records, record_folder: Path) -> Iterator[str]:
    """Wake up when the log or the record changes; the record says when there is nothing more to come."""
    from watchfiles import watch

    job_id = record_folder.name
    watched = watch(
        path.parent,
        record_folder,
        recursive=False,
        step=20,
        debounce=100,
        # a process that was killed changes no file: look for it when nothing happened for a while
        rust_timeout=_QUIET_MS,
        yield_on_timeout=True,
    )
    for changes in watched:
        yield from file
        if records.load(job_id).status in FINAL:
            return
        if not changes and RUN.is_abandoned(record_folder):
            raise EngineError(
                f"job {job_id} ended with the process that ran it, and its log ends here",
                "Run it again: a local run cannot outlive its caller.",
            )
