"""Which assets are downloaded, and from where."""

from typing import Any

import pytest

from stagein.selection import choose_href, may_be_missing
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
