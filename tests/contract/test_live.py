"""What a client sees of a job while it runs: events over a broken connection, a log line soon after it was printed, and
parts of logs.
"""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time

import pytest

from tests.serving import Server, serving
from tests.site import Pipe, Site
from tests.waiting import wait_for

# one second is what users are promised; a machine that does much else gets more
SOON_SECONDS = 5.0
LONGEST_SECONDS = 120
PRINTED = re.compile(rb"now (\d+\.\d+)")
TALKER = {
    "cwlVersion": "v1.2",
    "class": "Workflow",
    "id": "talker",
    "requirements": {"ScatterFeatureRequirement": {}},
    "inputs": {"texts": "string[]", "gate": "string"},
    "outputs": {},
    "steps": {
        "talk": {
            "scatter": "text",
            "in": {"text": "texts", "gate": "gate"},
            "out": [],
            "run": {
                "class": "CommandLineTool",
                # prints when it is, and waits for somebody to open the gate
                "baseCommand": ["sh", "-c", 'date "+$0 %s.%N" >&2; read -r line < "$1"'],
                "inputs": {
                    "text": {"type": "string", "inputBinding": {"position": 1}},
                    "gate": {"type": "string", "inputBinding": {"position": 2}},
                },
                "outputs": {},
            },
        }
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("live")
    site = Site(folder, package_cache).having(ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"))
    with serving(site.environ, folder) as server:
        body = json.dumps(TALKER).encode()
        assert server.request("POST", "/processes", body, {"Content-Type": "application/cwl+json"}).status == 201
        yield server


@contextmanager
def reading(server: Server, path: str, headers: Mapping[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
    """Read a stream line by line; at the end of the block the connection breaks."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONGEST_SECONDS)
    connection.request("GET", path, headers=headers or {})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def read_ids(stream: http.client.HTTPResponse, until: int | None = None) -> list[int]:
    """Read the numbers of events, to the end of the stream or until one is there."""
    found: list[int] = []
    for line in stream:
        if line.startswith(b"id: "):
            found.append(int(line[4:]))
        if until in found:
            break
    return found


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path / "gate")
    yield pipe
    pipe.close()


def talk(server: Server, gate: Pipe, *texts: str) -> str:
    """Start a job that prints each text and the time, and then waits until the gate is opened once more."""
    return server.execute("talker", {"texts": list(texts), "gate": str(gate.path)})


def test_a_client_whose_connection_breaks_while_the_job_runs_misses_no_event(server: Server, gate: Pipe) -> None:
    job, known = talk(server, gate, "a", "b"), list[int]()
    while len(known) < 3:
        last = known[-1] if known else 0
        with reading(server, f"/jobs/{job}/events", {"Last-Event-ID": str(last)}) as stream:
            known += read_ids(stream, last + 1)
    assert server.request("GET", f"/jobs/{job}").json["status"] == "running"
    with reading(server, f"/jobs/{job}/events", {"Last-Event-ID": str(known[-1])}) as stream:
        gate.release()
        gate.release()
        known += read_ids(stream)
    with reading(server, f"/jobs/{job}/events") as stream:
        assert read_ids(stream) == known == list(range(1, len(known) + 1))
    assert server.wait(job)["status"] == "successful"


@pytest.mark.parametrize("name", ["talk", "job.log"])
def test_a_line_is_there_soon_after_a_step_has_printed_it(server: Server, gate: Pipe, name: str) -> None:
    job = talk(server, gate, "now")
    with reading(server, f"/jobs/{job}/logs/{name}?follow=true") as stream:
        printed, seen = next((float(found[1]), time()) for line in stream if (found := PRINTED.search(line)))
        assert 0 <= seen - printed <= SOON_SECONDS
        gate.release()
    assert server.wait(job)["status"] == "successful"


def test_a_part_of_the_log_of_a_step_is_read_while_it_runs(server: Server, gate: Pipe) -> None:
    job = talk(server, gate, "part")
    path = f"/jobs/{job}/logs/talk"
    wait_for(lambda: server.request("GET", path).status == 200 and b"part " in server.request("GET", path).body, 60)
    whole = server.request("GET", path).body
    for asked, part in (("bytes=0-3", whole[:4]), ("bytes=5-", whole[5:]), ("bytes=-4", whole[-4:])):
        answer = server.request("GET", path, None, {"Range": asked})
        assert (answer.status, answer.body) == (206, part)
    for asked in ("bytes=5-1x", "lines=1-2", "bytes="):
        assert server.request("GET", path, None, {"Range": asked}).status == 200
    for asked in ("bytes=999999-", "bytes=-0"):
        refused = server.request("GET", path, None, {"Range": asked})
        assert (refused.status, refused.json["diagnosis"]["code"]) == (416, "request.range")
    gate.release()
    assert server.wait(job)["status"] == "successful"
