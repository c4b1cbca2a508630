"""Rules of what the doctor's pod tries."""

from pathlib import Path

import pytest

from zoo_runner.engines.kubernetes.job_pod.smoke_test import run_checks
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.workspace import StorageProfile


def test_a_volume_and_a_destination_that_can_be_written_to_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    assert run_checks(tmp_path / "volume", [str(tmp_path / "results"), str(PROTOCOL)], StorageProfile()) == Outcome(
        Status.SUCCESSFUL
    )
    assert list(tmp_path.rglob("*")) == [tmp_path / "volume"]


def test_a_volume_that_cannot_be_written_to_is_reported_first(tmp_path: Path) -> None:
    ended = run_checks(tmp_path / "none", ["s3://nobody", str(PROTOCOL)], StorageProfile())
    assert ended.diagnosis
    assert ended.diagnosis.code == "cluster.volume"


def test_a_destination_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    ended = run_checks(tmp_path, ["ftp://somewhere", str(PROTOCOL)], StorageProfile())
    assert ended.diagnosis
    assert (ended.exit_code, "ftp://somewhere" in ended.diagnosis.cause) == (8, True)


@pytest.mark.parametrize("words", [[], ["s3://nobody"], ["", str(PROTOCOL + 1)]])
def test_a_caller_whose_jobs_would_be_refused_is_refused_first(tmp_path: Path, words: list[str]) -> None:
    ended = run_checks(tmp_path / "none", words, StorageProfile())
    assert ended.diagnosis
    assert ended.diagnosis.code == "engine.protocol"
