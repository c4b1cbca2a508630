import json
import os
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from tests.unit.stagein.items import build_item
from zoo_staging.cancel import Cancellation
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.unit

LANDSAT = Path(__file__).parents[2] / "data" / "landsat-p035r032-sr" / "LT50350322008174PAC01"


def refer(path: Path | str, cwl_class: str = "File") -> dict[str, Any]:
    return {"class": cwl_class, "location": str(path)}


def test_local_files_and_folders_stay_where_they_are(tmp_path: Path) -> None:
    staged = stage_in(
        {"a": refer("thumbnail.jpg"), "b": refer(LANDSAT, "Directory")},
        tmp_path / "in",
        StageInOptions(),
        base_folder=LANDSAT,
    )
    assert staged["a"]["path"] == str(LANDSAT / "thumbnail.jpg")
    assert staged["b"]["location"] == LANDSAT.as_uri()
    assert not (tmp_path / "in").exists()


def test_missing_local_data_is_reported_with_all_others(tmp_path: Path) -> None:
    with pytest.raises(StagingError) as caught:
        stage_in(
            {"a": refer("no.tif"), "b": refer("neither.tif")},
            tmp_path,
            StageInOptions(),
            base_folder=tmp_path,
        )
    assert (caught.value.code, caught.value.href) == ("source.not-found", str(tmp_path / "no.tif"))
    assert [other.href for other in caught.value.others] == [str(tmp_path / "neither.tif")]


def test_a_folder_given_as_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="folder"):
        stage_in({"a": refer(tmp_path)}, tmp_path, StageInOptions())


def test_local_data_must_lie_in_an_allowed_root_links_followed(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "secret.txt"
    allowed.mkdir()
    outside.write_text("secret")
    (allowed / "link").symlink_to(outside)
    (allowed / "good.txt").write_text("fine")
    options = StageInOptions(allowed_roots=(allowed,))
    stage_in({"a": refer(allowed / "good.txt")}, tmp_path, options)
    for path in (outside, allowed / "link", allowed / ".." / "secret.txt"):
        with pytest.raises(StagingError) as caught:
            stage_in({"a": refer(path)}, tmp_path, options)
        assert caught.value.kind is Kind.REFUSED


def test_a_local_item_may_not_reach_out_of_the_allowed_roots(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    item = json.loads((LANDSAT / f"{LANDSAT.name}.json").read_text())
    item["assets"] = {"a": {"href": "../secret.txt"}}
    (allowed / "item.json").write_text(json.dumps(item))
    with pytest.raises(StagingError) as caught:
        stage_in(
            {"a": refer(allowed / "item.json", "Directory")},
            tmp_path / "in",
            StageInOptions(allowed_roots=(allowed,)),
        )
    assert caught.value.kind is Kind.REFUSED
    assert [path for path in (tmp_path / "in").rglob("*") if path.is_file()] == []


def test_an_unknown_scheme_is_answered_with_what_is_supported(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="'ftp'") as caught:
        stage_in({"a": refer("ftp://host/a.tif")}, tmp_path, StageInOptions())
    assert "file, http, https, s3, gs, az, data" in caught.value.remedy


@pytest.mark.parametrize("port", ["99999999", "-1", "http"])
@pytest.mark.parametrize("kind", ["File", "Directory"])
def test_an_invalid_port_is_an_error_that_names_the_address(port: str, kind: str, tmp_path: Path) -> None:
    href = f"http://data.example:{port}/a.tif"
    with pytest.raises(StagingError, match=r"[Pp]ort") as caught:
        stage_in({"a": refer(href, kind)}, tmp_path, StageInOptions(retries=0))
    assert (caught.value.code, caught.value.href) == ("source.unreachable", href)


def test_what_was_cancelled_before_does_not_start(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    item = refer(LANDSAT / f"{LANDSAT.name}.json", "Directory")
    with pytest.raises(StagingError) as caught:
        stage_in({"a": item}, tmp_path / "in", StageInOptions(), cancellation=cancellation)
    assert caught.value.kind is Kind.CANCELLED
    assert not list(tmp_path.rglob("*.tif"))


def stage_assets(folder: Path, *hrefs: str) -> dict[str, Any]:
    item = json.loads((LANDSAT / f"{LANDSAT.name}.json").read_text())
    item["assets"] = {f"a{number}": {"href": href} for number, href in enumerate(hrefs)}
    (folder / "item.json").write_text(json.dumps(item))
    staged = stage_in({"item": refer(folder / "item.json", "Directory")}, folder / "in", StageInOptions())
    return {path.name: path.read_bytes() for path in Path(staged["item"]["path"]).rglob("*.tif")}


def test_a_reference_of_a_local_item_is_decoded_once(tmp_path: Path) -> None:
    (tmp_path / "a%20b.tif").write_bytes(b"percent sign in its name")
    (tmp_path / "a b.tif").write_bytes(b"another file")
    assert stage_assets(tmp_path, "./a%2520b.tif") == {"a%20b.tif": b"percent sign in its name"}


@pytest.mark.parametrize("size_bytes", [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_local_asset_of_any_size_is_staged_whole(tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "a.tif").write_bytes(b"x" * size_bytes)
    assert stage_assets(tmp_path, "./a.tif") == {"a.tif": b"x" * size_bytes}


def test_a_pipe_as_asset_is_an_error_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    with pytest.raises(StagingError) as caught:
        stage_assets(tmp_path, "./a.tif")
    assert caught.value.code == "disk.failed"


def stage_product(tmp_path: Path, options: StageInOptions) -> dict[str, str]:
    item = json.loads((LANDSAT / f"{LANDSAT.name}.json").read_text())
    item["assets"] = {"product": {"href": "./P.SAFE"}}
    (tmp_path / "data/item.json").write_text(json.dumps(item))
    staged = stage_in({"a": refer(tmp_path / "data/item.json", "Directory")}, tmp_path / "in", options)
    product = next(Path(staged["a"]["path"]).rglob("P.SAFE"))
    return {path.relative_to(product).as_posix(): path.read_text() for path in product.rglob("*") if path.is_file()}


def write_product(tmp_path: Path, *links: str) -> Path:
    """A product whose bands are behind links, one of which leads to the product itself."""
    product, archive = tmp_path / "data/P.SAFE", tmp_path / "archive"
    for path in (product / "manifest.safe", archive / "GRANULE/B02.jp2"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    for name in links:
        (product / name).symlink_to(archive / "GRANULE")
    (archive / "GRANULE/up").symlink_to(product)
    return product


def test_a_folder_asset_has_what_is_behind_links_in_it(tmp_path: Path) -> None:
    write_product(tmp_path, "GRANULE", "COPY")
    assert stage_product(tmp_path, StageInOptions()) == {
        "manifest.safe": "manifest.safe",
        "GRANULE/B02.jp2": "B02.jp2",
        "COPY/B02.jp2": "B02.jp2",
    }


def test_a_folder_of_more_files_than_a_job_may_have_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path, "GRANULE", "COPY")
    with pytest.raises(StagingError, match="more than 2 files") as caught:
        stage_product(tmp_path, StageInOptions(max_files=2))
    assert caught.value.kind is Kind.REFUSED


def test_links_behind_links_lead_into_the_allowed_roots_too(tmp_path: Path) -> None:
    product = write_product(tmp_path, "GRANULE")
    (tmp_path / "secret").mkdir()
    (tmp_path / "archive/GRANULE/more").symlink_to(tmp_path / "secret")
    options = StageInOptions(allowed_roots=(tmp_path / "data", tmp_path / "archive"))
    with pytest.raises(StagingError, match="archive") as caught:
        stage_product(tmp_path, options)
    assert caught.value.kind is Kind.REFUSED
    with pytest.raises(StagingError, match="archive"):
        stage_in({"a": refer(product, "Directory")}, tmp_path / "in", options)


def test_a_folder_that_is_only_lent_counts_its_files_and_those_behind_links(tmp_path: Path) -> None:
    product = write_product(tmp_path, "GRANULE")
    roots = (tmp_path / "data", tmp_path / "archive")
    order = {"a": refer(product, "Directory")}
    stage_in(order, tmp_path / "in", StageInOptions(allowed_roots=roots, max_files=2))
    with pytest.raises(StagingError, match="more than 1 files") as caught:
        stage_in(order, tmp_path / "in", StageInOptions(allowed_roots=roots, max_files=1))
    assert caught.value.kind is Kind.REFUSED


def stage_items(folder: Path, selection: Any, *items: dict[str, Any], **options: Any) -> list[str]:
    content = {"type": "FeatureCollection", "features": list(items), "links": []}
    (folder / "items.json").write_text(json.dumps(content))
    for name in ("r", "g"):
        (folder / f"{name}.tif").write_bytes(b"II*\0")
    value = {**refer(folder / "items.json", "Directory"), "select": selection}
    staged = stage_in({"x": value}, folder / "in", StageInOptions(**options))
    return sorted(f"{path.parent.name}/{path.name}" for path in Path(staged["x"]["path"]).rglob("*.tif"))


RED = {"r": {"href": "./r.tif", "bands": [{"name": "red"}], "roles": ["data"]}}
GREEN = {"g": {"href": "./g.tif", "bands": [{"name": "green"}], "roles": ["data"]}}


@pytest.mark.parametrize(
    ("selection", "missing"),
    [
        ({"bands": ["red", "nir"]}, "the band 'nir'"),
        ({"roles": ["data", "cloud-mask"]}, "the role 'cloud-mask'"),
        ({"assets": ["r", "x"]}, "the key 'x'"),
    ],
)
def test_less_than_an_input_selects_is_an_error(tmp_path: Path, selection: Any, missing: str) -> None:
    with pytest.raises(StagingError, match=missing) as caught:
        stage_items(tmp_path, selection, build_item("a", RED), build_item("b", GREEN))
    assert caught.value.kind is Kind.NOT_FOUND


def test_less_than_the_settings_select_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bands = frozenset({"red", "nir"})
    assert stage_items(tmp_path, {}, build_item("a", RED), asset_bands=bands) == ["a/r.tif"]
    assert all(fact in caplog.text for fact in ("'nir'", "STAGEIN_ASSET_BANDS"))


def test_items_that_end_up_without_assets_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert stage_items(tmp_path, {"assets": ["r"]}, build_item("a", RED), build_item("b", GREEN)) == ["a/r.tif"]
    (record,) = caplog.records
    assert record.args == (str(tmp_path / "items.json"), 1, "'b'")


def test_items_without_a_box_are_selected_by_their_geometry(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [5, 5]}
    items = [build_item("a", RED, geometry=point), build_item("b", GREEN, geometry=point, bbox=[5, 5, 5, 5])]
    assert stage_items(tmp_path, {"bbox": [0, 0, 10, 10]}, *items) == ["a/r.tif", "b/g.tif"]


def test_an_item_that_is_nowhere_to_be_found_is_an_error_where_a_box_is_selected(tmp_path: Path) -> None:
    item = build_item("a", RED, geometry={"type": "Point", "coordinates": []})
    with pytest.raises(StagingError, match="'a'") as caught:
        stage_items(tmp_path, {"bbox": [0, 0, 10, 10]}, item)
    assert caught.value.kind is Kind.STAC_INVALID


def test_a_preview_that_is_an_empty_folder_is_left_out_and_data_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "e.zarr").mkdir()
    empty = {"href": "./e.zarr", "type": "application/vnd+zarr"}
    with pytest.raises(StagingError, match="empty") as caught:
        stage_items(tmp_path, {}, build_item("a", {**RED, "e": empty}))
    assert caught.value.kind is Kind.NOT_FOUND
    item = build_item("a", {**RED, "e": {**empty, "roles": ["metadata"]}})
    assert stage_items(tmp_path, {}, item) == ["a/r.tif"]
    assert "asset 'e'" in caplog.text


def test_what_is_not_selected_keeps_its_place_on_disk_as_a_uri_reference(tmp_path: Path) -> None:
    (tmp_path / "a b#1?.tif").write_bytes(b"II*\0")
    other = {"href": "./a%20b%231%3F.tif"}
    item = build_item("a", {**RED, "other": other}, links=[{"rel": "license", "href": "./50%25.txt"}])
    stage_items(tmp_path, {"assets": ["r"]}, item)
    staged = json.loads((tmp_path / "in/x/a/a.json").read_text())
    assert staged["assets"]["other"]["href"] == (tmp_path / "a b#1?.tif").as_uri()
    assert {"rel": "license", "href": (tmp_path / "50%.txt").as_uri()} in staged["links"]


HELLO = {"size": 5, "checksum": "sha1$aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"}


@pytest.mark.parametrize("where", ["plain", "secondary", "listed"])
@pytest.mark.parametrize(
    ("stated", "code"),
    [
        (HELLO, None),
        ({"checksum": "sha256$2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824"}, None),
        ({**HELLO, "size": 6}, "source.size"),
        ({"checksum": "sha1$" + "0" * 40}, "source.checksum"),
        ({"checksum": "md5$" + "0" * 32, "size": 5}, "source.checksum"),
    ],
)
def test_a_local_file_is_what_its_input_says(
    tmp_path: Path, where: str, stated: dict[str, Any], code: str | None
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    (tmp_path / "b.txt").write_text("b")
    file = {**refer(path), **stated}
    value = {
        "plain": file,
        "secondary": {**refer(tmp_path / "b.txt"), "secondaryFiles": [file]},
        "listed": {"class": "Directory", "basename": "d", "listing": [file]},
    }[where]
    if code is None:
        stage_in({"a": value}, tmp_path / "in", StageInOptions())
        return
    with pytest.raises(StagingError) as caught:
        stage_in({"a": value}, tmp_path / "in", StageInOptions())
    assert (caught.value.code, caught.value.href) == (code, str(path))
    assert "its input states" in caught.value.reason


@pytest.mark.parametrize("stated", [{"size": 6}, {"size": 6, "checksum": "sha1$hash"}])
def test_another_size_without_a_checksum_is_a_warning_as_cwltool_reads_past_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stated: dict[str, Any]
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    stage_in({"a": {**refer(tmp_path / "a.txt"), **stated}}, tmp_path / "in", StageInOptions())
    assert "5 bytes" in caplog.text


def test_a_checksum_of_an_unknown_kind_is_not_verified_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    stage_in({"a": {**refer(tmp_path / "a.txt"), "checksum": "crc32$3610a686"}}, tmp_path / "in", StageInOptions())
    assert "checksum not verified" in caplog.text
    assert "crc32$3610a686" in caplog.text
