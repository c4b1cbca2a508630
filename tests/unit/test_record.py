import json
from pathlib import Path

import pytest

from tests.values import small_job
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import MASK, Masker
from zoo_runner.store.files import JobRecord, Records, new_record, with_outcome


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    return new_record(small_job(tmp_path), "fake")


def test_a_record_survives_saving(tmp_path: Path, record: JobRecord) -> None:
    records = Records(tmp_path, Masker())
    assert records.load(records.save(record).id) == record


def test_a_record_is_private(tmp_path: Path, record: JobRecord) -> None:
    Records(tmp_path, Masker()).save(record)
    assert (tmp_path / record.id).stat().st_mode & 0o077 == 0


def test_no_secret_gets_into_a_record(tmp_path: Path, record: JobRecord) -> None:
    failed = Outcome(Status.FAILED, diagnosis=Diagnosis(Stage.EXECUTE, Level.USER, "has canary", "x"), exit_code=6)
    records = Records(tmp_path, Masker(["canary"]))
    records.save(with_outcome(record, failed))
    loaded = records.load(record.id)
    assert loaded.diagnosis is not None
    assert loaded.diagnosis["cause"] == f"has {MASK}"
    assert "canary" not in (tmp_path / record.id / "record.json").read_text()


def test_an_outcome_brings_results_or_a_diagnosis(record: JobRecord) -> None:
    good = with_outcome(record, Outcome(Status.SUCCESSFUL, Results({"a": 1}, {}, "file:///c.json")))
    assert (good.status, good.results, good.collection_href) == (Status.SUCCESSFUL, {"a": 1}, "file:///c.json")
    diagnosis = Diagnosis(Stage.EXECUTE, Level.USER, "why", "what", step="s")
    bad = with_outcome(record, Outcome(Status.FAILED, diagnosis=diagnosis, exit_code=6))
    assert bad.diagnosis == json.loads(json.dumps(bad.diagnosis)) or bad.diagnosis
    assert (bad.status, bad.exit_code) == (Status.FAILED, 6)


@pytest.mark.parametrize("final", [Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED])
def test_a_final_state_stays(record: JobRecord, final: Status) -> None:
    ended = record.moved_to(final)
    for status in Status:
        with pytest.raises(ValueError, match=f"{final} cannot become"):
            ended.moved_to(status)


def test_a_running_job_is_not_accepted_again(record: JobRecord) -> None:
    with pytest.raises(ValueError, match="running cannot become accepted"):
        record.moved_to(Status.RUNNING).moved_to(Status.ACCEPTED)


@pytest.mark.parametrize("job_id", ["none", "../none", "/etc/passwd"])
def test_an_unknown_job_is_said_to_be_unknown(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(JobNotFoundError, match=r"there is no job|is not a job id"):
        Records(tmp_path, Masker()).load(job_id)
