"""What a killed server had received in part: removed once nobody can be receiving it any more."""

import os
from pathlib import Path

import pytest

from zoo_runner.server.uploads import remove_rests


@pytest.mark.parametrize("place", ["upload-one", "ws-alpha/upload-one"])
def test_what_was_received_in_part_is_removed_once_it_is_old(tmp_path: Path, place: str) -> None:
    folder, other = tmp_path / place / "bands", tmp_path / "ws-alpha" / "job-1"
    for path in (folder, other):
        path.mkdir(parents=True)
        (path / "red.tif").write_bytes(b"x")
    paths = (folder.parent, folder, folder / "red.tif", other, other / "red.tif")
    for path in paths:
        os.utime(path, (0, 0))
    # one piece has just arrived
    os.utime(folder / "red.tif")
    assert remove_rests(tmp_path) == 0
    os.utime(folder / "red.tif", (0, 0))
    assert remove_rests(tmp_path) == 1
    assert not folder.parent.exists()
    assert (other / "red.tif").exists()
