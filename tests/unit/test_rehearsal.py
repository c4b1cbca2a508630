"""Rules of what the doctor's pod tries."""

from pathlib import Path

from zoo_runner.engines.cluster.podlog import Ended
from zoo_runner.engines.jobpod.rehearsal import rehearse


def test_a_volume_and_a_destination_that_can_be_written_to_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    assert rehearse(tmp_path / "volume", str(tmp_path / "results"), {}) == Ended()
    assert list(tmp_path.rglob("*")) == [tmp_path / "volume"]


def test_a_volume_that_cannot_be_written_to_is_told_of_first(tmp_path: Path) -> None:
    ended = rehearse(tmp_path / "none", "s3://nobody", {})
    assert ended.diagnosis
    assert ended.diagnosis.cause.startswith("the volume cannot be written to by user ")


def test_a_destination_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    ended = rehearse(tmp_path, "ftp://somewhere", {})
    assert ended.diagnosis
    assert (ended.kind, "ftp://somewhere" in ended.diagnosis.cause) == ("StageOutError", True)
