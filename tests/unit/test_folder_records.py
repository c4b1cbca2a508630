"""Records of a harvester in a folder: what cannot be kept now is an outage, and is done again."""

from pathlib import Path

import pytest

from zoo_runner.harvest.records import FolderRecords, Record
from zoo_runner.model.errors import NotReachedError


def test_a_record_that_cannot_be_kept_is_an_outage_that_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("no folder")
    with pytest.raises(NotReachedError) as caught:
        FolderRecords(tmp_path / "records").write("key", Record("source"))
    assert caught.value.diagnosis.code == "harvest.records"
    assert str(tmp_path / "records") in caught.value.diagnosis.cause
