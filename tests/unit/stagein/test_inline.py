"""Rules of `data:` URLs as a source."""

import base64
from pathlib import Path

import pytest

from stagein import StageInOptions, stage_in
from zoo_staging.errors import StagingError, mask_href


def stage(folder: Path, href: str) -> Path:
    order = stage_in({"x": {"class": "File", "location": href, "basename": "x.bin"}}, folder, StageInOptions())
    return Path(order["x"]["path"])


@pytest.mark.parametrize("data", [b"", b"text", bytes(range(256))])
def test_a_data_url_is_written_as_it_was(tmp_path: Path, data: bytes) -> None:
    path = stage(tmp_path, f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}")
    assert (path.name, path.read_bytes()) == ("x.bin", data)


def test_a_data_url_without_base64_is_percent_decoded(tmp_path: Path) -> None:
    assert stage(tmp_path, "data:,a%20b").read_bytes() == b"a b"


@pytest.mark.parametrize("href", ["data:text/plain;base64,????", "data:nothing"])
def test_a_malformed_data_url_is_refused(tmp_path: Path, href: str) -> None:
    with pytest.raises(StagingError) as caught:
        stage(tmp_path, href)
    assert caught.value.code == "source.unsupported"


def test_messages_do_not_carry_the_data() -> None:
    assert mask_href("data:text/plain;base64,QUJD") == "data:text/plain;base64,..."
