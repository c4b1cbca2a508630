"""Jobs that are created, edited and started later, and executions whose inputs are parameters of the address."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.contract.test_callbacks import wait_for_post
from tests.servers import FileServer
from tests.serving import ASYNC, Server, serving
from tests.site import Site
from tests.unit import ogc_processes as standard
from tests.values import ROOT

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
HUB = "/hubs/ws-one"
PART_4 = "http://www.opengis.net/def/exceptions/ogcapi-processes-4/1.0"
LOCKED = f"{PART_4}/locked"
SCHEMA = "https://schemas.opengis.net/ogcapi/processes/execute-workflows.yaml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("management")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/hubs",
        ZOO_RUNNER_CALLBACK_HOSTS="127.0.0.1",
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        server.deploy(ECHO, HUB)
        yield server


def create(server: Server, base: str = "", **members: object) -> str:
    request = {"process": f"{server.url}{base}/processes/echo", **members}
    answer = server.request("POST", f"{base}/jobs", request)
    assert (answer.status, answer.json["status"]) == (201, "created")
    assert answer.headers["location"] == f"{server.url}{base}/jobs/{answer.json['jobID']}"
    return str(answer.json["jobID"])


@pytest.mark.parametrize("base", ["", HUB])
def test_a_job_is_created_edited_and_started(server: Server, base: str) -> None:
    job = create(server, base, inputs={"message": 7})
    assert job in [one["jobID"] for one in server.request("GET", f"{base}/jobs?status=created").json["jobs"]]
    assert server.request("GET", f"{base}/jobs/{job}/results").json["type"].endswith("/result-not-ready")
    assert server.request("POST", f"{base}/jobs/{job}/results", headers=ASYNC).status == 400
    assert server.request("PATCH", f"{base}/jobs/{job}", {"inputs": {"message": "edited"}}).json["status"] == "created"
    definition = {"process": f"{server.url}{base}/processes/echo", "inputs": {"message": "edited"}}
    assert server.request("GET", f"{base}/jobs/{job}/definition").json == definition
    started = server.request("POST", f"{base}/jobs/{job}/results", headers=ASYNC)
    assert (started.status, started.json["jobID"]) == (200, job)
    Draft202012Validator(standard.STATUS_INFO).validate(started.json)
    assert server.wait(job, base=base)["status"] == "successful"
    assert server.request("GET", f"{base}/jobs/{job}/inputs").json == {"message": "edited"}
    assert server.request("GET", f"{base}/jobs/{job}/definition").json == definition


def test_a_job_is_started_once_and_not_changed_after_that(server: Server) -> None:
    job = create(server, inputs={"message": "once"})
    started = server.request("POST", f"/jobs/{job}/results")
    assert (started.status, started.json["status"]) == (200, "successful")
    assert server.request("GET", f"/jobs/{job}/results/text").body == b"once\n"
    for method, path, body in (("POST", f"/jobs/{job}/results", None), ("PATCH", f"/jobs/{job}", {"inputs": {}})):
        refused = server.request(method, path, body)
        assert (refused.status, refused.json["type"]) == (423, LOCKED)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_the_request_of_a_job_is_json_of_a_known_schema(server: Server, method: str) -> None:
    path, process = ("/jobs" if method == "POST" else f"/jobs/{create(server)}"), f"{server.url}/processes/echo"
    body = json.dumps({"process": process, "inputs": {"message": "x"}}).encode()
    for media_type in ("application/json", "application/ogcapi-processes+json"):
        answer = server.request(method, path, body, {"Content-Type": media_type, "Content-Schema": SCHEMA})
        assert (answer.status, answer.json["status"]) == (201 if method == "POST" else 200, "created")
    for headers, status, name in (
        ({"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content-Type": "application/json", "Content-Schema": "https://x.example/y.json"}, 422, "unsupported-schema"),
    ):
        refused = server.request(method, path, body, headers)
        assert (refused.status, refused.json["type"]) == (status, f"{PART_4}/{name}")


def test_a_job_is_validated_before_it_is_started(server: Server) -> None:
    job = create(server, inputs={"message": 7})
    found = server.request("GET", f"/jobs/{job}/validation").json
    assert (found["valid"], [problem["pointer"] for problem in found["problems"]]) == (False, ["/inputs/message"])
    server.request("PATCH", f"/jobs/{job}", {"inputs": {"message": "x"}})
    assert server.request("GET", f"/jobs/{job}/validation").json["valid"] is True
    assert server.request("GET", f"/jobs/{job}").json["status"] == "created"
    assert server.request("GET", "/jobs/none/validation").status == 404


@pytest.mark.parametrize("name", ["dryRun", "dry-run"])
def test_a_dry_run_has_two_names(server: Server, name: str) -> None:
    before = server.request("GET", "/jobs").json["numberTotal"]
    path = f"/processes/echo/execution?{name}=true"
    assert server.request("POST", path, {"inputs": {"message": 7}}).json["valid"] is False
    assert server.request("GET", f"{path}&message=x").json["valid"] is True
    assert server.request("GET", "/jobs").json["numberTotal"] == before


def test_an_edit_that_leaves_an_input_out_has_its_default_apply(server: Server) -> None:
    job = create(server, inputs={"message": "gone"}, response="raw")
    server.request("PATCH", f"/jobs/{job}", {"inputs": {"message": None}})
    server.request("POST", f"/jobs/{job}/results")
    assert server.request("GET", f"/jobs/{job}/results/text").body == b"Hello\n"


def test_a_created_job_is_dismissed_and_never_runs(server: Server) -> None:
    job = create(server)
    assert server.request("DELETE", f"/jobs/{job}").json["status"] == "dismissed"
    assert server.request("POST", f"/jobs/{job}/results").status == 423


def test_a_created_job_is_seen_in_its_workspace_only(server: Server) -> None:
    job = create(server, HUB)
    for path in (f"/jobs/{job}/definition", f"/jobs/{job}/inputs"):
        assert server.request("GET", path).status == 404
    refused = server.request("POST", "/jobs", {"process": f"{server.url}{HUB}/processes/echo"})
    assert (refused.status, refused.json["diagnosis"]["code"]) == (400, "request.invalid")


def test_a_started_job_calls_back_below_the_prefix_of_its_workspace(server: Server, web: FileServer) -> None:
    subscriber = {"successUri": f"{web.url}/success", "inProgressUri": f"{web.url}/begun"}
    job = create(server, HUB, inputs={"message": "back"}, subscriber=subscriber)
    server.request("POST", f"{HUB}/jobs/{job}/results")
    assert wait_for_post(web, "success") == server.request("GET", f"{HUB}/jobs/{job}/results").json
    begun = [body for path, body in web.posted if path == "begun"]
    assert all(body["links"][0]["href"] == f"{server.url}{HUB}/jobs/{job}" for body in begun)


def test_inputs_are_parameters_of_the_address(server: Server) -> None:
    answer = server.request("GET", "/processes/echo/execution?message=by%20address&response=raw")
    assert (answer.status, answer.body) == (200, b"by address\n")
    job = server.request("GET", "/processes/echo/execution?message=12", headers=ASYNC).json["jobID"]
    assert server.request("GET", f"/jobs/{job}/inputs").json == {"message": "12"}
    unknown = server.request("GET", "/processes/echo/execution?massage=x")
    assert (unknown.status, unknown.json["diagnosis"]["code"]) == (400, "inputs.unknown")
    assert server.request("GET", "/processes/echo/execution?dryRun=true").json["valid"] is True


def test_a_page_of_another_site_starts_nothing_by_an_address(server: Server) -> None:
    path, before = "/processes/echo/execution", server.request("GET", "/jobs").json["numberTotal"]
    refused = server.request("GET", path, headers={"Sec-Fetch-Site": "cross-site"})
    assert (refused.status, refused.json["diagnosis"]["code"]) == (403, "request.cross-site")
    assert server.request("HEAD", path).status == 405
    assert server.request("GET", "/jobs").json["numberTotal"] == before


OWN, FORM = "http://127.0.0.1:{port}", "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Origin": "http://elsewhere.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://127.0.0.1:1"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site", "Origin": "https://elsewhere.example"}, 403),
        ("POST", {"Origin": "http://elsewhere.example", "Content-Type": "text/plain"}, 403),
        ("POST", {"Origin": "http://elsewhere.example", "Content-Type": FORM}, 403),
        ("POST", {"Origin": OWN}, 201),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": OWN}, 201),
        # a browser asks before it sends this: who answers for the origin decides
        ("POST", {"Origin": "http://elsewhere.example", "Content-Type": "application/json"}, 201),
        ("GET", {"Referer": "http://elsewhere.example/page"}, 403),
        ("GET", {"Origin": "http://elsewhere.example"}, 403),
        ("GET", {"Referer": OWN + "/processes/echo"}, 201),
    ],
)
def test_what_a_page_of_another_site_can_send_unasked_is_refused(
    server: Server, method: str, headers: dict[str, str], status: int
) -> None:
    before = server.request("GET", "/jobs").json["numberTotal"]
    sent = {name: value.replace("{port}", str(server.port)) for name, value in headers.items()}
    # urllib gives a body a media type of its own
    body = b"{}" if "Content-Type" in sent else None
    answer = server.request(method, "/processes/echo/execution", body, {**sent, **ASYNC})
    assert answer.status == status
    if status == 403:
        assert answer.json["diagnosis"]["code"] == "request.cross-site"
    assert server.request("GET", "/jobs").json["numberTotal"] == before + (status == 201)


def test_an_edit_that_takes_the_subscriber_out_has_nobody_called_back(server: Server, web: FileServer) -> None:
    job = create(server, inputs={"message": "no"}, subscriber={"successUri": f"{web.url}/stale"})
    server.request("PATCH", f"/jobs/{job}", {"subscriber": None})
    server.request("POST", f"/jobs/{job}/results")
    other = create(server, inputs={"message": "yes"}, subscriber={"successUri": f"{web.url}/other"})
    server.request("POST", f"/jobs/{other}/results")
    wait_for_post(web, "other")
    assert [path for path, _ in web.posted if path == "stale"] == []


def test_many_edits_and_starts_at_once_call_back_whom_the_started_request_names(
    server: Server, web: FileServer
) -> None:
    for number in range(5):
        job = create(server, inputs={"message": "x"}, subscriber={"successUri": f"{web.url}/{number}-0"})
        with ThreadPoolExecutor(8) as pool:
            for turn in range(1, 5):
                edit = {"subscriber": {"successUri": f"{web.url}/{number}-{turn}"}}
                pool.submit(server.request, "PATCH", f"/jobs/{job}", edit)
                pool.submit(server.request, "POST", f"/jobs/{job}/results", headers=ASYNC)
        server.request("POST", f"/jobs/{job}/results", headers=ASYNC)
        server.wait(job)
        address = server.request("GET", f"/jobs/{job}/definition").json["subscriber"]["successUri"]
        wait_for_post(web, address.rpartition("/")[2])
        assert len([path for path, _ in web.posted if path.startswith(f"{number}-")]) == 1


def test_the_definition_of_a_job_is_its_request_before_and_after_its_start(
    server: Server, web: FileServer, tmp_path: Path
) -> None:
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "reads", "baseCommand": "cat", "stdout": "o.txt"}
    inputs = {"scene": {"type": "File", "inputBinding": {}}, "kind": {"type": "string", "default": "all"}}
    (tmp_path / "reads.cwl").write_text(json.dumps({**tool, "inputs": inputs, "outputs": {"o": "stdout"}}))
    server.deploy(tmp_path / "reads.cwl")
    web.put("scene.tif", b"II*\0")
    request = {
        "inputs": {"scene": {"href": f"{web.url}/scene.tif", "type": "image/tiff"}},
        "outputs": {"o": {"transmissionMode": "reference"}},
        "response": "document",
        "subscriber": {"successUri": f"{web.url}/defined"},
    }
    process = f"{server.url}/processes/reads"
    created = server.request("POST", "/jobs", {"process": process, **request}).json["jobID"]
    assert server.request("GET", f"/jobs/{created}/definition").json == {"process": process, **request}
    server.request("POST", f"/jobs/{created}/results", headers=ASYNC)
    executed = server.request("POST", "/processes/reads/execution", request, ASYNC).json["jobID"]
    for job in (created, executed):
        assert server.request("GET", f"/jobs/{job}/definition").json == {"process": process, **request}
        assert server.request("GET", f"/jobs/{job}/inputs").json == request["inputs"]


def test_results_are_parts_where_a_client_asks_for_these(server: Server) -> None:
    job = create(server, inputs={"message": "a part"})
    server.request("POST", f"/jobs/{job}/results")
    answer = server.request("GET", f"/jobs/{job}/results", headers={"Accept": "multipart/related"})
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(head + answer.body)
    (part,) = message.iter_parts()
    assert (part["Content-ID"], part.get_content_type()) == ("<text>", "text/plain")
    assert part.get_content().strip() == "a part"


def test_a_job_that_many_start_at_once_runs_once_and_calls_back(server: Server, web: FileServer) -> None:
    job = create(server, inputs={"message": "one"}, subscriber={"successUri": f"{web.url}/many"})
    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(server.request, "POST", f"/jobs/{job}/results", headers=ASYNC) for _ in range(8)]
    statuses = sorted(start.result().status for start in starts)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 423}
    assert wait_for_post(web, "many") == server.request("GET", f"/jobs/{job}/results").json


def test_words_of_an_array_of_strings_are_texts(server: Server, tmp_path: Path) -> None:
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "words", "baseCommand": "echo", "stdout": "o.txt"}
    inputs = {"bands": {"type": "string[]", "inputBinding": {}}}
    (tmp_path / "words.cwl").write_text(json.dumps({**tool, "inputs": inputs, "outputs": {"o": "stdout"}}))
    server.deploy(tmp_path / "words.cwl")
    answer = server.request("GET", "/processes/words/execution?bands=1&bands=true&response=raw")
    assert (answer.status, answer.body) == (200, b"1 true\n")
    half = server.request("GET", "/processes/words/execution?bands=%5B%22%5Cud800%22%5D")
    assert (half.status, half.json["diagnosis"]["code"]) == (400, "request.invalid")
