"""Files on a volume that others may write to: no link is followed, in either direction."""

import os
from pathlib import Path

import pytest

from zoo_runner.files import encode_json, read_unlinked, write_anew


def test_a_file_is_written_in_the_place_of_a_link_and_of_a_file_that_somebody_has_open(tmp_path: Path) -> None:
    foreign, place = tmp_path / "foreign", tmp_path / "outputs.json"
    foreign.write_text("x")
    for replace in (place.symlink_to, place.hardlink_to):
        place.unlink(missing_ok=True)
        replace(foreign)
        write_anew(place, encode_json({"a": 1}))
        assert (foreign.read_text(), read_unlinked(place)) == ("x", b'{"a": 1}')


@pytest.mark.timeout(30)
def test_neither_a_link_nor_a_pipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("x")
    (tmp_path / "link").symlink_to("foreign")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError, match=name):
            read_unlinked(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_unlinked(tmp_path / "nothing")
