from dataclasses import replace
from pathlib import Path

import pytest

from zoo_runner.execution.retention import find_expired, remove_job
from zoo_runner.model import clock
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.store.files import FileStore

_DAY = 86_400


def keep(store: FileStore, folder: Path, name: str, days: float, status: Status = Status.SUCCESSFUL) -> Job:
    """Store a job that ended some days ago, with its logs."""
    log, log_folder = folder / f"{name}.log", folder / name
    log.write_text("log")
    log_folder.mkdir()
    (log_folder / "step.log").write_text("log")
    ended = clock.after(-days * _DAY)
    job = Job(name, "alice", "water", "water", "local", NO_PACKAGE.digest, {}, "", ended, ended, status)
    return store.create(replace(job, finished=ended, log=str(log), log_folder=str(log_folder)), NO_PACKAGE)


def test_only_jobs_that_ended_long_ago_are_found(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    old = keep(store, tmp_path, "old", 11)
    keep(store, tmp_path, "new", 9)
    keep(store, tmp_path, "running", 11, Status.RUNNING)
    assert [job.id for job in find_expired(store, old.workspace, 10)] == ["old"]
    assert find_expired(store, "another", 10) == []


def test_nothing_of_a_removed_job_is_left(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    old, new = keep(store, tmp_path, "old", 11), keep(store, tmp_path, "new", 9)
    remove_job(store, old)
    remove_job(store, old)
    assert not list(tmp_path.rglob("*old*"))
    assert Path(new.log).exists()
    with pytest.raises(JobNotFoundError):
        store.get("old")
