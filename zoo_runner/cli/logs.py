"""Reads the log of a job, even while it grows."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from zoo_runner.config.folders import STAGE_LOGS, JobPaths
from zoo_runner.execution.growing_log import GrowingLog
from zoo_runner.model.errors import EngineError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.store.protocol import JobStore

_QUIET_MS = 1_000


def follow_log(job_id: str, step: str | None, follow: bool, store: JobStore, state: Path) -> Iterator[str]:
    """Yield the lines of a job's log, or of one step's; with `follow`, as they come until the job ends.

    Raises `JobNotFoundError`, `FileNotFoundError` if the log does not exist, and `EngineError` if the process that
    ran the job is gone.
    """
    job = store.get(job_id)
    path = _find_log(job, step)
    if step is None and not path.exists():
        path = state / job.id / "job.log"
    path.stat()
    log = GrowingLog(path)
    if follow and job.status not in FINAL:
        for _ in _watch(job, store, path.parent, state / job.id):
            yield from _read_lines(log)
    yield from _read_lines(log, whole=True)


def _read_lines(log: GrowingLog, *, whole: bool = False) -> Iterator[str]:
    while text := log.read(whole=whole):
        yield from text.decode(errors="replace").splitlines(keepends=True)


def wait_for_end(job: Job, store: JobStore, state: Path) -> None:
    """Wait while another process works on a job."""
    if job.status not in FINAL and store.find_lease(job.id):
        with suppress(EngineError):
            deque(_watch(job, store, state / job.id), maxlen=0)


def list_steps(job_id: str, store: JobStore) -> list[str]:
    """List the steps of a job that have a log."""
    return sorted(path.stem for path in Path(store.get(job_id).log_folder).glob("*.log"))


def _find_log(job: Job, step: str | None) -> Path:
    if step is None:
        return Path(job.log)
    paths = JobPaths(job.process_id, job.id, Path(job.log).parent, Path(), Path())
    return paths.log_folder / f"{step}.log" if step in STAGE_LOGS else paths.step_log(step)


def _watch(job: Job, store: JobStore, *folders: Path) -> Iterator[None]:
    """Wake up when something changes in the folders, until the job has ended."""
    from watchfiles import watch

    watched = watch(
        *folders,
        recursive=False,
        step=20,
        debounce=100,
        # a killed process changes no file: check for it when nothing happened for a while
        rust_timeout=_QUIET_MS,
        yield_on_timeout=True,
    )
    for changes in watched:
        yield
        if store.get(job.id).status in FINAL:
            return
        if not changes and store.find_lease(job.id) is None:
            raise EngineError(
                f"job {job.id} was lost: the process that ran it has ended, and its log ends here",
                f"Take it up again with `zoo-runner reattach {job.id}`; a local job has to be run again.",
                code="job.lost",
            )
