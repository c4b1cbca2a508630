import json
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from stagein.layout import CatalogFolder, build_catalog_folder
from stagein.settings import StageInOptions
from stagein.stac import Document, check_document
from tests.unit.stagein.items import build_collection, build_item, link
from zoo_staging.errors import StagingError

pytestmark = pytest.mark.unit

REAL_ITEMS = sorted((Path(__file__).parents[2] / "data" / "real-items").glob("*.json"))
HREF = "https://host/stac/scene/item.json"


def lay_out(content: dict[str, Any], href: str = HREF, **options: Any) -> CatalogFolder:
    document = Document(href, content)
    return build_catalog_folder(document, [document], [], StageInOptions(**options))


def documents(folder: CatalogFolder) -> dict[str, Any]:
    return {str(path): content for path, content in folder.documents}


def test_the_catalog_comes_last_and_links_to_each_item() -> None:
    folder = lay_out(build_item("S2A_33UUU"))
    assert [str(path) for path, _ in folder.documents] == ["S2A_33UUU/S2A_33UUU.json", "catalog.json"]
    catalog = documents(folder)["catalog.json"]
    assert (catalog["type"], catalog["stac_version"], catalog["id"]) == ("Catalog", "1.0.0", "S2A_33UUU")
    assert catalog["links"] == [
        {"rel": "root", "href": "./catalog.json", "type": "application/json"},
        {"rel": "item", "href": "./S2A_33UUU/S2A_33UUU.json", "type": "application/geo+json"},
    ]


@pytest.mark.parametrize("path", REAL_ITEMS, ids=lambda path: path.name[:20])
def test_only_links_and_asset_hrefs_of_a_real_item_change(path: Path) -> None:
    before = json.loads(path.read_bytes())
    folder = lay_out(before)
    after = folder.documents[0][1]
    assert {**after, "links": 0, "assets": 0} == {**before, "links": 0, "assets": 0}
    assert list(after["assets"]) == list(before["assets"])
    for key, asset in before["assets"].items():
        assert after["assets"][key] == {**asset, "href": after["assets"][key]["href"]}
        assert after["assets"][key]["href"].startswith("./")
    assert len({file.path for file in folder.files}) == len(before["assets"])


def test_an_items_links_stay_in_the_folder_or_become_absolute() -> None:
    item = build_item(
        "a",
        links=[
            link("self", "https://catalogue/a"),
            link("root", "../../catalog.json"),
            link("parent", "../collection.json"),
            link("collection", "../collection.json"),
            {"rel": "derived_from", "href": "./raw.json", "title": "Raw"},
        ],
    )
    (_, after), _ = lay_out(item).documents
    assert [(one["rel"], one["href"]) for one in after["links"]] == [
        ("root", "../catalog.json"),
        ("parent", "../catalog.json"),
        ("collection", "https://host/stac/collection.json"),
        ("derived_from", "https://host/stac/scene/raw.json"),
        ("canonical", "https://catalogue/a"),
    ]
    assert after["links"][3]["title"] == "Raw"


def test_a_signed_address_does_not_live_on_in_the_item() -> None:
    (_, after), (_, catalog) = lay_out(build_item(), "https://h/i.json?X-Amz-Signature=abc").documents
    assert "abc" not in json.dumps([after, catalog])


def test_assets_of_one_name_in_one_item_get_names_of_their_own() -> None:
    folder = lay_out(
        build_item(
            "a",
            {
                "red": {"href": "R10m/B04.tif"},
                "red20": {"href": "R20m/B04.tif"},
                "self": {"href": "https://x/a.json"},
            },
        )
    )
    assert [str(file.path) for file in folder.files] == ["a/R10m/B04.tif", "a/R20m/B04.tif", "a/self_a.json"]


def test_items_of_one_id_get_folders_of_their_own() -> None:
    items = [Document(HREF, build_item("a")), Document(HREF, build_item("A"))]
    folder = build_catalog_folder(items[0], items, [], StageInOptions())
    assert [str(path) for path, _ in folder.documents] == ["a/a.json", "A-2/A-2.json", "catalog.json"]


def test_the_collection_of_the_items_comes_along() -> None:
    collection = Document("https://host/c.json", build_collection("s2", [link("item", "./a.json")]))
    item = Document("https://host/a.json", build_item("a", collection="s2"))
    after = documents(build_catalog_folder(collection, [item], [collection], StageInOptions()))
    assert after["catalog.json"]["links"][1]["href"] == "./s2/collection.json"
    assert link("collection", "../s2/collection.json").items() <= after["a/a.json"]["links"][2].items()
    assert {one["rel"] for one in after["s2/collection.json"]["links"]} == {"root", "parent", "canonical"}
    assert after["s2/collection.json"]["extent"] == collection.content["extent"]


def test_stated_size_and_checksum_are_expected_and_an_unknown_checksum_is_reported() -> None:
    known = {"href": "a.tif", "file:size": 3, "file:checksum": "1114" + "00" * 20}
    folder = lay_out(build_item("a", {"a": known, "b": {"href": "b.tif", "file:checksum": "7f01aa"}}))
    first, second = folder.files
    assert (first.size_bytes, first.checksum and first.checksum.algorithm, first.unverified) == (
        3,
        "sha1",
        None,
    )
    assert (second.checksum, second.unverified) == (None, "7f01aa")


def test_only_wanted_assets_are_brought_and_the_others_keep_their_remote_address() -> None:
    assets = {
        "red": {"href": "r.tif", "roles": ["data"], "type": "image/tiff; application=geotiff"},
        "view": {"href": "v.jpg", "roles": ["thumbnail"], "type": "image/jpeg"},
    }
    wanted: tuple[dict[str, Any], ...] = (
        {"asset_keys": frozenset({"red"})},
        {"asset_roles": frozenset({"data"})},
        {"asset_media_types": frozenset({"image/tiff"})},
    )
    for options in wanted:
        folder = lay_out(build_item("a", assets), **options)
        assert [file.href for file in folder.files] == ["https://host/stac/scene/r.tif"]
        assert folder.documents[0][1]["assets"]["view"]["href"] == "https://host/stac/scene/v.jpg"


@given(st.text(min_size=1), st.lists(st.text(min_size=1).filter(lambda text: "\0" not in text and text.strip())))
def test_hostile_ids_and_hrefs_never_lead_out_of_the_folder(identity: str, hrefs: list[str]) -> None:
    item = build_item(identity, {f"../{n}": {"href": href} for n, href in enumerate(hrefs)})
    try:
        check_document(item, HREF)
        folder = lay_out(item)
    except StagingError:
        reject()
    paths = [*(file.path for file in folder.files), *(path for path, _ in folder.documents)]
    assert len({str(path).casefold() for path in paths}) == len(paths)
    for path in paths:
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert all(len(part.encode()) <= 255 for part in path.parts)
        assert not any(category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in str(path))


@pytest.mark.parametrize("href", ["../../etc/passwd", "/etc/passwd", "..%2f..%2fx", "a/..", "https://h/x?y=/../z"])
def test_an_asset_gets_one_plain_name_whatever_its_href(href: str) -> None:
    (file,) = lay_out(build_item("a", {"key": {"href": href}})).files
    assert file.path.parent == PurePosixPath("a")
    assert ".." not in file.path.parts


ODD_IDS = [
    *("a/b", "a:b", "a b", "a_b", "a?b", "a#b", "a%2Fb", "A_b", "..", ".", "../../x", "/etc/passwd", ".hidden", "-x"),
    *(
        "ä",
        "ö",
        "中文",
        "🛰",
        "a" * 300,
        "a" * 299 + "b",
        "catalog.json",
        "CATALOG.JSON",
        "collection.json",
        " ",
        "a\\b",
    ),
]


def test_ids_of_any_characters_are_folders_of_their_own(tmp_path: Path) -> None:
    source = Document(HREF, build_item("source"))
    items = [
        Document(HREF, build_item(each, {"data": {"href": f"./{number}.tif"}})) for number, each in enumerate(ODD_IDS)
    ]
    collections = [Document(HREF, build_collection(each, [])) for each in ("a b", "a:b", "..")]
    folder = build_catalog_folder(source, items, collections, StageInOptions())
    written = [path for path, content in folder.documents if content["type"] != "Catalog"]
    folders = {path.parts[0].casefold() for path in written}
    assert len(folders) == len(written) == len(ODD_IDS) + 3
    for path in (*written, *(file.path for file in folder.files)):
        target = tmp_path / path
        assert target.resolve().is_relative_to(tmp_path) and ".." not in path.parts and len(path.parts) == 2
        target.parent.mkdir(exist_ok=True)
        target.write_text("x")  # a disk takes it
    # each document keeps its id, and each link leads to one
    assert [content["id"] for _, content in folder.documents if content["type"] == "Feature"] == ODD_IDS
    hrefs = [one["href"] for one in documents(folder)["catalog.json"]["links"] if one["rel"] in ("item", "child")]
    assert sorted(hrefs) == sorted(f"./{path}" for path in written)
    assert all(href.isascii() and not set(href) & set(" #?%:") for href in hrefs)
