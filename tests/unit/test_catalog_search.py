"""Items of a catalog by place and time, with and without a search of its own."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.values import ROOT
from zoo_runner.model.errors import InputError
from zoo_runner.server.api import Api, Call
from zoo_runner.server.catalog_search import Wanted, describe_item, find_items, fits, read_wanted, search_catalog
from zoo_staging.errors import Kind, StagingError

BASE = "https://eo.example"
DATA = ROOT / "examples" / "data"
COLORADO = (-108.0, 39.0, -105.0, 41.0)


def build_item(number: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"i{number}",
        "geometry": None,
        "bbox": [number, 0, number + 1, 1],
        "properties": {"datetime": f"2026-01-{number:02d}T12:00:00Z"},
        "links": [],
        "assets": {},
        **more,
    }


def build_catalog(*links: tuple[str, str]) -> dict[str, Any]:
    listed = [{"rel": rel, "href": href} for rel, href in links]
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d", "links": listed}


def find(documents: Mapping[str, Any], wanted: Wanted) -> tuple[list[str], list[str]]:
    """Search the catalog at /; returns the ids of what was found, and what was asked for."""
    asked = []

    async def fetch(href: str) -> bytes:
        asked.append(href.removeprefix(BASE))
        document = documents.get(href.removeprefix(BASE).partition("?")[0])
        if document is None:
            raise StagingError(Kind.NOT_FOUND, href, "not there", "Look.")
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    found = asyncio.run(find_items(f"{BASE}/", wanted, fetch))
    return [item.content["id"] for item in found], asked


def test_an_api_is_asked_by_its_search() -> None:
    items = {"type": "FeatureCollection", "features": [build_item(1), build_item(2)], "links": []}
    root = build_catalog(("search", "./search"), ("child", "./huge"))
    ids, asked = find({"/": root, "/search": items}, Wanted(COLORADO, "2026-01-01/..", ("a", "b"), 1))
    assert ids == ["i1"]
    assert [urlsplit(one).path for one in asked] == ["/", "/search"]
    assert parse_qs(urlsplit(asked[1]).query) == {
        "bbox": ["-108.0,39.0,-105.0,41.0"],
        "datetime": ["2026-01-01/.."],
        "collections": ["a,b"],
        "limit": ["1"],
    }


def test_a_catalog_without_a_search_is_walked_and_what_is_broken_is_passed_over() -> None:
    documents = {
        "/": build_catalog(("child", "./sub"), ("child", "./gone"), ("item", "./1"), ("root", "./"), ("child", "./")),
        "/sub": build_catalog(("item", "./2"), ("item", "./3"), ("item", "file:///etc/passwd")),
        "/1": build_item(1),
        "/2": build_item(2),
        "/3": b"<html>",
    }
    ids, asked = find(documents, Wanted())
    assert (ids, sorted(asked)) == (["i1", "i2"], ["/", "/1", "/2", "/3", "/gone", "/sub"])
    assert find(documents, Wanted(interval="2026-01-02"))[0] == ["i2"]


def test_a_catalog_that_leads_on_and_on_is_left() -> None:
    documents = {f"/{number or ''}": build_catalog(("child", f"./{number + 1}")) for number in range(300)}
    ids, asked = find(documents, Wanted())
    assert (ids, len(asked)) == ([], 200)


def test_the_catalog_of_the_examples_has_the_scenes_of_a_place() -> None:
    async def fetch(href: str) -> bytes:
        return Path(DATA, href.removeprefix(f"{BASE}/")).read_bytes()

    found = asyncio.run(find_items(f"{BASE}/catalog.json", Wanted(COLORADO, "2008-07-01/2008-09-30"), fetch))
    described = [describe_item(item) for item in found]
    assert described
    assert all(one["datetime"].startswith("2008-0") for one in described)
    assert all(one["href"].startswith(f"{BASE}/landsat-p035r032-sr/") for one in described)
    assert all(one["bbox"][0] < -105 for one in described)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), True),
        (Wanted((0.0, 0.0, 1.5, 1.0)), True),
        (Wanted((3.0, 0.0, 4.0, 1.0)), False),
        (Wanted((0.0, 2.0, 4.0, 3.0)), False),
        (Wanted((170.0, 0.0, -170.0, 1.0)), False),
        (Wanted((170.0, 0.0, 1.0, 1.0)), True),
        (Wanted(interval="2026-01-01"), True),
        (Wanted(interval="2026-01-01T12:00:00Z/.."), True),
        (Wanted(interval="../2025-12-31"), False),
        (Wanted(interval="2026-01-02/2026-01-03"), False),
        (Wanted(collections=("b",)), False),
    ],
    ids=str,
)
def test_items_are_chosen_by_place_time_and_collection(wanted: Wanted, expected: bool) -> None:
    assert fits(build_item(1, collection="a"), wanted) is expected


def test_an_item_without_a_time_or_a_place_fits_only_where_none_is_asked_for() -> None:
    bare = build_item(1, bbox=None, properties={})
    assert fits(bare, Wanted())
    assert not fits(bare, Wanted(interval=".."))
    assert not fits(bare, Wanted(COLORADO))


@pytest.mark.parametrize("catalog", ["file:///etc/passwd", "s3://bucket/catalog.json", "javascript:alert(1)", "x"])
def test_only_catalogs_of_the_web_are_asked(api: Api, catalog: str) -> None:
    with pytest.raises(InputError) as caught:
        search_catalog(api, Call("ws", BASE), catalog, Wanted())
    assert caught.value.diagnosis.code == "request.invalid"


def test_without_a_catalog_nothing_is_asked(api: Api) -> None:
    assert search_catalog(api, Call("ws", BASE), "", Wanted())["items"] == []


def test_a_box_is_read_or_refused() -> None:
    assert read_wanted("1,2,3,4", "", " a, b ", 5) == Wanted((1.0, 2.0, 3.0, 4.0), "", ("a", "b"), 5)
    with pytest.raises(InputError):
        read_wanted("1,2,3", "", "", 5)
