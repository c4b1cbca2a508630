import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.stores import PACKAGE
from tests.values import small_job
from zoo_runner.cli.logs import follow_log, list_steps
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.errors import EngineError, JobNotFoundError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import FileStore

NOW = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    return small_job(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "state")


@pytest.fixture
def job(spec: JobSpec, store: FileStore) -> Job:
    job = Job("j1", "default", "water", "water", "fake", PACKAGE.digest, {}, "/out", NOW, NOW, Status.RUNNING)
    logs = replace(job, log=str(spec.paths.job_log), log_folder=str(spec.paths.log_folder))
    return store.create(logs, PACKAGE)


@pytest.fixture
def log(spec: JobSpec, job: Job) -> JobLog:
    log = JobLog(spec.paths, Masker())
    log.write("job", "first")
    return log


def read(store: FileStore, tmp_path: Path, step: str | None = None, job_id: str = "j1") -> list[str]:
    return list(follow_log(job_id, step, follow=False, store=store, state=tmp_path / "state"))


def test_a_log_is_read_to_its_end(log: JobLog, store: FileStore, tmp_path: Path) -> None:
    log.write("job", "second")
    assert [line.split("] ")[1] for line in read(store, tmp_path)] == ["first\n", "second\n"]


def test_following_goes_on_until_the_job_has_ended(log: JobLog, job: Job, store: FileStore, tmp_path: Path) -> None:
    assert store.lease("j1", "a", 60)
    lines = follow_log("j1", None, follow=True, store=store, state=tmp_path / "state")

    def go_on() -> None:
        log.write("job", "last")
        store.update(job.moved_to(Status.SUCCESSFUL, NOW))

    timer = threading.Timer(0.5, go_on)
    timer.start()
    texts = [line.split("] ")[1] for line in lines]
    timer.join()
    assert texts == ["first\n", "last\n"]


def test_following_ends_when_the_process_that_ran_the_job_is_gone(
    log: JobLog, store: FileStore, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        list(follow_log("j1", None, follow=True, store=store, state=tmp_path / "state"))
    assert caught.value.diagnosis.code == "job.lost"


def test_the_log_of_a_stage_is_found_by_its_name(log: JobLog, spec: JobSpec, store: FileStore, tmp_path: Path) -> None:
    spec.paths.stage_in_log.write_text("brought\n")
    assert read(store, tmp_path, "node_stage_in") == ["brought\n"]
    assert list_steps("j1", store) == ["node_stage_in"]


@pytest.mark.parametrize("step", ["../water_j1_error", "/etc/passwd", "none"])
def test_no_step_name_reads_another_file(log: JobLog, store: FileStore, tmp_path: Path, step: str) -> None:
    with pytest.raises(FileNotFoundError):
        read(store, tmp_path, step)


def test_an_unknown_job_has_no_log(store: FileStore, tmp_path: Path) -> None:
    with pytest.raises(JobNotFoundError):
        read(store, tmp_path, job_id="none")
