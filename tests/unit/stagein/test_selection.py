"""Which assets are downloaded, and from where."""

from typing import Any

import pytest

from stagein.selection import (
    SelectionError,
    choose_href,
    find_missing_words,
    intersects,
    is_wanted,
    may_be_missing,
    select,
)
from stagein.settings import StageInOptions

pytestmark = pytest.mark.unit

ASSET = {
    "href": "https://h/a.tif",
    "alternate:name": "HTTPS",
    "alternate": {"S3": {"href": "s3://b/a.tif"}, "tape": {"href": "gs://b/a.tif"}, "odd": 3},
}


@pytest.mark.parametrize(
    ("preferred", "href"),
    [
        ((), "https://h/a.tif"),
        (("s3",), "s3://b/a.tif"),
        (("S3",), "s3://b/a.tif"),
        (("tape", "s3"), "gs://b/a.tif"),
        (("https", "s3"), "https://h/a.tif"),
        (("az",), "https://h/a.tif"),
    ],
)
def test_an_alternate_address_is_chosen_by_name_or_scheme_in_order(preferred: tuple[str, ...], href: str) -> None:
    assert choose_href(ASSET, StageInOptions(asset_alternates=preferred)) == href


@pytest.mark.parametrize(
    ("asset", "missing"),
    [
        ({"roles": ["thumbnail"]}, True),
        ({"roles": ["overview", "metadata"]}, True),
        ({"roles": ["data", "metadata"]}, False),
        ({"roles": []}, False),
        ({}, False),
        ({"roles": "thumbnail"}, False),
    ],
)
def test_only_pictures_and_metadata_may_be_missing(asset: dict[str, Any], missing: bool) -> None:
    assert may_be_missing(asset) is missing


RED = {"href": "r.tif", "type": "image/tiff; profile=cloud-optimized", "roles": ["data"], "bands": [{"name": "B04"}]}
OLD = {"href": "n.tif", "type": "image/tiff", "eo:bands": [{"name": "B08", "common_name": "nir"}]}
NEW = {"href": "g.tif", "type": "image/tiff", "bands": [{"name": "B03", "eo:common_name": "green"}, "odd"]}
VIEW = {"href": "v.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}
ASSETS: dict[str, dict[str, Any]] = {"red": RED, "nir": OLD, "green": NEW, "view": VIEW}


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (None, "red nir green view"),
        ({}, "red nir green view"),
        ({"assets": ["red", "nir"]}, "red nir"),
        ({"roles": ["data", "thumbnail"]}, "red view"),
        ({"mediaTypes": ["image/tiff; application=geotiff"]}, "red nir green"),
        ({"bands": ["B04"]}, "red"),
        ({"bands": ["nir", "green"]}, "nir green"),
        ({"bands": ["nir", "B04"], "assets": ["red", "view"]}, "red"),
        ({"assets": ["none"]}, ""),
    ],
)
def test_an_input_selects_assets_that_match_each_of_its_members(selection: Any, keys: str) -> None:
    options = select(StageInOptions(), selection)
    assert [key for key, asset in ASSETS.items() if is_wanted(key, asset, options)] == keys.split()


def test_members_of_an_input_replace_settings_and_the_other_settings_stay() -> None:
    settings = StageInOptions(asset_keys=frozenset({"red"}), asset_alternates=("s3",), retries=7)
    options = select(settings, {"assets": ["nir"], "bbox": [1, 2, 3, 4]})
    assert (options.asset_keys, options.asset_alternates, options.retries) == (frozenset({"nir"}), ("s3",), 7)
    assert options.bbox == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("selection", "member"),
    [
        ("red", ""),
        (["red"], ""),
        ({"keys": ["red"]}, "keys"),
        ({"assets": "red"}, "assets"),
        ({"assets": []}, "assets"),
        ({"roles": [1]}, "roles"),
        ({"alternates": [""]}, "alternates"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [0, 5, 1, 4]}, "bbox"),
        ({"bbox": [0, 0, 181, 4]}, "bbox"),
        ({"bbox": [0, 0, True, 4]}, "bbox"),
        ({"bbox": [0, 0, 10**400, 4]}, "bbox"),
        ({"bbox": [0, 0, float("nan"), 4]}, "bbox"),
    ],
)
def test_a_selection_that_is_not_understood_is_refused_with_its_member(selection: Any, member: str) -> None:
    with pytest.raises(SelectionError) as caught:
        select(StageInOptions(), selection)
    assert caught.value.member == member


@pytest.mark.parametrize(
    ("bbox", "touches"),
    [
        ([10, 40, 12, 42], True),
        ([11, 41, 11.5, 41.5], True),
        ([0, 0, 90, 90], True),
        ([12, 42, 13, 43], True),
        ([12.1, 40, 13, 42], False),
        ([10, 43, 12, 44], False),
        ([10, 40, -5, 12, 42, 90], True),
        ([170, 40, -170, 42], False),
        ([170, 40, 11, 42], True),
        (None, False),
    ],
)
def test_items_are_selected_by_a_box_in_two_or_three_dimensions(bbox: Any, touches: bool) -> None:
    item = {} if bbox is None else {"bbox": bbox}
    assert intersects(item, (10, 40, 12, 42)) is touches
    assert intersects(item, None)


def test_a_box_over_the_antimeridian_has_its_west_in_the_east() -> None:
    fiji = (177.0, -20.0, -178.0, -15.0)
    assert intersects({"bbox": [179, -18, 179.5, -17]}, fiji)
    assert intersects({"bbox": [-179, -18, -178.5, -17]}, fiji)
    assert not intersects({"bbox": [0, -18, 10, -17]}, fiji)


@pytest.mark.parametrize("bbox", [None, [1, 2, 3], [None, None, None, None], ["10", "40", "12", "42"]])
@pytest.mark.parametrize(
    ("geometry", "touches"),
    [
        ({"type": "Point", "coordinates": [11, 41]}, True),
        ({"type": "Point", "coordinates": [11, 41, 300]}, True),
        ({"type": "Point", "coordinates": [50, 41]}, False),
        ({"type": "Polygon", "coordinates": [[[9, 39], [13, 39], [13, 43], [9, 39]]]}, True),
        ({"type": "MultiPolygon", "coordinates": [[[[20, 0], [21, 0], [21, 1], [20, 0]]]]}, False),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [10.5, 41]}]}, True),
    ],
)
def test_an_item_without_a_valid_box_is_where_its_geometry_is(bbox: Any, geometry: Any, touches: bool) -> None:
    assert intersects({"bbox": bbox, "geometry": geometry}, (10, 40, 12, 42)) is touches


@pytest.mark.parametrize(
    "item",
    [
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3], "geometry": None},
        {"geometry": {"type": "Point"}},
        {"geometry": {"type": "Point", "coordinates": ["a", 1]}},
        {"geometry": {"type": "Polygon", "coordinates": []}},
    ],
)
def test_an_item_of_which_nobody_can_say_where_it_is_is_not_left_out_silently(item: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bbox|geometry"):
        intersects(item, (10, 40, 12, 42))


@pytest.mark.parametrize(
    ("selection", "member", "missing", "there"),
    [
        ({"assets": ["red", "nri"]}, "assets", ["nri"], ["green", "nir", "red", "view"]),
        ({"bands": ["B04", "swir"]}, "bands", ["swir"], ["B03", "B04", "B08", "green", "nir"]),
        ({"roles": ["data", "cloud"]}, "roles", ["cloud"], ["data", "thumbnail"]),
        ({"mediaTypes": ["image/tiff", "image/jp2"]}, "mediaTypes", ["image/jp2"], ["image/jpeg", "image/tiff"]),
    ],
)
def test_what_is_selected_and_nowhere_is_found_with_what_there_is(
    selection: Any, member: str, missing: list[str], there: list[str]
) -> None:
    ((word, *found),) = find_missing_words(select(StageInOptions(), selection), [*ASSETS.items()])
    assert (word.member, *found) == (member, missing, there)
