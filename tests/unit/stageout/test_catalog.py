"""What stage-out makes of the STAC catalog that a tool wrote."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stageout.stage import Results, stage_out
from tests.unit.stageout.catalogs import (
    NOW,
    OPTIONS,
    build_link,
    build_stac_catalog,
    build_stac_item,
    describe_folder,
    read_json,
    write_catalog,
    write_json,
)
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.unit


def put(folder: Path, to: Path) -> Results:
    return stage_out({"out": describe_folder(folder)}, str(to), OPTIONS, now=NOW)


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
    assert written == results.collection
    assert get_hrefs(written)["item"] == (tmp_path / "to/out/scene/scene.json").as_uri()
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


def test_a_self_link_is_the_absolute_href_at_the_destination(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    put(made, tmp_path / "to")
    assert get_hrefs(read_json(tmp_path / "to/out/catalog.json"))["self"].endswith("/to/out/catalog.json")


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


def test_a_link_to_nothing_in_the_output_is_left_out_with_a_warning(tmp_path: Path) -> None:
    item = build_stac_item(links=[build_link("derived_from", "/staged/in/source.json")])
    results = put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert "derived_from" not in get_hrefs(read_json(tmp_path / "to/out/scene/scene.json"))
    assert results.warnings == (
        "out/scene/scene.json its derived_from link '/staged/in/source.json' leads to nothing in the output "
        "and was left out",
    )


def test_files_that_the_catalog_does_not_lead_to_are_named_in_a_warning(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "debug.log").write_text("x")
    results = put(made, tmp_path / "to")
    assert results.warnings == ("out/catalog.json does not lead to 1 files, which were left behind: debug.log",)
    assert not (tmp_path / "to/out/debug.log").exists()


def test_items_of_one_id_are_told_in_a_warning(tmp_path: Path) -> None:
    links = [build_link("item", f"./{name}/scene.json") for name in ("scene", "other")]
    made = write_catalog(tmp_path / "made", build_stac_catalog(links))
    write_json(made / "other" / "scene.json", build_stac_item())
    (made / "other" / "data.tif").write_bytes(b"another")
    assert put(made, tmp_path / "to").warnings == (
        "out/catalog.json leads to 2 items with the id 'scene'; an API would keep one",
    )


def test_a_number_that_json_does_not_know_becomes_null_with_a_warning(tmp_path: Path) -> None:
    item = build_stac_item()
    item["properties"]["mean"] = float("nan")
    results = put(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert read_json(tmp_path / "to/out/scene/scene.json")["properties"]["mean"] is None
    assert "has NaN, which JSON does not know" in results.warnings[0]


@pytest.mark.parametrize("href", ["../../../etc/passwd", "/etc/passwd", "file:///etc/passwd"])
def test_an_asset_outside_the_output_is_refused(tmp_path: Path, href: str) -> None:
    item = build_stac_item(assets={"bad": {"href": href}})
    error = refuse(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert (error.kind, error.href) == (Kind.REFUSED, "out/scene/scene.json")
    assert error.reason == f"the asset 'bad' ({href!r}): {href!r} leads out of the output folder"
    assert "copy the file into the folder of its output" in error.remedy


@pytest.mark.parametrize("href", ["file://[", "a\0b", "\ud800.tif", "x" * 5000, ".", ""])
def test_an_href_that_no_file_can_have_is_refused(tmp_path: Path, href: str) -> None:
    item = build_stac_item(assets={"bad": {"href": href}})
    error = refuse(write_catalog(tmp_path / "made", item=item), tmp_path / "to")
    assert error.kind in (Kind.REFUSED, Kind.INVALID_STAC)
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
    assert "leads out of the output folder through a symbolic link" in error.reason


@pytest.mark.parametrize("which", ["catalog.json", "scene/scene.json"])
def test_a_document_that_is_a_link_out_of_the_output_is_refused(tmp_path: Path, which: str) -> None:
    made = write_catalog(tmp_path / "made")
    (made / which).rename(tmp_path / "elsewhere.json")
    (made / which).symlink_to(tmp_path / "elsewhere.json")
    assert refuse(made, tmp_path / "to").kind == Kind.REFUSED


BROKEN: dict[str, tuple[object, object, str, str]] = {
    "no items": (build_stac_catalog([]), None, "out/catalog.json", "has no items"),
    "item missing": (
        build_stac_catalog([build_link("item", "./gone.json")]),
        None,
        "out/catalog.json",
        "the item './gone.json' is not in the output",
    ),
    "child missing": (
        build_stac_catalog([build_link("child", "./gone/catalog.json")]),
        None,
        "out/catalog.json",
        "the child './gone/catalog.json' is not in the output",
    ),
    "asset missing": (
        None,
        build_stac_item(assets={"red": {"href": "./red.tif"}}),
        "out/scene/scene.json",
        "the asset 'red' ('./red.tif') is not in the output",
    ),
    "not STAC": (
        {"hello": 1},
        None,
        "out/catalog.json",
        "is not STAC: its `type` is none of Catalog, Collection, Feature",
    ),
    "not an object": ([1], None, "out/catalog.json", "is not a JSON object"),
    "no links": (build_stac_catalog(links=None) | {"links": 3}, None, "out/catalog.json", "has no `links`"),
    "bad link": (
        build_stac_catalog([{"rel": "item", "href": "x"}, {"rel": "item"}]),
        None,
        "out/catalog.json",
        "has a link without `rel` and `href` (links[1])",
    ),
    "old": (
        build_stac_catalog(stac_version="0.9.0"),
        None,
        "out/catalog.json",
        "has stac_version '0.9.0'; 1.0 and 1.1 are accepted",
    ),
    "no assets": (
        None,
        {key: value for key, value in build_stac_item().items() if key != "assets"},
        "out/scene/scene.json",
        "has no `assets`",
    ),
    "asset without href": (
        None,
        build_stac_item(assets={"red": {}}),
        "out/scene/scene.json",
        "has an asset without `href`: 'red'",
    ),
    "item without id": (None, build_stac_item(""), "out/scene/scene.json", "has no `id`"),
    "item without properties": (
        None,
        build_stac_item(properties=None),
        "out/scene/scene.json",
        "has no `properties`",
    ),
    "item beyond time": (
        None,
        build_stac_item(properties={"datetime": "0001-01-01T00:00:00+14:00"}),
        "out/scene/scene.json",
        "has no `datetime` of the form 2024-05-01T10:00:00Z, nor `start_datetime` and `end_datetime`",
    ),
    "item without time": (
        None,
        build_stac_item(properties={"datetime": "yesterday"}),
        "out/scene/scene.json",
        "has no `datetime` of the form 2024-05-01T10:00:00Z, nor `start_datetime` and `end_datetime`",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_catalog_is_refused_with_the_document_and_what_is_wrong(tmp_path: Path, case: str) -> None:
    catalog, item, href, reason = BROKEN[case]
    error = refuse(write_catalog(tmp_path / "made", catalog, item), tmp_path / "to")
    assert (error.kind, error.href, error.reason) == (Kind.INVALID_STAC, href, reason)
    assert error.remedy.startswith("Let the tool ")


def test_a_document_that_is_not_json_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "scene/scene.json").write_text('{"type": ')
    error = refuse(made, tmp_path / "to")
    assert (error.kind, error.href) == (Kind.INVALID_STAC, "out/scene/scene.json")
    assert error.reason.startswith("is not JSON (Expecting value")


def test_a_document_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    (made / "scene/scene.json").write_text("[" * 200_000)
    assert refuse(made, tmp_path / "to").reason.startswith("is not JSON (")


def test_items_without_a_catalog_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "made/a.json", build_stac_item())
    error = refuse(tmp_path / "made", tmp_path / "to")
    assert error.reason == "has STAC items (a.json) but no catalog.json that links to them"


def test_several_catalogs_and_no_catalog_json_are_refused(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        write_json(tmp_path / "made" / name, build_stac_catalog())
    error = refuse(tmp_path / "made", tmp_path / "to")
    assert error.reason == "has no catalog.json but several catalogs: a.json, b.json"


def test_a_catalog_that_links_to_itself_ends(tmp_path: Path) -> None:
    links = [build_link("child", "./catalog.json"), build_link("item", "./scene/scene.json")]
    results = put(write_catalog(tmp_path / "made", build_stac_catalog(links)), tmp_path / "to")
    assert results.files == 4


def test_the_documents_are_written_as_utf_8_json(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made", build_stac_catalog(title="Wälder"))
    results = put(made, tmp_path / "to")
    assert "Wälder" in (tmp_path / "to/out/catalog.json").read_text("utf-8")
    assert json.loads(json.dumps(dict(results.document)))["out"]["title"] == "Wälder"
