"""Files on a volume that others may write to: no link is followed, in either direction."""

import os
import resource
import signal
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


def test_who_reads_a_file_that_is_written_anew_sees_the_former_until_the_new_one_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "package.json"
    write_anew(place, b'{"former": true}')
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_anew(place, b"x" * 8192)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"package.json": b'{"former": true}'}


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
