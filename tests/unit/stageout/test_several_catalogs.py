"""Outputs with several STAC catalogs: side by side, below one another, and items that two of them link to."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pystac
import pytest

from stageout.stage import stage_out
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


def build(links: list[tuple[str, str]], **changes: Any) -> dict[str, Any]:
    return build_stac_catalog([build_link(rel, href) for rel, href in links], **changes)


def build_collection(links: list[tuple[str, str]], **changes: Any) -> dict[str, Any]:
    extent = {
        "spatial": {"bbox": [[10.0, 50.0, 11.0, 51.0]]},
        "temporal": {"interval": [["2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z"]]},
    }
    return build(links, type="Collection", license="other", extent=extent, **changes)


def write_item(path: Path, item_id: str, text: str, **changes: Any) -> None:
    assets = {"data": {"href": f"./{path.stem}.txt", "type": "text/plain"}}
    write_json(path, build_stac_item(item_id, assets=assets, links=[], **changes))
    path.with_suffix(".txt").write_text(text)


def list_links(path: Path, *kinds: str) -> list[tuple[str, str]]:
    return [(link["rel"], link["href"]) for link in read_json(path)["links"] if link["rel"] in kinds]


def read_assets(catalog: pystac.Catalog) -> dict[str, str]:
    """The text of each item's data, by the id of the item, found by following links alone."""
    return {
        item.id: Path(item.assets["data"].get_absolute_href() or "").read_text()
        for item in catalog.get_items(recursive=True)
    }


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def write_side_by_side(made: Path, names: Iterable[str] = ("a", "b")) -> Path:
    for name in names:
        write_json(made / name / "catalog.json", build([("item", "./one.json")], id=f"catalog-{name}"))
        write_item(made / name / "one.json", f"item-{name}", f"data of {name}")
    return made


def test_one_link_leads_to_two_catalogs_side_by_side(tmp_path: Path) -> None:
    results = put(write_side_by_side(tmp_path / "made"), tmp_path / "to")
    out = tmp_path / "to/out"
    assert results.document["out"]["href"] == (out / "catalog.json").as_uri()
    assert list_links(out / "catalog.json", "child") == [("child", "./a/catalog.json"), ("child", "./b/catalog.json")]
    for name in ("a", "b"):
        above = [("root", "../catalog.json"), ("parent", "../catalog.json"), ("item", "./one.json")]
        assert list_links(out / name / "catalog.json", "root", "parent", "item") == above
        assert list_links(out / name / "one.json", "root", "parent") == [
            ("root", "../catalog.json"),
            ("parent", "./catalog.json"),
        ]
    assert read_json(out / "catalog.json")["id"] == "cat_7"
    assert results.warnings == ()


def test_several_catalogs_are_read_again_with_all_their_items_wherever_they_are_moved(tmp_path: Path) -> None:
    put(write_side_by_side(tmp_path / "made", ("a", "b", "c")), tmp_path / "to")
    shutil.move(tmp_path / "to", tmp_path / "moved")
    catalog = pystac.Catalog.from_file(str(tmp_path / "moved/out/catalog.json"))
    assert read_assets(catalog) == {"item-a": "data of a", "item-b": "data of b", "item-c": "data of c"}
    collection = pystac.Collection.from_file(str(tmp_path / "moved/collection.json"))
    assert len(list(collection.get_items())) == 3


def test_the_links_of_the_added_catalog_are_references_of_uris(tmp_path: Path) -> None:
    put(write_side_by_side(tmp_path / "made", ("a#1", "ü c")), tmp_path / "to")
    assert list_links(tmp_path / "to/out/catalog.json", "child") == [
        ("child", "./a%231/catalog.json"),
        ("child", "./%C3%BC%20c/catalog.json"),
    ]


def test_catalogs_at_different_depths_are_all_published(tmp_path: Path) -> None:
    made = write_side_by_side(tmp_path / "made", ("a", "b/c/d"))
    put(made, tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    assert read_assets(catalog) == {"item-a": "data of a", "item-b/c/d": "data of b/c/d"}


def test_an_item_that_two_catalogs_link_to_is_published_once_and_stays_linked_from_both(tmp_path: Path) -> None:
    made = tmp_path / "made"
    for name in ("a", "b"):
        write_json(made / name / "catalog.json", build([("item", "../items/one.json")], id=name))
    write_item(made / "items/one.json", "shared", "data")
    results = put(made, tmp_path / "to")
    out = tmp_path / "to/out"
    for name in ("a", "b"):
        assert list_links(out / name / "catalog.json", "item") == [("item", "../items/one.json")]
    assert list_links(out / "items/one.json", "root", "parent") == [
        ("root", "../catalog.json"),
        ("parent", "../a/catalog.json"),
    ]
    assert [link["href"] for link in results.collection["links"] if link["rel"] == "item"] == [
        (out / "items/one.json").as_uri()
    ]
    assert (out / "items/one.txt").read_text() == "data"


def test_catalogs_and_collections_below_one_another_keep_their_tree(tmp_path: Path) -> None:
    made = tmp_path / "made"
    write_json(made / "catalog.json", build([("child", "./year/collection.json"), ("item", "./top.json")], id="top"))
    write_item(made / "top.json", "top-item", "top")
    year = build_collection([("child", "./month/catalog.json"), ("item", "./y.json")], id="year")
    write_json(made / "year/collection.json", year)
    write_item(made / "year/y.json", "year-item", "year", collection="year")
    write_json(made / "year/month/catalog.json", build([("child", "./day/collection.json")], id="month"))
    write_json(made / "year/month/day/collection.json", build_collection([("item", "./d.json")], id="day"))
    write_item(made / "year/month/day/d.json", "day-item", "day", collection="day")
    results = put(made, tmp_path / "to")
    out = tmp_path / "to/out"
    assert list_links(out / "year/month/day/d.json", "root", "parent") == [
        ("root", "../../../catalog.json"),
        ("parent", "./collection.json"),
    ]
    assert list_links(out / "year/month/day/collection.json", "root", "parent", "item") == [
        ("root", "../../../catalog.json"),
        ("parent", "../catalog.json"),
        ("item", "./d.json"),
    ]
    assert [read_json(out / name)["collection"] for name in ("top.json", "year/y.json", "year/month/day/d.json")] == [
        "col_7",
        "year",
        "day",
    ]
    catalog = pystac.Catalog.from_file(str(out / "catalog.json"))
    assert read_assets(catalog) == {"top-item": "top", "year-item": "year", "day-item": "day"}
    assert results.warnings == ()
    assert list_files(out) == list_files(made)


def test_a_collection_that_another_one_in_its_folder_leads_to_is_its_child(tmp_path: Path) -> None:
    made = tmp_path / "made"
    write_json(made / "a.json", build_collection([("item", "./one.json")], id="a"))
    write_json(made / "b.json", build([("child", "./a.json")], id="b"))
    write_item(made / "one.json", "one", "data", collection="a")
    results = put(made, tmp_path / "to")
    assert results.document["out"]["href"].endswith("/out/b.json")
    assert list_links(tmp_path / "to/out/a.json", "root", "parent") == [("root", "./b.json"), ("parent", "./b.json")]


def test_two_collections_in_one_folder_get_a_catalog_above_them(tmp_path: Path) -> None:
    made = tmp_path / "made"
    for name in ("a", "b"):
        write_json(made / f"{name}.json", build_collection([("item", f"./{name}-1.json")], id=name))
        write_item(made / f"{name}-1.json", f"{name}-1", name, collection=name)
    put(made, tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    assert [child.id for child in catalog.get_children()] == ["a", "b"]
    assert read_assets(catalog) == {"a-1": "a", "b-1": "b"}


def test_catalogs_that_lead_to_each_other_end(tmp_path: Path) -> None:
    made = tmp_path / "made"
    write_json(made / "a/catalog.json", build([("child", "../b/catalog.json"), ("item", "./one.json")], id="a"))
    write_json(made / "b/catalog.json", build([("child", "../a/catalog.json")], id="b"))
    write_item(made / "a/one.json", "one", "data")
    results = put(made, tmp_path / "to")
    assert results.document["out"]["href"].endswith("/out/a/catalog.json")
    assert list_files(tmp_path / "to/out") == list_files(made)


def test_one_of_each_circle_of_catalogs_is_published_beside_those_that_stand_alone(tmp_path: Path) -> None:
    made = tmp_path / "made"
    for name, child in (("a", "b"), ("b", "a"), ("c", None), ("d", "e"), ("e", "f"), ("f", "d"), ("g", "d")):
        links = [("child", f"../{child}/catalog.json")] if child else []
        write_json(made / name / "catalog.json", build([*links, ("item", "./one.json")], id=name))
        write_item(made / name / "one.json", name, name)
    results = put(made, tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    assert [child.id for child in catalog.get_children()] == ["a", "c", "g"]
    assert list_files(tmp_path / "to/out") == sorted([*list_files(made), "catalog.json"])
    assert results.warnings == ()


def test_addresses_of_the_container_are_found_beside_a_catalog_with_a_web_address(tmp_path: Path) -> None:
    made = tmp_path / "made"
    assets = {"data": {"href": "/tool/made/a/one.txt", "type": "text/plain"}}
    links = [("self", "/tool/made/a/catalog.json"), ("item", "/tool/made/a/one.json")]
    write_json(made / "a" / "catalog.json", build(links, id="a"))
    write_json(made / "a" / "one.json", build_stac_item("a", assets=assets, links=[]))
    (made / "a" / "one.txt").write_text("a")
    remote = [("self", "https://example.org/b/catalog.json"), ("item", "https://example.org/b/one.json")]
    write_json(made / "b" / "catalog.json", build(remote, id="b"))
    write_item(made / "b" / "one.json", "b", "b")
    put(made, tmp_path / "to")
    assert read_assets(pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))) == {"a": "a", "b": "b"}


@pytest.mark.parametrize("origin", ["/tool/made", "file:///tool/made"])
def test_addresses_of_the_container_are_found_in_each_of_several_catalogs(tmp_path: Path, origin: str) -> None:
    made = tmp_path / "made"
    for name in ("a", "b"):
        links = [("self", f"{origin}/{name}/catalog.json"), ("item", f"{origin}/{name}/one.json")]
        write_json(made / name / "catalog.json", build(links, id=name))
        assets = {"data": {"href": f"{origin}/{name}/one.txt", "type": "text/plain"}}
        write_json(made / name / "one.json", build_stac_item(name, assets=assets, links=[]))
        (made / name / "one.txt").write_text(name)
    put(made, tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    assert read_assets(catalog) == {"a": "a", "b": "b"}


def test_two_outputs_with_catalogs_stay_apart(tmp_path: Path) -> None:
    outputs = {}
    for name in ("first", "second"):
        catalog = build_stac_catalog(id="")
        item = build_stac_item(name)
        outputs[name] = describe_folder(write_catalog(tmp_path / name, catalog, item))
    results = stage_out(outputs, str(tmp_path / "to"), OPTIONS, now=NOW)
    ids = [read_json(tmp_path / "to" / name / "catalog.json")["id"] for name in outputs]
    assert ids == ["cat_7", "cat_7_2"]
    assert [results.document[name]["href"] for name in outputs] == list(results.catalog_hrefs)
    items = [link["href"] for link in results.collection["links"] if link["rel"] == "item"]
    assert items == [(tmp_path / "to" / name / "scene/scene.json").as_uri() for name in outputs]


def write_invalid(made: Path, name: str) -> Path:
    write_json(made / name / "catalog.json", build([("item", "./gone.json")], id="broken"))
    (made / name / "data.txt").write_text("data")
    return made


@pytest.mark.parametrize("name", ["1/2/3/4", "1/2/3/4/5/6/7/8"])
def test_an_invalid_catalog_deep_in_a_folder_is_data(tmp_path: Path, name: str) -> None:
    results = put(write_invalid(tmp_path / "made", name), tmp_path / "to")
    assert (tmp_path / f"to/out/{name}/catalog.json").is_file()
    assert (tmp_path / f"to/out/{name}/data.txt").read_text() == "data"
    assert f"out/{name}/catalog.json is invalid" in results.warnings[0]
    assert "gone.json" in results.warnings[0]


def test_catalogs_beside_an_invalid_deep_one_are_published(tmp_path: Path) -> None:
    made = write_invalid(write_side_by_side(tmp_path / "made", ("a", "b/2/3/4")), "c/2/3/4")
    results = put(made, tmp_path / "to")
    catalog = pystac.Catalog.from_file(str(tmp_path / "to/out/catalog.json"))
    assert read_assets(catalog) == {"item-a": "data of a", "item-b/2/3/4": "data of b/2/3/4"}
    assert (tmp_path / "to/out/c/2/3/4/data.txt").read_text() == "data"
    assert "out/c/2/3/4/catalog.json is invalid" in results.warnings[0]


@pytest.mark.parametrize("beside", [(), ("a/2/3/4",)])
def test_an_invalid_catalog_near_the_top_is_an_error(tmp_path: Path, beside: tuple[str, ...]) -> None:
    made = write_invalid(write_side_by_side(tmp_path / "made", beside), "1/2/3")
    with pytest.raises(StagingError, match=r"gone\.json") as caught:
        put(made, tmp_path / "to")
    assert caught.value.kind is Kind.STAC_INVALID
