"""The OpenAPI document against the server: schemathesis makes requests of all kinds, and each answer is as described.

It is run as a program, in the environment of other people's clients.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.forms import build_form
from tests.require import require
from tests.serving import Server, serving
from tests.site import Site
from tests.values import ROOT

SCHEMATHESIS = ROOT / ".venv-clients" / "bin" / "schemathesis"
SECONDS, MOST_SECONDS = 30, 150
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
PREFIX = "/workspaces"


@pytest.fixture
def server(tmp_path: Path, package_cache: Path) -> Iterator[Server]:
    site = Site(tmp_path, package_cache).having(
        ZOO_RUNNER_ECHO="true",
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
        ZOO_RUNNER_SYNC_LIMIT="1",
    )
    # without it, no link to results is made (501)
    with serving({**site.environ, "ZOO_RUNNER_LINK_SECRET": "s" * 40}, tmp_path) as server:
        yield server


def probe(server: Server, folder: Path, configuration: str, *words: str) -> None:
    """Have requests made for some seconds; every operation that is selected gets some, and no answer is wrong."""
    require(SCHEMATHESIS.exists(), "no schemathesis: make clients, with Python 3.11 or newer")
    file = folder / "schemathesis.toml"
    file.write_text(configuration)
    bounds = ("--max-time", str(SECONDS), "--max-examples", "4", "--request-timeout", "30", "--no-shrink")
    options = ("--phases", "coverage,fuzzing", "--checks", ",".join(CHECKS), "--warnings", "off", *bounds)
    command = [str(SCHEMATHESIS), "--config-file", str(file), "run", f"{server.url}/api", *options, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert done.returncode == 0, done.stdout
    selected, tested = (re.search(rf"{word}: +(\d+)", done.stdout) for word in ("Selected", "Tested"))
    assert selected
    assert tested
    assert int(tested[1]) == int(selected[1]) > 0


def describe(values: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["[parameters]", *(f'"path.{name}" = "{value}"' for name, value in values)])


@pytest.mark.timeout(MOST_SECONDS + 60)
def test_answers_to_requests_of_all_kinds_are_as_described(server: Server, tmp_path: Path) -> None:
    probe(server, tmp_path, "")


@pytest.mark.timeout(MOST_SECONDS + 60)
def test_answers_about_what_there_is_are_as_described(server: Server, tmp_path: Path) -> None:
    job = server.execute("EchoProcess", {"stringInput": "x"})
    server.wait(job, "successful")
    body, headers = build_form(("file", "a.txt", b"x"))
    upload = server.request("POST", "/files", body, headers).json["id"]
    known = (("process_id", "EchoProcess"), ("job_id", job), ("upload_id", upload), ("output", "stringOutput"))
    # nothing is to be removed under the other requests
    probe(server, tmp_path, describe(known), "--exclude-method", "DELETE", "--exclude-path-regex", f"^{PREFIX}")
    metrics = server.request("GET", "/metrics").body.decode()
    for path in ("/processes/{process_id}", "/jobs/{job_id}/results", "/files/{upload_id}"):
        assert f'method="GET",path="{path}",status="200"' in metrics
