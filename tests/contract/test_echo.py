"""The process that returns its inputs: every kind of input that the standard has, and a pause."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import FileServer
from tests.serving import CWL, Server, serving
from tests.site import Site
from tests.values import ROOT

ECHO = "/processes/EchoProcess"
IMMUTABLE = "http://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0/immutable-process"
VALUES = {
    "string": "text",
    "integer": 2**40,
    "double": 1.5,
    "boolean": False,
    "array": [3, 2, 1],
    "object": {"value": "Straße", "language": "de"},
    "boundingBox": {"bbox": [5.8, 47.2, 15.1, 55.1], "crs": "urn:ogc:def:crs:EPSG:6.6:4326"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("echo")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_ECHO="true",
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        STAGEIN_ALLOW_PRIVATE="true",
    )
    with serving(site.environ, folder) as server:
        yield server


def execute(server: Server, inputs: dict[str, Any], **more: Any) -> Any:
    return server.request("POST", f"{ECHO}/execution", {"inputs": inputs, **more})


def test_each_input_comes_back_as_it_was_sent(server: Server) -> None:
    answer = execute(server, {f"{kind}Input": value for kind, value in VALUES.items()})
    assert answer.json == {f"{kind}Output": value for kind, value in VALUES.items()}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_may_be_qualified(server: Server, kind: str) -> None:
    value = VALUES[kind] if kind == "object" else {"value": VALUES[kind]}
    inputs = {"stringInput": "text", f"{kind}Input": value}
    answer = execute(server, inputs, response="raw", outputs={f"{kind}Output": {}})
    body = answer.body.decode()
    assert (body if kind == "string" else json.loads(body)) == VALUES[kind]


def test_what_was_not_sent_is_absent(server: Server) -> None:
    assert execute(server, {"stringInput": "x"}).json == {"stringOutput": "x", "arrayOutput": [1, 2, 3]}


@pytest.mark.parametrize(
    "value",
    [
        {"value": "by value", "mediaType": "text/plain"},
        {"value": "YnkgdmFsdWU=", "encoding": "base64"},
        {"href": "{}/file.txt"},
        {"href": "{}/file.txt", "type": "text/plain"},
        "{}/file.txt",
    ],
)
def test_a_file_comes_by_value_and_by_reference(server: Server, web: FileServer, value: Any) -> None:
    web.put("file.txt", b"by value")
    given = json.loads(json.dumps(value).replace("{}", web.url))
    answer = execute(server, {"stringInput": "x", "fileInput": given}, response="raw", outputs={"fileOutput": {}})
    assert (answer.status, answer.body) == (200, b"by value")


def test_inputs_of_the_wrong_kind_are_all_refused(server: Server) -> None:
    wrong = {"stringInput": 1, "integerInput": "x", "arrayInput": ["x"], "objectInput": 1, "boundingBoxInput": {}}
    answer = execute(server, {**wrong, "pause": "long", "fileInput": 1})
    pointers = {problem["pointer"] for problem in answer.json["diagnosis"]["problems"]}
    assert answer.status == 400
    assert {pointer.split("/")[2] for pointer in pointers} == {*wrong, "pause", "fileInput"}


def test_a_pause_keeps_the_job_running(server: Server) -> None:
    job = server.execute("EchoProcess", {"stringInput": "later", "pause": 600})
    server.wait(job, "running")
    assert server.request("GET", f"/jobs/{job}/results").status == 404
    assert server.request("DELETE", f"/jobs/{job}").json["status"] == "dismissed"
    started = server.execute("EchoProcess", {"stringInput": "later", "pause": 1})
    assert server.wait(started)["status"] == "successful"


def test_a_restart_keeps_it_and_without_the_setting_there_is_none(tmp_path: Path, package_cache: Path) -> None:
    site = Site(tmp_path, package_cache)
    with serving(site.environ, tmp_path) as server:
        assert server.request("GET", ECHO).status == 404
    for _ in range(2):
        with serving(site.having(ZOO_RUNNER_ECHO="true").environ, tmp_path) as server:
            assert server.request("GET", ECHO).json["mutable"] is False
    with serving(site.environ, tmp_path) as server:
        assert server.request("GET", ECHO).status == 404


def test_no_client_replaces_or_undeploys_it(server: Server) -> None:
    package = (ROOT / "examples" / "echo" / "echo.cwl").read_bytes()
    own = package.replace(b"id: echo", b"id: EchoProcess")
    assert own != package
    for method, path, body in (("POST", "/processes", own), ("PUT", ECHO, package), ("DELETE", ECHO, None)):
        refused = server.request(method, path, body, {"Content-Type": CWL})
        assert (refused.status, refused.json["type"]) == (403, IMMUTABLE)
        if body:
            found = server.request(method, f"{path}?dryRun=true", body, {"Content-Type": CWL})
            assert [problem["code"] for problem in found.json["problems"]] == ["process.immutable"]
    mutable = {process["id"]: process["mutable"] for process in server.request("GET", "/processes").json["processes"]}
    assert mutable["EchoProcess"] is False
    assert server.deploy(ROOT / "examples" / "echo" / "echo.cwl") == "echo"
    assert server.request("GET", "/processes/echo").json["mutable"] is True
