"""Outputs without STAC, the results document, the order of writing and cancelling."""

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy
import pytest
import rasterio  # type: ignore[import-untyped]  # it ships none
from pystac.validation import validate_dict
from rasterio.transform import Affine  # type: ignore[import-untyped]  # as above

from stagein import StageInOptions, stage_in
from stageout.destinations import open_destination
from stageout.earlier_results import RECORD
from stageout.names import build_segment
from stageout.raster import EXTRA_MISSING
from stageout.stage import Results, plan_stage_out, stage_out
from stageout.upload import upload
from tests.unit.stageout.catalogs import (
    NOW,
    OPTIONS,
    build_link,
    build_stac_catalog,
    build_stac_item,
    describe_file,
    describe_folder,
    read_json,
    write_catalog,
    write_json,
)
from zoo_runner.model.codes import CODES
from zoo_staging.cancel import Cancellation
from zoo_staging.errors import Kind, StagingError
from zoo_staging.progress import Transferred

pytestmark = pytest.mark.unit


def check_core_schema(document: Mapping[str, Any]) -> None:
    """Validate against the STAC core schemas that pystac ships; nothing is fetched."""
    assert validate_dict(dict(document), extensions=[]) == [
        f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
        for kind in ("item" if document["type"] == "Feature" else document["type"].lower(),)
    ]


def put(outputs: dict[str, Any], to: Path) -> Results:
    return stage_out(outputs, str(to), OPTIONS, now=NOW)


def write_text(path: Path, text: str = "hello") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_raster(path: Path, west: float = 500_000, crs: str = "EPSG:32633") -> Path:
    profile = {"driver": "GTiff", "width": 4, "height": 2, "count": 1, "dtype": "int16", "nodata": -9999}
    place = {"crs": crs, "transform": Affine(10, 0, west, 0, -10, 5_500_000)}
    with rasterio.open(path, "w", **profile, **place) as dataset:
        dataset.write(numpy.ones((1, 2, 4), "int16"))
    return path


def test_a_raster_in_a_reference_system_of_a_local_site_is_published_without_its_place(tmp_path: Path) -> None:
    local = write_raster(tmp_path / "plan.tif", crs='LOCAL_CS["site",UNIT["metre",1]]')
    results = put({"plan": describe_file(local)}, tmp_path / "to")
    assert results.document["plan"]["href"] == (tmp_path / "to/plan/plan.tif").as_uri()


def test_literals_null_arrays_and_records_are_their_own_results(tmp_path: Path) -> None:
    outputs = {"n": 3, "x": 0.5, "s": "a", "b": True, "none": None, "many": [1, [2]], "r": {"k": "v"}}
    assert put(outputs, tmp_path / "to").document == outputs


def test_no_outputs_give_an_empty_results_document_and_a_valid_collection(tmp_path: Path) -> None:
    results = put({}, tmp_path / "to")
    assert (results.document, results.files) == ({}, 1)
    check_core_schema(read_json(tmp_path / "to/collection.json"))


def test_a_file_is_a_link_with_media_type_and_title(tmp_path: Path) -> None:
    results = put({"table": describe_file(write_text(tmp_path / "t.csv"))}, tmp_path / "to")
    href = (tmp_path / "to/table/t.csv").as_uri()
    assert results.document == {"table": {"href": href, "type": "text/csv", "title": "t.csv"}}


def test_a_file_gets_a_valid_item_with_size_and_checksum(tmp_path: Path) -> None:
    put({"table": describe_file(write_text(tmp_path / "t.csv"))}, tmp_path / "to")
    item = read_json(tmp_path / "to/table/ndvi-7-table.json")
    check_core_schema(item)
    assert (item["geometry"], item["properties"]["datetime"]) == (None, "2026-03-04T05:06:07Z")
    assert item["assets"]["t.csv"] == {
        "href": "./t.csv",
        "type": "text/csv",
        "roles": ["data"],
        "file:size": 5,
        "file:checksum": "1220" + hashlib.sha256(b"hello").hexdigest(),
    }


def test_the_item_of_a_raster_says_where_it_lies(tmp_path: Path) -> None:
    results = put({"ndvi": describe_file(write_raster(tmp_path / "n.tif"))}, tmp_path / "to")
    item = read_json(tmp_path / "to/ndvi/ndvi-7-ndvi.json")
    check_core_schema(item)
    assert item["bbox"] == pytest.approx([15.0, 49.6516, 15.0006, 49.6518], abs=1e-3)
    asset = item["assets"]["n.tif"]
    assert (asset["proj:code"], asset["proj:shape"]) == ("EPSG:32633", [2, 4])
    assert asset["bands"] == [{"name": "b1", "data_type": "int16", "nodata": -9999.0}]
    assert results.collection["extent"]["spatial"]["bbox"] == [item["bbox"]]


def test_a_file_that_only_looks_like_a_raster_gets_an_item_without_place(tmp_path: Path) -> None:
    put({"x": describe_file(write_text(tmp_path / "x.tif"))}, tmp_path / "to")
    item = read_json(tmp_path / "to/x/ndvi-7-x.json")
    assert item["geometry"] is None
    assert "bbox" not in item


def test_a_folder_without_stac_gets_one_item_with_an_asset_per_file(tmp_path: Path) -> None:
    write_text(tmp_path / "made/b/c d.txt")
    write_raster(tmp_path / "made/a.tif")
    write_raster(tmp_path / "made/far.tif", west=600_000)
    results = put({"out": describe_folder(tmp_path / "made")}, tmp_path / "to")
    item = read_json(tmp_path / "to/out/ndvi-7-out.json")
    check_core_schema(item)
    assert list(item["assets"]) == ["a.tif", "b/c d.txt", "far.tif"]
    assert item["assets"]["b/c d.txt"]["href"] == "./b/c%20d.txt"
    assert (tmp_path / "to/out/b/c d.txt").read_text() == "hello"
    assert item["bbox"][2] > 16
    assert results.document["out"]["type"] == "application/geo+json"


@pytest.mark.parametrize("folder", ["made", "made/cube.zarr"])
def test_a_zarr_store_is_one_asset_and_keeps_its_name(tmp_path: Path, folder: str) -> None:
    for name in (".zgroup", "B02/.zarray", "B02/0.0"):
        write_text(tmp_path / "made/cube.zarr" / name)
    put({"out": describe_folder(tmp_path / folder)}, tmp_path / "to")
    item = read_json(tmp_path / "to/out/ndvi-7-out.json")
    check_core_schema(item)
    asset = {"href": "./cube.zarr", "type": "application/vnd.zarr", "roles": ["data"], "file:size": 15}
    assert item["assets"] == {"cube.zarr": asset}
    assert (tmp_path / "to/out/cube.zarr/B02/.zarray").is_file()


def test_results_with_a_zarr_store_come_back_as_they_left(tmp_path: Path) -> None:
    for name in (".zgroup", "B02/.zarray", "B02/0.0"):
        write_text(tmp_path / "made/c d.zarr" / name)
    put({"out": describe_folder(tmp_path / "made")}, tmp_path / "to")
    given = {"class": "Directory", "location": str(tmp_path / "to/collection.json")}
    staged = stage_in({"in": given}, tmp_path / "in", StageInOptions())
    folder = Path(staged["in"]["path"]) / "ndvi-7-out" / "c d.zarr"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        ".zgroup",
        "B02/.zarray",
        "B02/0.0",
    ]


def test_files_of_one_name_in_an_array_do_not_meet(tmp_path: Path) -> None:
    files = [write_text(tmp_path / each / "a.txt", each) for each in ("one", "two")]
    results = put({"out": [describe_file(file) for file in files]}, tmp_path / "to")
    assert [(tmp_path / "to/out" / str(i) / "a.txt").read_text() for i in (0, 1)] == ["one", "two"]
    assert len([link for link in results.collection["links"] if link["rel"] == "item"]) == 2
    assert [link["title"] for link in results.document["out"]] == ["a.txt", "a.txt"]


def test_files_in_records_are_staged_out_too(tmp_path: Path) -> None:
    results = put({"r": {"n": 1, "f": describe_file(write_text(tmp_path / "a.txt"))}}, tmp_path / "to")
    assert results.document["r"]["n"] == 1
    assert results.document["r"]["f"]["href"] == (tmp_path / "to/r/f/a.txt").as_uri()


def test_secondary_files_are_assets_beside_their_file(tmp_path: Path) -> None:
    second = describe_file(write_text(tmp_path / "a.shx"))
    value = describe_file(write_text(tmp_path / "a.shp"), secondaryFiles=[second])
    put({"shape": value}, tmp_path / "to")
    assert list(read_json(tmp_path / "to/shape/ndvi-7-shape.json")["assets"]) == ["a.shp", "a.shx"]
    assert (tmp_path / "to/shape/a.shx").is_file()


def test_a_directory_that_is_only_a_listing_is_put_together(tmp_path: Path) -> None:
    inner = {"class": "Directory", "basename": "in", "listing": [describe_file(write_text(tmp_path / "a"))]}
    value = {"class": "Directory", "basename": "made", "listing": [inner]}
    put({"out": value}, tmp_path / "to")
    assert (tmp_path / "to/out/in/a").read_text() == "hello"


@pytest.mark.parametrize("name", ["plain", "of-folders", "listing", "array"])
def test_an_empty_folder_is_no_result(tmp_path: Path, name: str) -> None:
    (tmp_path / "made" / "below").mkdir(parents=True)
    below = describe_folder(tmp_path / "made" / "below")
    value, href = {
        "plain": (below, "out"),
        "of-folders": (describe_folder(tmp_path / "made"), "out"),
        "listing": ({"class": "Directory", "basename": "made", "listing": []}, "out"),
        "array": ([below], r"out\[0\]"),
    }[name]
    with pytest.raises(StagingError, match=f"^{href}: ") as caught:
        put({"out": value}, tmp_path / "to")
    assert caught.value.code == "output.not-found"
    assert not (tmp_path / "to").exists()


def test_an_empty_folder_is_a_result_where_the_settings_keep_it(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    options = replace(OPTIONS, keep_empty_folders=True)
    results = stage_out({"out": describe_folder(tmp_path / "made")}, str(tmp_path / "to"), options, now=NOW)
    assert results.document["out"]["type"] == "application/geo+json"
    assert results.outputs["out"]["class"] == "Directory"
    assert results.warnings == ()


KEEPING = replace(OPTIONS, keep_empty_folders=True)


def test_empty_folders_in_outputs_are_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    made, listed = tmp_path / "made", tmp_path / "listed"
    write_text(made / "a.txt")
    (made / "e/mpty").mkdir(parents=True)
    (listed / "below/none").mkdir(parents=True)
    write_catalog(tmp_path / "stac")
    (tmp_path / "stac/tiles").mkdir()
    shape = describe_file(write_text(tmp_path / "b.shp"), secondaryFiles=[describe_folder(listed / "below")])
    literal = [{"class": "Directory", "basename": "l", "listing": []}, describe_folder(listed)]
    outputs = {
        "plain": describe_folder(made),
        "stac": describe_folder(tmp_path / "stac"),
        "shape": shape,
        "put": {"class": "Directory", "basename": "put", "listing": [describe_file(made / "a.txt"), *literal]},
    }
    results = stage_out(outputs, str(tmp_path / "to"), KEEPING, now=NOW)
    kept = ("plain/e/mpty", "stac/tiles", "shape/below/none", "put/l", "put/listed/below/none")
    assert [list((tmp_path / "to" / each).iterdir()) for each in kept] == [[]] * len(kept)
    assert results.warnings == ()
    shutil.move(tmp_path / "to", tmp_path / "moved")
    assert [(tmp_path / "moved" / each).is_dir() for each in kept] == [True] * len(kept)


def test_the_output_object_lists_a_folder_that_has_no_files(tmp_path: Path) -> None:
    (tmp_path / "made/a/b").mkdir(parents=True)
    (tmp_path / "made/c").mkdir()
    (tmp_path / "s.zarr/x").mkdir(parents=True)
    outputs = {name: describe_folder(tmp_path / path) for name, path in (("out", "made"), ("store", "s.zarr"))}
    found = stage_out(outputs, str(tmp_path / "to"), KEEPING, now=NOW).outputs
    place = (tmp_path / "to/out").as_uri()
    below = {"class": "Directory", "location": f"{place}/a/b", "basename": "b", "listing": []}
    assert found["out"]["listing"] == [
        {"class": "Directory", "location": f"{place}/a", "basename": "a", "listing": [below]},
        {"class": "Directory", "location": f"{place}/c", "basename": "c", "listing": []},
    ]
    assert [one["basename"] for one in found["store"]["listing"]] == ["x"]
    assert (tmp_path / "to/store/s.zarr/x").is_dir()


@pytest.mark.parametrize("stac", [False, True])
def test_empty_folders_are_named_where_they_are_left_out(tmp_path: Path, stac: bool) -> None:
    write_catalog(tmp_path / "made") if stac else write_text(tmp_path / "made/a.txt")
    (tmp_path / "made/e/mpty").mkdir(parents=True)
    results = put({"out": describe_folder(tmp_path / "made")}, tmp_path / "to")
    assert "e/mpty" in results.warnings[0]
    assert not (tmp_path / "to/out/e").exists()


def test_an_empty_folder_of_an_optional_output_is_null_and_reported(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    outputs = {"out": describe_folder(tmp_path / "made")}
    options = replace(OPTIONS, optional=frozenset({"out"}))
    results = stage_out(outputs, str(tmp_path / "to"), options, now=NOW)
    assert results.document == {"out": None}
    assert "empty folder" in results.warnings[0]


def test_the_collection_and_rewritten_stac_1_1_documents_are_valid(tmp_path: Path) -> None:
    item = build_stac_item(stac_version="1.1.0")
    write_catalog(tmp_path / "made", build_stac_catalog(stac_version="1.1.0"), item)
    put({"out": describe_folder(tmp_path / "made"), "n": 1}, tmp_path / "to")
    check_core_schema(read_json(tmp_path / "to/out/catalog.json"))
    check_core_schema(read_json(tmp_path / "to/out/scene/scene.json"))
    check_core_schema(read_json(tmp_path / "to/collection.json"))


def test_links_are_below_the_public_base_url_when_there_is_one(tmp_path: Path) -> None:
    options = replace(OPTIONS, public_base_url="https://results.example.com/")
    outputs = {"t": describe_file(write_text(tmp_path / "a b.txt"))}
    results = stage_out(outputs, str(tmp_path / "to"), options, now=NOW)
    assert results.document["t"]["href"] == "https://results.example.com/t/a%20b.txt"
    assert results.collection_href == "https://results.example.com/collection.json"


@pytest.mark.parametrize("name", ["a/b", "..", "ü", "collection.json", ""])
def test_an_output_of_any_name_lies_in_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    outputs = {name: describe_file(write_text(tmp_path / "f")), "other": describe_file(tmp_path / "f")}
    results = put(outputs, tmp_path / "to")
    assert results.files == 5
    assert len(list((tmp_path / "to").iterdir())) == 4
    assert (tmp_path / "to" / RECORD).is_file()
    assert (tmp_path / "to/collection.json").is_file()


@pytest.mark.parametrize("name", ["../f", "..", "a\nb"])
def test_a_basename_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StagingError) as caught:
        put({"x": {**describe_file(write_text(tmp_path / "f")), "basename": name}}, tmp_path / "to")
    assert caught.value.kind == Kind.REFUSED


def test_a_file_outside_the_outputs_folder_is_refused(tmp_path: Path) -> None:
    options = replace(OPTIONS, outputs_folder=tmp_path / "run")
    outputs = {"x": describe_file(write_text(tmp_path / "elsewhere/secret"))}
    with pytest.raises(StagingError) as caught:
        stage_out(outputs, str(tmp_path / "to"), options)
    assert caught.value.kind == Kind.REFUSED
    assert "'secret'" in caught.value.reason


def test_an_output_that_is_a_link_is_followed_where_the_tools_are_trusted(tmp_path: Path) -> None:
    write_catalog(tmp_path / "staged")
    (tmp_path / "made").symlink_to(tmp_path / "staged")
    results = put({"x": describe_folder(tmp_path / "made")}, tmp_path / "to")
    assert results.files == 4


def test_an_output_that_is_a_link_out_of_the_outputs_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/f").symlink_to(write_text(tmp_path / "secret"))
    options = replace(OPTIONS, outputs_folder=tmp_path / "run")
    with pytest.raises(StagingError) as caught:
        stage_out({"x": describe_file(tmp_path / "run/f")}, str(tmp_path / "to"), options)
    assert caught.value.kind == Kind.REFUSED


def test_a_link_out_of_a_plain_folder_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "secret/key")
    (tmp_path / "made").mkdir()
    (tmp_path / "made/link").symlink_to(tmp_path / "secret")
    with pytest.raises(StagingError) as caught:
        put({"x": describe_folder(tmp_path / "made")}, tmp_path / "to")
    assert (caught.value.code, "'link'" in caught.value.reason) == ("output.refused", True)


def test_links_inside_a_plain_folder_are_followed_once(tmp_path: Path) -> None:
    write_text(tmp_path / "made/in/f")
    (tmp_path / "made/in/loop").symlink_to(tmp_path / "made")
    (tmp_path / "made/g").symlink_to(tmp_path / "made/in/f")
    put({"x": describe_folder(tmp_path / "made")}, tmp_path / "to")
    assert sorted(read_json(tmp_path / "to/x/ndvi-7-x.json")["assets"]) == ["g", "in/f"]


def test_a_link_that_leads_to_itself_is_no_file(tmp_path: Path) -> None:
    write_text(tmp_path / "made/f")
    (tmp_path / "made/loop").symlink_to("loop")
    put({"x": describe_folder(tmp_path / "made")}, tmp_path / "to")
    assert list(read_json(tmp_path / "to/x/ndvi-7-x.json")["assets"]) == ["f"]


@pytest.mark.parametrize("location", ["file://[", "a\0b", "/\ud800", "x" * 5000])
def test_a_location_that_no_file_can_have_is_said_so(tmp_path: Path, location: str) -> None:
    with pytest.raises(StagingError) as caught:
        put({"x": {"class": "File", "location": location}}, tmp_path / "to")
    assert caught.value.href == "x"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        put({"x": describe_file(tmp_path / "gone.tif")}, tmp_path / "to")
    assert (caught.value.code, caught.value.href) == ("output.not-found", "x")
    assert "'gone.tif'" in caught.value.reason


def test_a_location_on_another_machine_is_not_supported(tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        put({"x": {"class": "File", "location": "https://example.com/a"}}, tmp_path / "to")
    assert caught.value.kind == Kind.UNSUPPORTED


def test_an_unknown_scheme_is_answered_with_those_that_work(tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        stage_out({}, "ftp://example.com/x", OPTIONS)
    assert caught.value.code == "destination.unsupported"
    assert "s3://<bucket>/<prefix>" in caught.value.remedy


class RecordingDestination:
    """Keeps keys in the order in which they were written; `lost` is a key that does not arrive."""

    storage = None

    def __init__(self, lost: str = "") -> None:
        self.sizes: dict[str, int] = {}
        self.lost = lost

    def get_path(self, key: str) -> str:
        return key

    def get_href(self, key: str) -> str:
        return f"record://{key}"

    async def put_file(self, key: str, source: Path, media_type: str) -> bool:
        self.sizes[key] = source.stat().st_size
        return False

    async def put_bytes(self, key: str, body: bytes, media_type: str) -> bool:
        self.sizes[key] = len(body)
        return False

    async def put_folder(self, key: str) -> None:
        raise AssertionError

    async def get_size(self, key: str) -> int | None:
        return None if key == self.lost else self.sizes.get(key)

    async def get_bytes(self, key: str) -> bytes | None:
        return None

    async def remove(self, keys: Sequence[str]) -> None:
        raise AssertionError

    async def discard(self, keys: Sequence[str]) -> None:
        raise AssertionError

    def probe(self) -> None:
        self.sizes[".probe"] = 0


def write_tree(folder: Path) -> dict[str, Any]:
    write_catalog(folder, build_stac_catalog([build_link("child", "./sub/catalog.json")]))
    write_json(folder / "sub/catalog.json", build_stac_catalog([build_link("item", "../scene/scene.json")]))
    return {"out": describe_folder(folder)}


async def record(outputs: dict[str, Any], destination: RecordingDestination) -> None:
    plan, _ = plan_stage_out(outputs, destination, OPTIONS, now=NOW)
    await upload(plan, destination, 4, lambda _: None)


def run(outputs: dict[str, Any], destination: RecordingDestination) -> None:
    asyncio.run(record(outputs, destination))


def test_data_goes_first_then_items_then_catalogs_from_the_deepest_and_the_collection_last(
    tmp_path: Path,
) -> None:
    destination = RecordingDestination()
    run(write_tree(tmp_path / "made"), destination)
    assert list(destination.sizes) == [
        "out/scene/data.tif",
        "out/scene/scene.json",
        "out/sub/catalog.json",
        "out/catalog.json",
        "collection.json",
    ]


def test_nothing_points_to_data_that_did_not_arrive(tmp_path: Path) -> None:
    destination = RecordingDestination(lost="out/scene/data.tif")
    with pytest.raises(StagingError) as caught:
        run(write_tree(tmp_path / "made"), destination)
    assert caught.value.kind == Kind.SIZE
    assert "19 bytes" in caught.value.reason
    assert list(destination.sizes) == ["out/scene/data.tif"]


def test_a_plan_is_made_without_writing(tmp_path: Path) -> None:
    destination = open_destination(str(tmp_path / "to"), OPTIONS)
    plan, _ = plan_stage_out(write_tree(tmp_path / "made"), destination, OPTIONS, now=NOW)
    assert [len(wave) for wave in plan.documents] == [1, 1, 1, 1]
    assert not (tmp_path / "to").exists()


def test_outputs_whose_names_become_the_same_have_folders_of_their_own(tmp_path: Path) -> None:
    names = ("a b", build_segment("a b"), "c")
    for number, name in enumerate(names):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "out.txt").write_text(name)
    outputs = {name: describe_file(tmp_path / str(number) / "out.txt") for number, name in enumerate(names)}
    results = stage_out({**outputs, "fields": outputs}, str(tmp_path / "to"), OPTIONS, now=NOW)
    for found in (results.outputs, results.outputs["fields"]):
        places = [unquote(urlsplit(found[name]["location"]).path) for name in names]
        assert [Path(place).read_text() for place in places] == list(names)
    assert f"/{names[1]}/out.txt" in results.outputs[names[1]]["location"]
    for found in (results.document, results.document["fields"]):
        assert [Path(unquote(urlsplit(found[name]["href"]).path)).read_text() for name in names] == list(names)


def test_progress_ends_with_everything_done(tmp_path: Path) -> None:
    seen: list[Transferred] = []
    results = stage_out(write_tree(tmp_path / "made"), str(tmp_path / "to"), OPTIONS, seen.append, now=NOW)
    assert [each.files_done for each in seen] == [1, 2, 3, 4, 5]
    last = seen[-1]
    assert (last.files_done, last.bytes_done) == (last.files_total, last.bytes_total)
    assert (results.files, results.bytes) == (last.files_done, last.bytes_done)
    assert last.href == results.collection_href


def test_a_cancelled_stage_out_leaves_no_collection_and_no_partial_file(tmp_path: Path) -> None:
    cancellation = Cancellation()
    with pytest.raises(StagingError) as caught:
        stage_out(
            write_tree(tmp_path / "made"),
            str(tmp_path / "to"),
            OPTIONS,
            lambda _: cancellation.cancel(),
            cancellation=cancellation,
        )
    assert caught.value.kind == Kind.CANCELLED
    assert sorted(path.name for path in (tmp_path / "to").rglob("*") if path.is_file()) == [RECORD, "data.tif"]


def test_running_again_replaces_what_was_there(tmp_path: Path) -> None:
    for text in ("old", "newer"):
        document = put({"t": describe_file(write_text(tmp_path / "t.txt", text))}, tmp_path / "to").document
    assert document["t"]["href"] == (tmp_path / "to/run-2/t/t.txt").as_uri()
    assert (tmp_path / "to/run-2/t/t.txt").read_text() == "newer"
    assert json.loads((tmp_path / "to/run-2/t/ndvi-7-t.json").read_text())["assets"]["t.txt"]["file:size"] == 5
    assert not (tmp_path / "to/t").exists()


def test_without_rasterio_one_warning_names_the_extra_for_all_rasters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write_raster(tmp_path / f"{number}.tif") for number in range(2)]
    monkeypatch.setitem(sys.modules, "rasterio", None)
    results = put({"a": [describe_file(path) for path in files]}, tmp_path / "to")
    assert results.warnings == (EXTRA_MISSING,)
    assert "zoo-runner[raster]" in EXTRA_MISSING and "settings.extra-missing" in EXTRA_MISSING
    assert "settings.extra-missing" in CODES


def test_without_rasterio_there_is_no_warning_where_nothing_is_a_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    results = put({"a": describe_file(write_text(tmp_path / "a.txt"))}, tmp_path / "to")
    assert results.warnings == ()
