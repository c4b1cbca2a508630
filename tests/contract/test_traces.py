"""Traces of requests and jobs, as a collector receives them, and nothing of them without a collector."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector import Collector, collecting
from tests.servers import serve_files
from tests.serving import ASYNC, CWL, Server, serving
from tests.site import Site
from tests.waiting import wait_for

SHOW = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "show",
    "baseCommand": "cat",
    "inputs": {"file": {"type": "File", "inputBinding": {}}, "word": {"type": "string"}},
    "outputs": {"text": {"type": "stdout"}},
}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
KEY, VALUE, TOKEN = "canary-of-the-key", "canary-of-the-value", "canary-of-the-token"
IMPORTED = """
import sys
import zoo_runner.server.serving
from zoo_runner.config.server import load_server_settings
from zoo_runner.server.tracing import open_tracing

assert open_tracing(load_server_settings({}), "server") is None
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
STAGES = ["stage-in", "execute", "stage-out"]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def server(collector: Collector, tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("traces")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"api-key={KEY}",
        STAGEIN_ALLOW_PRIVATE="true",
        OTEL_SERVICE_NAME="eo-runner",
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    with serving(site.environ, folder) as server:
        sent = server.request("POST", "/processes", json.dumps(SHOW).encode(), {"Content-Type": CWL})
        assert sent.status == 201
        yield server


@pytest.fixture(scope="module")
def job(server: Server, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a job that has ended, whose spans have come."""
    with serve_files(tmp_path_factory.mktemp("web")) as web:
        inputs = {"word": VALUE, "file": {"href": f"{web.put('file.txt', b'hello')}?key={TOKEN}"}}
        path = f"/processes/show/execution?token={TOKEN}"
        job = str(server.request("POST", path, {"inputs": inputs}, {**ASYNC, **SENT}).json["jobID"])
        server.wait(job)
    wait_for(lambda: bool(collector.find("job show") and collector.find("accept")), 30)
    wait_for(lambda: bool(collector.find("POST /processes/{process_id}/execution")), 30)
    return job


def test_a_job_is_part_of_the_trace_of_the_client_that_asked_for_it(job: str, collector: Collector) -> None:
    (request,), (whole,) = collector.find("POST /processes/{process_id}/execution"), collector.find("job show")
    assert (request.trace, request.parent) == (TRACE, PARENT)
    assert (whole.trace, whole.parent) == (TRACE, request.id)
    assert request.attributes["http.response.status_code"] == 201
    assert whole.attributes["zoo_runner.job.id"] == job
    assert whole.attributes["zoo_runner.job.status"] == "successful"


def test_a_job_has_a_span_for_each_part_of_its_life(job: str, collector: Collector) -> None:
    (request,), (whole,) = collector.find("POST /processes/{process_id}/execution"), collector.find("job show")
    assert [span.parent for span in collector.find("accept")] == [request.id]
    parts = [span for span in collector.spans if span.parent == whole.id]
    assert [span.name for span in parts] == ["queue", *STAGES]
    assert all(span.begin <= span.end for span in parts)
    assert [span.end for span in parts[1:-1]] == [span.begin for span in parts[2:]]
    assert parts[0].begin == whole.begin


def test_the_variables_of_the_sdk_apply(job: str, collector: Collector) -> None:
    assert {span.service["service.name"] for span in collector.spans} == {"eo-runner"}
    assert {span.service["zoo_runner.part"] for span in collector.spans} == {"server", "worker"}
    assert {headers.get("api-key") for headers in collector.headers} == {KEY}


def test_no_value_of_an_input_or_of_the_environment_is_sent(job: str, collector: Collector) -> None:
    sent = b"".join(collector.bodies)
    assert job.encode() in sent
    assert [word for word in (KEY, VALUE, TOKEN) if word.encode() in sent] == []


def test_what_is_no_context_starts_a_trace_of_its_own(server: Server, collector: Collector) -> None:
    server.request("GET", "/processes/show", headers={"traceparent": "00-nonsense-x-01"})
    wait_for(lambda: bool(collector.find("GET /processes/{process_id}")), 30)
    assert {span.parent for span in collector.find("GET /processes/{process_id}")} == {""}


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
