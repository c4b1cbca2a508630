"""One suite over every kind of source: a folder, a web server, real servers of object stores, and S3 with faults."""

import asyncio
import base64
import gzip
import hashlib
import json
import socket
import subprocess
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from tests.clouds import AzureServer, GoogleServer
from tests.servers import Fault, FileServer, S3Server, make_certificate, serve_files, serve_s3
from tests.unit.stagein.items import build_catalog, build_collection, build_item, link
from zoo_staging.cancel import Cancellation
from zoo_staging.errors import Kind, StagingError
from zoo_staging.http import HttpClient, HttpOptions
from zoo_staging.object_store import open_store, read_object
from zoo_staging.progress import Transferred
from zoo_staging.ranges import ByteRange, ChangedError
from zoo_staging.settings import CloudOptions, S3Options

pytestmark = pytest.mark.contract

DATA = Path(__file__).parents[1] / "data"
LANDSAT = DATA / "landsat-p035r032-sr" / "LT50350322008174PAC01"
TIFF = b"II*\x00pixels"
PIXELS = b"II*\x00px"
QUICK = StageInOptions(first_wait_seconds=0.01, longest_wait_seconds=5, read_timeout_seconds=10)


class Origin(Protocol):
    """A place that data is offered at."""

    options: StageInOptions

    def put(self, path: str, data: bytes) -> str:
        """Offer `data`; its address."""
        ...


@dataclass
class Folder:
    folder: Path
    options: StageInOptions = QUICK

    def put(self, path: str, data: bytes) -> str:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return str(target)


@dataclass
class Web:
    server: FileServer
    options: StageInOptions = QUICK
    prefix: str = ""

    def put(self, path: str, data: bytes) -> str:
        return self.server.put(path, data)


@dataclass
class FaultyS3:
    """The web server again, which looks like an S3 service to unsigned S3 requests."""

    server: FileServer
    prefix: str = "bucket/"

    @property
    def options(self) -> StageInOptions:
        return replace(QUICK, s3=S3Options(endpoint=self.server.url))

    def put(self, path: str, data: bytes) -> str:
        return "s3:/" + self.server.put(self.prefix + path, data).removeprefix(self.server.url)


@dataclass
class RealS3:
    server: Any
    base: str = "s3://bucket"

    @property
    def options(self) -> StageInOptions:
        return replace(QUICK, s3=self.server.options)

    def put(self, path: str, data: bytes) -> str:
        return str(self.server.put("bucket", path, data))


@dataclass
class S3AsGoogle:
    """The S3 server, asked for by Google's client: unsigned, in the dialect that Google's XML API is of."""

    server: S3Server
    base: str = "gs://bucket"

    @property
    def options(self) -> StageInOptions:
        return replace(QUICK, clouds=CloudOptions(google_endpoint=self.server.options.endpoint))

    def put(self, path: str, data: bytes) -> str:
        return self.server.put("bucket", path, data).replace("s3:", "gs:", 1)


@dataclass
class Cloud:
    """A container of its own, in a server of Azure Blob or Google Cloud Storage."""

    server: AzureServer | GoogleServer
    scheme: str

    def __post_init__(self) -> None:
        self.container = self.server.create()
        self.base = f"{self.scheme}://{self.container}"

    @property
    def options(self) -> StageInOptions:
        return replace(QUICK, clouds=self.server.options)

    def put(self, path: str, data: bytes) -> str:
        return self.server.put(self.container, path, data)


@contextmanager
def open_origin(kind: str, folder: Path) -> Iterator[Any]:
    folder.mkdir()
    if kind == "folder":
        yield Folder(folder)
    elif kind in ("s3", "gs-as-s3"):
        (folder / "bucket").mkdir()
        with serve_s3(folder, "test-access-key" if kind == "s3" else None) as s3:
            yield RealS3(s3) if kind == "s3" else S3AsGoogle(s3)
    else:
        with serve_files(folder) as server:
            yield Web(server) if kind == "web" else FaultyS3(server)


def ask_for_origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param in ("gs", "az"):
        server = request.getfixturevalue({"gs": "google", "az": "azure"}[request.param])
        yield Cloud(server, request.param)
    else:
        with open_origin(request.param, tmp_path / "origin") as opened:
            yield opened


STORES = ("s3", "gs", "gs-as-s3", "az")


@pytest.fixture(params=["folder", "web", *STORES])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Origin]:
    yield from ask_for_origin(request, tmp_path)


@pytest.fixture(params=["gs", "az"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    yield from ask_for_origin(request, tmp_path)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    yield from ask_for_origin(request, tmp_path)


@pytest.fixture(params=["web", "faulty-s3"])
def faulty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with open_origin(request.param, tmp_path / "origin") as opened:
        yield opened


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with open_origin("web", tmp_path / "origin") as opened:
        yield opened


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[RealS3]:
    with open_origin("s3", tmp_path / "origin") as opened:
        yield opened


def file(href: str, **more: Any) -> dict[str, Any]:
    return {"class": "File", "location": href, **more}


def directory(href: str) -> dict[str, Any]:
    return {"class": "Directory", "location": href}


def put_json(origin: Origin, path: str, content: Any) -> str:
    return origin.put(path, json.dumps(content).encode())


def put_landsat(origin: Origin) -> str:
    for path in LANDSAT.iterdir():
        href = origin.put(f"items/{path.name}", path.read_bytes())
        if path.suffix == ".json":
            found = href
    return found


def put_item(origin: Origin, sizes: dict[str, int], **more: Any) -> dict[str, Any]:
    """Offer an item with assets of these sizes (in bytes); the input that refers to it."""
    for name, size in sizes.items():
        origin.put(name, bytes(size))
    assets = {name: {"href": f"./{name}", "file:size": size, **more} for name, size in sizes.items()}
    return directory(put_json(origin, "item.json", build_item("a", assets)))


def all_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def fail(job_order: dict[str, Any], folder: Path, options: StageInOptions) -> StagingError:
    with pytest.raises(StagingError) as caught:
        stage_in(job_order, folder, options)
    return caught.value


# what every source does


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.tif", PIXELS),
        ("empty.txt", b""),
        ("a b+ü.tif", PIXELS),
        ("large.bin", bytes(range(256)) * 40_000),
    ],
    ids=["plain", "empty", "odd-name", "large"],
)
def test_a_file_arrives_byte_for_byte(origin: Origin, tmp_path: Path, name: str, data: bytes) -> None:
    staged = stage_in({"a": file(origin.put(name, data))}, tmp_path / "in", origin.options)
    assert Path(staged["a"]["path"]).read_bytes() == data


@pytest.mark.parametrize("size", [10, 2 << 20], ids=["small", "large"])
def test_another_version_of_the_same_size_is_seen(origin: Origin, tmp_path: Path, size: int) -> None:
    seen: list[dict[Path, str]] = []
    href = ""
    for number, content in enumerate((b"a", b"b", b"b")):
        # what is put again as it was is not put at all
        href = origin.put("a.bin", content * size) if number < 2 else href
        known: dict[Path, str] = {}
        # twice in the order: it is fetched once
        order = {"a": file(href), "again": file(href)}
        staged = stage_in(order, tmp_path / str(number), origin.options, versions=known)
        paths = [Path(staged[name]["path"]) for name in order]
        seen.append({Path(path.relative_to(tmp_path / str(number))): known[path] for path in paths if path in known})
    if isinstance(origin, Folder):
        # stays where it is: whoever reads it sees its time
        assert seen == [{}, {}, {}]
        return
    assert [len(one) for one in seen] == [2, 2, 2]
    first, second, third = (set(one.values()) for one in seen)
    assert (len(first), first != second, second == third) == (1, True, True)


def test_a_real_item_becomes_a_local_catalog_with_its_assets_verified(origin: Origin, tmp_path: Path) -> None:
    staged = stage_in({"scene": directory(put_landsat(origin))}, tmp_path / "in", origin.options)
    folder = Path(staged["scene"]["path"])
    name = LANDSAT.name
    assert all_files(folder) == sorted(["catalog.json", *(f"{name}/{path.name}" for path in LANDSAT.iterdir())])
    for path in LANDSAT.glob("*.tif"):
        assert (folder / name / path.name).read_bytes() == path.read_bytes()
    item = json.loads((folder / name / f"{name}.json").read_text())
    assert {asset["href"] for asset in item["assets"].values()} == {
        f"./{path.name}" for path in LANDSAT.iterdir() if path.suffix != ".json"
    }
    before = json.loads((LANDSAT / f"{name}.json").read_text())
    assert item["properties"] == before["properties"]


def test_a_catalog_is_walked_down_to_its_items(origin: Origin, tmp_path: Path) -> None:
    origin.put("c/a/a.tif", b"\x00")
    origin.put("c/b/b.tif", bytes(2))
    put_json(origin, "c/a/a.json", build_item("a", {"x": {"href": "./a.tif"}}, collection="s2"))
    put_json(origin, "c/b/b.json", build_item("b", {"x": {"href": "b.tif", "file:size": 2}}, stac_version="1.1.0"))
    put_json(
        origin,
        "c/collection.json",
        build_collection("s2", [link("item", "./a/a.json"), link("item", "./b/b.json")]),
    )
    href = put_json(origin, "catalog.json", build_catalog("root", [link("child", "./c/collection.json")]))
    staged = stage_in({"all": directory(href)}, tmp_path / "in", origin.options)
    assert all_files(Path(staged["all"]["path"])) == [
        "a/a.json",
        "a/a.tif",
        "b/b.json",
        "b/b.tif",
        "catalog.json",
        "s2/collection.json",
    ]


ZARR = {
    ".zmetadata": {"metadata": {".zgroup": {}, "B02/.zarray": {"shape": [2, 1], "chunks": [1, 1]}}},
    ".zgroup": {},
    "B02/.zarray": {"shape": [2, 1], "chunks": [1, 1]},
    "B02/0.0": "chunk",
}


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_asset_that_is_a_folder_is_staged_with_all_its_files(origin: Origin, tmp_path: Path, slash: str) -> None:
    for name, content in ZARR.items():
        put_json(origin, f"x/cube.zarr/{name}", content)
    asset = {"href": f"./cube.zarr{slash}", "type": "application/vnd+zarr"}
    staged = stage_in(
        {"a": directory(put_json(origin, "x/item.json", build_item("a", {"cube": asset})))}, tmp_path, origin.options
    )
    folder = Path(staged["a"]["path"], "a")
    assert all_files(folder / "cube.zarr") == sorted(ZARR)
    assert (folder / "cube.zarr/B02/0.0").read_text() == '"chunk"'
    assert json.loads((folder / "a.json").read_text())["assets"]["cube"]["href"] == "./cube.zarr"


def test_paths_of_assets_below_the_item_are_kept(origin: Origin, tmp_path: Path) -> None:
    names = ("manifest.safe", "measurement/vv.tiff", "annotation/calibration/c x.xml")
    for name in names:
        origin.put(f"S1A.SAFE/{name}", b"<x/>" if name.endswith("xml") else TIFF)
    item = build_item("a", {name[:4]: {"href": quote(f"./{name}")} for name in names})
    staged = stage_in({"a": directory(put_json(origin, "S1A.SAFE/item.json", item))}, tmp_path, origin.options)
    folder = Path(staged["a"]["path"], "a")
    assert all_files(folder) == sorted([*names, "a.json"])
    hrefs = [asset["href"] for asset in json.loads((folder / "a.json").read_text())["assets"].values()]
    assert [(folder / unquote(href)).is_file() for href in hrefs] == [True] * 3


def test_a_picture_beside_the_data_may_be_missing(origin: Origin, tmp_path: Path) -> None:
    origin.put("a.tif", PIXELS)
    assets = {"data": {"href": "./a.tif"}, "view": {"href": "./gone.jpg", "roles": ["thumbnail"]}}
    href = put_json(origin, "item.json", build_item("a", assets))
    staged = stage_in({"a": directory(href)}, tmp_path, origin.options)
    folder = Path(staged["a"]["path"], "a")
    assert all_files(folder) == ["a.json", "a.tif"]
    # the item still says where it would be
    assert json.loads((folder / "a.json").read_text())["assets"]["view"]["href"] != "./gone.jpg"


def test_missing_data_names_the_asset_the_item_and_the_settings_that_select_assets(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_json(origin, "item.json", build_item("scene-1", {"red": {"href": "./gone.tif", "roles": ["data"]}}))
    error = fail({"a": directory(href)}, tmp_path, origin.options)
    assert error.code == "source.not-found"
    assert "'red'" in error.reason
    assert "'scene-1'" in error.reason
    assert "STAGEIN_ASSET_KEYS" in error.remedy


def test_assets_of_a_collection_without_items_are_staged(origin: Origin, tmp_path: Path) -> None:
    origin.put("c/points.parquet", b"PAR1")
    collection = build_collection("points", [], assets={"data": {"href": "./points.parquet"}})
    staged = stage_in({"a": directory(put_json(origin, "c/collection.json", collection))}, tmp_path, origin.options)
    assert (Path(staged["a"]["path"]) / "points/points.parquet").read_bytes() == b"PAR1"


def test_what_does_not_exist_is_named(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("there.json", b"{}").replace("there", "not-there")
    options = replace(origin.options, allowed_roots=None)
    for wanted in (file(href), directory(href)):
        error = fail({"a": wanted}, tmp_path / "in", options)
        assert error.kind is Kind.NOT_FOUND
        assert error.href == href
        assert "not exist" in error.reason or "no such file" in error.reason


def test_a_wrong_checksum_is_an_error_and_the_file_is_not_there(origin: Origin, tmp_path: Path) -> None:
    origin.put("a.tif", b"II*\x00changed")
    asset = {"href": "./a.tif", "file:checksum": "1220" + "00" * 32}
    href = put_json(origin, "item.json", build_item("a", {"x": asset}))
    error = fail({"a": directory(href)}, tmp_path / "in", origin.options)
    assert error.kind is Kind.CHECKSUM
    assert error.href.endswith("a.tif")
    found = hashlib.sha256(b"II*\x00changed").hexdigest()
    assert all(fact in error.reason for fact in (found, "00" * 32, "asset 'x'"))
    assert all_files(tmp_path / "in") == []


def test_a_checksum_of_unknown_kind_is_reported_and_does_no_harm(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin.put("a.tif", PIXELS)
    href = put_json(origin, "item.json", build_item("a", {"x": {"href": "a.tif", "file:checksum": "7f0100"}}))
    stage_in({"a": directory(href)}, tmp_path / "in", origin.options)
    assert all(fact in caplog.text for fact in ("checksum", "7f0100"))


def test_a_wrong_size_is_an_error_and_the_file_is_not_there(origin: Origin, tmp_path: Path) -> None:
    wanted = put_item(origin, {"a.tif": 4}, **{"file:size": 5})
    error = fail({"a": wanted}, tmp_path / "in", origin.options)
    assert error.kind is Kind.SIZE
    assert all(fact in error.reason for fact in ("4 bytes", "5", "asset 'a.tif'"))
    assert all_files(tmp_path / "in") == []


def test_what_is_no_stac_is_said_so(origin: Origin, tmp_path: Path) -> None:
    error = fail({"a": directory(origin.put("a.json", b"<html>"))}, tmp_path / "in", origin.options)
    assert error.kind is Kind.STAC_INVALID
    assert "<html>" in error.reason


def test_too_many_bytes_are_refused(origin: Origin, tmp_path: Path) -> None:
    options = replace(origin.options, max_bytes=10)
    error = fail({"a": put_item(origin, {"1.bin": 8, "2.bin": 8})}, tmp_path / "in", options)
    assert error.kind is Kind.REFUSED
    assert "10 bytes" in error.reason
    assert not list((tmp_path / "in").rglob("*.part"))


def test_progress_counts_up_to_the_whole(origin: Origin, tmp_path: Path) -> None:
    seen: list[Transferred] = []
    wanted = put_item(origin, {"1.bin": 1, "2.bin": 2, "3.bin": 3})
    stage_in({"a": wanted}, tmp_path / "in", origin.options, seen.append)
    assert (seen[-1].files_done, seen[-1].files_total) == (3, 3)
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (6, 6)
    assert [one.bytes_done for one in seen] == sorted(one.bytes_done for one in seen)


def test_a_place_that_cannot_be_written_to_is_an_error_of_the_disk(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a file, not a folder")
    error = fail({"a": put_item(origin, {"a.tif": 1})}, tmp_path / "in", origin.options)
    assert error.kind is Kind.DISK


# what sources over a network do, whatever goes wrong on the way


def test_a_server_that_is_busy_twice_is_asked_a_third_time(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS)
    faulty.server.fail(f"{faulty.prefix}a.tif", Fault(503), Fault(503))
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options)
    assert Path(staged["a"]["path"]).read_bytes() == PIXELS
    assert faulty.server.count(f"{faulty.prefix}a.tif") == 3


def test_a_server_that_stays_busy_is_given_up(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS)
    faulty.server.fail_always(f"{faulty.prefix}a.tif", Fault(503))
    error = fail({"a": file(href)}, tmp_path / "in", replace(faulty.options, retries=1))
    assert error.kind is Kind.SERVICE
    assert "HTTP 503" in error.reason
    assert faulty.server.count(f"{faulty.prefix}a.tif") == 2


def test_a_refusal_is_final(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS)
    faulty.server.fail_always(f"{faulty.prefix}a.tif", Fault(403, body=b"no"))
    error = fail({"a": file(href)}, tmp_path / "in", faulty.options)
    assert error.kind is Kind.FORBIDDEN
    assert "HTTP 403" in error.reason
    assert faulty.server.count(f"{faulty.prefix}a.tif") == 1


def test_a_server_that_hangs_up_as_it_is_asked_is_asked_again(faulty: Any, tmp_path: Path) -> None:
    """As servers do that close a connection which was idle, while the next request is on its way."""
    href = faulty.put("a.tif", PIXELS)
    faulty.server.fail(f"{faulty.prefix}a.tif", Fault(hang_up=True))
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options)
    assert Path(staged["a"]["path"]).read_bytes() == PIXELS
    assert faulty.server.count(f"{faulty.prefix}a.tif") == 2


def test_a_body_that_breaks_off_is_fetched_again(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS * 1000)
    faulty.server.fail(f"{faulty.prefix}a.tif", Fault(cut_bytes=100))
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options)
    assert Path(staged["a"]["path"]).read_bytes() == PIXELS * 1000


def test_a_body_that_always_breaks_off_leaves_nothing(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS * 1000)
    faulty.server.fail_always(f"{faulty.prefix}a.tif", Fault(cut_bytes=100))
    error = fail({"a": file(href)}, tmp_path / "in", replace(faulty.options, retries=1))
    assert error.kind is Kind.SIZE
    assert all_files(tmp_path / "in") == []


def test_a_server_that_stands_still_is_not_waited_for_longer_than_the_read_timeout(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS * 1000)
    faulty.server.fail_always(f"{faulty.prefix}a.tif", Fault(cut_bytes=100, stall=True))
    error = fail({"a": file(href)}, tmp_path / "in", replace(faulty.options, retries=0, read_timeout_seconds=0.2))
    assert error.kind is Kind.TIMEOUT
    assert all_files(tmp_path / "in") == []


def test_a_server_that_is_down_cannot_be_reached(faulty: Any, tmp_path: Path) -> None:
    options = replace(faulty.options, retries=0, s3=S3Options(endpoint="http://127.0.0.1:1"))
    href = "s3://bucket/a.tif" if faulty.prefix else "http://127.0.0.1:1/a.tif"
    error = fail({"a": file(href)}, tmp_path / "in", options)
    assert error.kind is Kind.UNREACHABLE
    assert error.href == href


def test_a_server_with_an_untrusted_certificate_gets_no_request(tmp_path: Path) -> None:
    with serve_files(tmp_path, make_certificate(tmp_path)) as server:
        options = replace(QUICK, s3=S3Options(endpoint=server.url))
        for href in (f"{server.url}/a.tif", "s3://bucket/a.tif"):
            error = fail({"a": file(href)}, tmp_path / "in", options)
            assert error.kind is Kind.UNTRUSTED
        assert server.requests == []


def test_a_partial_file_is_never_visible_and_a_cancelled_one_leaves_nothing(faulty: Any, tmp_path: Path) -> None:
    data = TIFF.ljust(9 << 20, b"x")
    href = faulty.put("a.tif", data)
    faulty.server.fail_always(f"{faulty.prefix}a.tif", Fault(cut_bytes=len(data) - 1, stall=True))
    cancellation, visible, pressed = Cancellation(), list[bool](), list[float]()
    # a cancellation that got lost would end as a time-out, and not as one
    options = replace(faulty.options, retries=0)

    def look(progress: Transferred) -> None:
        visible.append((tmp_path / "in" / "a" / "a.tif").exists())
        if progress.bytes_done > (4 << 20) and not pressed:
            pressed.append(time.monotonic())
            threading.Thread(target=cancellation.cancel).start()

    with pytest.raises(StagingError) as caught:
        stage_in({"a": file(href)}, tmp_path / "in", options, look, cancellation=cancellation)
    assert caught.value.code == "job.dismissed"
    assert time.monotonic() - pressed[0] < options.read_timeout_seconds
    assert len(visible) > 1
    assert not any(visible)
    assert all_files(tmp_path / "in") == []


def test_an_address_that_several_inputs_name_is_fetched_once(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("a.tif", PIXELS)
    staged = stage_in({"a": file(href), "b": [file(href)]}, tmp_path / "in", faulty.options)
    paths = [Path(staged["a"]["path"]), Path(staged["b"][0]["path"])]
    assert paths[0] != paths[1]
    assert [path.read_bytes() for path in paths] == [PIXELS, PIXELS]
    assert faulty.server.count(f"{faulty.prefix}a.tif") == 1


def test_several_problems_are_reported_together(faulty: Any, tmp_path: Path) -> None:
    first = faulty.put("here", b"")
    error = fail({"a": file(f"{first}1"), "b": file(f"{first}2")}, tmp_path / "in", faulty.options)
    assert error.reason.endswith("(and 1 more)")
    assert [other.href for other in error.others] == [f"{first}2"]


# the web


def test_redirects_are_followed_and_relative_hrefs_count_from_where_they_lead(web: Web, tmp_path: Path) -> None:
    web.put("new/a.tif", PIXELS)
    put_json(web, "new/item.json", build_item("a", {"x": {"href": "./a.tif"}}))
    web.server.fail_always("old/item.json", Fault(302, {"Location": "/new/item.json"}))
    staged = stage_in({"a": directory(f"{web.server.url}/old/item.json")}, tmp_path / "in", QUICK)
    assert (Path(staged["a"]["path"]) / "a" / "a.tif").read_bytes() == PIXELS


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:a9fe:a9fe]/",
    ],
)
def test_a_redirect_to_a_metadata_address_is_refused(web: Web, tmp_path: Path, location: str) -> None:
    web.server.fail_always("a.tif", Fault(302, {"Location": location}))
    error = fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert error.kind is Kind.REFUSED


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/"])
def test_a_redirect_to_another_scheme_is_refused(web: Web, tmp_path: Path, location: str) -> None:
    web.server.fail_always("a.tif", Fault(302, {"Location": location}))
    error = fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert error.kind is Kind.REFUSED
    assert location in error.reason


def put_search(web: Web, pages: int) -> str:
    """Offer a search with one item on each page, whose next pages only a POST gives; where the first page is."""

    def build_page(number: int, limit: int) -> dict[str, Any]:
        web.put(f"{number}.tif", b"II*\0")
        item = build_item(f"item-{number}", {"x": {"href": f"{web.server.url}/{number}.tif"}})
        onward = {"rel": "next", "href": f"{web.server.url}/search", "method": "POST", "merge": True}
        body = {"token": number + 1, **({"limit": limit} if number == 1 else {})}
        links = [{**onward, "body": body}] if number < pages else []
        return {"type": "FeatureCollection", "features": [item], "links": links}

    web.server.answer_post = lambda _, body: build_page(body["token"], body["limit"])
    return put_json(web, "found.json", build_page(1, 1))


def test_pages_of_a_search_that_only_a_post_gives_are_followed(web: Web, tmp_path: Path) -> None:
    stage_in({"x": directory(put_search(web, 3))}, tmp_path / "in", QUICK)
    assert [path.name for path in sorted((tmp_path / "in").rglob("*.tif"))] == ["1.tif", "2.tif", "3.tif"]
    assert web.server.posted == [("search", {"token": 2, "limit": 1}), ("search", {"token": 3, "limit": 1})]


def test_pages_are_limited_however_they_are_asked_for(web: Web, tmp_path: Path) -> None:
    error = fail({"x": directory(put_search(web, 10))}, tmp_path, replace(QUICK, max_items=4))
    assert error.kind is Kind.REFUSED
    assert "STAGEIN_MAX_ITEMS" in error.remedy
    assert len(web.server.posted) < 5


def test_a_busy_search_is_asked_again(web: Web, tmp_path: Path) -> None:
    web.server.fail("search", Fault(503), Fault(429))
    stage_in({"x": directory(put_search(web, 2))}, tmp_path / "in", QUICK)
    assert len(web.server.posted) == 3


def test_a_post_is_not_taken_to_another_host_by_a_redirect(web: Web, tmp_path: Path) -> None:
    web.server.fail_always("search", Fault(307, {"Location": web.server.url.replace("127.0.0.1", "localhost") + "/x"}))
    error = fail({"x": directory(put_search(web, 2))}, tmp_path, QUICK)
    assert error.kind is Kind.REFUSED
    assert "localhost" in error.reason
    assert [path for path, _ in web.server.posted] == ["search"]


def test_redirects_in_a_circle_end(web: Web, tmp_path: Path) -> None:
    web.server.fail_always("a.tif", Fault(302, {"Location": "/a.tif"}))
    error = fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert error.kind is Kind.REFUSED


def test_private_networks_are_refused_where_the_operator_says_so_by_address_and_by_name(
    web: Web, tmp_path: Path
) -> None:
    web.put("a.tif", PIXELS)
    options = replace(QUICK, allow_private=False)
    for url in (web.server.url, web.server.url.replace("127.0.0.1", "localhost")):
        error = fail({"a": file(f"{url}/a.tif")}, tmp_path / "in", options)
        assert error.kind is Kind.REFUSED
        assert "STAGEIN_ALLOW_PRIVATE" in error.remedy
    assert web.server.requests == []


def test_the_wait_that_a_server_asks_for_is_kept(web: Web, tmp_path: Path) -> None:
    href = web.put("a.tif", PIXELS)
    web.server.fail("a.tif", Fault(429, {"Retry-After": "1"}))
    start = time.monotonic()
    stage_in({"a": file(href)}, tmp_path / "in", QUICK)
    assert time.monotonic() - start >= 1


def test_a_remote_item_may_not_fetch_a_file_of_this_machine(web: Web, tmp_path: Path) -> None:
    href = put_json(web, "item.json", build_item("a", {"x": {"href": "file:///etc/passwd"}}))
    error = fail({"a": directory(href)}, tmp_path / "in", QUICK)
    assert error.kind is Kind.REFUSED
    assert all_files(tmp_path / "in") == []


def test_what_cannot_fit_on_the_disk_is_refused_before_it_is_fetched(web: Web, tmp_path: Path) -> None:
    error = fail({"a": file(web.put("a", b"x"), size=1 << 60)}, tmp_path / "in", QUICK)
    assert error.code == "disk.full"
    assert str(1 << 60) in error.reason
    assert web.server.requests == []


# what a web server sends is checked


def test_a_login_page_in_place_of_an_asset_is_forbidden(web: Web, tmp_path: Path) -> None:
    web.server.fail_always("a.tif", Fault(302, {"Location": "/login"}))
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
    web.server.fail_always("login", Fault(body=page, headers={"Content-Type": "text/html; charset=utf-8"}))
    href = put_json(web, "item.json", build_item("a", {"red": {"href": "./a.tif", "type": "image/tiff"}}))
    error = fail({"a": directory(href)}, tmp_path / "in", QUICK)
    assert error.code == "source.forbidden"
    assert "'red'" in error.reason
    assert "STAGEIN_HOSTS_FILE" in error.remedy
    assert all_files(tmp_path / "in") == []


def test_an_error_page_with_status_200_is_not_the_file(web: Web, tmp_path: Path) -> None:
    web.server.fail_always("a.tif", Fault(body=b"<html>Gone</html>", headers={"Content-Type": "text/html"}))
    assert fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK).code == "source.content"


PAGE, PROBLEM = b"<!DOCTYPE html><title>Oops</title>", b'{"error": {"code": 499, "message": "Token Required"}}'
REPORT = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'


@pytest.mark.parametrize(
    ("name", "served", "body"),
    [
        ("a.tif", "text/html; charset=UTF-8", b"\xef\xbb\xbf\n<!-- x --><html>"),
        ("a.tif", None, PAGE),
        ("a.tif", "application/octet-stream", PAGE),
        ("a.tif", "image/png", PAGE),
        ("a.nc", "binary/octet-stream", PAGE),
        ("a.zip", "application/octet-stream", b"<html><body>Maintenance</body></html>"),
        ("a.tif", "application/json", PROBLEM),
        ("a.tif", "application/problem+json", PROBLEM),
        ("a.jp2", "application/xml", REPORT),
        ("a.tif", "text/xml", REPORT),
        ("a.json", "text/html", PAGE),
    ],
)
def test_what_is_sent_in_place_of_a_file_is_found_whatever_it_is_called(
    web: Web, tmp_path: Path, name: str, served: str | None, body: bytes
) -> None:
    web.server.fail_always(name, Fault(body=body, headers={"Content-Type": served} if served else {}))
    error = fail({"a": file(f"{web.server.url}/{name}")}, tmp_path / "in", QUICK)
    assert error.code == "source.content"
    assert name in error.href
    assert all_files(tmp_path / "in") == []


@pytest.mark.parametrize(
    ("name", "announced", "served", "body"),
    [
        ("page.html", None, "text/html", PAGE),
        ("page", "text/html", "text/html", PAGE),
        ("notes.txt", None, "text/html", b"<html> is how a page begins"),
        ("a.tif", None, "text/html", b"II*\x00 pixels"),
        ("a.tif", None, "application/json", b"II*\x00 pixels"),
        ("a.tif", None, "application/octet-stream", b"II*\x00 pixels"),
        ("answer.json", None, "application/json", PROBLEM),
        ("a.xml", "application/xml", "application/xml", REPORT),
        ("a.geojson", None, "text/plain", b'{"type": "FeatureCollection", "features": []}'),
    ],
)
def test_what_is_the_file_is_taken_whatever_it_is_called(
    web: Web, tmp_path: Path, name: str, announced: str | None, served: str, body: bytes
) -> None:
    web.server.fail_always(name, Fault(body=body, headers={"Content-Type": served}))
    asset = {"href": f"./{name}", **({"type": announced} if announced else {})}
    href = put_json(web, "item.json", build_item("a", {"one": asset}))
    staged = stage_in({"a": directory(href)}, tmp_path / "in", QUICK)
    assert [path.read_bytes() for path in Path(staged["a"]["path"]).rglob(name)] == [body]


def put_cube(web: Web, **more: Any) -> str:
    for name, content in ZARR.items():
        put_json(web, f"cube.zarr/{name}", content)
    asset = {"href": "./cube.zarr", "type": "application/vnd+zarr", **more}
    web.put("a.tif", TIFF)
    return put_json(web, "item.json", build_item("a", {"cube": asset, "data": {"href": "./a.tif"}}))


def test_a_store_behind_a_login_is_reported_as_such(web: Web, tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
    web.server.fail_always("cube.zarr/zarr.json", Fault(body=page, headers={"Content-Type": "text/html"}))
    error = fail({"a": directory(put_cube(web))}, tmp_path / "in", QUICK)
    assert (error.code, "STAGEIN_HOSTS_FILE" in error.remedy) == ("source.forbidden", True)


def test_a_server_that_answers_everything_with_a_page_has_stores_all_the_same(web: Web, tmp_path: Path) -> None:
    web.server.fail_always("cube.zarr/zarr.json", Fault(body=PAGE, headers={"Content-Type": "text/html"}))
    staged = stage_in({"a": directory(put_cube(web))}, tmp_path / "in", QUICK)
    assert all_files(Path(staged["a"]["path"], "a/cube.zarr")) == sorted(ZARR)


@pytest.mark.parametrize(
    ("served", "body"),
    [("text/html", b"<!DOCTYPE html><html>rate limit"), ("application/json", b'{"message": "Too many"}')],
)
def test_a_page_or_message_in_place_of_a_chunk_is_an_error(web: Web, tmp_path: Path, served: str, body: bytes) -> None:
    web.server.fail_always("cube.zarr/B02/1.0", Fault(body=body, headers={"Content-Type": served}))
    error = fail({"a": directory(put_cube(web))}, tmp_path / "in", QUICK)
    assert (error.code, error.href) == ("source.content", f"{web.server.url}/cube.zarr/B02/1.0")


def test_a_preview_that_is_a_folder_of_a_web_server_is_left_out(web: Web, tmp_path: Path) -> None:
    href = put_cube(web, href="./gone.zarr/", roles=["overview"])
    staged = stage_in({"a": directory(href)}, tmp_path / "in", QUICK)
    item = json.loads(Path(staged["a"]["path"], "a/a.json").read_text())
    assert item["assets"]["cube"]["href"] == f"{web.server.url}/gone.zarr/"
    assert Path(staged["a"]["path"], "a/a.tif").read_bytes() == TIFF


def test_a_part_that_was_not_requested_is_requested_again(web: Web, tmp_path: Path) -> None:
    href = web.put("a.tif", TIFF)
    web.server.fail("a.tif", Fault(206, {"Content-Range": f"bytes 0-3/{len(TIFF)}"}, TIFF[:4]))
    staged = stage_in({"a": file(href)}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == TIFF


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress"])
def test_a_content_coding_that_was_not_asked_for_and_is_not_known_is_refused(
    web: Web, tmp_path: Path, coding: str
) -> None:
    web.server.fail_always("a.tif", Fault(body=b"packed", headers={"Content-Encoding": coding}))
    error = fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert error.code == "source.content"
    assert coding in error.reason
    assert all_files(tmp_path / "in") == []


@pytest.mark.parametrize("packed", [zlib.compress(TIFF * 1000), zlib.compress(TIFF * 1000)[2:-4]])
def test_deflate_is_undone_with_and_without_its_header(web: Web, tmp_path: Path, packed: bytes) -> None:
    web.server.fail_always("a.tif", Fault(body=packed, headers={"Content-Encoding": "deflate"}))
    staged = stage_in({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == TIFF * 1000


@pytest.mark.parametrize("stated", [5, 7])
def test_a_length_that_is_not_that_of_the_metadata_is_an_error_with_both(web: Web, tmp_path: Path, stated: int) -> None:
    href = web.put("a.tif", PIXELS)
    error = fail({"a": file(href, size=stated)}, tmp_path / "in", QUICK)
    assert (error.kind, error.reason.count("6 bytes"), error.reason.count(str(stated))) == (Kind.SIZE, 1, 1)
    assert all_files(tmp_path / "in") == []


@pytest.mark.parametrize("name", ["a.tif", "a.csv.gz"])
def test_a_content_coding_is_undone_unless_the_file_is_compressed(web: Web, tmp_path: Path, name: str) -> None:
    packed = gzip.compress(TIFF * 1000)
    web.server.fail_always(name, Fault(body=packed, headers={"Content-Encoding": "gzip"}))
    staged = stage_in({"a": file(f"{web.server.url}/{name}")}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == (packed if name.endswith(".gz") else TIFF * 1000)


def test_a_compressed_answer_that_is_cut_off_is_tried_again(web: Web, tmp_path: Path) -> None:
    packed = gzip.compress(TIFF * 1000)
    faults = [Fault(body=body, headers={"Content-Encoding": "gzip"}) for body in (packed[:-5], packed)]
    web.server.fail("a.tif", *faults)
    staged = stage_in({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == TIFF * 1000


def test_a_folder_on_a_web_server_that_cannot_be_listed_is_refused_with_the_reason(web: Web, tmp_path: Path) -> None:
    href = put_json(
        web, "item.json", build_item("a", {"cube": {"href": "./cube.zarr/", "type": "application/vnd.zarr"}})
    )
    error = fail({"a": directory(href)}, tmp_path / "in", QUICK)
    assert error.code == "source.unsupported"
    assert "'cube'" in error.reason


# real servers of object stores


def test_a_prefix_becomes_a_folder(store: Any, tmp_path: Path) -> None:
    store.put("run/catalog.json", b"{}")
    store.put("run/deep/a b.tif", PIXELS)
    store.put("runaway.txt", b"no")
    staged = stage_in({"a": directory(f"{store.base}/run/")}, tmp_path / "in", store.options)
    folder = Path(staged["a"]["path"])
    assert all_files(folder) == ["catalog.json", "deep/a b.tif"]
    assert (folder / "deep" / "a b.tif").read_bytes() == PIXELS


@pytest.mark.parametrize("name", ["X.SAFE", "run"])
def test_a_prefix_without_a_slash_is_a_folder(store: Any, tmp_path: Path, name: str) -> None:
    store.put(f"{name}/manifest.safe", b"m")
    store.put(f"{name}/deep/a.tif", PIXELS)
    staged = stage_in({"a": directory(f"{store.base}/{name}")}, tmp_path / "in", store.options)
    assert all_files(Path(staged["a"]["path"])) == ["deep/a.tif", "manifest.safe"]


def test_an_asset_that_is_a_prefix_is_a_folder_whatever_its_name(store: Any, tmp_path: Path) -> None:
    store.put("product/band/1", b"1")
    href = put_json(store, "item.json", build_item("a", {"p": {"href": "./product"}}))
    staged = stage_in({"a": directory(href)}, tmp_path / "in", store.options)
    assert (Path(staged["a"]["path"]) / "a/product/band/1").read_bytes() == b"1"


def test_an_empty_prefix_does_not_exist(store: Any, tmp_path: Path) -> None:
    error = fail({"a": directory(f"{store.base}/nothing/")}, tmp_path / "in", store.options)
    assert error.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("path", ["a.tif", "folder/"])
def test_a_missing_bucket_is_named(store: Any, tmp_path: Path, path: str) -> None:
    if isinstance(getattr(store, "server", None), GoogleServer):
        pytest.xfail("of a missing bucket fake-gcs-server says no more than HTTP 404, or 500 to who lists it")
    href = f"{store.base.partition(':')[0]}://no-such-bucket/{path}"
    wanted = directory(href) if href.endswith("/") else file(href)
    error = fail({"a": wanted}, tmp_path / "in", store.options)
    assert error.kind is Kind.NOT_FOUND
    assert ("container" if href[:2] == "az" else "bucket") + " 'no-such-bucket'" in error.reason


def test_a_large_file_of_a_cloud_comes_whole(cloud: Cloud, tmp_path: Path) -> None:
    checksum = f"sha1${hashlib.sha1(LARGE, usedforsecurity=False).hexdigest()}"
    wanted = file(cloud.put("large.bin", LARGE), checksum=checksum)
    staged = stage_in({"a": wanted}, tmp_path / "in", cloud.options)
    assert Path(staged["a"]["path"]).stat().st_size == len(LARGE)


def test_a_part_is_of_the_version_that_was_begun(cloud: Cloud) -> None:
    cloud.put("a.bin", b"before")

    async def read(part: ByteRange | None) -> tuple[bytes, str | None]:
        bucket = open_store((cloud.scheme, cloud.container), S3Options(), cloud.server.options)
        found = await read_object(bucket, "a.bin", cloud.base, read_timeout_seconds=10, part=part)
        return b"".join([bytes(chunk) async for chunk in found.chunks]), found.validator

    data, tag = asyncio.run(read(None))
    assert data == b"before"
    part = ByteRange(1, 4, str(tag))
    assert asyncio.run(read(part)) == (b"efo", tag)
    cloud.put("a.bin", b"after!")
    if cloud.scheme == "gs":
        pytest.xfail("fake-gcs-server takes no If-Match")
    with pytest.raises(ChangedError):
        asyncio.run(read(part))


@pytest.mark.parametrize(("pays", "sent"), [(True, {"requester"}), (False, {None})])
def test_requests_to_a_bucket_say_who_pays_for_them(tmp_path: Path, pays: bool, sent: set[str | None]) -> None:
    with serve_files(tmp_path / "store") as server:
        server.put("bucket/scene.tif", PIXELS)
        keys = {"access_key_id": "AK", "secret_access_key": "SK"}  # such a bucket answers nobody without
        options = replace(QUICK, s3=S3Options(server.url, **keys, request_payer=pays))
        staged = stage_in({"scene": {"class": "File", "location": "s3://bucket/scene.tif"}}, tmp_path / "in", options)
    assert Path(staged["scene"]["path"]).read_bytes() == PIXELS
    assert {headers.get("X-Amz-Request-Payer") for _, headers in server.headers} == sent


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"access_key_id": "another-key"}, "InvalidAccessKeyId"),
        ({"secret_access_key": "another-secret"}, "SignatureDoesNotMatch"),
        ({"access_key_id": None}, "HTTP 4"),
    ],
)
def test_wrong_keys_are_reported_and_never_shown(
    s3: RealS3, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    href = s3.put("a.tif", PIXELS)
    options = replace(s3.options, s3=replace(s3.options.s3, **change))
    error = fail({"a": file(href)}, tmp_path / "in", options)
    assert error.kind is Kind.FORBIDDEN
    assert reason in error.reason
    assert "another-" not in f"{error} {error.remedy}"


AZURE = CloudOptions(azure_account="devstoreaccount1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"azure_key": "c29tZWJvZHkgZWxzZQ=="}, "HTTP 403 AuthorizationFailure"),
        ({"azure_key": None}, "HTTP 403 AuthorizationFailure"),
    ],
)
def test_wrong_keys_of_azure_are_reported_and_never_shown(
    azure: AzureServer, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    origin = Cloud(azure, "az")
    href = origin.put("a.tif", PIXELS)
    options = replace(origin.options, clouds=replace(azure.options, **change))
    error = fail({"a": file(href)}, tmp_path / "in", options)
    assert error.kind is Kind.FORBIDDEN
    assert reason in error.reason
    assert "STAGEIN_AZURE_STORAGE_KEY" in error.remedy
    assert "c29t" not in f"{error} {error.remedy}"


def test_a_shared_access_signature_opens_what_it_allows(azure: AzureServer, tmp_path: Path) -> None:
    origin = Cloud(azure, "az")
    href = origin.put("a.tif", PIXELS)
    for number, prefix in enumerate(("", "?")):
        clouds = replace(azure.options, azure_key=None, azure_sas_token=prefix + azure.sign("rl"))
        options = replace(QUICK, clouds=clouds)
        staged = stage_in({"a": file(href)}, tmp_path / f"in-{number}", options)
        assert Path(staged["a"]["path"]).read_bytes() == PIXELS
    clouds = replace(clouds, azure_sas_token=azure.sign("w"))
    error = fail({"a": file(href)}, tmp_path / "in", replace(QUICK, clouds=clouds))
    assert error.kind is Kind.FORBIDDEN
    assert "sig=" not in f"{error} {error.remedy}"


def test_a_service_account_signs_and_nobody_is_asked_for_an_identity(web: Web, tmp_path: Path) -> None:
    web.put("bucket/a.tif", PIXELS)
    words = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    key = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    account = {"type": "service_account", "client_email": "a@tests", "private_key_id": "1", "private_key": key}
    (tmp_path / "key.json").write_text(json.dumps(account))
    for file_name in (str(tmp_path / "key.json"), None):
        clouds = CloudOptions(google_endpoint=web.server.url, google_key_file=file_name)
        stage_in({"a": file("gs://bucket/a.tif")}, tmp_path / str(file_name)[-4:], replace(QUICK, clouds=clouds))
    signed, anonymous = (headers.get("Authorization") for _, headers in web.server.headers)
    claims = str(signed).removeprefix("Bearer ").split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"] == "a@tests"
    assert anonymous is None


@pytest.mark.parametrize(
    ("href", "clouds", "reason"),
    [
        ("az://c/a", CloudOptions(), "AZURE_STORAGE_ACCOUNT"),
        ("az://c/a", replace(AZURE, azure_key="no base 64"), "Invalid Access Key"),
        ("az://c/a", replace(AZURE, azure_sas_token="hidden"), "Missing component in SAS query pair"),
        ("az://c/a", replace(AZURE, azure_endpoint="hidden"), "Unable parse source url."),
        ("gs://b/a", CloudOptions(google_key_file="/not-there.json"), "/not-there.json: No such file or directory"),
        ("gs://b/a", CloudOptions(google_key_file=__file__), "Unable to decode service account file"),
    ],
)
def test_invalid_settings_of_a_cloud_are_reported(tmp_path: Path, href: str, clouds: CloudOptions, reason: str) -> None:
    error = fail({"a": file(href)}, tmp_path / "in", replace(QUICK, clouds=clouds))
    assert error.kind is Kind.SETTINGS
    assert reason in error.reason
    assert "STAGEIN_AZURE_STORAGE_KEY" in error.remedy or "STAGEIN_GOOGLE_APPLICATION_CREDENTIALS" in error.remedy
    assert "hidden" not in f"{error} {error.remedy}"


@pytest.mark.parametrize(
    ("href", "clouds", "what"),
    [
        ("gs://bucket/a", CloudOptions(google_endpoint="127.0.0.1:1"), "Google Cloud Storage"),
        (
            "az://bucket/a",
            replace(AZURE, azure_endpoint="http://127.0.0.1:1"),
            "Azure storage account",
        ),
    ],
)
def test_a_cloud_that_is_down_cannot_be_reached(tmp_path: Path, href: str, clouds: CloudOptions, what: str) -> None:
    error = fail({"a": file(href)}, tmp_path / "in", replace(QUICK, retries=0, clouds=clouds))
    assert error.kind is Kind.UNREACHABLE
    assert what in error.reason
    assert "STAGEIN_STORAGE_EMULATOR_HOST" in error.remedy or "STAGEIN_AZURE_STORAGE_ENDPOINT" in error.remedy


def test_a_bucket_can_have_settings_of_its_own(s3: RealS3, tmp_path: Path) -> None:
    href = s3.put("a.tif", PIXELS)
    options = replace(s3.options, s3=S3Options(endpoint="http://127.0.0.1:1"), buckets={"bucket": s3.options.s3})
    staged = stage_in({"a": file(href)}, tmp_path / "in", options)
    assert Path(staged["a"]["path"]).read_bytes() == PIXELS


# large files, which come in parts


LARGE = bytes(range(256)) * (258 << 10)  # 64.5 MiB: three parts


def test_a_large_file_comes_in_parts_and_its_checksum_is_verified(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("large.bin", LARGE)
    checksum = f"sha1${hashlib.sha1(LARGE, usedforsecurity=False).hexdigest()}"
    staged = stage_in({"a": file(href, checksum=checksum)}, tmp_path / "in", faulty.options)
    assert Path(staged["a"]["path"]).read_bytes() == LARGE
    ranges = sorted(headers["Range"] for _, headers in faulty.server.headers if "Range" in headers)
    assert ranges == ["bytes=0-33554431", "bytes=33554432-67108863", "bytes=67108864-67633151"]
    error = fail({"a": file(href, checksum="sha1$" + "0" * 40)}, tmp_path / "in2", faulty.options)
    assert error.kind is Kind.CHECKSUM
    assert all_files(tmp_path / "in2") == []


def test_a_service_that_ignores_ranges_gives_a_large_file_whole(faulty: Any, tmp_path: Path) -> None:
    data, path = LARGE, f"{faulty.prefix}a.tif"
    href = faulty.put("a.tif", data)
    faulty.server.fail_always(path, Fault(headers={"ETag": '"1"', "Accept-Ranges": "bytes"}, body=data))
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options)
    assert Path(staged["a"]["path"]).read_bytes() == data
    assert [path.name for path in (tmp_path / "in").rglob("*") if path.is_file()] == ["a.tif"]


def test_a_part_that_breaks_off_goes_on_where_it_was(faulty: Any, tmp_path: Path) -> None:
    data = LARGE[: 32 << 20] * 3  # whichever part is asked for first, it is long enough to break off
    href = faulty.put("large.bin", data)
    # the first request is for the whole, of which only the headers count
    faulty.server.fail(f"{faulty.prefix}large.bin", Fault(), Fault(cut_bytes=10 << 20))
    seen: list[Transferred] = []
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options, seen.append)
    assert Path(staged["a"]["path"]).read_bytes() == data
    starts = [int(headers["Range"][6:].split("-")[0]) for _, headers in faulty.server.headers if "Range" in headers]
    assert len(starts) == 4
    assert [start % (32 << 20) for start in starts].count(0) == 3
    assert max(start % (32 << 20) for start in starts) == 10 << 20
    assert seen[-1].bytes_done == len(data)


def test_a_large_file_that_changes_meanwhile_is_fetched_anew_from_its_first_byte(faulty: Any, tmp_path: Path) -> None:
    href = faulty.put("large.bin", LARGE)
    changed = bytes(reversed(LARGE))
    pressed: list[bool] = []

    def change(progress: Transferred) -> None:
        if progress.bytes_done > 0 and not pressed:
            pressed.append(True)
            faulty.put("large.bin", changed)

    faulty.server.fail(f"{faulty.prefix}large.bin", Fault(), *[Fault(cut_bytes=5 << 20)] * 3)
    staged = stage_in({"a": file(href)}, tmp_path / "in", faulty.options, change)
    assert Path(staged["a"]["path"]).read_bytes() == changed


KEYS: dict[str, Any] = {"access_key_id": "AK", "secret_access_key": "SK", "session_token": "a-token-of-today"}


@pytest.mark.parametrize("keys", [KEYS, {}], ids=["signed", "anonymous"])
def test_parts_of_an_object_are_read_at_its_signed_address(tmp_path: Path, keys: dict[str, Any]) -> None:
    """By libcurl, bound to the version, without the keys in a header."""
    with serve_files(tmp_path / "store") as server:
        server.put("bucket/a b/large+1.bin", LARGE)
        options = replace(QUICK, s3=S3Options(server.url, **keys))
        staged = stage_in({"a": file("s3://bucket/a%20b/large+1.bin")}, tmp_path / "in", options)
    assert Path(staged["a"]["path"]).read_bytes() == LARGE
    parts = [headers for _, headers in server.headers if "Range" in headers]
    assert len(parts) == 3
    tag = f'"{hashlib.md5(LARGE, usedforsecurity=False).hexdigest()}"'
    assert {(each["User-Agent"], each["If-Match"], each.get("Authorization")) for each in parts} == {
        ("zoo-runner-stagein", tag, None)
    }


def test_a_service_that_refuses_signed_addresses_is_asked_by_its_own_client(tmp_path: Path) -> None:
    with serve_files(tmp_path / "store") as server:
        server.put("bucket/large.bin", LARGE)
        server.fail("bucket/large.bin", Fault(), Fault(403, body=b"<Code>AccessDenied</Code>"))
        options = replace(QUICK, s3=S3Options(server.url, **KEYS), concurrency=1, small_concurrency=1)
        staged = stage_in({"a": file("s3://bucket/large.bin")}, tmp_path / "in", options)
    assert Path(staged["a"]["path"]).read_bytes() == LARGE
    parts = [headers for _, headers in server.headers if "Range" in headers]
    assert [headers["User-Agent"] == "zoo-runner-stagein" for headers in parts] == [True, False, False, False]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(cut_bytes=5 << 20), Kind.SIZE),
        (Fault(403, body=b"<Code>ExpiredToken</Code>"), Kind.FORBIDDEN),
        (Fault(404, body=b"<Code>NoSuchKey</Code>"), Kind.NOT_FOUND),
    ],
    ids=["broken-off", "expired", "removed"],
)
def test_a_signature_is_never_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Fault, kind: Kind) -> None:
    with serve_files(tmp_path / "store") as server:
        server.put("bucket/large.bin", LARGE)
        server.fail("bucket/large.bin", Fault())
        server.fail_always("bucket/large.bin", fault)
        options = replace(QUICK, s3=S3Options(server.url, **KEYS), retries=1)
        error = fail({"a": file("s3://bucket/large.bin")}, tmp_path / "in", options)
    assert (error.kind, error.href) == (kind, "s3://bucket/large.bin")
    shown = "".join([error.remedy, caplog.text, *traceback.format_exception(error)])
    assert "X-Amz" not in shown
    assert "a-token-of-today" not in shown
    assert all_files(tmp_path / "in") == []


# credentials of web hosts


def test_a_host_gets_its_credentials_and_a_redirect_to_another_host_does_not(web: Web, tmp_path: Path) -> None:
    with open_origin("web", tmp_path / "other") as other:
        other.put("b.tif", PIXELS)
        web.put("a.tif", b"")
        web.server.fail_always("a.tif", Fault(302, {"Location": f"{other.server.url}/b.tif"}))
        options = replace(QUICK, hosts={web.server.url: "Bearer hidden-token"})
        staged = stage_in({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", options)
        assert Path(staged["a"]["path"]).read_bytes() == PIXELS
        assert [headers.get("Authorization") for _, headers in web.server.headers] == ["Bearer hidden-token"]
        assert [headers.get("Authorization") for _, headers in other.server.headers] == [None]


def test_a_password_in_an_address_goes_to_that_host_only_and_is_not_shown(web: Web, tmp_path: Path) -> None:
    with open_origin("web", tmp_path / "other") as other:
        web.put("a.tif", b"")
        web.server.fail_always("a.tif", Fault(302, {"Location": f"{other.server.url}/none.tif"}))
        href = f"{web.server.url}/a.tif".replace("://", "://user:hidden@")
        error = fail({"a": file(href)}, tmp_path / "in", QUICK)
        assert "hidden" not in f"{error} {error.reason} {error.remedy}"
        assert [headers.get("Authorization") for _, headers in web.server.headers] == ["Basic dXNlcjpoaWRkZW4="]
        assert [headers.get("Authorization") for _, headers in other.server.headers] == [None]


# names


def resolve_to(*addresses: str) -> Any:
    """A resolver that knows one answer."""
    return lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


async def fetch(options: HttpOptions, href: str) -> bytes:
    async with HttpClient(options) as client, client.get(href) as answer:
        return b"".join([bytes(chunk) async for chunk in answer.chunks])


def test_a_name_that_leads_to_a_metadata_address_is_refused() -> None:
    options = HttpOptions(resolve=resolve_to("169.254.169.254"))
    with pytest.raises(StagingError, match=r"169\.254\.169\.254") as caught:
        asyncio.run(fetch(options, "http://innocent.example/latest"))
    assert caught.value.kind is Kind.REFUSED


def test_of_several_addresses_of_a_name_only_allowed_ones_are_asked(web: Web) -> None:
    web.put("a.tif", PIXELS)
    options = HttpOptions(resolve=resolve_to("169.254.169.254", "127.0.0.1"))
    href = web.server.url.replace("127.0.0.1", "name.example")
    assert asyncio.run(fetch(options, f"{href}/a.tif")) == PIXELS


def test_hosts_that_are_asked_in_turn_get_their_own_credentials_only(web: Web) -> None:
    web.put("a.tif", PIXELS)
    port = web.server.url.rpartition(":")[2]
    one, two = f"http://one.example:{port}", f"http://two.example:{port}"
    options = HttpOptions(authorization={one: "Bearer of-one"}, resolve=resolve_to("127.0.0.1"))

    async def ask_in_turn() -> None:
        async with HttpClient(options) as client:
            for number in range(3):
                for host in (one, two):
                    async with client.get(f"{host}/a.tif?number={number}") as answer:
                        assert b"".join([bytes(chunk) async for chunk in answer.chunks]) == PIXELS
                        assert answer.href == f"{host}/a.tif?number={number}"

    asyncio.run(ask_in_turn())
    sent = [headers.get("Authorization") for _, headers in web.server.headers]
    assert sent == ["Bearer of-one", None] * 3


def test_a_host_whose_address_does_not_answer_is_looked_for_again(web: Web) -> None:
    web.put("a.tif", PIXELS)
    port = int(web.server.url.rpartition(":")[2])
    # nothing listens at the first one
    found = iter(["127.0.0.3", "127.0.0.1"])
    options = HttpOptions(resolve=lambda *_, **__: [(None, None, None, None, (next(found), port))])

    async def ask_twice() -> tuple[Kind, bytes]:
        async with HttpClient(options) as client:
            with pytest.raises(StagingError) as caught:
                async with client.get(f"http://name.example:{port}/a.tif"):
                    pass
            async with client.get(f"http://name.example:{port}/a.tif") as answer:
                return caught.value.kind, b"".join([bytes(chunk) async for chunk in answer.chunks])

    assert asyncio.run(ask_twice()) == (Kind.UNREACHABLE, PIXELS)


def test_a_name_that_takes_long_to_resolve_does_not_hold_up_a_cancellation() -> None:
    stuck, ended, over = threading.Event(), threading.Event(), threading.Event()

    def resolve(*_: Any, **__: Any) -> Any:
        stuck.set()
        ended.wait(30)
        over.set()
        return []

    async def cancel_soon() -> None:
        task = asyncio.create_task(fetch(HttpOptions(resolve=resolve), "http://slow.example/"))
        await asyncio.to_thread(stuck.wait)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel_soon())
    assert not over.is_set()
    ended.set()


# the disk


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where this user may mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("reported", [True, False], ids=["size-reported", "size-not-reported"])
def test_a_disk_that_gets_full_is_reported_and_nothing_is_left(web: Web, tiny_disk: Path, reported: bool) -> None:
    href = web.put("a.tif", TIFF.ljust(3 << 20, b"x"))
    if not reported:
        web.server.fail_always("a.tif", Fault(headers={"Content-Encoding": "identity"}))
    error = fail({"a": file(href)}, tiny_disk, QUICK)
    assert error.code == "disk.full"
    assert str(tiny_disk) in error.reason
    assert all_files(tiny_disk) == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="S2A_33UUU.zip"', "S2A_33UUU.zip"),
        ("attachment; filename*=UTF-8''S2A%20scene.zip", "S2A scene.zip"),
        ('attachment; filename="../../etc/passwd.tif"', "passwd.tif"),
        ('attachment; filename="C:\\\\data\\\\a.tif"', "a.tif"),
        ("inline", "$value"),
        ('attachment; filename=".."', "$value"),
    ],
)
def test_a_file_whose_address_has_no_name_gets_the_one_that_the_server_gives(
    web: Web, tmp_path: Path, header: str, name: str
) -> None:
    data = b"PK\x03\x04 data"
    href = web.put("products/7/$value", data)
    web.server.fail_always("products/7/$value", Fault(headers={"Content-Disposition": header}, body=data))
    order = {"a": {"class": "File", "location": href}, "b": {"class": "File", "location": href}}
    staged = stage_in(order, tmp_path / "in", QUICK)
    assert [Path(staged[key]["path"]).name for key in "ab"] == [name, name]
    assert [Path(staged[key]["path"]).read_bytes() for key in "ab"] == [data, data]
    assert sorted(path.name for path in (tmp_path / "in").rglob("*") if path.is_file()) == [name, name]


@pytest.mark.parametrize("name", ["main.tif", "side.txt", "_metadata"])
def test_a_secondary_file_never_takes_the_name_that_the_server_gives(web: Web, tmp_path: Path, name: str) -> None:
    sides = ["side.txt", "products/$value", "products/$metadata"]
    for path in sides[1:]:
        header = {"Content-Disposition": f'attachment; filename="{name}"'}
        web.server.fail_always(path, Fault(headers=header, body=TIFF + path.encode()))
    secondary = [file(web.put(path, TIFF + path.encode())) for path in sides]
    order = {"a": {**file(web.put("main.tif", TIFF)), "secondaryFiles": secondary}}
    staged = stage_in(order, tmp_path / "in", QUICK)["a"]
    assert Path(staged["path"]).read_bytes() == TIFF
    places = [Path(side["path"]) for side in staged["secondaryFiles"]]
    assert [place.name for place in places] == ["side.txt", "$value", "$metadata"]
    assert [place.read_bytes() for place in places] == [TIFF + path.encode() for path in sides]
    assert {place.parent for place in places} == {Path(staged["path"]).parent}


@pytest.mark.parametrize("named", [{"location": "a.tif"}, {"location": "value", "basename": "b.tif"}])
def test_a_name_that_the_address_or_the_caller_gives_is_kept(web: Web, tmp_path: Path, named: dict[str, str]) -> None:
    href = web.put(named["location"], TIFF)
    other = {"Content-Disposition": 'attachment; filename="other.tif"'}
    web.server.fail_always(named["location"], Fault(headers=other, body=TIFF))
    staged = stage_in({"a": {"class": "File", **named, "location": href}}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).name == named.get("basename", "a.tif")


def put_scenes(web: Web) -> str:
    """Offer a catalog of two items, each with a red and a near infrared band and a preview."""
    links = []
    for name, west in (("a", 10), ("b", 20)):
        assets = {
            key: {"href": f"{key}.tif", "bands": [{"name": band}], "roles": ["data"]}
            for key, band in (("red", "B04"), ("nir", "B08"))
        }
        for key in assets:
            web.put(f"{name}/{key}.tif", TIFF + f"{name}-{key}".encode())
        web.put(f"{name}/view.jpg", b"\xff\xd8\xff")
        item = build_item(name, {**assets, "view": {"href": "view.jpg"}}, bbox=[west, 40, west + 1, 41])
        links.append(link("item", put_json(web, f"{name}/item.json", item)))
    return put_json(web, "scenes.json", build_catalog("scenes", links))


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        ({"assets": ["red", "view"]}, ["a/red.tif", "a/view.jpg", "b/red.tif", "b/view.jpg"]),
        ({"bands": ["B08"]}, ["a/nir.tif", "b/nir.tif"]),
        ({"roles": ["data"], "bbox": [20.5, 40.5, 22, 42]}, ["b/nir.tif", "b/red.tif"]),
    ],
)
def test_each_input_gets_the_items_and_assets_that_it_selects(
    web: Web, tmp_path: Path, selection: dict[str, Any], names: list[str]
) -> None:
    href = put_scenes(web)
    order = {"some": {**directory(href), "select": selection}, "all": directory(href)}
    staged = stage_in(order, tmp_path / "in", QUICK)
    found = [
        sorted(str(path.relative_to(staged[key]["path"])) for path in Path(staged[key]["path"]).rglob("*.[tj]*[fg]"))
        for key in ("some", "all")
    ]
    assert found[0] == names
    assert len(found[1]) == 6
    assert "select" not in staged["some"]


@pytest.mark.parametrize(
    ("selection", "facts"),
    [
        ({"assets": ["rde"]}, ["nir, red, view"]),
        ({"bbox": [100, 40, 101, 41]}, ["2", "100, 40, 101, 41"]),
    ],
)
def test_a_selection_that_leaves_no_data_is_an_error_and_no_empty_input(
    web: Web, tmp_path: Path, selection: dict[str, Any], facts: list[str]
) -> None:
    error = fail({"x": {**directory(put_scenes(web)), "select": selection}}, tmp_path / "in", QUICK)
    assert error.kind is Kind.NOT_FOUND
    assert all(fact in error.reason for fact in facts)
    assert "select" in error.remedy


def test_one_key_of_several_that_no_item_has_is_an_error(web: Web, tmp_path: Path) -> None:
    selection = {"assets": ["red", "nri", "view"]}
    error = fail({"x": {**directory(put_scenes(web)), "select": selection}}, tmp_path / "in", QUICK)
    assert error.kind is Kind.NOT_FOUND
    assert all(fact in error.reason for fact in ("'nri'", "nir, red, view"))
    assert "'red'" not in error.reason
    assert "select" in error.remedy


def test_a_key_that_only_some_items_have_is_no_error(web: Web, tmp_path: Path) -> None:
    web.put("a/red.tif", TIFF)
    web.put("a/swir.tif", TIFF)
    items = [
        put_json(web, f"{name}/item.json", build_item(name, {key: {"href": f"../a/{key}.tif"}}))
        for name, key in (("a", "red"), ("b", "swir"))
    ]
    href = put_json(web, "mixed.json", build_catalog("mixed", [link("item", item) for item in items]))
    staged = stage_in({"x": {**directory(href), "select": {"assets": ["red", "swir"]}}}, tmp_path / "in", QUICK)
    assert len(list(Path(staged["x"]["path"]).rglob("*.tif"))) == 2


def test_a_key_of_the_settings_that_an_input_does_not_have_is_a_warning(
    web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = replace(QUICK, asset_keys=frozenset({"red", "elsewhere"}))
    staged = stage_in({"x": directory(put_scenes(web))}, tmp_path / "in", options)
    assert len(list(Path(staged["x"]["path"]).rglob("*.tif"))) == 2
    assert all(fact in caplog.text for fact in ("'elsewhere'", "STAGEIN_ASSET_KEYS"))


def test_a_selection_that_stage_in_does_not_know_is_refused_with_its_place(web: Web, tmp_path: Path) -> None:
    error = fail({"x": {**directory(put_scenes(web)), "select": {"keys": ["red"]}}}, tmp_path / "in", QUICK)
    assert (error.kind, error.href) == (Kind.UNSUPPORTED, "x.select.keys")


def test_a_selection_is_ignored_with_a_warning_where_there_is_no_stac(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain").mkdir()
    value = {"class": "Directory", "path": str(tmp_path / "plain"), "select": {"assets": ["red"]}}
    staged = stage_in({"x": value}, tmp_path / "in", QUICK)
    assert staged["x"]["path"] == str(tmp_path / "plain")
    assert "select" in caplog.text


def test_what_an_archive_prepares_is_waited_for_as_it_asks(web: Web, tmp_path: Path) -> None:
    href = web.put("a.tif", TIFF)
    web.server.fail("a.tif", Fault(202, {"Retry-After": "0"}), Fault(202))
    staged = stage_in({"a": file(href)}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == TIFF
    assert web.server.count("a.tif") == 3


@pytest.mark.parametrize(
    ("status", "headers", "asked", "code", "facts"),
    [
        (
            202,
            {"Retry-After": "3600"},
            1,
            "source.service-error",
            ("HTTP 202", "3600 s", "STAGEIN_LONGEST_WAIT_SECONDS"),
        ),
        (202, {}, 2, "source.service-error", ("HTTP 202", "STAGEIN_RETRIES")),
        (204, {}, 1, "source.content", ("HTTP 204", "without the data", "order")),
        (207, {}, 1, "source.content", ("HTTP 207", "without the data")),
    ],
)
def test_an_answer_that_has_no_data_says_what_to_do(
    web: Web, tmp_path: Path, status: int, headers: dict[str, str], asked: int, code: str, facts: tuple[str, ...]
) -> None:
    web.server.fail_always("a.tif", Fault(status, headers))
    error = fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", replace(QUICK, retries=1))
    assert (error.code, web.server.count("a.tif")) == (code, asked)
    for fact in facts:
        assert fact in f"{error.reason} {error.remedy}"


def test_what_a_proxy_has_changed_is_data_and_is_checked(web: Web, tmp_path: Path) -> None:
    web.server.fail("a.tif", Fault(203, body=TIFF), Fault(203, {"Content-Type": "text/html"}, PAGE))
    staged = stage_in({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "in", QUICK)
    assert Path(staged["a"]["path"]).read_bytes() == TIFF
    assert fail({"a": file(f"{web.server.url}/a.tif")}, tmp_path / "more", QUICK).code == "source.content"
