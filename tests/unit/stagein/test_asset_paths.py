"""Where assets go below their item."""

from pathlib import PurePosixPath

import pytest

from stagein.asset_paths import build_asset_paths

pytestmark = pytest.mark.unit

ITEM = "https://h/S1A.SAFE/item.json"


def place(hrefs: dict[str, str], item: str = ITEM) -> dict[str, str]:
    return {key: str(path) for key, path in build_asset_paths(item, hrefs, ["scene.json"]).items()}


def test_paths_below_the_item_are_kept() -> None:
    paths = place({"vv": "https://h/S1A.SAFE/measurement/iw-vv.tiff", "m": "https://h/S1A.SAFE/manifest.safe"})
    assert paths == {"vv": "measurement/iw-vv.tiff", "m": "manifest.safe"}


def test_assets_elsewhere_keep_their_paths_below_the_folder_that_they_share() -> None:
    item = "https://api/collections/s1/items/x"
    base = "https://store/2024/S1A.SAFE"
    paths = place(
        {"vv": f"{base}/measurement/vv.tiff", "m": f"{base}/manifest.safe?sig=1", "t": "https://t/x/t.png"}, item
    )
    assert paths == {"vv": "measurement/vv.tiff", "m": "manifest.safe", "t": "t.png"}


def test_local_paths_and_names_are_kept_as_they_are() -> None:
    paths = place({"a": "/data/scene/x y/a#1%20.tif", "z": "/data/scene/c.zarr/"}, "/data/scene/item.json")
    assert paths == {"a": "x y/a#1%20.tif", "z": "c.zarr"}


def test_remote_names_are_decoded_once_and_cannot_lead_elsewhere() -> None:
    paths = place({"a": "https://h/S1A.SAFE/a%20b/%2e%2e%2fc.tif", "b": "https://h/S1A.SAFE/.zgroup"})
    assert paths["b"] == ".zgroup"
    assert ".." not in PurePosixPath(paths["a"]).parts
    assert paths["a"].startswith("a b/")


def test_paths_are_distinct_whatever_the_case() -> None:
    base = "https://h/S1A.SAFE"
    paths = place({"a": f"{base}/B.tif", "b": f"{base}/b.tif", "c": f"{base}/b.tif", "d": f"{base}/scene.json"})
    assert len({path.casefold() for path in paths.values()}) == 4
    assert paths["d"] != "scene.json"


def test_data_in_an_address_gets_the_key_as_name() -> None:
    assert place({"note": "data:text/plain;base64,YQ=="}) == {"note": "note"}


def test_assets_of_another_host_share_their_deepest_folder_however_many_there_are() -> None:
    hrefs = {f"a{number}": f"https://b.example/data/d{number % 7}/{number}.tif" for number in range(20_000)}
    paths = build_asset_paths("https://a.example/items/i.json", hrefs, [])
    assert [str(paths[key]) for key in ("a0", "a8", "a19999")] == ["d0/0.tif", "d1/8.tif", "d0/19999.tif"]
