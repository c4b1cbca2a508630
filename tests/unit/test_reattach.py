"""Rules of going on with a job whose caller was lost."""

import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.values import configuration_in, small_job
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Capabilities
from zoo_runner.execution.recover import reattach_job
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, JobNotFoundError
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import JobRecord, Records, new_record, with_outcome
from zoo_runner.store.locks import RUN

RESULTS = Results({"text": "hello"}, {"type": "Collection", "id": "j1"}, "none/collection.json")


def leave_behind(folder: Path, status: Status) -> tuple[FakeEngine, JobRecord]:
    """A job whose process was killed: record and log are there, and the engine has it."""
    configuration = configuration_in(folder)
    job = small_job(folder)
    engine = FakeEngine(configuration)
    engine.document = dict(RESULTS.document)
    handle = engine.submit(engine.plan(job), lambda _: None, Cancellation())
    record = new_record(job, "fake")
    if status is Status.SUCCESSFUL:
        record = with_outcome(record, Outcome(status, RESULTS))
    elif status is not Status.ACCEPTED:
        record = record.moved_to(status)
    Records(configuration.workspace.folders.state, Masker()).save(replace(record, handle=asdict(handle)))
    job.paths.job_log.parent.mkdir(parents=True, exist_ok=True)
    job.paths.job_log.write_text("half of the story\n")
    return engine, record


def test_a_lost_job_ends_as_if_its_caller_had_stayed(tmp_path: Path) -> None:
    engine, record = leave_behind(tmp_path, Status.RUNNING)
    configuration = configuration_in(tmp_path)
    outcome = reattach_job(record.id, engine, configuration.workspace, lambda _: None)
    assert outcome.results is not None
    assert (outcome.results.document, outcome.results.collection["id"]) == ({"text": "hello"}, record.id)
    after = Records(configuration.workspace.folders.state, Masker()).load(record.id)
    assert (after.status, after.collection_href) == (Status.SUCCESSFUL, outcome.results.collection_href)


def test_the_log_of_a_remote_job_is_told_from_its_start_and_not_twice(tmp_path: Path) -> None:
    engine, record = leave_behind(tmp_path, Status.RUNNING)
    reattach_job(record.id, engine, configuration_in(tmp_path).workspace, lambda _: None)
    log = Path(record.log).read_text()
    assert "half of the story" not in log
    assert "is followed again on engine fake" in log
    assert "SUCCESSFUL, results: " in log


def test_a_job_that_has_ended_keeps_its_log(tmp_path: Path) -> None:
    engine, record = leave_behind(tmp_path, Status.SUCCESSFUL)
    assert reattach_job(record.id, engine, configuration_in(tmp_path).workspace, lambda _: None).results == RESULTS
    assert Path(record.log).read_text() == "half of the story\n"


def test_a_job_that_has_failed_says_again_why(tmp_path: Path) -> None:
    engine, record = leave_behind(tmp_path, Status.RUNNING)
    diagnosis = DismissedError("the job was dismissed", "Nothing to do.").diagnosis
    outcome = Outcome(Status.DISMISSED, diagnosis=diagnosis, exit_code=10)
    Records(configuration_in(tmp_path).workspace.folders.state, Masker()).save(with_outcome(record, outcome))
    assert reattach_job(record.id, engine, configuration_in(tmp_path).workspace, lambda _: None) == outcome
    assert Path(record.log).read_text() == "half of the story\n"


def test_a_job_that_never_was_is_told(tmp_path: Path) -> None:
    with pytest.raises(JobNotFoundError, match="there is no job 'never'"):
        reattach_job(
            "never", FakeEngine(configuration_in(tmp_path)), configuration_in(tmp_path).workspace, lambda _: None
        )


class NearEngine(FakeEngine):
    """An engine of this machine, which cannot say how a job ended that it does not run."""

    capabilities = Capabilities(remote=False, isolates=False)


def test_who_waits_for_a_job_that_another_process_runs_is_told_what_that_found(tmp_path: Path) -> None:
    _, record = leave_behind(tmp_path, Status.RUNNING)
    configuration = configuration_in(tmp_path)
    found: list[Outcome] = []

    def wait() -> None:
        found.append(reattach_job(record.id, NearEngine(configuration), configuration.workspace, lambda _: None))

    diagnosis = DismissedError("the job was dismissed", "Nothing to do.").diagnosis
    ended = Outcome(Status.DISMISSED, diagnosis=diagnosis, exit_code=10)
    with RUN.hold(configuration.workspace.folders.state / record.id):
        waiting = threading.Thread(target=wait)
        waiting.start()
        Records(configuration.workspace.folders.state, Masker()).save(with_outcome(record, ended))
    waiting.join()
    assert found == [ended]
    assert Path(record.log).read_text() == "half of the story\n"
