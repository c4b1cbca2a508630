"""The HTTP server as clients see it: a real process with the local engine, every answer held against the schemas."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from tests.forms import build_form
from tests.require import require
from tests.servers import FileServer
from tests.serving import ASYNC, CWL, Answer, Server, serving
from tests.site import Site
from tests.unit import ogc_processes as standard
from tests.unit.stagein.items import build_item
from tests.values import ROOT
from tests.waiting import wait_for
from zoo_runner.store.sql import open_sql_store

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
FILES = ROOT / "examples" / "features" / "files" / "files.cwl"
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"
FAILING = ROOT / "tests" / "data" / "packages" / "failing" / "tool-exit-code"
HUB = "/api/catalogs/user/catalogs/ws-one"
PART_1 = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
PART_2 = "http://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0"
REL = "http://www.opengis.net/def/rel/ogc/1.0"
OURS = "urn:zoo-runner:problem"
PACKAGE = "application/ogcapppkg+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogs/user/catalogs/",
        ZOO_RUNNER_MAX_BODY_MIB="1",
        ZOO_RUNNER_CORS_ORIGINS="https://maps.example.org",
        STAGEIN_ALLOW_PRIVATE="true",
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        server.deploy(ECHO, HUB)
        server.deploy(SLOW)
        yield server


def fits(document: Any, schema: dict[str, Any]) -> None:
    Draft202012Validator(schema).validate(document)


def find_link(document: Any, rel: str) -> str:
    return str(next(link["href"] for link in document["links"] if link["rel"] == rel))


def test_the_landing_page_leads_to_everything(server: Server) -> None:
    page = server.request("GET", "/").json
    fits(page, standard.LANDING_PAGE)
    for rel in ("self", "service-desc", f"{REL}/conformance"):
        assert server.request("GET", find_link(page, rel)).status == 200
    for rel in ("processes", "job-list"):
        assert server.request("GET", find_link(page, f"{REL}/{rel}")).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/processes/echo"), ("POST", "/jobs"), ("GET", "/health")]
)
def test_a_page_whose_name_was_made_to_lead_here_is_refused(server: Server, method: str, path: str) -> None:
    port = server.port
    answer = server.request(method, path, {} if method == "POST" else None, {"Host": f"evil.example:{port}"})
    assert (answer.status, answer.json["diagnosis"]["code"]) == (421, "request.host")
    assert "evil.example" in answer.json["detail"]


def test_no_client_sets_the_host_of_links_by_another_header(server: Server) -> None:
    sent = {"Host": f"localhost:{server.port}", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    page = server.request("GET", "/", headers=sent).json
    assert {link["href"].startswith(f"http://localhost:{server.port}/") for link in page["links"]} == {True}


def test_both_versions_of_openapi_describe_the_same(server: Server) -> None:
    links = [link for link in server.request("GET", "/").json["links"] if link["rel"] == "service-desc"]
    new, old = (server.request("GET", link["href"]) for link in links)
    assert (new.json["openapi"], old.json["openapi"]) == ("3.1.0", "3.0.3")
    assert [answer.headers["content-type"] for answer in (new, old)] == [link["type"] for link in links]
    assert {**new.json, "openapi": ""} == {**old.json, "openapi": ""}


def test_what_is_declared_is_known(server: Server) -> None:
    document = server.request("GET", "/conformance").json
    fits(document, standard.CONFORMANCE)
    assert {uri.rpartition("/")[2] for uri in document["conformsTo"]} == {
        *("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss"),
        *("oas31", "kvp-execute", "deploy-replace-undeploy", "ogcapppkg", "cwl", "job-management", "ogcapi-processes"),
    }


def test_processes_are_listed_and_described(server: Server) -> None:
    listed = server.request("GET", "/processes").json
    fits(listed, standard.PROCESS_LIST)
    echo = next(process for process in listed["processes"] if process["id"] == "echo")
    described = server.request("GET", find_link(echo, "self")).json
    fits(described, standard.PROCESS)
    assert described["inputs"]["message"]["schema"] == {"type": "string", "default": "Hello"}
    assert set(described["jobControlOptions"]) == {"sync-execute", "async-execute", "dismiss"}


def test_pages_of_processes_follow_one_another(server: Server) -> None:
    first = server.request("GET", "/processes?limit=1").json
    second = server.request("GET", find_link(first, "next")).json
    assert [process["id"] for page in (first, second) for process in page["processes"]] == ["echo", "slow"]
    assert [link["rel"] for link in second["links"]] == ["self"]


def test_a_job_is_executed_polled_and_read(server: Server) -> None:
    started = server.request("POST", "/processes/echo/execution", {"inputs": {"message": "hello you"}}, ASYNC)
    assert started.status == 201
    assert started.headers["preference-applied"] == "respond-async"
    fits(started.json, standard.STATUS_INFO)
    assert started.json["status"] in ("accepted", "running")
    assert started.headers["location"] == find_link(started.json, "monitor")
    status = server.wait(started.json["jobID"])
    fits(status, standard.STATUS_INFO)
    assert (status["status"], status["progress"]) == ("successful", 100)
    assert status["created"] <= status["started"] <= status["finished"]
    results = server.request("GET", find_link(status, f"{REL}/results")).json
    fits(results, standard.RESULTS)
    assert server.request("GET", results["text"]["href"]).body == b"hello you\n"


def test_logs_of_a_job_are_linked_and_read_also_in_parts(server: Server) -> None:
    job = server.execute("echo", {})
    status = server.wait(job)
    logs = {link["title"]: link["href"] for link in status["links"] if link["rel"] == "related"}
    assert {"Job log", "Tool log write.log"} <= logs.keys()
    whole = server.request("GET", logs["Job log"]).body
    assert job.encode() in whole
    assert server.request("GET", f"/jobs/{job}/logs").json["links"] == [
        link for link in status["links"] if link["rel"] == "related"
    ]


@pytest.mark.parametrize("name", ["none.log", "..", "plan.json", ".log", "%2e%2e%2fx.log"])
def test_there_are_no_other_logs(server: Server, name: str) -> None:
    job = server.execute("echo", {})
    server.wait(job)
    answer = server.request("GET", f"/jobs/{job}/logs/{name}")
    assert (answer.status, answer.json["diagnosis"]["code"]) in {(404, "job.no-log"), (404, "request.unknown-path")}


@pytest.mark.parametrize("path", ["..%2f..%2fserver.log", "%2fetc%2fpasswd", "none", "text"])
def test_there_are_no_other_files_than_results(server: Server, path: str) -> None:
    job = server.execute("echo", {})
    server.wait(job)
    assert server.request("GET", f"/jobs/{job}/files/{path}").status == 404


LARGE_BYTES, MOST_MORE_MIB = 128 << 20, 64


@pytest.fixture(scope="module")
def with_large_file(server: Server) -> str:
    """A job whose output is larger than what the server may take to send it."""
    job = server.execute("echo", {})
    server.wait(job, "successful")
    href = server.request("GET", f"/jobs/{job}/results").json["text"]["href"]
    folder = Path(server.environ["ZOO_RUNNER_RESULTS_FOLDER"]) / "default" / job
    with (folder / href.partition("/files/")[2]).open("r+b") as file:
        file.truncate(LARGE_BYTES)
    return job


def find_file(server: Server, job: str) -> str:
    return str(server.request("GET", f"/jobs/{job}/results").json["text"]["href"])


def measure_most_mib(server: Server) -> float:
    """The most memory that the server has taken since it started (proc(5), VmHWM)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def test_a_result_file_is_read_by_ranges(server: Server, with_large_file: str) -> None:
    href = find_file(server, with_large_file)
    head = server.request("HEAD", href).headers
    assert (head["content-length"], head["accept-ranges"]) == (str(LARGE_BYTES), "bytes")
    for path in (href, f"/jobs/{with_large_file}/results/text"):
        part = server.request("GET", path, headers={"Range": "bytes=0-4"})
        assert (part.status, part.body) == (206, b"Hello")
        assert part.headers["content-range"] == f"bytes 0-4/{LARGE_BYTES}"
        behind = server.request("GET", path, headers={"Range": f"bytes={LARGE_BYTES}-"})
        assert (behind.status, behind.json["diagnosis"]["code"]) == (416, "request.range")
    for passed_over in (f"bytes={'9' * 5000}-", "bytes=5-2", "bytes=0-4,x"):
        assert (
            server.request("GET", f"/jobs/{with_large_file}/logs/job.log", headers={"Range": passed_over}).status == 200
        )
    other = {"If-Range": '"other"', "Range": f"bytes={LARGE_BYTES}-"}
    assert server.request("HEAD", href, headers=other).status == 200
    for condition in ({"If-None-Match": head["etag"]}, {"If-Modified-Since": head["last-modified"]}):
        assert server.request("GET", href, headers=condition).status == 304
    assert server.request("GET", href, headers={"If-None-Match": '"other"', "Range": "bytes=-1"}).body == b"\0"
    for changed in ({"If-Match": '"other"'}, {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}):
        refused = server.request("GET", href, headers={**changed, "Range": "bytes=0-4"})
        assert (refused.status, refused.json["diagnosis"]["code"]) == (412, "request.precondition")
    for same in ({"If-Match": head["etag"]}, {"If-Unmodified-Since": head["last-modified"]}):
        assert server.request("GET", href, headers={**same, "Range": "bytes=0-4"}).body == b"Hello"


@pytest.mark.parametrize("accept", ["*/*", "multipart/related"])
def test_a_large_result_takes_no_memory_of_the_server(server: Server, with_large_file: str, accept: str) -> None:
    before = measure_most_mib(server)
    path = f"/jobs/{with_large_file}/results" if accept != "*/*" else find_file(server, with_large_file)
    answer = server.request("GET", path, headers={"Accept": accept})
    assert (answer.status, len(answer.body) >= LARGE_BYTES) == (200, True)
    assert measure_most_mib(server) - before < MOST_MORE_MIB


def test_without_a_preference_the_answer_is_the_results(server: Server) -> None:
    answer = server.request("POST", "/processes/echo/execution", {"inputs": {"message": "now"}})
    assert answer.status == 200
    fits(answer.json, standard.RESULTS)
    assert server.request("GET", answer.json["text"]["href"]).body == b"now\n"


def test_each_result_is_there_by_itself(server: Server) -> None:
    job = server.execute("echo", {"message": "Hello"})
    server.wait(job, "successful")
    for path in ("text", "text/0"):
        answer = server.request("GET", f"/jobs/{job}/results/{path}")
        assert (answer.status, answer.body) == (200, b"Hello\n")
    for path in ("none", "text/1"):
        answer = server.request("GET", f"/jobs/{job}/results/{path}")
        assert (answer.status, answer.json["diagnosis"]["code"]) == (404, "job.no-output")
    assert server.request("GET", f"/jobs/{job}/results/text/-1").status == 400


@pytest.mark.parametrize("path", ["/", "/processes", "/processes/echo", "/jobs", "/health", "/api"])
def test_head_is_get_without_a_body(server: Server, path: str) -> None:
    head, got = (server.request(method, path) for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert server.request("HEAD", "/processes/none").status == 404


def test_the_head_of_a_stream_ends(server: Server) -> None:
    job = server.execute("slow", {})
    server.wait(job, "running")
    for path in ("events", "logs/job.log?follow=true"):
        assert server.request("HEAD", f"/jobs/{job}/{path}").status == 200
    server.request("DELETE", f"/jobs/{job}")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/processes", "GET, HEAD, OPTIONS, POST"),
        ("/processes/echo", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/processes/echo/execution", "GET, OPTIONS, POST"),
        (f"{HUB}/jobs/none", "DELETE, GET, HEAD, OPTIONS, PATCH"),
    ],
)
def test_a_path_states_its_methods(server: Server, path: str, allowed: str) -> None:
    options, refused = server.request("OPTIONS", path), server.request("TRACE", path)
    assert (options.status, options.headers["allow"]) == (204, allowed)
    assert (refused.status, refused.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/csv", 406),
        ("application/json;q=0, text/csv", 406),
        ("*/*;q=0", 406),
        ("text/csv, application/*;q=0.1", 200),
        ("text/csv,*/*;q=0.8", 200),
        ("", 200),
    ],
)
def test_a_media_type_that_a_path_does_not_have_is_refused(server: Server, accept: str, status: int) -> None:
    answer = server.request("GET", "/processes", headers={"Accept": accept})
    assert answer.status == status
    assert status == 200 or answer.json["diagnosis"]["code"] == "request.not-acceptable"


def test_a_raw_response_is_the_value(server: Server) -> None:
    body = {"inputs": {"message": "raw"}, "response": "raw", "outputs": {"text": {}}}
    answer = server.request("POST", "/processes/echo/execution", body)
    assert (answer.status, answer.body) == (200, b"raw\n")
    assert answer.headers["content-type"].startswith("text/plain")


def execute_with(server: Server, headers: dict[str, str] | None = None, **output: Any) -> Answer:
    body = {"inputs": {"message": "mode"}, "outputs": {"text": {k: v for k, v in output.items() if k != "response"}}}
    body |= {"response": output["response"]} if "response" in output else {}
    return server.request("POST", "/processes/echo/execution", body, headers)


def test_an_output_comes_by_value_or_by_reference_as_it_is_asked_for(server: Server) -> None:
    value = {"text": {"value": "mode\n", "mediaType": "text/plain"}}
    by_value = execute_with(server, transmissionMode="value")
    fits(by_value.json, standard.RESULTS)
    assert by_value.json == value
    job = execute_with(server, ASYNC, transmissionMode="value").json["jobID"]
    server.wait(job, "successful")
    assert server.request("GET", f"/jobs/{job}/results").json == value
    href = execute_with(server, transmissionMode="reference").json["text"]["href"]
    assert server.request("GET", href).body == b"mode\n"
    raw = execute_with(server, transmissionMode="reference", response="raw")
    assert (raw.status, raw.headers["link"].count('rel="monitor"')) == (204, 1)
    assert server.request("GET", raw.headers["link"].rpartition("<")[2].partition(">")[0]).body == b"mode\n"
    refused = execute_with(server, transmissionMode="pigeon")
    (problem,) = refused.json["diagnosis"]["problems"]
    assert (refused.status, problem["code"], problem["pointer"]) == (
        *(400, "inputs.value"),
        "/outputs/text/transmissionMode",
    )


def test_a_part_of_a_result_is_read(server: Server) -> None:
    job = server.execute("echo", {"message": "0123456789"})
    server.wait(job, "successful")
    for path in ("results/text", "results/text/0", "files/text/message.txt"):
        part = server.request("GET", f"/jobs/{job}/{path}", headers={"Range": "bytes=2-4"})
        assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/11")
        assert server.request("GET", f"/jobs/{job}/{path}", headers={"Range": "bytes=99-"}).status == 416
    # an execution is no request for a part
    body = {"inputs": {"message": "whole"}, "response": "raw"}
    assert server.request("POST", "/processes/echo/execution", body, {"Range": "bytes=2-4"}).body == b"whole\n"


def test_a_synchronous_execution_that_takes_long_goes_on_as_an_asynchronous_one(server: Server) -> None:
    answer = server.request("POST", "/processes/slow/execution", {}, {"Prefer": "wait=1"})
    assert answer.status == 201
    job = answer.json["jobID"]
    assert server.request("DELETE", f"/jobs/{job}").json["status"] == "dismissed"


def test_jobs_are_listed_newest_first_in_pages_and_narrowed(server: Server) -> None:
    jobs = [server.execute("echo", {}) for _ in range(3)]
    for job in jobs:
        server.wait(job)
    first = server.request("GET", "/jobs?limit=2&processID=echo&status=successful").json
    fits(first, standard.JOB_LIST)
    second = server.request("GET", find_link(first, "next")).json
    ids = [job["jobID"] for page in (first, second) for job in page["jobs"]]
    assert ids[:3] == jobs[::-1]
    assert first["numberTotal"] >= 3
    assert server.request("GET", "/jobs?datetime=../2020-01-01").json["jobs"] == []
    assert len(server.request("GET", "/jobs?datetime=2020-01-01T00:00:00Z/..").json["jobs"]) >= 3
    assert server.request("GET", "/jobs?status=dismissed&processID=echo").json["jobs"] == []


def test_a_list_is_narrowed_by_type_text_and_duration_and_skips(server: Server) -> None:
    jobs = [server.execute("echo", {}) for _ in range(2)]
    for job in jobs:
        server.wait(job)

    def list_ids(query: str) -> list[str]:
        return [job["jobID"] for job in server.request("GET", f"/jobs?{query}").json["jobs"]]

    assert list_ids("limit=1&skip=1&processID=echo") == [jobs[0]]
    assert list_ids(f"type=process&q={jobs[1][4:]}") == [jobs[1]]
    assert list_ids("minDuration=3600") == []
    assert set(jobs) <= set(list_ids("maxDuration=3600&status=successful,failed&status=dismissed"))


def test_all_jobs_are_exported_one_a_line(server: Server) -> None:
    server.wait(server.execute("echo", {}))
    answer = server.request("GET", "/jobs?processID=echo&status=successful", None, {"Accept": "application/x-ndjson"})
    exported = [json.loads(line) for line in answer.body.splitlines()]
    assert len(exported) == server.request("GET", "/jobs?processID=echo&status=successful&limit=1").json["numberTotal"]
    for job in exported:
        fits(job, standard.STATUS_INFO)


def test_an_export_with_an_invalid_cursor_is_refused(server: Server) -> None:
    answer = server.request("GET", "/jobs?cursor=x", None, {"Accept": "application/x-ndjson"})
    assert (answer.status, answer.json["type"]) == (400, f"{OURS}:request.cursor")


def read_events(server: Server, job: str, headers: dict[str, str] | None = None) -> list[dict[str, str]]:
    answer = server.request("GET", f"/jobs/{job}/events", None, headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.body.decode().split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_events_and_states_of_a_job_are_streamed_until_it_has_ended(server: Server) -> None:
    job = server.execute("slow", {"seconds": 1})
    events = read_events(server, job)
    states = [json.loads(event["data"]) for event in events if event["event"] == "status"]
    numbered = [event for event in events if "id" in event]
    assert states[-1]["status"] == "successful"
    assert [int(event["id"]) for event in numbered] == list(range(1, len(numbered) + 1))
    assert {"StageStarted", "StepStarted", "StepEnded"} <= {event["event"] for event in numbered}
    middle = len(numbered) // 2
    again = read_events(server, job, {"Last-Event-ID": numbered[middle]["id"]})
    assert [event["id"] for event in again if "id" in event] == [event["id"] for event in numbered[middle + 1 :]]


def test_a_browser_that_knows_all_events_of_a_job_does_not_reconnect(server: Server) -> None:
    job = server.execute("echo", {})
    *_, before, last = [event["id"] for event in read_events(server, job) if "id" in event]
    assert server.request("GET", f"/jobs/{job}/events", None, {"Last-Event-ID": last}).status == 204
    (missed,) = read_events(server, job, {"Last-Event-ID": before})
    assert (missed["event"], json.loads(missed["data"])["status"], missed["id"]) == ("status", "successful", last)


@pytest.mark.parametrize("name", ["job.log", "sleep.log", "sleep"])
def test_a_log_is_followed_until_the_job_has_ended(server: Server, name: str) -> None:
    job = server.execute("slow", {"seconds": 1})
    followed = server.request("GET", f"/jobs/{job}/logs/{name}?follow=true")
    assert followed.status == 200
    assert followed.body == server.request("GET", f"/jobs/{job}/logs/{name}").body
    assert b"sleep" in followed.body


def test_a_part_of_a_log_is_read(server: Server) -> None:
    job = server.execute("echo", {})
    server.wait(job)
    whole = server.request("GET", f"/jobs/{job}/logs/job.log").body
    answer = server.request("GET", f"/jobs/{job}/logs/job.log", None, {"Range": "bytes=5-9"})
    assert (answer.status, answer.body) == (206, whole[5:10])


@pytest.fixture(scope="module")
def failed(server: Server) -> Any:
    """The status of a job whose tool fails."""
    return server.wait(server.execute(server.deploy(next(FAILING.glob("*.cwl"))), {}))


def test_a_failed_job_reports_why(server: Server, failed: Any) -> None:
    status = failed
    fits(status, standard.STATUS_INFO)
    assert status["status"] == "failed"
    assert status["diagnosis"]["code"].startswith("step.")
    assert status["exception"]["diagnosis"] == status["diagnosis"]
    answer = server.request("GET", f"/jobs/{status['jobID']}/results")
    fits(answer.json, standard.EXCEPTION)
    assert answer.json["diagnosis"]["code"] == status["diagnosis"]["code"]


def test_a_job_of_which_nothing_is_kept_is_not_continued(server: Server, failed: Any) -> None:
    job = failed["jobID"]
    for body, expected in (
        ({}, (409, "job.nothing-kept")),
        ({"memory": {"step": 8}}, (400, "request.invalid")),
        ({"inputs": []}, (400, "request.invalid")),
        ({"package": "x"}, (400, "request.invalid")),
        ({"packages": {}}, (400, "request.invalid")),
        ({"package": {"unit": "cwlVersion: v1.2"}}, (409, "job.nothing-kept")),
    ):
        answer = server.request("POST", f"/jobs/{job}/retry", body)
        fits(answer.json, standard.EXCEPTION)
        assert (answer.status, answer.json["diagnosis"]["code"]) == expected
    assert server.request("POST", "/jobs/nothing/retry", {}).status == 404


def test_a_job_that_runs_is_not_continued(server: Server) -> None:
    job = server.execute("slow", {})
    answer = server.request("POST", f"/jobs/{job}/retry", {})
    assert answer.json["diagnosis"]["code"] == "job.not-ended"
    server.request("DELETE", f"/jobs/{job}")


def test_results_before_the_end_are_not_ready(server: Server) -> None:
    job = server.execute("slow", {})
    answer = server.request("GET", f"/jobs/{job}/results")
    assert (answer.status, answer.json["type"]) == (404, f"{PART_1}/result-not-ready")
    server.request("DELETE", f"/jobs/{job}")


def test_a_running_job_is_dismissed(server: Server) -> None:
    job = server.execute("slow", {})
    server.wait(job, "running")
    answer = server.request("DELETE", f"/jobs/{job}")
    fits(answer.json, standard.STATUS_INFO)
    assert (answer.status, answer.json["status"]) == (200, "dismissed")
    assert server.wait(job)["status"] == "dismissed"


def test_a_waiting_job_is_dismissed_and_never_runs(server: Server) -> None:
    busy, waiting = server.execute("slow", {}), server.execute("slow", {})
    server.wait(busy, "running")
    status = server.request("DELETE", f"/jobs/{waiting}").json
    assert status["status"] == "dismissed"
    assert "started" not in status
    server.request("DELETE", f"/jobs/{busy}")


def test_a_job_that_has_ended_is_removed(server: Server) -> None:
    job = server.execute("echo", {})
    server.wait(job)
    answer = server.request("DELETE", f"/jobs/{job}")
    assert (answer.status, answer.json["status"]) == (200, "dismissed")
    assert server.request("GET", f"/jobs/{job}").status == 404
    folders = {name: Path(server.environ[f"ZOO_RUNNER_{name}"]) for name in ("TEMP", "STATE", "RESULTS_FOLDER")}
    left = {name: any(folder.rglob(f"*{job}*")) for name, folder in folders.items()}
    assert left == {"TEMP": False, "STATE": False, "RESULTS_FOLDER": True}


def test_a_package_is_deployed_replaced_read_and_undeployed(server: Server) -> None:
    unit = {"unit": json.loads(_small("first")), "type": "application/cwl+json"}
    answer = server.request("POST", "/processes", {"executionUnit": unit}, {"Content-Type": PACKAGE})
    assert (answer.status, answer.json["id"]) == (201, "small")
    fits(answer.json, standard.SUMMARY)
    location = answer.headers["location"]
    assert server.request("GET", location).json["title"] == "first"
    assert server.request("PUT", location, _small("second"), {"Content-Type": CWL}).status == 204
    assert server.request("GET", location).json["title"] == "second"
    assert server.request("GET", f"{location}/package").json["cwlVersion"] == "v1.2"
    assert server.request("DELETE", location).status == 204
    assert server.request("GET", location).json["type"] == f"{PART_1}/no-such-process"


def test_a_description_is_sent_again_only_when_it_has_changed(server: Server) -> None:
    location = server.request("POST", "/processes", _small("first"), {"Content-Type": CWL}).headers["location"]
    first = server.request("GET", location)
    tag, asking = first.headers["etag"], {"If-None-Match": f'"other", {first.headers["etag"]}'}
    assert server.request("GET", location, headers=asking).status == 304
    assert server.request("HEAD", location).headers["etag"] == tag
    assert server.request("GET", f"{location}?f=json").headers["etag"] == tag
    assert "etag" not in server.request("GET", location, headers={"Accept": "text/html"}).headers
    _replace_elsewhere(server, "small")
    second = server.request("GET", location, headers=asking)
    assert (second.status, second.json["title"]) == (200, "elsewhere")
    assert second.headers["etag"] != tag
    assert server.request("DELETE", location).status == 204
    assert server.request("GET", location, headers=asking).status == 404


def test_a_process_is_changed_only_in_the_version_that_the_client_names(server: Server) -> None:
    location = server.request("POST", "/processes", _small("first"), {"Content-Type": CWL}).headers["location"]
    stale = server.request("GET", location).headers["etag"]
    _replace_elsewhere(server, "small")
    current = server.request("GET", location).headers["etag"]

    def put(**conditions: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in conditions.items()}
        return server.request("PUT", location, _small("ours"), {"Content-Type": CWL, **headers})

    # a weak tag matches nothing
    for wanted in (stale, f'"other", {stale}', f"W/{current}", "none"):
        for refused in (put(If_Match=wanted), server.request("DELETE", location, headers={"If-Match": wanted})):
            assert (refused.status, refused.json["diagnosis"]["code"]) == (412, "request.precondition")
            assert current in refused.json["diagnosis"]["cause"]
    assert put(If_None_Match=current).status == 412
    assert put(If_None_Match="*").status == 412
    dry = server.request("PUT", f"{location}?dryRun=true", _small("ours"), {"Content-Type": CWL, "If-Match": stale})
    assert dry.status == 412
    assert server.request("GET", location).json["title"] == "elsewhere", "nothing was changed"
    assert server.request("GET", location, headers={"If-Match": stale}).status == 412
    assert server.request("GET", location, headers={"If-Match": current}).status == 200
    assert put(If_Match=f'"other", {current}').status == 204
    assert server.request("GET", location).json["title"] == "ours"
    assert put(If_Match="*", If_None_Match='"other"').status == 204
    assert server.request("PUT", "/processes/none", _small("x"), {"Content-Type": CWL, "If-Match": stale}).status == 404
    tag = server.request("GET", location).headers["etag"]
    assert server.request("DELETE", location, headers={"If-Match": tag}).status == 204


def test_what_has_no_entity_tag_is_not_changed_in_a_version(server: Server) -> None:
    created = {"process": f"{server.url}/processes/echo", "inputs": {"message": "x"}}
    job = server.request("POST", "/jobs", created).json["jobID"]
    refused = server.request("DELETE", f"/jobs/{job}", headers={"If-Match": '"1"'})
    assert (refused.status, refused.json["diagnosis"]["code"]) == (412, "request.precondition")
    asked = server.request("GET", "/processes/echo/execution?message=x", headers={"If-Match": '"1"'})
    assert asked.status == 412
    assert server.request("GET", f"/jobs/{job}").json["status"] == "created"
    assert server.request("DELETE", f"/jobs/{job}", headers={"If-Match": "*"}).status == 200


def _replace_elsewhere(server: Server, process_id: str) -> None:
    """Replace a process as another server of the same database does."""
    with closing(open_sql_store(f"sqlite:///{server.environ['ZOO_RUNNER_STATE']}/runner.db")) as store:
        process = store.processes.get("default", process_id)
        changed = replace(process, description={**process.description, "title": "elsewhere"})
        store.processes.replace(changed, store.processes.load_package(process.package))


def _small(label: str) -> bytes:
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "small",
        "label": label,
        "baseCommand": ["echo", label],
        "inputs": {},
        "outputs": {"text": {"type": "stdout"}},
    }
    return json.dumps(tool).encode()


def test_a_package_says_itself_how_its_process_is_called(server: Server) -> None:
    described = {"id": "renamed", "title": "Another title"}
    body = {"processDescription": described, "executionUnit": {"unit": _small("x").decode()}}
    answer = server.request("POST", "/processes", body)
    assert (answer.json["id"], answer.json["title"]) == ("renamed", "Another title")
    assert server.request("DELETE", "/processes/renamed").status == 204


@pytest.mark.parametrize("workflow", ["first", "second"])
def test_w_chooses_the_workflow(server: Server, workflow: str) -> None:
    package = (ROOT / "tests/data/packages/failing/several-workflows").glob("*.cwl")
    answer = server.request("POST", f"/processes?w={workflow}", next(package).read_bytes(), {"Content-Type": CWL})
    assert (answer.status, answer.json["id"]) == (201, workflow)
    server.request("DELETE", f"/processes/{workflow}")


@pytest.mark.parametrize(
    ("method", "path", "body", "media_type", "status", "kind"),
    [
        ("POST", "/processes", ECHO.read_bytes(), CWL, 409, f"{PART_2}/duplicated-process"),
        ("POST", "/processes", b"x", "text/plain", 415, f"{PART_2}/unsupported-media-type"),
        ("POST", "/processes", b"{", PACKAGE, 400, f"{OURS}:request.invalid"),
        ("POST", "/processes", b"{}", PACKAGE, 400, f"{OURS}:request.invalid"),
        ("POST", "/processes", b" " * 2**21, CWL, 413, f"{OURS}:request.too-large"),
        ("POST", "/processes?w=none", ECHO.read_bytes(), CWL, 400, f"{PART_2}/workflow-not-found"),
        ("PUT", "/processes/none", ECHO.read_bytes(), CWL, 404, f"{PART_1}/no-such-process"),
        ("DELETE", "/processes/none", None, "", 404, f"{PART_1}/no-such-process"),
        ("GET", "/processes/none", None, "", 404, f"{PART_1}/no-such-process"),
        ("GET", "/processes/none/package", None, "", 404, f"{PART_1}/no-such-process"),
        ("POST", "/processes/none/execution", b"{}", "application/json", 404, f"{PART_1}/no-such-process"),
        ("POST", "/processes/echo/execution", b"[", "application/json", 400, f"{OURS}:request.invalid"),
        ("POST", "/processes/echo/execution", b"{}", "text/plain", 415, f"{PART_2}/unsupported-media-type"),
        ("GET", "/jobs/none", None, "", 404, f"{PART_1}/no-such-job"),
        ("GET", "/jobs/none/results", None, "", 404, f"{PART_1}/no-such-job"),
        ("DELETE", "/jobs/none", None, "", 404, f"{PART_1}/no-such-job"),
        ("GET", "/jobs?limit=0", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs?status=happy", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs?type=service", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs?minDuration=-1", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs/none/events", None, "", 404, f"{PART_1}/no-such-job"),
        ("GET", "/jobs/none/logs/x?follow=true", None, "", 404, f"{PART_1}/no-such-job"),
        ("GET", "/jobs?datetime=noon", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs?cursor=x", None, "", 400, f"{OURS}:request.cursor"),
        ("GET", "/processes/%00", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs/%00/results", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/jobs?processID=%00", None, "", 400, f"{OURS}:request.invalid"),
        ("GET", "/nothing", None, "", 404, f"{OURS}:request.unknown-path"),
        ("PUT", "/jobs", None, "", 405, f"{OURS}:request.method"),
        ("POST", "/jobs", b"{}", "application/json", 400, f"{OURS}:request.invalid"),
        ("POST", "/jobs", b'{"process": "none"}', "application/json", 404, f"{PART_1}/no-such-process"),
        ("POST", "/jobs/none/results", b"", "", 404, f"{PART_1}/no-such-job"),
        ("PATCH", "/jobs/none", b"{}", "application/json", 404, f"{PART_1}/no-such-job"),
        (
            "GET",
            "/api/catalogs/user/catalogs/No_Name/jobs",
            None,
            "",
            404,
            f"{OURS}:request.unknown-path",
        ),
    ],
)
def test_an_error_has_the_standards_form(
    server: Server, method: str, path: str, body: bytes | None, media_type: str, status: int, kind: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = server.request(method, path, body, {**headers, "Accept": "*/*"})
    assert (answer.status, answer.json["type"]) == (status, kind)
    assert answer.json["status"] == status
    fits(answer.json, standard.EXCEPTION)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("accept", ["application/json", "", "application/json, text/html;q=0.5"])
def test_a_client_that_asks_for_json_gets_errors_as_json(server: Server, accept: str) -> None:
    answer = server.request("GET", "/jobs/none", None, {"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["bad-yaml", "bad-package", "bad-source", "several-workflows"])
def test_a_package_that_cannot_be_used_is_refused_and_nothing_is_deployed(server: Server, name: str) -> None:
    package = next((ROOT / "tests/data/packages/failing" / name).glob("*.cwl"))
    before = server.request("GET", "/processes").json
    answer = server.request("POST", "/processes", package.read_bytes(), {"Content-Type": CWL})
    assert (answer.status, answer.json["diagnosis"]["stage"]) == (400, "package")
    assert server.request("GET", "/processes").json == before


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/etc/passwd", "ftp://x/y.cwl", "http://127.0.0.1:1/a.cwl"])
def test_a_package_comes_from_the_web_only(server: Server, href: str) -> None:
    answer = server.request("POST", "/processes", {"executionUnit": {"href": href}}, {"Content-Type": PACKAGE})
    assert (answer.status, answer.json["diagnosis"]["stage"]) == (400, "package")


def test_an_uploaded_package_may_not_refer_to_files_of_the_server(server: Server) -> None:
    step = f"{{run: 'file://{ECHO}', in: [], out: []}}"
    document = f"{{cwlVersion: v1.2, class: Workflow, id: thief, inputs: [], outputs: [], steps: {{a: {step}}}}}"
    answer = server.request("POST", "/processes", document.encode(), {"Content-Type": CWL})
    assert (answer.status, answer.json["diagnosis"]["stage"]) == (400, "package")


def test_wrong_inputs_are_refused_with_all_their_problems(server: Server) -> None:
    before = server.request("GET", "/jobs").json["numberTotal"]
    answer = server.request("POST", "/processes/slow/execution", {"inputs": {"seconds": "long", "other": 1}}, ASYNC)
    assert answer.status == 400
    pointers = {problem["pointer"] for problem in answer.json["diagnosis"]["problems"]}
    assert pointers == {"/inputs/seconds", "/inputs/other"}
    assert server.request("GET", "/jobs").json["numberTotal"] == before


def test_a_hub_gets_a_failed_job_for_wrong_inputs(server: Server) -> None:
    job = server.execute("echo", {"message": 1, "workspace": "user"}, HUB)
    status = server.request("GET", f"{HUB}/jobs/{job}").json
    assert (status["status"], status["diagnosis"]["stage"]) == ("failed", "inputs")


def test_a_hub_adds_an_input_and_gets_a_collection(server: Server) -> None:
    job = server.execute("echo", {"message": "hub", "workspace": "user"}, HUB)
    status = server.wait(job, base=HUB)
    assert status["status"] == "successful"
    collection = server.request("GET", find_link(status, f"{REL}/results")).json
    assert collection["type"] == "Collection"
    items = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert items
    assert server.request("GET", items[0]).json["type"] == "Feature"


def test_workspaces_do_not_see_each_others_processes_and_jobs(server: Server) -> None:
    job = server.execute("echo", {}, HUB)
    server.wait(job, base=HUB)
    other = HUB.replace("ws-one", "ws-two")
    for base in ("", other):
        assert server.request("GET", f"{base}/jobs/{job}").status == 404
        assert server.request("DELETE", f"{base}/jobs/{job}").status == 404
    assert server.request("GET", f"{other}/processes").json["processes"] == []


def test_health_reports_database_workers_and_queue(server: Server) -> None:
    answer = server.request("GET", "/health")
    assert answer.json["status"] == "pass"
    assert set(answer.json["checks"]) == {"store:database", "workers:running", "queue:wait"}
    assert set(server.request("GET", "/health/ready").json["checks"]) == {"store:database"}
    assert server.request("GET", "/health/live").json == {"status": "pass", "checks": {}}


def test_metrics_count_requests_by_path_and_jobs_by_status(server: Server) -> None:
    server.wait(server.execute("echo", {"message": "counted"}))
    server.request("GET", "/jobs/nobody")
    text = server.request("GET", "/metrics").body.decode()
    found = {str(sample.name) + json.dumps(sample.labels): sample.value for sample in read_samples(text)}
    assert found['zoo_runner_jobs{"status": "successful"}'] >= 1
    assert found["zoo_runner_workers{}"] == 1
    counted = {"method": "GET", "path": "/jobs/{job_id}", "status": "404"}
    assert found[f"zoo_runner_requests_total{json.dumps(counted)}"] >= 1
    assert "nobody" not in text


def read_samples(text: str) -> list[Any]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def test_pages_of_a_listed_origin_may_use_the_api(server: Server) -> None:
    asked = {"Origin": "https://maps.example.org", "Access-Control-Request-Method": "POST"}
    answer = server.request("OPTIONS", "/processes/echo/execution", None, asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://maps.example.org"
    refused = server.request("GET", "/jobs/nobody", None, {"Origin": "https://maps.example.org"})
    assert refused.headers["access-control-allow-origin"] == "https://maps.example.org"
    assert "location" in refused.headers["access-control-expose-headers"].lower()
    other = server.request("GET", "/jobs", None, {"Origin": "https://other.example.org"})
    assert "access-control-allow-origin" not in other.headers


def test_a_package_does_not_come_from_the_servers_own_network(server: Server, web: FileServer) -> None:
    href = web.put("/small.cwl", _small("by address"))
    answer = server.request("POST", "/processes", {"executionUnit": {"href": href, "type": "application/cwl"}})
    assert (answer.status, answer.json["diagnosis"]["stage"]) == (400, "package")
    assert web.requests == []


def send_form(server: Server, *parts: tuple[str, str | None, bytes]) -> Any:
    body, headers = build_form(*parts)
    return server.request("POST", "/processes", body, headers)


def test_a_package_of_several_documents_is_deployed_by_a_form(server: Server, web: FileServer) -> None:
    script, package = FILES.with_name("gather.sh").read_bytes(), FILES.read_bytes()
    answer = send_form(
        server, ("package", FILES.name, package), ("id", None, b"several"), ("file", "gather.sh", script)
    )
    assert answer.status == 201, answer.body
    assert answer.json["id"] == "several"
    inputs = {"source": {"href": web.put("a.txt", b"12345")}, "folder": {"href": web.put("item.json", b"{}")}}
    web.put("item.json", json.dumps(build_item("one", {"red": {"href": web.put("red.tif", b"II*\0")}})).encode())
    job = server.execute("several", inputs)
    assert server.wait(job)["status"] == "successful"
    listed = server.request("GET", f"/jobs/{job}/results/list").body.decode()
    assert "a.txt" in listed


@pytest.mark.parametrize("name", ["../gather.sh", "/etc/passwd", "a//b.cwl", ".", "a/../b.cwl", "a?b.cwl", "a%2fb.cwl"])
def test_a_document_of_a_form_has_a_plain_name(server: Server, name: str) -> None:
    answer = send_form(server, ("package", FILES.name, FILES.read_bytes()), ("file", name, b"x"))
    assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.invalid")


def test_a_form_that_cannot_be_read_is_refused(server: Server) -> None:
    for body, kind in ((b"nothing", "multipart/form-data; boundary=limit"), (b"", "multipart/form-data")):
        answer = server.request("POST", "/processes", body, {"Content-Type": kind})
        assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.invalid")
    only = send_form(server, ("id", None, b"x"))
    assert (only.status, only.json["diagnosis"]["code"]) == (400, "request.invalid")


def test_an_uploaded_document_may_not_refer_to_what_was_not_sent_with_it(server: Server) -> None:
    answer = server.request("POST", "/processes", FILES.read_bytes(), {"Content-Type": CWL})
    assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "package.not-found")
    assert "gather.sh" in answer.json["detail"]
    default = "{type: File, default: {class: File, location: table.csv}}"
    tool = (
        f"{{cwlVersion: v1.2, class: CommandLineTool, id: t, baseCommand: cat, inputs: {{x: {default}}}, outputs: []}}"
    )
    answer = server.request("POST", "/processes", tool.encode(), {"Content-Type": CWL})
    assert answer.json["diagnosis"]["code"] == "package.not-found"
    assert "table.csv" in answer.json["detail"]


def list_all(server: Server) -> tuple[Any, Any]:
    processes, jobs = (server.request("GET", path).json for path in ("/processes", "/jobs"))
    return [process["id"] for process in processes["processes"]], jobs["numberTotal"]


def test_a_dry_run_of_a_deployment_tells_what_is_wrong_and_deploys_nothing(server: Server) -> None:
    before, cwl = list_all(server), {"Content-Type": CWL}
    echo = ECHO.read_bytes()
    taken = server.request("POST", "/processes?dryRun=true", echo, cwl)
    assert taken.status == 200
    assert taken.json["valid"] is False
    assert [problem["code"] for problem in taken.json["problems"]] == ["process.exists"]
    broken = server.request(
        "POST", "/processes?dryRun=true", echo.replace(b"class: Workflow", b"class: Workflows"), cwl
    )
    assert broken.json["valid"] is False
    renamed = server.request("POST", "/processes?dryRun=true", echo.replace(b"id: echo", b"id: echo-two"), cwl)
    assert renamed.json["valid"] is True
    assert {problem["level"] for problem in renamed.json["problems"]} <= {"warning"}
    replaced = server.request("PUT", "/processes/echo?dryRun=true", echo, cwl)
    assert replaced.status == 200
    assert replaced.json["valid"] is True
    assert server.request("PUT", "/processes/nobody?dryRun=true", echo, cwl).status == 404
    assert list_all(server) == before


def test_a_dry_run_of_an_execution_lists_what_would_fail_and_runs_nothing(server: Server, web: FileServer) -> None:
    script = FILES.with_name("gather.sh").read_bytes()
    assert send_form(server, ("package", FILES.name, FILES.read_bytes()), ("file", "gather.sh", script)).status == 201
    before = list_all(server)
    href = web.put("a.txt", b"12345")
    good = {"source": {"href": href}, "folder": {"href": f"{web.url}/item.json"}}

    def look(inputs: Any) -> Any:
        answer = server.request("POST", "/processes/files/execution?dryRun=true", {"inputs": inputs})
        assert answer.status == 200
        return answer.json

    wrong = look({"source": 1})
    assert wrong["valid"] is False
    assert {"/inputs/source", "/inputs/folder"} <= {problem["pointer"] for problem in wrong["problems"]}
    missing = look(good)
    assert missing["valid"] is False
    assert [(problem["code"], problem["pointer"]) for problem in missing["problems"]] == [
        ("source.not-found", "/inputs/folder")
    ]
    web.put("item.json", json.dumps(build_item("one", {"red": {"href": web.put("red.tif", b"II*\0")}})).encode())
    assert look(good) == {"valid": True, "problems": [], "inputs": {"files": 2, "knownBytes": 9}}
    assert server.request("POST", "/processes/nobody/execution?dryRun=true", {}).status == 404
    assert list_all(server) == before


def test_a_dry_run_of_an_execution_looks_at_the_files_of_the_package_itself(server: Server, web: FileServer) -> None:
    reference = {"class": "File", "location": f"{web.url}/reference.txt"}
    tool = {
        "class": "CommandLineTool",
        "baseCommand": "cat",
        "inputs": {"file": {"type": "File", "default": reference, "inputBinding": {"position": 1}}},
        "outputs": {},
    }
    workflow = {"class": "Workflow", "id": "own-files", "inputs": {}, "outputs": {}}
    package = {"cwlVersion": "v1.2", **workflow, "steps": {"show": {"run": tool, "in": {}, "out": []}}}
    body = json.dumps(package).encode()
    assert server.request("POST", "/processes", body, {"Content-Type": CWL}).status == 201

    def look() -> Any:
        return server.request("POST", "/processes/own-files/execution?dryRun=true", {"inputs": {}}).json

    (problem,) = look()["problems"]
    assert (problem["code"], problem["pointer"]) == ("source.not-found", "")
    assert "/default" in problem["message"]
    web.put("reference.txt", b"12345")
    assert look() == {"valid": True, "problems": [], "inputs": {"files": 1, "knownBytes": 5}}


def test_a_dry_run_finds_images_that_cannot_be_pulled(tmp_path: Path, package_cache: Path) -> None:
    require(shutil.which("podman") is not None, "needs podman")
    tool: dict[str, Any] = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "t", "baseCommand": "true"}
    # nobody listens at this port
    tool |= {"inputs": {}, "outputs": {}, "requirements": {"DockerRequirement": {"dockerPull": "127.0.0.1:1/none:1"}}}
    body, sent = json.dumps(tool).encode(), {"Content-Type": "application/cwl+json"}
    with serving(Site(tmp_path, package_cache).having(ZOO_RUNNER_CONTAINERS="podman").environ, tmp_path) as server:
        answers = [server.request("POST", "/processes?dryRun=true", body, sent)]
        assert server.request("POST", "/processes", body, sent).status == 201
        answers.append(server.request("POST", "/processes/t/execution?dryRun=true", {"inputs": {}}))
        assert server.request("GET", "/jobs").json["numberTotal"] == 0
    for answer in answers:
        errors = [problem for problem in answer.json["problems"] if problem["level"] == "error"]
        assert (answer.json["valid"], [problem["code"] for problem in errors]) == (False, ["image.unreachable"])
        assert "127.0.0.1:1/none:1" in errors[0]["message"]


def test_a_dry_run_finds_secondary_files_that_are_missing(server: Server, web: FileServer) -> None:
    indexed = "{type: File, secondaryFiles: [{pattern: .idx}]}"
    tool = (
        f"{{cwlVersion: v1.2, class: CommandLineTool, id: t, baseCommand: cat, inputs: {{x: {indexed}}}, outputs: []}}"
    )
    assert server.request("POST", "/processes", tool.encode(), {"Content-Type": CWL}).status == 201
    request = {"inputs": {"x": {"href": web.put("a.tif", b"1")}}}
    answer = server.request("POST", "/processes/t/execution?dryRun=true", request).json
    (problem,) = answer["problems"]
    assert (problem["code"], problem["pointer"]) == ("source.not-found", "/inputs/x/secondaryFiles/0")
    assert "a.tif.idx" in problem["message"]
    web.put("a.tif.idx", b"2")
    assert server.request("POST", "/processes/t/execution?dryRun=true", request).json["valid"] is True


def test_more_requests_than_allowed_are_refused_until_time_has_passed(tmp_path: Path, package_cache: Path) -> None:
    site = Site(tmp_path, package_cache).having(ZOO_RUNNER_RATE_LIMIT="3/second")
    with serving(site.environ, tmp_path) as server:
        statuses = [server.request("GET", "/jobs").status for _ in range(30)]
        assert set(statuses) == {200, 429}
        assert statuses[0] == 200
        refused = next(answer for answer in iter(lambda: server.request("GET", "/jobs"), None) if answer.status == 429)
        assert refused.json["diagnosis"]["code"] == "request.too-many"
        assert int(refused.headers["retry-after"]) >= 1
        assert server.request("GET", "/health/live").status == 200
        wait_for(lambda: server.request("GET", "/jobs").status == 200, 30)


def test_a_rate_that_is_none_is_refused_before_anything_listens(tmp_path: Path, package_cache: Path) -> None:
    site = Site(tmp_path, package_cache).having(ZOO_RUNNER_RATE_LIMIT="many")
    words = [sys.executable, "-m", "zoo_runner", "serve", "--port", "0"]
    done = subprocess.run(words, env=site.environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "ZOO_RUNNER_RATE_LIMIT='many'" in done.stderr
    assert "Traceback" not in done.stderr


def test_executions_that_wait_keep_nobody_from_an_answer(server: Server) -> None:
    threads = [
        threading.Thread(target=server.request, args=("POST", "/processes/slow/execution", {"inputs": {}}))
        for _ in range(50)
    ]
    before = server.request("GET", "/jobs").json["numberTotal"]
    for thread in threads:
        thread.start()
    wait_for(lambda: server.request("GET", "/jobs").json["numberTotal"] == before + 50, 60)
    assert all(thread.is_alive() for thread in threads)
    assert server.request("GET", "/health").status == 200
    for job in server.request("GET", "/jobs?status=accepted,running&limit=100").json["jobs"]:
        server.request("DELETE", f"/jobs/{job['jobID']}")
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
