"""What stage-out makes of the STAC catalog that a tool wrote."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pystac
import pytest

from stageout.stage import stage_out
from tests.unit.messages import Check
from tests.unit.stageout.catalogs import (
    NOW,
    OPTIONS,
    build_link,
    build_stac_catalog,
    build_stac_item,
    describe_folder,
    put,
    read_json,
    write_catalog,
    write_json,
)
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.unit


def refuse(folder: Path, to: Path) -> StagingError:
    with pytest.raises(StagingError) as caught:
        put(folder, to)
    assert not to.exists()
    return caught.value


def get_hrefs(document: Any) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in document["links"]}


def test_a_catalog_can_be_read_again_with_every_asset_in_its_place(tmp_path: Path) -> None:
    put(write_catalog(tmp_path / "made"), tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    (item,) = catalog.get_items(recursive=True)
    assert Path(item.assets["data"].get_absolute_href() or "").read_bytes() == b"not really a raster"


def test_the_result_of_a_folder_with_stac_is_its_catalog_at_the_destination(tmp_path: Path) -> None:
    results = put(write_catalog(tmp_path / "made"), tmp_path / "to")
    href = (tmp_path / "to/out/catalog.json").as_uri()
    assert results.document == {"out": {"href": href, "type": "application/json"}}
    assert results.catalog_hrefs == (href,)


def test_items_of_a_catalog_become_items_of_the_result_collection(tmp_path: Path) -> None:
    results = put(write_catalog(tmp_path / "made"), tmp_path / "to")
    written = read_json(tmp_path / "to/collection.json")
    assert get_hrefs(results.collection)["item"] == (tmp_path / "to/out/scene/scene.json").as_uri()
    assert get_hrefs(written)["item"] == "./out/scene/scene.json"
    assert written["extent"] == {
        "spatial": {"bbox": [[10.0, 50.0, 11.0, 51.0]]},
        "temporal": {"interval": [["2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"]]},
    }
    item = read_json(tmp_path / "to/out/scene/scene.json")
    assert (item["collection"], get_hrefs(item)["collection"]) == ("col_7", "../../collection.json")


def test_what_the_scientist_wrote_is_kept_but_for_links(tmp_path: Path) -> None:
    extra: dict[str, Any] = {"stac_extensions": ["https://example.com/x.json"], "x:mine": {"deep": [1]}}
    item = build_stac_item(**extra)
    item["properties"]["proj:epsg"] = 32633
    put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    written = read_json(tmp_path / "to/out/scene/scene.json")
    kept = {key: value for key, value in item.items() if key != "links"}
    assert {key: value for key, value in written.items() if key not in ("links", "collection")} == kept


def test_a_self_link_is_the_absolute_href_where_there_is_a_public_one(tmp_path: Path) -> None:
    options = replace(OPTIONS, public_base_url="https://h/r")
    outputs = {"out": describe_folder(write_catalog(tmp_path / "made"))}
    stage_out(outputs, str(tmp_path / "to"), options, now=NOW)
    assert get_hrefs(read_json(tmp_path / "to/out/catalog.json"))["self"] == "https://h/r/out/catalog.json"
    assert get_hrefs(read_json(tmp_path / "to/collection.json"))["self"] == "https://h/r/collection.json"


def test_results_in_a_folder_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x")
    table = {"class": "File", "location": (tmp_path / "t.csv").as_uri()}
    outputs = {"out": describe_folder(write_catalog(tmp_path / "made")), "table": table}
    stage_out(outputs, str(tmp_path / "to"), OPTIONS, now=NOW)
    (tmp_path / "to").rename(tmp_path / "moved")
    documents = list((tmp_path / "moved").rglob("*.json"))
    assert not [path for path in documents if str(tmp_path) in path.read_text()]
    collection = pystac.Collection.from_file(str(tmp_path / "moved/collection.json"))
    items = list(collection.get_items(recursive=True))
    assert len(items) == 2
    assert all(Path(a.get_absolute_href() or "").is_file() for item in items for a in item.assets.values())


def test_hrefs_absolute_on_this_machine_become_relative(tmp_path: Path) -> None:
    made = tmp_path / "made"
    asset = {"href": (made / "scene/data.tif").as_uri()}
    item = build_stac_item(assets={"data": asset}, links=[build_link("parent", str(made / "catalog.json"))])
    write_catalog(made, build_stac_catalog([build_link("item", str(made / "scene/scene.json"))]), item)
    put(made, tmp_path / "to")
    written = read_json(tmp_path / "to/out/scene/scene.json")
    assert written["assets"]["data"]["href"] == "./data.tif"
    assert get_hrefs(written)["parent"] == "../catalog.json"
    assert get_hrefs(read_json(tmp_path / "to/out/catalog.json"))["item"] == "./scene/scene.json"


@pytest.mark.parametrize("origin", ["/a1b2c3/made", "file:///a1b2c3/made", "https://example.com/made"])
def test_hrefs_absolute_where_the_tool_ran_are_found_by_the_catalogs_self_link(tmp_path: Path, origin: str) -> None:
    links = [build_link("self", f"{origin}/catalog.json"), build_link("item", f"{origin}/scene/scene.json")]
    item = build_stac_item(assets={"data": {"href": f"{origin}/scene/data.tif"}})
    put(write_catalog(tmp_path / "made", build_stac_catalog(links), item), tmp_path / "to")
    assert read_json(tmp_path / "to/out/scene/scene.json")["assets"]["data"]["href"] == "./data.tif"


@pytest.mark.parametrize("href", ["https://example.com/a.tif", "s3://bucket/a.tif"])
def test_a_remote_asset_stays_as_it_is(tmp_path: Path, href: str) -> None:
    item = build_stac_item(assets={"far": {"href": href}})
    put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert read_json(tmp_path / "to/out/scene/scene.json")["assets"]["far"]["href"] == href


def test_blank_ids_become_the_jobs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    collection = build_stac_catalog(type="Collection", id=" ", license="other", extent={})
    write_json(made / "collection.json", collection)
    item = build_stac_item(collection="", links=[build_link("collection", "../collection.json")])
    write_catalog(made, build_stac_catalog([build_link("child", "./collection.json")], id=""), item)
    results = put(made, tmp_path / "to")
    assert read_json(tmp_path / "to/out/catalog.json")["id"] == "cat_7"
    assert read_json(tmp_path / "to/out/collection.json")["id"] == "col_7"
    assert read_json(tmp_path / "to/out/scene/scene.json")["collection"] == "col_7"
    assert results.collection["id"] == "col_7_2"


def test_an_item_of_a_collection_in_the_catalog_stays_in_it(tmp_path: Path) -> None:
    made = tmp_path / "made"
    links = [build_link("item", "../scene/scene.json")]
    write_json(made / "c/collection.json", build_stac_catalog(links, type="Collection", id="theirs"))
    item = build_stac_item(collection="theirs", links=[build_link("collection", "../c/collection.json")])
    write_catalog(made, item=item)
    put(made, tmp_path / "to")
    written = read_json(tmp_path / "to/out/scene/scene.json")
    assert (written["collection"], get_hrefs(written)["collection"]) == ("theirs", "../c/collection.json")
    assert (tmp_path / "to/out/c/collection.json").is_file()


def test_one_catalog_of_another_name_at_the_top_is_taken(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "catalog.json").rename(made / "stac.json")
    results = put(made, tmp_path / "to")
    assert results.document["out"]["href"].endswith("/out/stac.json")


def test_a_link_to_nothing_in_the_output_is_left_out_with_a_warning(tmp_path: Path, check: Check) -> None:
    item = build_stac_item(links=[build_link("derived_from", "/staged/in/source.json")])
    results = put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert "derived_from" not in get_hrefs(read_json(tmp_path / "to/out/scene/scene.json"))
    (warning,) = results.warnings
    check.words(warning, "out/scene/scene.json", "derived_from", "'/staged/in/source.json'")


def test_files_that_the_catalog_does_not_lead_to_are_results_too_and_named_in_a_warning(
    tmp_path: Path, check: Check
) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "debug.log").write_text("x")
    results = put(made, tmp_path / "to")
    (warning,) = results.warnings
    check.words(warning, "debug.log")
    assert (tmp_path / "to/out/debug.log").read_text() == "x"


def test_a_link_out_of_the_output_beside_the_catalog_is_left_out_and_the_results_are_published(
    tmp_path: Path, check: Check
) -> None:
    made = write_catalog(tmp_path / "made")
    (tmp_path / "secret").write_text("s")
    (made / "stolen").symlink_to(tmp_path / "secret")
    (made / "odd\nname").write_text("x")
    results = put(made, tmp_path / "to")
    check.words(results.warnings[1], "stolen", "odd")
    assert not (tmp_path / "to/out/stolen").exists()
    assert (tmp_path / "to/out/scene/scene.json").is_file()


def test_items_of_one_id_are_reported_in_a_warning(tmp_path: Path, check: Check) -> None:
    links = [build_link("item", f"./{name}/scene.json") for name in ("scene", "other")]
    made = write_catalog(tmp_path / "made", build_stac_catalog(links))
    write_json(made / "other" / "scene.json", build_stac_item())
    (made / "other" / "data.tif").write_bytes(b"another")
    (warning,) = put(made, tmp_path / "to").warnings
    check.words(warning, "2 items", "'scene'")


def test_a_number_that_json_does_not_know_becomes_null_with_a_warning(tmp_path: Path) -> None:
    item = build_stac_item()
    item["properties"]["mean"] = float("nan")
    results = put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert read_json(tmp_path / "to/out/scene/scene.json")["properties"]["mean"] is None
    assert "NaN" in results.warnings[0]


@pytest.mark.parametrize("href", ["../../../etc/passwd", "/etc/passwd", "file:///etc/passwd"])
def test_an_asset_outside_the_output_is_refused(tmp_path: Path, href: str) -> None:
    item = build_stac_item(assets={"bad": {"href": href}})
    error = refuse(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert (error.kind, error.href) == (Kind.REFUSED, "out/scene/scene.json")
    assert error.code == "output.refused"
    assert f"the asset 'bad' ({href!r})" in error.reason


@pytest.mark.parametrize("href", ["file://[", "a\0b", "\ud800.tif", "x" * 5000, ""])
def test_an_href_that_no_file_can_have_is_refused(tmp_path: Path, href: str) -> None:
    item = build_stac_item(assets={"bad": {"href": href}})
    error = refuse(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert error.kind in (Kind.REFUSED, Kind.STAC_INVALID)
    assert "asset" in error.reason
    assert "'bad'" in error.reason


def test_text_that_utf_8_cannot_hold_stays_json(tmp_path: Path) -> None:
    item = build_stac_item(**{"x:odd": "\ud800"})
    put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert read_json(tmp_path / "to/out/scene/scene.json")["x:odd"] == "\ud800"


def test_an_asset_that_is_a_link_out_of_the_output_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (tmp_path / "secret").write_text("s")
    (made / "scene/data.tif").unlink()
    (made / "scene/data.tif").symlink_to(tmp_path / "secret")
    error = refuse(made, tmp_path / "to")
    assert error.kind == Kind.REFUSED


@pytest.mark.parametrize("which", ["catalog.json", "scene/scene.json"])
def test_a_document_that_is_a_link_out_of_the_output_is_refused(tmp_path: Path, which: str) -> None:
    made = write_catalog(tmp_path / "made")
    (made / which).rename(tmp_path / "elsewhere.json")
    (made / which).symlink_to(tmp_path / "elsewhere.json")
    assert refuse(made, tmp_path / "to").kind == Kind.REFUSED


BROKEN: dict[str, tuple[object, object, str, str]] = {
    "item missing": (
        build_stac_catalog([build_link("item", "./gone.json")]),
        None,
        "out/catalog.json",
        "the item './gone.json' is",
    ),
    "child missing": (
        build_stac_catalog([build_link("child", "./gone/catalog.json")]),
        None,
        "out/catalog.json",
        "the child './gone/catalog.json' is",
    ),
    "asset missing": (
        None,
        build_stac_item(assets={"red": {"href": "./red.tif"}}),
        "out/scene/scene.json",
        "the asset 'red' ('./red.tif') is",
    ),
    "not STAC": (
        {"hello": 1},
        None,
        "out/catalog.json",
        "`type` is None",
    ),
    "not an object": ([1], None, "out/catalog.json", "JSON object"),
    "no links": (build_stac_catalog(links=None) | {"links": 3}, None, "out/catalog.json", "`links` is 3"),
    "bad link": (
        build_stac_catalog([{"rel": "item", "href": "x"}, {"rel": "item"}]),
        None,
        "out/catalog.json",
        "`links[1]`",
    ),
    "old": (
        build_stac_catalog(stac_version="0.9.0"),
        None,
        "out/catalog.json",
        "`stac_version` is '0.9.0'",
    ),
    "no assets": (
        None,
        {key: value for key, value in build_stac_item().items() if key != "assets"},
        "out/scene/scene.json",
        "`assets` is missing",
    ),
    "asset without href": (
        None,
        build_stac_item(assets={"red": {}}),
        "out/scene/scene.json",
        "asset 'red' has no `href`",
    ),
    "item without id": (None, build_stac_item(""), "out/scene/scene.json", "`id` is missing"),
    "item without properties": (
        None,
        build_stac_item(properties=None),
        "out/scene/scene.json",
        "`properties` is None",
    ),
    "item beyond time": (
        None,
        build_stac_item(properties={"datetime": "0001-01-01T00:00:00+14:00"}),
        "out/scene/scene.json",
        "`datetime`",
    ),
    "item without time": (
        None,
        build_stac_item(properties={"datetime": "yesterday"}),
        "out/scene/scene.json",
        "`datetime`",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_catalog_is_refused_with_the_document_and_what_is_wrong(
    tmp_path: Path, case: str, check: Check
) -> None:
    catalog, item, href, fact = BROKEN[case]
    error = refuse(write_catalog(tmp_path / "made", catalog, item), tmp_path / "to")
    assert (error.code, error.href) == ("output.stac-invalid", href)
    check.words(error.reason, fact)


def test_a_document_that_is_not_json_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "scene/scene.json").write_text('{"type": ')
    error = refuse(made, tmp_path / "to")
    assert (error.kind, error.href) == (Kind.STAC_INVALID, "out/scene/scene.json")
    assert "Expecting value" in error.reason


def test_a_document_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "scene/scene.json").write_text("[" * 200_000)
    assert refuse(made, tmp_path / "to").kind is Kind.STAC_INVALID


def test_items_without_a_catalog_get_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_json(tmp_path / f"made/{name}/{name}.json", build_stac_item(id=name))
        (tmp_path / f"made/{name}/data.tif").write_bytes(b"x")
    results = put(tmp_path / "made", tmp_path / "to")
    assert results.warnings == ()
    assert results.catalog_hrefs == ((tmp_path / "to/out/catalog.json").as_uri(),)
    written = read_json(tmp_path / "to/out/catalog.json")
    assert [one["href"] for one in written["links"] if one["rel"] == "item"] == ["./a/a.json", "./b/b.json"]
    assert read_json(tmp_path / "to/out/a/a.json")["geometry"] == build_stac_item()["geometry"]


def test_items_without_a_catalog_that_are_incomplete_are_published_as_plain_files(tmp_path: Path, check: Check) -> None:
    write_json(tmp_path / "made/a.json", build_stac_item())
    results = put(tmp_path / "made", tmp_path / "to")
    assert (tmp_path / "to/out/a.json").is_file()
    check.words(results.warnings[0], "out", "data.tif")


def test_a_catalog_far_below_the_top_is_found(tmp_path: Path) -> None:
    write_catalog(tmp_path / "made/p/q/r/s")
    results = put(tmp_path / "made", tmp_path / "to")
    assert results.catalog_hrefs[0].endswith("/out/p/q/r/s/catalog.json")


def test_what_is_no_file_and_folders_with_nothing_in_them_are_left_out_with_a_warning(
    tmp_path: Path, check: Check
) -> None:
    made = tmp_path / "made"
    (made / "e/mpty").mkdir(parents=True)
    (made / "a.txt").write_text("x")
    os.mkfifo(made / "pipe")
    results = put(made, tmp_path / "to")
    check.words(results.warnings[0], "'pipe'")
    check.words(results.warnings[1], "e/mpty")
    assert (tmp_path / "to/out/a.txt").read_text() == "x"


def test_a_catalog_without_items_is_published_with_a_warning(tmp_path: Path) -> None:
    write_json(tmp_path / "made/catalog.json", build_stac_catalog([build_link("self", "./catalog.json")]))
    results = put(tmp_path / "made", tmp_path / "to")
    assert results.catalog_hrefs == ((tmp_path / "to/out/catalog.json").as_uri(),)
    assert "no items" in results.warnings[0]
    assert get_hrefs(results.collection)["child"].endswith("out/catalog.json")


def test_assets_of_a_collection_without_items_are_published(tmp_path: Path) -> None:
    collection = build_stac_catalog([], type="Collection", assets={"data": {"href": "./v.parquet"}})
    write_json(tmp_path / "made/collection.json", collection)
    (tmp_path / "made/v.parquet").write_bytes(b"x")
    results = put(tmp_path / "made", tmp_path / "to")
    assert (tmp_path / "to/out/v.parquet").read_bytes() == b"x"
    assert results.warnings == ()


@pytest.mark.parametrize("self_href", ["/a1b2/made/sub/collection.json", "./collection.json", None])
def test_a_catalog_below_the_top_is_found_with_its_files(tmp_path: Path, self_href: str | None) -> None:
    links = [build_link("item", "./scene/scene.json")] + ([build_link("self", self_href)] if self_href else [])
    href = "/a1b2/made/sub/scene/data.tif" if self_href and self_href[0] == "/" else "./data.tif"
    item = build_stac_item(assets={"data": {"href": href}})
    write_catalog(tmp_path / "made/sub", build_stac_catalog(links, type="Collection"), item)
    (tmp_path / "made/sub/catalog.json").rename(tmp_path / "made/sub/collection.json")
    results = put(tmp_path / "made", tmp_path / "to")
    assert results.catalog_hrefs[0].endswith("/out/sub/collection.json")
    assert (tmp_path / "to/out/sub/scene/data.tif").is_file()
    assert results.warnings == ()


def test_a_folder_asset_is_published_with_all_its_files(tmp_path: Path) -> None:
    item = build_stac_item(assets={"cube": {"href": "./cube.zarr", "type": "application/vnd.zarr"}})
    made = write_catalog(tmp_path / "made", item=item)
    for name in (".zgroup", "B02/.zarray", "B02/0.0"):
        write_json(made / "scene/cube.zarr" / name, {})
    results = put(made, tmp_path / "to")
    assert (tmp_path / "to/out/scene/cube.zarr/B02/.zarray").is_file()
    assert read_json(tmp_path / "to/out/scene/scene.json")["assets"]["cube"]["href"] == "./cube.zarr"
    # three of the store, two documents, what is beside the item, and the collection of the results
    assert results.files == 3 + 3 + 1


def test_a_folder_asset_with_a_link_out_of_the_output_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made", item=build_stac_item(assets={"cube": {"href": "./cube.zarr"}}))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("s")
    (made / "scene/cube.zarr").mkdir()
    (made / "scene/cube.zarr/B02").symlink_to(tmp_path / "secret")
    assert refuse(made, tmp_path / "to").code == "output.refused"


def test_a_catalog_that_links_to_itself_ends(tmp_path: Path) -> None:
    links = [build_link("child", "./catalog.json"), build_link("item", "./scene/scene.json")]
    results = put(write_catalog(tmp_path / "made", build_stac_catalog(links)), tmp_path / "to")
    assert results.files == 4


def test_the_documents_are_written_as_utf_8_json(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made", build_stac_catalog(title="Wälder"))
    results = put(made, tmp_path / "to")
    assert "Wälder" in (tmp_path / "to/out/catalog.json").read_text("utf-8")
    assert json.loads(json.dumps(dict(results.document)))["out"]["title"] == "Wälder"
