"""What is downloaded once for several places, and what a job can do without."""

import asyncio
import logging
from itertools import product
from pathlib import Path

import pytest

from stagein.progress import Transfer
from stagein.settings import StageInOptions
from stagein.sources import Entry, SourceTable
from stagein.transfer import Transferral, plan_folder, transfer_all
from tests.unit.stagein.sources import Memory
from zoo_staging.errors import Kind, StagingError
from zoo_staging.progress import ignore

pytestmark = pytest.mark.unit

HREF = "https://h/scene.tif"


def transfer(source: Memory, *transfers: Transfer) -> Transferral:
    return asyncio.run(transfer_all(transfers, SourceTable({"https": source}), StageInOptions(retries=0), ignore))


def test_data_that_is_missing_is_an_error_though_a_preview_has_the_same_address(tmp_path: Path) -> None:
    preview = Transfer(HREF, tmp_path / "preview.tif", what="asset 'overview'", is_side=True)
    chunk = Transfer(HREF, tmp_path / "0.0", may_be_missing=True)
    data = Transfer(HREF, tmp_path / "data.tif", what="asset 'visual'", media_type="image/tiff")
    for others in ((preview, data), (data, preview), (chunk, data)):
        with pytest.raises(StagingError, match="asset 'visual'") as caught:
            transfer(Memory({}), *others)
        assert caught.value.kind is Kind.NOT_FOUND


def test_each_preview_that_is_missing_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    previews = [Transfer(HREF, tmp_path / name, what=f"asset {name!r}", is_side=True) for name in ("a", "b")]
    chunk = Transfer(HREF, tmp_path / "0.0", may_be_missing=True)
    with caplog.at_level(logging.WARNING):
        done = transfer(Memory({}), chunk, *previews)
    assert done.missing == [tmp_path / "a", tmp_path / "b"]
    assert [record.getMessage().split(" is missing")[0] for record in caplog.records] == ["asset 'a'", "asset 'b'"]


def test_what_several_transfers_refer_to_is_downloaded_once(tmp_path: Path) -> None:
    source = Memory({HREF: [b"II*\0"]})
    transfer(source, Transfer(HREF, tmp_path / "a/x.tif", is_side=True), Transfer(HREF, tmp_path / "b/x.tif"))
    assert source.opened == [HREF]
    assert [(tmp_path / folder / "x.tif").read_bytes() for folder in "ab"] == [b"II*\0"] * 2


def test_no_more_is_read_of_a_small_file_than_its_metadata_states(tmp_path: Path) -> None:
    source = Memory({HREF: [b"x" * 6] * 1000}, sized=False)
    with pytest.raises(StagingError, match="more than 10 bytes arrived, its metadata states 10") as caught:
        transfer(source, Transfer(HREF, tmp_path / "x.tif", 10))
    assert (caught.value.kind, source.chunks_sent) == (Kind.SIZE, 2)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_small_file_of_several_chunks_arrives_as_a_whole(tmp_path: Path) -> None:
    transfer(Memory({HREF: [b"II", b"*\0"]}, sized=False), Transfer(HREF, tmp_path / "x.tif", 4))
    assert (tmp_path / "x.tif").read_bytes() == b"II*\0"


def plan(*paths: str, ignores_case: bool = False) -> list[str]:
    entries = [Entry(f"s3://b/p/{path}", path, 1) for path in paths]
    planned = plan_folder(entries, Path("/in/x"), lambda _: ignores_case)
    return [one.target.relative_to("/in/x").as_posix() for one in planned]


def test_files_of_a_folder_keep_their_names(caplog: pytest.LogCaptureFixture) -> None:
    names = ["aB.json", "Ab.json", "A/x.tif", "a/x.tif", "x\u00a0y.tif", "été 🛰.tif", ".zattrs"]
    assert plan(*names) == names
    assert caplog.records == []


def test_names_that_differ_in_case_are_numbered_on_a_disk_that_ignores_it(caplog: pytest.LogCaptureFixture) -> None:
    assert plan("aB.json", "Ab.json", "c", "C/x", ignores_case=True) == ["aB.json", "Ab-2.json", "c-2", "C/x"]
    (record,) = caplog.records
    assert "'Ab.json' as 'Ab-2.json'" in record.getMessage()


def test_a_file_that_gets_another_name_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    names = ["a", "a/b", "a-2", "x\ny.tif", "x_y.tif"]
    assert plan(*names) == ["a-3", "a/b", "a-2", "x_y-2.tif", "x_y.tif"]
    (record,) = caplog.records
    assert all(name in record.getMessage() for name in ("2", "'a' as 'a-3'", "as 'x_y-2.tif'"))


def test_very_many_files_of_one_name_are_numbered_one_after_the_other() -> None:
    names = ["".join(letters) for letters in product("\1\2\3\4\5\6\7", repeat=4)]
    assert plan(*names) == ["unnamed", *(f"unnamed-{number}" for number in range(2, len(names) + 1))]


def test_an_array_without_any_chunk_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chunks = [
        Transfer(f"https://h/s.zarr/{path}", tmp_path / path, may_be_missing=True, array=path[:1])
        for path in ("a/0", "a/1", "b/0", "b/1")
    ]
    transfer(Memory({"https://h/s.zarr/b/1": [b"\0"]}), *chunks)
    (record,) = caplog.records
    assert record.getMessage().endswith(": 1, a")
    assert (tmp_path / "b/1").read_bytes() == b"\0"
