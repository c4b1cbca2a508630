"""The record by which results are published later: without secrets, for its owner alone, whole, also on a full disk."""

import errno
import os
from pathlib import Path

import pytest

from zoo_runner.engines.kept_outputs import reserve_record, try_to_write_record, write_record
from zoo_runner.engines.local.kept import keep_outputs, read_kept, reserve_room
from zoo_runner.model.errors import StageOutError
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.masking import MASK, Masker
from zoo_runner.model.outcomes import build_defect

SECRET = "canary-of-the-record"
PLACE = f"/scratch/{SECRET}/a.txt"
OUTPUTS = {
    "said": f"it is {SECRET}",
    "password": "another",
    "many": [SECRET, 3, None],
    "file": {"class": "File", "path": PLACE, "basename": "a.txt", "metadata": SECRET, "size": 4},
}
KEPT = {
    "said": f"it is {MASK}",
    "password": MASK,
    "many": [MASK, 3, None],
    "file": {"class": "File", "path": PLACE, "basename": "a.txt", "metadata": MASK, "size": 4},
}
FAILED = StageOutError("full", "Make room.")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "j1"
    folder.mkdir()
    return folder


def test_secrets_are_kept_in_the_places_of_files_alone_and_for_the_owner_alone(scratch: Path) -> None:
    error = keep_outputs(scratch, "j1", OUTPUTS, Masker([SECRET]), FAILED)
    assert "zoo-runner publish j1" in error.diagnosis.remedy
    assert read_kept(scratch) == KEPT
    (record,) = scratch.parent.glob("j1@*")
    assert record.stat().st_mode & 0o777 == 0o600


def test_a_record_is_written_into_the_room_that_was_taken_for_it(scratch: Path) -> None:
    reserve_room(scratch)
    (reserved,) = scratch.parent.glob("j1@*")
    before = reserved.stat()
    assert before.st_blocks * 512 >= 1 << 20
    assert read_kept(scratch) is None
    keep_outputs(scratch, "j1", {"n": 1}, Masker(), FAILED)
    (record,) = scratch.parent.glob("j1@*")
    assert record.stat().st_ino == before.st_ino
    assert read_kept(scratch) == {"n": 1}


def test_results_that_cannot_be_kept_are_said_to_be_lost(tmp_path: Path) -> None:
    error = keep_outputs(tmp_path / "gone" / "j1", "j1", {}, Masker(), FAILED)
    assert error.diagnosis.code == FAILED.diagnosis.code
    assert "lost" in error.diagnosis.remedy and str(tmp_path / "gone") in error.diagnosis.remedy


def test_a_job_goes_on_where_its_outputs_cannot_be_recorded(tmp_path: Path) -> None:
    events: list[Event] = []
    reserve_record(tmp_path / "gone" / "outputs.json")
    try_to_write_record(tmp_path / "gone" / "outputs.json", {}, Masker(), events.append, 0o644)
    (event,) = events
    assert isinstance(event, EngineLine) and event.severity == "warning"


def test_half_of_a_record_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_record(tmp_path / "outputs.json", {"n": 1}, Masker())
    assert not (tmp_path / "outputs.json").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_internal_error(number: int) -> None:
    error = build_defect(OSError(number, os.strerror(number), "/scratch/order.json"))
    assert error.diagnosis.code == "resources.disk-full"
    assert "/scratch/order.json" in error.diagnosis.cause
