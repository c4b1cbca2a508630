import threading
from pathlib import Path

import pytest

from tests.values import small_job
from zoo_runner.cli.logs import follow_log, list_steps
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.errors import EngineError, JobNotFoundError
from zoo_runner.model.job import Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import JobRecord, Records, new_record
from zoo_runner.store.locks import RUN


@pytest.fixture
def job(tmp_path: Path) -> JobSpec:
    return small_job(tmp_path)


@pytest.fixture
def record(job: JobSpec, tmp_path: Path) -> JobRecord:
    return Records(tmp_path / "state", Masker()).save(new_record(job, "fake").moved_to(Status.RUNNING))


@pytest.fixture
def log(job: JobSpec, record: JobRecord) -> JobLog:
    log = JobLog(job.paths, Masker())
    log.tell("job", "first")
    return log


def test_a_log_is_read_to_its_end(log: JobLog, tmp_path: Path) -> None:
    log.tell("job", "second")
    lines = list(follow_log("j1", None, follow=False, state=tmp_path / "state"))
    assert [line.split("] ")[1] for line in lines] == ["first\n", "second\n"]


def test_following_goes_on_until_the_job_has_ended(log: JobLog, record: JobRecord, tmp_path: Path) -> None:
    state = tmp_path / "state"
    lines = follow_log("j1", None, follow=True, state=state)

    def go_on() -> None:
        log.tell("job", "last")
        Records(state, Masker()).save(record.moved_to(Status.SUCCESSFUL))

    timer = threading.Timer(0.5, go_on)
    timer.start()
    texts = [line.split("] ")[1] for line in lines]
    timer.join()
    assert texts == ["first\n", "last\n"]


def test_following_ends_when_the_process_that_ran_the_job_is_gone(log: JobLog, job: JobSpec, tmp_path: Path) -> None:
    with RUN.hold(job.paths.record):
        pass
    with pytest.raises(EngineError, match="job j1 ended with the process that ran it"):
        list(follow_log("j1", None, follow=True, state=tmp_path / "state"))


def test_the_log_of_a_stage_is_found_by_its_name(log: JobLog, job: JobSpec, tmp_path: Path) -> None:
    job.paths.stage_in_log.write_text("brought\n")
    assert list(follow_log("j1", "node_stage_in", follow=False, state=tmp_path / "state")) == ["brought\n"]
    assert list_steps("j1", tmp_path / "state") == ["node_stage_in"]


@pytest.mark.parametrize("step", ["../water_j1_error", "/etc/passwd", "none"])
def test_no_step_name_reads_another_file(log: JobLog, tmp_path: Path, step: str) -> None:
    with pytest.raises(FileNotFoundError):
        list(follow_log("j1", step, follow=False, state=tmp_path / "state"))


def test_an_unknown_job_has_no_log(tmp_path: Path) -> None:
    with pytest.raises(JobNotFoundError):
        list(follow_log("none", None, follow=False, state=tmp_path / "state"))
