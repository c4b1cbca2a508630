"""Files that clients send to be inputs: what is stored, who may read it, and when it goes."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import DATABASES, build_job, create, use_database
from tests.forms import build_form
from tests.servers import S3Server
from tests.serving import Answer, Server, serving
from tests.site import Site
from tests.unit.stagein.items import build_item
from tests.waiting import wait_for
from zoo_runner.config.server import load_server_settings
from zoo_runner.model import clock
from zoo_runner.model.job import Status
from zoo_runner.model.upload import Upload, UploadedFile
from zoo_runner.server.api import Api
from zoo_runner.server.installation import open_context
from zoo_runner.server.uploads import remove_expired_uploads
from zoo_runner.store.sql import open_sql_store

HUB = "/api/catalogs/user/catalogs/ws-one"
TOOL = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "show",
    "baseCommand": "cat",
    "inputs": {"files": {"type": "File[]", "inputBinding": {"position": 1}}},
    "outputs": {"text": {"type": "stdout"}},
}
LISTING = {
    **TOOL,
    "id": "list",
    "baseCommand": ["ls", "-R"],
    "inputs": {"folder": {"type": "Directory", "inputBinding": {"position": 1}}},
}


@pytest.fixture(scope="module", params=DATABASES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, package_cache: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("uploads")
    with use_database(request.param) as url:
        site = Site(folder, package_cache).having(
            ZOO_RUNNER_DATABASE=url,
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogs/user/catalogs",
            ZOO_RUNNER_MAX_UPLOAD_MIB="1",
            ZOO_RUNNER_UPLOADS_MAX_MIB="2",
        )
        with serving(site.environ, folder) as server:
            for base in ("", HUB):
                deploy(server, TOOL, base)
            deploy(server, LISTING)
            yield server


def deploy(server: Server, tool: Any, base: str = "") -> None:
    body = json.dumps(tool).encode()
    assert server.request("POST", f"{base}/processes", body, {"Content-Type": "application/cwl+json"}).status == 201


def send(server: Server, files: dict[str, bytes], base: str = "") -> Answer:
    body, headers = build_form(*(("file", name, content) for name, content in files.items()))
    return server.request("POST", f"{base}/files", body, headers)


def find_places(server: Server, workspace: str = "default") -> list[Path]:
    folder = Path(server.environ["ZOO_RUNNER_RESULTS_FOLDER"]) / workspace / "uploads"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def remove(server: Server, answer: Answer) -> None:
    assert server.request("DELETE", answer.headers["location"]).status == 204


def read_text(server: Server, process: str, inputs: dict[str, Any], base: str = "") -> bytes:
    job = server.execute(process, inputs, base)
    status = server.wait(job, base=base)
    assert status["status"] == "successful", status
    return server.request("GET", f"{base}/jobs/{job}/results/text").body


def test_files_are_sent_read_back_used_by_their_addresses_and_deleted(server: Server) -> None:
    answer = send(server, {"a.txt": b"one\n", "more/b.txt": b"two\n"})
    assert (answer.status, answer.json["expires"] > answer.json["created"]) == (201, True)
    first, second = answer.json["files"]
    assert (first["name"], first["size"], first["type"]) == ("a.txt", 4, "text/plain")
    assert server.request("GET", answer.headers["location"]).json == answer.json
    assert server.request("GET", second["href"]).body == b"two\n"
    assert server.request("GET", first["href"], None, {"Range": "bytes=1-2"}).body == b"ne"
    assert read_text(server, "show", {"files": [{"href": second["href"]}, {"href": first["href"]}]}) == b"two\none\n"
    remove(server, answer)
    for path in (answer.headers["location"], first["href"]):
        assert server.request("GET", path).json["diagnosis"]["code"] == "upload.not-found"
    assert find_places(server) == []


def test_what_was_sent_is_shown_by_a_browser_without_running_it(server: Server) -> None:
    answer = send(server, {"page.html": b"<script>alert(1)</script>"})
    headers = server.request("GET", answer.json["files"][0]["href"]).headers
    assert (headers["content-security-policy"], headers["x-content-type-options"]) == ("sandbox", "nosniff")
    remove(server, answer)


def test_the_inputs_of_a_job_have_the_addresses_that_the_client_gave(server: Server) -> None:
    answer = send(server, {"a b.txt": b"x"})
    given = {"files": [{"href": answer.json["files"][0]["href"]}]}
    job = server.execute("show", given)
    assert server.request("GET", f"/jobs/{job}/inputs").json == given
    assert server.wait(job)["status"] == "successful"
    remove(server, answer)


def test_a_stac_item_is_sent_with_its_assets_as_one_folder(server: Server) -> None:
    item = json.dumps(build_item("one", {"red": {"href": "bands/red.tif"}})).encode()
    answer = send(server, {"item.json": item, "bands/red.tif": b"12"})
    assert b"red.tif" in read_text(server, "list", {"folder": {"href": answer.json["files"][0]["href"]}})
    remove(server, answer)


def test_files_belong_to_their_workspace(server: Server) -> None:
    answer = send(server, {"a.txt": b"x"}, HUB)
    upload, href = answer.json["id"], answer.json["files"][0]["href"]
    assert HUB in href
    assert read_text(server, "show", {"files": [{"href": href}]}, HUB)
    for base in ("", HUB.replace("ws-one", "ws-two")):
        for method, path in (
            ("GET", f"files/{upload}"),
            ("GET", f"files/{upload}/a.txt"),
            ("DELETE", f"files/{upload}"),
        ):
            assert server.request(method, f"{base}/{path}").status == 404
    (place,) = find_places(server, "ws-one")
    for location in (f"{server.url}/files/{upload}/a.txt", href):
        refused = server.request("POST", "/processes/show/execution", {"inputs": {"files": [{"href": location}]}})
        assert refused.status == 400
    status = server.wait(server.execute("show", {"files": [{"href": place.as_uri()}]}))
    assert status["diagnosis"]["code"] == "source.refused"
    remove(server, answer)


@pytest.mark.parametrize(
    "names",
    [
        ("../a.txt",),
        ("/etc/passwd",),
        ("a//b",),
        (".",),
        ("a/..",),
        ("a?b",),
        ("a%2fb",),
        ("a\x00b",),
        ("x" * 300,),
        ("a", "a"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("",),
    ],
)
def test_a_file_has_a_plain_name_of_its_own(server: Server, names: tuple[str, ...]) -> None:
    body, headers = build_form(*(("file", name, b"x") for name in names))
    answer = server.request("POST", "/files", body, headers)
    assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.invalid")
    assert find_places(server) == []


def test_names_that_begin_alike_are_different_names(server: Server) -> None:
    answer = send(server, {"a.tif": b"1", "a.tif.idx": b"2", "a.tif-folder/x": b"3"})
    assert len(answer.json["files"]) == 3
    remove(server, answer)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"x", "text/plain", 415, "request.media-type"),
        (b"x", "", 415, "request.media-type"),
        (b"x", "multipart/form-data", 400, "request.invalid"),
        (b"x", f"multipart/form-data; boundary={'x' * 500}", 400, "request.invalid"),
        (b"", "multipart/form-data; boundary=limit", 400, "request.invalid"),
        (b"nothing", "multipart/form-data; boundary=limit", 400, "request.invalid"),
        (build_form(("file", "a", b"x"))[0][:-10], "multipart/form-data; boundary=limit", 400, "request.invalid"),
        (build_form(("id", None, b"x"))[0], "multipart/form-data; boundary=limit", 400, "request.invalid"),
        (build_form(("file", "a", b" " * 2**20))[0], "multipart/form-data; boundary=limit", 413, "request.too-large"),
        (
            build_form(*(("file", f"a{number}", b"x") for number in range(201)))[0],
            "multipart/form-data; boundary=limit",
            400,
            "request.invalid",
        ),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(
    server: Server, body: bytes, media_type: str, status: int, code: str
) -> None:
    answer = server.request("POST", "/files", body, {"Content-Type": media_type})
    assert (answer.status, answer.json["diagnosis"]["code"]) == (status, code)
    assert find_places(server) == []
    assert not list(Path(server.environ["ZOO_RUNNER_SCRATCH"]).rglob("upload-*"))


@pytest.mark.parametrize("path", ["/files", "/processes"])
def test_a_client_that_goes_away_leaves_nothing_and_is_no_internal_error(server: Server, path: str) -> None:
    form, headers = build_form(("file", "a", b" " * 100_000))
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(form)}"]
    head = "\r\n".join([*lines, f"Content-Type: {headers['Content-Type']}", "", ""])
    counted = re.compile(rf'requests_total{{method="POST",path="{path}",status="400"}} (\d+)')

    def count() -> int:
        found = counted.search(server.request("GET", "/metrics").body.decode())
        return int(found[1].partition(".")[0]) if found else 0

    before = count()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + form[:50_000])
    wait_for(lambda: count() == before + 1, 30)
    assert not list(Path(server.environ["ZOO_RUNNER_SCRATCH"]).rglob("upload-*"))


def test_a_workspace_has_room_for_so_much(server: Server) -> None:
    kept = [send(server, {"a": b"x" * 1000_000}) for _ in range(2)]
    refused = send(server, {"a": b"x" * 1000_000})
    assert [answer.status for answer in kept] == [201, 201]
    assert (refused.status, refused.json["diagnosis"]["code"]) == (413, "upload.full")
    assert len(find_places(server)) == 2
    assert send(server, {"a": b"x"}, HUB).status == 201
    for answer in kept:
        remove(server, answer)
    again = send(server, {"a": b"x" * 1000_000})
    assert again.status == 201
    remove(server, again)


@pytest.mark.parametrize("says_size", [True, False])
def test_what_is_still_arriving_takes_room_too(server: Server, says_size: bool) -> None:
    form, headers = build_form(("file", "a", b"x" * 1000_000))
    length = f"Content-Length: {len(form)}" if says_size else "Transfer-Encoding: chunked"
    lines = ["POST /files HTTP/1.1", "Host: localhost", length, f"Content-Type: {headers['Content-Type']}", "", ""]
    begun = form[:50_000] if says_size else b"c350\r\n%b\r\n" % form[:50_000]
    with ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall("\r\n".join(lines).encode() + begun)
        wait_for(lambda: len(list(Path(server.environ["ZOO_RUNNER_SCRATCH"]).glob("upload-*"))) == 2, 30)
        refused = send(server, {"a": b"x" * 1000_000})
        assert (refused.status, refused.json["diagnosis"]["code"]) == (413, "upload.full")
        other = send(server, {"a": b"x"}, HUB)
        assert other.status == 201
    wait_for(lambda: not list(Path(server.environ["ZOO_RUNNER_SCRATCH"]).glob("upload-*")), 30)
    again = send(server, {"a": b"x" * 1000_000})
    assert again.status == 201
    remove(server, again)


@pytest.mark.parametrize("path", ["none/a.txt", "none", "", "{}/none.txt", "{}/../x", "{}/a.txt/x"])
def test_an_input_refers_to_a_file_that_there_is(server: Server, path: str) -> None:
    answer = send(server, {"a.txt": b"x"})
    href = f"{server.url}/files/{path.format(answer.json['id'])}"
    refused = server.request("POST", "/processes/show/execution", {"inputs": {"files": [{"href": href}]}})
    (problem,) = refused.json["diagnosis"]["problems"]
    assert (refused.status, problem["code"], problem["pointer"]) == (400, "inputs.reference", "/inputs/files/0")
    remove(server, answer)


def test_files_go_to_the_object_storage_of_the_workspace(tmp_path: Path, package_cache: Path, s3: S3Server) -> None:
    bucket, options = "uploads", s3.options
    (s3.folder / bucket).mkdir()
    site = Site(tmp_path, package_cache).having(
        STAGEOUT_OUTPUT=f"s3://{bucket}/out",
        STAGEIN_ALLOW_PRIVATE="true",
        AWS_ENDPOINT_URL=str(options.endpoint),
        AWS_ACCESS_KEY_ID=str(options.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
        AWS_REGION=options.region,
    )
    with serving(site.environ, tmp_path) as server:
        deploy(server, TOOL)
        answer = send(server, {"a.txt": b"from the bucket\n"})
        (file,) = answer.json["files"]
        place = f"s3://{bucket}/out/default/uploads/{answer.json['id']}/a.txt"
        assert place in server.request("GET", file["href"]).headers["link"]
        job = server.execute("show", {"files": [{"href": file["href"]}]})
        assert server.wait(job)["status"] == "successful"
        assert server.request("GET", f"/jobs/{job}/inputs").json == {"files": [{"href": file["href"]}]}
        remove(server, answer)
        assert (
            server.wait(server.execute("show", {"files": [{"href": place}]}))["diagnosis"]["code"] == "source.not-found"
        )


@pytest.fixture(params=DATABASES)
def api(request: pytest.FixtureRequest, tmp_path: Path, package_cache: Path) -> Iterator[Api]:
    site = Site(tmp_path, package_cache, is_service=True).having(ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"))
    settings = load_server_settings(site.environ)
    with use_database(request.param) as url:
        store = open_sql_store(url or f"sqlite:///{tmp_path / 'runner.db'}")
        yield Api(store, settings, site.configuration, open_context(store, settings, site.configuration))
        store.close()


def put(api: Api, upload_id: str, expires: str) -> Path:
    folder = Path(api.settings.results) / "default" / "uploads" / upload_id
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("x")
    file = UploadedFile("a.txt", "text/plain", 1)
    api.store.uploads.add(Upload(upload_id, "default", str(folder), (file,), clock.now(), expires), 10)
    return folder


def test_files_that_expired_are_removed_unless_a_job_will_read_them(api: Api) -> None:
    long_ago, later = clock.after(-100_000), clock.after(100_000)
    old, fresh, needed, read = (
        put(api, name, end)
        for name, end in zip(("old", "fresh", "needed", "read"), (long_ago, later, long_ago, long_ago), strict=True)
    )
    waiting, ended = (
        build_job(number, inputs={"x": [{"class": "File", "location": (folder / "a.txt").as_uri()}]})
        for number, folder in ((1, needed), (2, read))
    )
    create(api.store, waiting, replace(ended, status=Status.SUCCESSFUL))
    assert remove_expired_uploads(api, threading.Event()) == 2
    assert [folder.exists() for folder in (old, fresh, needed, read)] == [False, True, True, False]
    api.store.jobs.delete(waiting.id)
    assert remove_expired_uploads(api, threading.Event()) == 1
