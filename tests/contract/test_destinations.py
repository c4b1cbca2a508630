"""One suite for all destinations: a folder, and real servers of object stores."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from posixpath import dirname, normpath
from typing import Any, ClassVar, Protocol

import obstore
import pytest
from pystac.validation import validate_dict

from stageout.destinations import Destination, open_destination
from stageout.destinations.etags import compute_etag
from stageout.destinations.object_store import S3Destination
from stageout.earlier_results import RECORD
from stageout.model import StageOutOptions
from stageout.names import FOLDER_MARKER
from stageout.stage import check_destination, discard_results, put_beside, remove_results, stage_out
from stageout.storage import STORAGE_EXTENSION
from tests.clouds import AzureServer
from tests.servers import S3Server, serve_s3
from tests.unit.stageout.catalogs import build_stac_item, describe_folder, write_catalog
from zoo_staging.errors import Kind, StagingError
from zoo_staging.object_store import open_store
from zoo_staging.progress import Report, Transferred, ignore
from zoo_staging.settings import CloudOptions, S3Options

pytestmark = pytest.mark.contract

ASSETS = {"data": {"href": "./data.tif"}, "far": {"href": "https://data.example/far.tif"}}


class Shelf(Protocol):
    """Where the files of a destination really lie, looked at past the stager."""

    def list_keys(self) -> list[str]: ...

    def read(self, key: str) -> bytes: ...

    def put(self, key: str, data: bytes) -> None: ...

    def remove(self, key: str) -> None: ...


@dataclass(frozen=True)
class FolderShelf:
    folder: Path

    def list_keys(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def read(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def put(self, key: str, data: bytes) -> None:
        (self.folder / key).write_bytes(data)

    def remove(self, key: str) -> None:
        (self.folder / key).unlink()


@dataclass(frozen=True)
class AzureShelf:
    server: AzureServer
    container: str

    def list_keys(self) -> list[str]:
        return [key.removeprefix("results/") for key in self.server.list_keys(self.container, "results/")]

    def read(self, key: str) -> bytes:
        return self.server.read(self.container, f"results/{key}")

    def put(self, key: str, data: bytes) -> None:
        self.server.put(self.container, f"results/{key}", data)

    def remove(self, key: str) -> None:
        self.server.remove(self.container, f"results/{key}")


@dataclass(frozen=True)
class Place:
    """A destination, and the shelf where its files really lie."""

    url: str
    shelf: Shelf
    options: StageOutOptions

    @property
    def base(self) -> str:
        return self.url if "://" in self.url else Path(self.url).as_uri()

    def open(self) -> Destination:
        return open_destination(self.url, self.options)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "results").mkdir()
    with serve_s3(folder) as server:
        yield server


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """What Google's client uploads to: its XML API is of the dialect of S3 (tests/clouds.py says why)."""
    folder = tmp_path_factory.mktemp("google-buckets")
    (folder / "results").mkdir()
    with serve_s3(folder, None) as server:
        yield server


@pytest.fixture(params=["folder", "s3", "gs", "az"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    options = StageOutOptions(job_id="7", workflow_id="ndvi")
    if request.param == "folder":
        return Place(str(tmp_path / "results"), FolderShelf(tmp_path / "results"), options)
    if request.param == "az":
        azure: AzureServer = request.getfixturevalue("azure")
        container = azure.create()
        shelf = AzureShelf(azure, container)
        return Place(f"az://{container}/results", shelf, replace(options, clouds=azure.options))
    server: S3Server = request.getfixturevalue("s3" if request.param == "s3" else "unsigned")
    clouds = CloudOptions(google_endpoint=server.options.endpoint)
    folder = FolderShelf(server.folder / "results" / tmp_path.name)
    url = f"{request.param}://results/{tmp_path.name}"
    return Place(url, folder, replace(options, s3=server.options, clouds=clouds))


@pytest.mark.parametrize("key", ["a.txt", "deep/er/a.txt", "a b#c%20?.txt", "ü.txt"])
def test_a_file_arrives_with_all_its_bytes_under_its_key(place: Place, tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"hello")

    async def put() -> int | None:
        destination = place.open()
        await destination.put_file(key, source, "text/plain")
        return await destination.get_size(key)

    assert asyncio.run(put()) == 5
    assert place.shelf.list_keys() == [key]
    assert place.shelf.read(key) == b"hello"


@pytest.mark.parametrize("size_bytes", [0, 5 * 1024 * 1024, 12 * 1024 * 1024 + 1])
def test_files_of_any_size_arrive_whole(place: Place, tmp_path: Path, size_bytes: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size_bytes))
    asyncio.run(place.open().put_file("big.bin", source, "application/octet-stream"))
    assert place.shelf.read("big.bin") == source.read_bytes()


def test_writing_to_a_key_replaces_what_was_there(place: Place) -> None:
    async def put() -> None:
        for body in (b"long before", b"after"):
            await place.open().put_bytes("a.json", body, "application/json")

    asyncio.run(put())
    assert place.shelf.read("a.json") == b"after"


def test_nothing_lies_at_a_key_that_was_not_written(place: Place) -> None:
    assert asyncio.run(place.open().get_size("nothing")) is None


def test_a_source_that_goes_away_leaves_nothing_at_the_key(place: Place, tmp_path: Path) -> None:
    with pytest.raises((StagingError, FileNotFoundError)):
        asyncio.run(place.open().put_file("a.txt", tmp_path / "gone", "text/plain"))
    assert place.shelf.list_keys() == []


def test_the_probe_of_a_good_destination_leaves_nothing(place: Place) -> None:
    check_destination(place.url, place.options)
    assert place.shelf.list_keys() == []


def test_the_probe_of_a_folder_leaves_it_as_it_was(tmp_path: Path) -> None:
    options = StageOutOptions(job_id="7")
    check_destination(str(tmp_path / "new"), options)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    check_destination(str(tmp_path / "there"), options)
    assert list(tmp_path.iterdir()) == [tmp_path / "there"]


@pytest.mark.parametrize("size_bytes", [0, 3, 5 << 20, 10 << 20, (12 << 20) + 1])
def test_a_service_with_usual_entity_tags_vouches_for_what_was_sent(
    s3: S3Server, tmp_path: Path, size_bytes: int
) -> None:
    (tmp_path / "a.bin").write_bytes(os.urandom(size_bytes))
    destination = open_destination("s3://results/tags", StageOutOptions(job_id="7", s3=s3.options))
    assert isinstance(destination, S3Destination)
    asyncio.run(destination.put_file("a.bin", tmp_path / "a.bin", "text/plain"))
    stored = obstore.head(open_store(("s3", "results"), s3.options, CloudOptions()), "tags/a.bin")["e_tag"] or ""
    computed = asyncio.run(compute_etag(tmp_path / "a.bin", 5 << 20))
    # of parts, this server forgets the tag that it answered with
    assert size_bytes > 5 << 20 or stored.strip('"') == computed
    assert destination.other_tags == set()


class Keeper(BaseHTTPRequestHandler):
    """An S3 service for unsigned requests whose entity tags are no MD5, and which may damage what it keeps."""

    kept: ClassVar[dict[str, bytes]] = {}
    damage: ClassVar[Callable[[bytes], bytes]] = bytes
    reads: ClassVar[list[str]] = []

    def do_PUT(self) -> None:
        self.kept[self.path] = type(self).damage(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def do_GET(self) -> None:
        self.reads.append(self.path)
        self._answer(self.kept[self.path])

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in (("ETag", f'"{"0" * 32}"'), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.send_header("Last-Modified", self.date_time_string())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def put_to_keeper(damage: Callable[[bytes], bytes], *bodies: bytes) -> list[str]:
    """Put objects to a service of that kind; which of them were read back."""

    class Own(Keeper):
        kept: ClassVar[dict[str, bytes]] = {}
        reads: ClassVar[list[str]] = []

    Own.damage = staticmethod(damage)
    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            options = S3Options(endpoint=f"http://127.0.0.1:{server.server_port}")
            destination = open_destination("s3://bucket/x", StageOutOptions(job_id="7", s3=options))
            for number, body in enumerate(bodies):
                asyncio.run(destination.put_bytes(str(number), body, "text/plain"))
        finally:
            server.shutdown()
    return Own.reads


def test_another_entity_tag_alone_is_no_failure_and_is_looked_into_once() -> None:
    assert put_to_keeper(bytes, b"one", b"two") == ["/bucket/x/0"]


@pytest.mark.parametrize("damage", [lambda body: b"X" + body[1:], lambda body: body[:-1], lambda body: body + b"X"])
def test_what_was_damaged_on_its_way_is_found(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(StagingError, match="entity tag") as caught:
        put_to_keeper(damage, b"hello")
    assert caught.value.kind is Kind.CHECKSUM


def test_results_can_be_read_where_they_are_said_to_be(place: Place, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b")
    outputs = {"t": {"class": "File", "location": (tmp_path / "t.csv").as_uri()}, "n": 1}
    results = stage_out(outputs, place.url, place.options)
    assert place.shelf.list_keys() == [RECORD, "collection.json", "t/ndvi-7-t.json", "t/t.csv"]
    written, base = json.loads(place.shelf.read("collection.json")), place.base
    # in a folder, which may be moved, links are relative
    assert {**written, "links": 0} == {**results.collection, "links": 0}
    assert ("self" in [link["rel"] for link in written["links"]]) == ("://" in place.url)
    assert results.collection_href == f"{base}/collection.json"
    assert results.document["t"]["href"] == f"{base}/t/t.csv"
    links = [link["href"] for link in results.collection["links"] if link["rel"] == "item"]
    assert links == [f"{base}/t/ndvi-7-t.json"]


def test_catalogs_side_by_side_are_found_from_one_link_at_every_destination(place: Place, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_catalog(tmp_path / "made" / name, item=build_stac_item(name))
    results = stage_out({"made": describe_folder(tmp_path / "made")}, place.url, place.options)
    assert results.document["made"]["href"] == f"{place.base}/made/catalog.json"
    parent = json.loads(place.shelf.read("made/catalog.json"))
    children = [link["href"] for link in parent["links"] if link["rel"] == "child"]
    assert children == ["./a/catalog.json", "./b/catalog.json"]
    for name in ("a", "b"):
        assert json.loads(place.shelf.read(f"made/{name}/scene/scene.json"))["id"] == name
        assert place.shelf.read(f"made/{name}/scene/data.tif") == b"not really a raster"
    items = [link["href"] for link in results.collection["links"] if link["rel"] == "item"]
    assert items == [f"{place.base}/made/{name}/scene/scene.json" for name in ("a", "b")]


def test_empty_folders_are_kept_at_every_destination_and_go_with_the_results(place: Place, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "e/mpty").mkdir(parents=True)
    options = replace(place.options, keep_empty_folders=True)
    results = stage_out({"made": describe_folder(made)}, place.url, options)
    assert [one["basename"] for one in results.outputs["made"]["listing"]] == ["e"]
    marker = f"made/e/mpty/{FOLDER_MARKER}"
    if place.open().storage is None:
        assert list(Path(place.url, "made/e/mpty").iterdir()) == []
    else:
        assert place.shelf.read(marker) == b""
    # listed as the others are, so that the next run removes it
    assert marker in json.loads(place.shelf.read(RECORD))["keys"]
    put_texts(place, tmp_path / "2", {"a": "new"})
    assert not [key for key in place.shelf.list_keys() if key.startswith("made/")]
    assert not Path(place.url, "made").exists()


def test_what_is_put_beside_results_is_listed_with_what_was_there(place: Place, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        put_beside({f"logs/{name}.log": tmp_path / name}, {}, place.url, place.options)
    assert json.loads(place.shelf.read(RECORD))["keys"] == ["logs/a.log", "logs/b.log"]
    remove_results(place.url, place.options)
    assert place.shelf.list_keys() == []


def test_results_in_a_bucket_say_which_store_they_lie_in(s3: S3Server, tmp_path: Path) -> None:
    write_catalog(tmp_path / "made", item=build_stac_item(stac_version="1.1.0", assets=ASSETS))
    (tmp_path / "t.csv").write_text("a,b")
    outputs = {
        "t": {"class": "File", "location": (tmp_path / "t.csv").as_uri()},
        "made": describe_folder(tmp_path / "made"),
    }
    options = StageOutOptions(job_id="7", workflow_id="ndvi", s3=s3.options)
    folder = s3.folder / "results" / "reported"
    collection = stage_out(outputs, "s3://results/reported", options).collection
    scheme = {"type": "custom-s3", "platform": s3.options.endpoint, "bucket": "results", "region": "us-east-1"}
    own, theirs = (json.loads((folder / name).read_bytes()) for name in ("t/ndvi-7-t.json", "made/scene/scene.json"))
    for schemes in (collection, own["properties"], theirs["properties"]):
        assert schemes["storage:schemes"] == {"s3-results": scheme}
    assert own["assets"]["t.csv"]["storage:refs"] == theirs["assets"]["data"]["storage:refs"] == ["s3-results"]
    assert theirs["assets"]["far"] == ASSETS["far"]
    assert all(link["storage:refs"] == ["s3-results"] for link in collection["links"])
    for document in (collection, own, theirs):
        assert STORAGE_EXTENSION in document["stac_extensions"]
        assert validate_dict(dict(document), extensions=[])
    assert str(s3.options.secret_access_key) not in "".join(path.read_text() for path in folder.rglob("*.json"))
    public = replace(options, public_base_url="https://data.example")
    assert "storage:" not in json.dumps(stage_out(outputs, "s3://results/public", public).collection)


def put_texts(place: Place, folder: Path, texts: dict[str, str], report: Report = ignore) -> None:
    """Run a job whose outputs are these texts."""
    stage_out(write_texts(folder, texts), place.url, place.options, report)


def write_texts(folder: Path, texts: dict[str, str]) -> dict[str, Any]:
    """Write these texts as a job does; its outputs."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return {name: {"class": "File", "location": (folder / f"{name}.txt").as_uri()} for name in texts}


def read_texts(place: Place) -> dict[str, str]:
    """What a reader finds that begins at the collection, as it is now."""
    found = {}
    collection = json.loads(place.shelf.read("collection.json"))
    for link in collection["links"]:
        if link["rel"] == "item":
            key = link["href"].removeprefix(f"{place.base}/")
            for name, asset in json.loads(place.shelf.read(key))["assets"].items():
                asset_key = normpath(f"{dirname(key)}/{asset['href']}")
                found[name.removesuffix(".txt")] = place.shelf.read(asset_key).decode()
    return found


def test_a_further_run_takes_the_place_of_the_earlier_one_as_a_whole(place: Place, tmp_path: Path) -> None:
    put_texts(place, tmp_path / "1", {"a": "old a", "b": "old b"})
    place.shelf.put("note.txt", b"not ours")
    seen: list[dict[str, str]] = []
    put_texts(place, tmp_path / "2", {"a": "new a", "c": "new c"}, lambda _: seen.append(read_texts(place)))
    new = {"a": "new a", "c": "new c"}
    assert all(texts in ({"a": "old a", "b": "old b"}, new) for texts in seen)
    assert read_texts(place) == new
    items = ["run-2/a/a.txt", "run-2/a/ndvi-7-a.json", "run-2/c/c.txt", "run-2/c/ndvi-7-c.json"]
    assert place.shelf.list_keys() == [RECORD, "collection.json", "note.txt", *items]
    put_texts(place, tmp_path / "3", {"a": "newest"})
    assert place.shelf.list_keys() == [RECORD, "a/a.txt", "a/ndvi-7-a.json", "collection.json", "note.txt"]


def test_a_further_run_that_fails_leaves_the_earlier_results_and_is_cleared_by_the_next(
    place: Place, tmp_path: Path
) -> None:
    put_texts(place, tmp_path / "1", {"a": "old"})

    def fail(_: Transferred) -> None:
        raise StagingError(Kind.SERVICE, "a", "broke down", "Try again.")

    with pytest.raises(StagingError, match="broke down"):
        put_texts(place, tmp_path / "2", {"a": "never", "b": "never"}, fail)
    assert read_texts(place) == {"a": "old"}
    put_texts(place, tmp_path / "3", {"a": "new"})
    assert read_texts(place) == {"a": "new"}
    assert not [name for name in place.shelf.list_keys() if "b.txt" in name]


def test_results_without_a_record_are_not_written_over_and_not_removed(place: Place, tmp_path: Path) -> None:
    put_texts(place, tmp_path / "1", {"a": "old"})
    place.shelf.remove(RECORD)
    put_texts(place, tmp_path / "2", {"a": "new"})
    assert read_texts(place) == {"a": "new"}
    assert place.shelf.read("a/a.txt") == b"old"


def stage_and_wait(outputs: Any, url: str, options: StageOutOptions, number: int, pipe: Connection) -> None:
    """Stage out in a process of its own; report when so many files are there, and wait to be killed."""

    def report(event: Transferred) -> None:
        if event.files_done == (number or event.files_total):
            pipe.send("there")
            pipe.recv()

    stage_out(outputs, url, options, report)


def break_off(place: Place, folder: Path, texts: dict[str, str], number: int) -> None:
    """Run a job with these texts, and kill it when so many files are there; 0: all of them."""
    outputs = write_texts(folder, texts)
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=stage_and_wait, args=(outputs, place.url, place.options, number, theirs))
    process.start()
    try:
        assert ours.recv() == "there"
    finally:
        process.kill()
        process.join()


def test_what_a_killed_run_had_written_is_discarded(place: Place, tmp_path: Path) -> None:
    break_off(place, tmp_path / "1", {"a": "never", "b": "never"}, 1)
    assert any(key.endswith(".txt") for key in place.shelf.list_keys())
    assert discard_results(place.url, place.options) == 4
    assert place.shelf.list_keys() == []
    assert discard_results(place.url, place.options) == 0


def test_earlier_results_stay_where_a_killed_run_is_discarded(place: Place, tmp_path: Path) -> None:
    put_texts(place, tmp_path / "1", {"a": "old"})
    before = place.shelf.list_keys()
    for number in (2, 3):
        break_off(place, tmp_path / str(number), {"a": "never", "b": "never"}, 1)
    assert place.shelf.list_keys() != before
    assert discard_results(place.url, place.options) == 8
    assert place.shelf.list_keys() == before
    assert read_texts(place) == {"a": "old"}


@pytest.mark.parametrize("earlier", [False, True])
def test_complete_results_are_not_discarded(place: Place, tmp_path: Path, earlier: bool) -> None:
    if earlier:
        put_texts(place, tmp_path / "1", {"a": "old"})
    break_off(place, tmp_path / "2", {"a": "new"}, 0)
    assert discard_results(place.url, place.options) == 0
    assert read_texts(place) == {"a": "new"}


def test_a_copy_that_was_broken_off_is_discarded_from_a_folder(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "results"), FolderShelf(tmp_path / "results"), StageOutOptions(job_id="7"))
    break_off(place, tmp_path / "1", {"a": "never", "b": "never"}, 1)
    half = tmp_path / "results" / "a" / f".{'0f' * 16}.part"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"nev")
    discard_results(place.url, place.options)
    assert not (tmp_path / "results").exists()


def test_objects_in_a_bucket_have_their_media_type(s3: S3Server, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_text("x")
    options = StageOutOptions(job_id="7", s3=s3.options)
    media_type = "image/tiff; application=geotiff"
    asyncio.run(open_destination("s3://results/types", options).put_file("a.bin", tmp_path / "a.bin", media_type))
    got = obstore.get(open_store(("s3", "results"), s3.options, CloudOptions()), "types/a.bin")
    assert got.attributes["Content-Type"] == media_type


def test_objects_of_azure_have_their_media_type_and_say_which_account_they_lie_in(
    azure: AzureServer, tmp_path: Path
) -> None:
    container = azure.create()
    (tmp_path / "t.csv").write_text("a,b")
    outputs = {"t": {"class": "File", "location": (tmp_path / "t.csv").as_uri()}}
    options = StageOutOptions(job_id="7", workflow_id="ndvi", clouds=azure.options)
    collection = stage_out(outputs, f"az://{container}/reported", options).collection
    assert azure.read_media_type(container, "reported/t/t.csv") == "text/csv"
    platform = {"platform": azure.options.azure_endpoint, "container": container, "account": "devstoreaccount1"}
    assert collection["storage:schemes"] == {f"az-{container}": {"type": "custom-azure", **platform}}
    assert str(azure.options.azure_key) not in "".join(
        azure.read(container, key).decode() for key in azure.list_keys(container)
    )


def refuse(url: str, options: S3Options) -> StagingError:
    with pytest.raises(StagingError) as caught:
        check_destination(url, StageOutOptions(job_id="7", s3=options))
    assert "wrong-secret" not in f"{caught.value} {caught.value.remedy}"
    return caught.value


def test_a_missing_bucket_is_named_with_the_settings_to_look_at(s3: S3Server) -> None:
    error = refuse("s3://no-such-bucket/results", s3.options)
    assert error.kind == Kind.NOT_FOUND
    assert error.code == "destination.not-found"
    assert "'no-such-bucket'" in error.reason
    assert "STAGEOUT_AWS_SERVICEURL" in error.remedy


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_a_missing_container_of_a_cloud_is_named(scheme: str, unsigned: S3Server, azure: AzureServer) -> None:
    clouds = replace(azure.options, google_endpoint=unsigned.options.endpoint)
    with pytest.raises(StagingError) as caught:
        check_destination(f"{scheme}://no-such-place/results", StageOutOptions(job_id="7", clouds=clouds))
    error, what = caught.value, {"gs": "bucket", "az": "container"}[scheme]
    assert error.kind == Kind.NOT_FOUND
    assert f"{what} 'no-such-place'" in error.reason


@pytest.mark.parametrize(
    "change",
    [
        {"azure_key": "d3Jvbmctc2VjcmV0"},
        {"azure_key": None},
        {
            "azure_key": None,
            "azure_sas_token": "sp=r&sv=2018-11-09&ss=b&srt=o&se=2000-01-01T00:00:00Z&sig=wrong-secret",
        },
    ],
    ids=["wrong key", "no key", "expired signature"],
)
def test_who_may_not_write_to_azure_is_reported(azure: AzureServer, change: dict[str, str | None]) -> None:
    options = StageOutOptions(job_id="7", clouds=replace(azure.options, **change))
    with pytest.raises(StagingError) as caught:
        check_destination(f"az://{azure.create()}/results", options)
    assert caught.value.kind == Kind.FORBIDDEN
    assert "STAGEOUT_AZURE_STORAGE_KEY and STAGEOUT_AZURE_STORAGE_SAS_TOKEN" in caught.value.remedy
    assert "wrong-secret" not in f"{caught.value} {caught.value.remedy}"


def test_a_signature_that_may_write_is_enough(azure: AzureServer, tmp_path: Path) -> None:
    container = azure.create()
    clouds = replace(azure.options, azure_key=None, azure_sas_token=azure.sign())
    (tmp_path / "t.bin").write_bytes(os.urandom(12 << 20))
    outputs = {"t": {"class": "File", "location": (tmp_path / "t.bin").as_uri()}}
    stage_out(outputs, f"az://{container}/signed", StageOutOptions(job_id="7", clouds=clouds))
    assert azure.read(container, "signed/t/t.bin") == (tmp_path / "t.bin").read_bytes()


def test_invalid_settings_of_a_cloud_are_reported() -> None:
    for url, clouds in (
        ("az://results/x", CloudOptions(azure_account="a", azure_key="no base 64")),
        ("gs://results/x", CloudOptions(google_key_file="/not-there.json")),
    ):
        with pytest.raises(StagingError) as caught:
            check_destination(url, StageOutOptions(job_id="7", clouds=clouds))
        assert caught.value.kind == Kind.SETTINGS
        assert "STAGEOUT_" in caught.value.remedy


def test_a_wrong_secret_is_forbidden_with_the_settings_to_look_at(s3: S3Server) -> None:
    error = refuse("s3://results/x", replace(s3.options, secret_access_key="wrong-secret"))
    assert error.kind == Kind.FORBIDDEN
    assert "STAGEOUT_AWS_SECRET_ACCESS_KEY" in error.remedy


def test_an_unknown_key_is_forbidden(s3: S3Server) -> None:
    error = refuse("s3://results/x", replace(s3.options, access_key_id="SOMEBODYELSE"))
    assert error.kind == Kind.FORBIDDEN
    assert "STAGEOUT_AWS_ACCESS_KEY_ID" in error.remedy


def test_without_a_key_the_remedy_is_to_set_one(s3: S3Server) -> None:
    error = refuse("s3://results/x", S3Options(endpoint=s3.options.endpoint))
    assert error.kind in (Kind.FORBIDDEN, Kind.SERVICE)
    assert "STAGEOUT_AWS_ACCESS_KEY_ID" in error.remedy


def test_an_endpoint_that_is_down_is_unreachable(s3: S3Server) -> None:
    error = refuse("s3://bucket/results", replace(s3.options, endpoint="http://127.0.0.1:1"))
    assert error.kind == Kind.UNREACHABLE
    assert "STAGEOUT_AWS_SERVICEURL" in error.remedy


@pytest.mark.parametrize("url", ["s3://key:wrong-secret@bucket/x", "s3://bucket/a/../b", "s3://bucket/a?b=c"])
def test_a_destination_that_is_no_plain_bucket_and_prefix_is_refused(url: str, s3: S3Server) -> None:
    assert refuse(url, s3.options).kind == Kind.UNSUPPORTED


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    error = refuse(str(tmp_path / "file" / "results"), S3Options())
    assert error.kind == Kind.UNSUPPORTED


def test_a_folder_on_a_read_only_file_system_is_forbidden() -> None:
    error = refuse("/sys/results", S3Options())
    assert error.kind == Kind.FORBIDDEN
    assert "STAGEOUT_OUTPUT" in error.remedy
