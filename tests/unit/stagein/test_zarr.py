"""What a zarr store on a web server consists of."""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from stagein.sources.protocol import Entry
from stagein.sources.zarr import list_zarr
from zoo_staging.errors import Kind, StagingError
from zoo_staging.media import JSON, ZARR

pytestmark = pytest.mark.unit

HREF = "https://h/cube.zarr"


def list_store(documents: dict[str, Any], href: str = HREF, max_files: int | None = None) -> list[Entry] | None:
    async def read(address: str) -> bytes | None:
        path = address.removeprefix(f"{HREF}/")
        return json.dumps(documents[path]).encode() if path in documents else None

    return asyncio.run(list_zarr(read, href, max_files))


def split(entries: list[Entry] | None) -> tuple[list[str], list[str]]:
    assert entries is not None
    assert all(entry.href == f"{HREF}/{entry.path}" for entry in entries)
    files = [entry.path for entry in entries if not entry.may_be_missing]
    return files, [entry.path for entry in entries if entry.may_be_missing]


def test_consolidated_metadata_of_version_2_names_all_files() -> None:
    array = {"shape": [5, 3], "chunks": [3, 3]}
    metadata = {".zgroup": {}, "B02/.zarray": array, "B02/.zattrs": {}, "t/.zarray": {"shape": [], "chunks": []}}
    files, chunks = split(list_store({".zmetadata": {"metadata": metadata}}, f"{HREF}/"))
    assert files == [".zmetadata", ".zgroup", "B02/.zarray", "B02/.zattrs", "t/.zarray"]
    assert chunks == ["B02/0.0", "B02/1.0", "t/0"]


def test_a_separator_of_version_2_is_used() -> None:
    array = {"shape": [2, 2], "chunks": [2, 1], "dimension_separator": "/"}
    assert split(list_store({".zarray": array})) == ([".zarray"], ["0/0", "0/1"])


def test_consolidated_metadata_of_version_3_names_all_files() -> None:
    grid = {"name": "regular", "configuration": {"chunk_shape": [2]}}
    v2 = {"name": "v2", "configuration": {"separator": "."}}
    nodes = {
        "a": {"node_type": "array", "shape": [3], "chunk_grid": grid},
        "g": {"node_type": "group"},
        "g/b": {"node_type": "array", "shape": [2], "chunk_grid": grid, "chunk_key_encoding": v2},
    }
    root = {"node_type": "group", "consolidated_metadata": {"metadata": nodes}}
    files, chunks = split(list_store({"zarr.json": root}))
    assert files == ["zarr.json", "a/zarr.json", "g/zarr.json", "g/b/zarr.json"]
    assert chunks == ["a/c/0", "a/c/1", "g/b/0"]


@pytest.mark.parametrize("documents", [{}, {"zarr.json": {"node_type": "group"}}])
def test_a_store_without_consolidated_metadata_cannot_be_listed(documents: dict[str, Any]) -> None:
    assert list_store(documents) is None


@pytest.mark.parametrize(
    ("document", "missing"),
    [
        ([], ""),
        ({}, "'metadata'"),
        ({"metadata": {"a/.zarray": {}}}, "'shape'"),
        ({"metadata": {"a/.zarray": {"shape": [1]}}}, "'chunks'"),
    ],
)
def test_invalid_metadata_is_an_error_that_names_what_is_missing(document: Any, missing: str) -> None:
    with pytest.raises(StagingError, match=r"\.zmetadata") as caught:
        list_store({".zmetadata": document})
    assert caught.value.kind is Kind.CONTENT
    assert missing in caught.value.reason


def test_an_array_alone_has_its_attributes_where_there_are_any() -> None:
    array = {"shape": [2], "chunks": [2]}
    files, _ = split(list_store({".zarray": array, ".zattrs": {"scale_factor": 0.0001}}))
    assert files == [".zarray", ".zattrs"]


@pytest.mark.parametrize("axes", [2, 400, 20_000])
def test_chunks_of_many_axes_are_counted_before_any_is_listed(axes: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(StagingError, match="1000000 chunks") as caught:
            list_store({".zarray": {"shape": [10**9] * axes, "chunks": [1] * axes}})
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.kind is Kind.REFUSED


def test_an_axis_without_chunks_leaves_none() -> None:
    assert split(list_store({".zarray": {"shape": [10**9] * 3 + [0], "chunks": [1] * 4}})) == ([".zarray"], [])


def test_no_more_chunks_are_listed_than_a_job_may_have_files() -> None:
    with pytest.raises(StagingError, match="more than 10 files"):
        list_store({".zarray": {"shape": [100], "chunks": [1]}}, max_files=10)


def test_chunks_and_metadata_say_what_they_have_to_be() -> None:
    array = {"shape": [2], "chunks": [1]}
    entries = list_store({".zmetadata": {"metadata": {"B02/.zarray": array}}}) or []
    assert [(entry.path, entry.media_type, entry.array) for entry in entries] == [
        (".zmetadata", JSON, ""),
        ("B02/.zarray", JSON, ""),
        ("B02/0", ZARR, f"{HREF}/B02/"),
        ("B02/1", ZARR, f"{HREF}/B02/"),
    ]


def test_a_signature_stays_behind_the_path() -> None:
    asked = []

    async def read(address: str) -> bytes | None:
        asked.append(address)
        return json.dumps({"shape": [1], "chunks": [1]}).encode() if "/.zarray?" in address else None

    entries = asyncio.run(list_zarr(read, f"{HREF}/?sig=a%2Fb")) or []
    assert asked == [f"{HREF}/{name}?sig=a%2Fb" for name in ("zarr.json", ".zmetadata", ".zarray", ".zattrs")]
    assert [entry.href for entry in entries] == [f"{HREF}/.zarray?sig=a%2Fb", f"{HREF}/0?sig=a%2Fb"]
