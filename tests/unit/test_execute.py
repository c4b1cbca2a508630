import json
from pathlib import Path

import pytest

from tests.values import configuration_in, small_job, small_package
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Handle, Plan
from zoo_runner.execution.execute import accept_job, run_job
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import SettingsError, ToolError
from zoo_runner.model.events import Report
from zoo_runner.model.job import Status
from zoo_runner.store.locks import RUN

SECRET = "canary-in-the-story"


class BrokenEngine(FakeEngine):
    """An engine with a defect."""

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> Handle:
        raise ZeroDivisionError(f"nobody foresaw {SECRET}")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return configuration_in(tmp_path, MY_SECRET=SECRET)


def test_accepting_creates_nothing(tmp_path: Path, configuration: Configuration) -> None:
    job = accept_job(small_package(), {}, lambda paths: f"s3://b/{paths.job_id}", configuration.workspace, "j1")
    assert job.destination == "s3://b/j1"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("job_id", ["../x", "a/b", "-x"])
def test_a_job_id_that_is_none_is_refused(configuration: Configuration, job_id: str) -> None:
    with pytest.raises(SettingsError):
        accept_job(small_package(), {}, lambda _: "x", configuration.workspace, job_id)


def test_a_defect_of_an_engine_is_an_outcome_and_its_trace_is_private(
    tmp_path: Path, configuration: Configuration
) -> None:
    engine = BrokenEngine(configuration)
    job = small_job(tmp_path)
    outcome = run_job(job, engine, configuration.workspace, lambda _: None)
    assert outcome.status is Status.FAILED
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause == "the runner has a defect: ZeroDivisionError: nobody foresaw *****"
    assert "Traceback" not in job.paths.job_log.read_text()
    trace = (job.paths.record / "defect.txt").read_text()
    assert "ZeroDivisionError" in trace
    assert SECRET not in trace


def test_a_failure_is_told_to_log_record_and_caller_alike(tmp_path: Path, configuration: Configuration) -> None:
    engine = FakeEngine(configuration)
    engine.failure = ToolError("step 'a' failed", "Read its log.", evidence=("line",), step="a")
    job = small_job(tmp_path)
    outcome = run_job(job, engine, configuration.workspace, lambda _: None)
    record = json.loads((job.paths.record / "record.json").read_text())
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.log == str(job.paths.job_log)
    assert record["diagnosis"]["cause"] == outcome.diagnosis.cause == "step 'a' failed"
    assert "FAILED at execute (user level, step.failed): step 'a' failed" in job.paths.job_log.read_text()
    assert (record["status"], record["exit_code"], outcome.exit_code) == ("failed", 6, 6)


def test_a_display_that_breaks_does_not_lose_the_job_s_logs(tmp_path: Path, configuration: Configuration) -> None:
    def broken(_: object) -> None:
        raise OSError("the terminal is gone")

    job = small_job(tmp_path)
    outcome = run_job(job, FakeEngine(configuration), configuration.workspace, broken)
    assert outcome.status is Status.FAILED
    assert json.loads((job.paths.record / "record.json").read_text())["status"] == "failed"


def test_an_id_is_taken_by_the_first_job_that_bears_it(tmp_path: Path, configuration: Configuration) -> None:
    engine = FakeEngine(configuration)
    assert run_job(small_job(tmp_path), engine, configuration.workspace, lambda _: None).status is Status.SUCCESSFUL
    with pytest.raises(SettingsError, match="there is a job 'j1' already") as caught:
        run_job(small_job(tmp_path), engine, configuration.workspace, lambda _: None)
    assert "--job-id" in caught.value.diagnosis.remedy


def test_a_job_is_held_until_its_record_says_how_it_ended(
    tmp_path: Path, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its logs may take long to publish, and whoever follows them must not take the job for lost meanwhile."""
    held: list[bool] = []
    monkeypatch.setattr(
        "zoo_runner.execution.execute.publish_logs", lambda log, *_: held.append(RUN.is_held(log.paths.record))
    )
    job = small_job(tmp_path)
    run_job(job, FakeEngine(configuration), configuration.workspace, lambda _: None)
    assert held == [True]
    assert not RUN.is_held(job.paths.record)
    assert RUN.is_abandoned(job.paths.record)
