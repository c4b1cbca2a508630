import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagein.stac import parse_document, read_features
from tests.unit.messages import Check
from tests.unit.stagein.items import build_catalog, build_item, link
from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import resolve_href
from zoo_staging.stac import StacType

pytestmark = pytest.mark.unit

REAL_ITEMS = sorted((Path(__file__).parents[2] / "data" / "real-items").glob("*.json"))
HREF = "https://host/stac/item.json"


def parse(content: Any) -> Any:
    return parse_document(json.dumps(content).encode(), HREF)


@pytest.mark.parametrize("path", REAL_ITEMS, ids=lambda path: path.name[:20])
def test_items_as_real_catalogues_serve_them_are_read_unchanged(path: Path) -> None:
    document = parse_document(path.read_bytes(), HREF)
    assert document.type is StacType.ITEM
    assert document.content == json.loads(path.read_bytes())


def test_all_six_real_items_are_there() -> None:
    assert len(REAL_ITEMS) == 6


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ([], ("JSON list",)),
        ({}, ("`type`", "None")),
        ({"type": "Topology"}, ("'Topology'",)),
        ({"type": ["Feature"]}, ("['Feature']",)),
        (
            build_item(assets={"a": {"href": "https://[x/a"}}),
            ("'a'", "`href`", "'https://[x/a'"),
        ),
        ({"type": "Feature"}, ("`stac_version` is missing", "`links` is missing")),
        (build_item(assets={"a": {}}), ("'a'", "no `href`")),
        (build_item(assets={"a": {"href": "x\0"}}), (r"'x\x00'",)),
        (build_item(stac_version="0.9.0"), ("'0.9.0'",)),
        (build_item(id=""), ("`id`", "empty")),
        (build_item(id=7), ("`id`", "7")),
        (build_item(links=[{"rel": "self"}]), ("`links[0]`",)),
        ({**build_item(), "assets": []}, ("`assets`", "[]")),
        ({"type": "FeatureCollection"}, ("`features`", "missing")),
        ({**build_catalog("c", []), "links": None}, ("`links`", "None")),
    ],
)
def test_an_invalid_document_is_refused_with_what_is_wrong(content: Any, facts: tuple[str, ...], check: Check) -> None:
    with pytest.raises(StagingError) as caught:
        parse(content)
    assert caught.value.kind is Kind.STAC_INVALID
    assert caught.value.href == HREF
    check.words(caught.value.reason, *facts)


def test_what_is_no_json_is_quoted() -> None:
    with pytest.raises(StagingError, match=r"begins with '<html>"):
        parse_document(b"<html>Not found</html>", HREF)
    with pytest.raises(StagingError, match="invalid JSON"):
        parse_document(b"[" * 100_000, HREF)


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_is_a_document_or_a_clear_error(content: Any) -> None:
    with pytest.raises(StagingError):
        parse({"type": "Feature", "assets": content, "links": content, "id": content})


@pytest.mark.parametrize(
    ("base", "href", "absolute"),
    [
        ("https://h/a/item.json", "./b.tif", "https://h/a/b.tif"),
        ("https://h/a/item.json", "../b.tif", "https://h/b.tif"),
        ("https://h/a/item.json", "../../../etc/passwd", "https://h/etc/passwd"),
        ("https://h/a/item.json", "/etc/passwd", "https://h/etc/passwd"),
        ("https://h/a/item.json", "s3://b/k.tif", "s3://b/k.tif"),
        ("https://h/a/item.json", "//other/k.tif", "https://other/k.tif"),
        ("s3://b/a/item.json", "./k.tif", "s3://b/a/k.tif"),
        ("s3://b/a/item.json", "../../../k.tif", "s3://b/k.tif"),
        ("/data/a/item.json", "./k.tif", "/data/a/k.tif"),
        ("/data/a/item.json", "../b/k.tif", "/data/b/k.tif"),
        ("/data/a/item.json", "https://h/k.tif", "https://h/k.tif"),
        ("/data/a/item.json", "file:///x/k%20.tif", "/x/k .tif"),
        ("/data/a/item.json", "./k%20%23.tif", "/data/a/k #.tif"),
        ("/data/a/item.json", "./cube.zarr/", "/data/a/cube.zarr/"),
    ],
)
def test_references_are_resolved_against_the_document(base: str, href: str, absolute: str) -> None:
    assert resolve_href(base, href) == absolute


@pytest.mark.parametrize("base", ["https://h/item.json", "s3://b/item.json"])
def test_a_remote_document_may_not_refer_to_a_file_of_this_machine(base: str, check: Check) -> None:
    with pytest.raises(StagingError) as caught:
        resolve_href(base, "file:///etc/passwd")
    assert caught.value.kind is Kind.REFUSED
    check.words(str(caught.value), "file:///etc/passwd")


def test_items_of_search_results_are_resolved_against_their_own_address() -> None:
    own = build_item("one", links=[link("self", "https://h/items/one")])
    items = read_features(parse({"type": "FeatureCollection", "features": [own, build_item("two")]}))
    assert [item.href for item in items] == ["https://h/items/one", HREF]


def test_a_feature_that_is_no_item_is_named_by_its_place() -> None:
    with pytest.raises(StagingError, match=r"item\.json#/features/1: .*`stac_version` is missing"):
        read_features(parse({"type": "FeatureCollection", "features": [build_item(), {"type": "Feature"}]}))
