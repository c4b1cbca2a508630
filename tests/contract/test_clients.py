"""Other people's clients against the running server; docs/api.md lists which client does what."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.require import require
from tests.servers import serve_files
from tests.serving import Server, serving
from tests.site import Site
from tests.values import ROOT

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
PROGRAMS = {"cuiman": "use_cuiman", "ogc-api-processes-client": "use_ogc_client", "OWSLib": "use_owslib"}
WHOLE = {"list processes": ["echo"], "describe a process": ["message"], "execute, asynchronous": "echo"}
LIFE = {"status of a job": "successful", "dismiss": "dismissed"}
FACTS: dict[str, dict[str, Any]] = {
    "ogc-api-processes-client": {"landing page": "self", "conformance": True, **WHOLE, **LIFE, "results": ["text"]},
    "cuiman": {"landing page": "self", "conformance": True, **WHOLE, **LIFE, "results": ["text"]},
    "OWSLib": {
        "landing page": "self",
        "conformance": True,
        "OpenAPI document": "3.0.3",
        **WHOLE,
        "execute, synchronous": ["text"],
    },
    "pyeodh": {
        "deploy by body": "echo",
        "replace": "Replaced",
        "deploy by address": "echo",
        **WHOLE,
        **LIFE,
        "results": 1,
        "logs": ["Tool log node_stage_out.log", "Tool log write.log"],
        "execute with wrong inputs": "failed",
        "undeploy": [],
    },
}
CLIENTS = ("pyeodh", "ogc-api-processes-client", "OWSLib", "cuiman", "curl")
# what each command of curl does, in the scripts that tests run as they are documented
CURL = {
    "deploy by body": r"-X POST \S+/processes ",
    "describe a process": r"curl \S+/processes/echo$",
    "execute, asynchronous": r"/execution[^\n]*(\\\n[^\n]*)?respond-async",
    "execute, synchronous": r"/execution -H 'Content-Type: application/json' -d",
    "status of a job": r"curl \S+/jobs/\$JOB$",
    "list jobs": r"curl \S+/jobs$",
    "results": r"curl \S+/results$",
    "logs": r"curl \S+/jobs/\$JOB/logs",
    "events": r"curl \S+ ?\S+/events$",
    "dismiss": r"-X DELETE \S+/jobs/",
    "undeploy": r"-X DELETE \S+/processes/",
}
LISTING_JOBS = ("pyeodh", "ogc-api-processes-client", "cuiman")
LONGEST_SECONDS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("clients")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogue/stac/catalogs/user/catalogs",
        ZOO_RUNNER_HOSTS="test.hub.invalid",
        ZOO_RUNNER_PACKAGE_HOSTS="127.0.0.1",
        STAGEIN_ALLOW_PRIVATE="true",
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        yield server


def use(program: str, *words: str) -> dict[str, Any]:
    require(PYTHON.exists(), "no clients: make clients")
    script = ROOT / "tests" / "contract" / "clients" / f"{program}.py"
    command = [str(PYTHON), str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.mark.parametrize("client", PROGRAMS)
def test_a_client_of_the_standard_does_all_that_it_can(server: Server, client: str) -> None:
    check(client, use(PROGRAMS[client], server.url))


def test_the_client_of_the_data_hub_works_below_the_prefix(server: Server, tmp_path: Path) -> None:
    with serve_files(tmp_path / "web") as web:
        address = web.put("echo.cwl", ECHO.read_bytes())
        check("pyeodh", use("use_pyeodh", server.url, address, str(ECHO)))


def test_the_openapi_documents_are_valid_in_their_versions(server: Server) -> None:
    assert use("validate_openapi", server.url) == {"3.0.3": [], "3.1.0": []}


def check(client: str, facts: dict[str, Any]) -> None:
    """Compare what came out with what is documented."""
    if jobs := facts.pop("list jobs", None):
        assert set(jobs) == {"echo"}
    assert facts == FACTS[client]


def read_script(page: str) -> str:
    (block,) = re.findall(r"```sh\n(zoo-runner serve.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    return str(block)


def test_curl_does_what_the_documentation_shows(server: Server) -> None:
    block = read_script("docs/api.md")
    script = block.replace("zoo-runner serve --port 8080 &", "").replace("localhost:8080", server.url)
    server.request("DELETE", "/processes/echo")
    words = ["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl --silent --fail-with-body ")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"status":"dismissed"' in done.stdout
    assert '{"text":{"href":"http' in done.stdout


def test_the_documentation_lists_what_each_client_does() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "✓" in line]
    documented = {
        (operation.strip(), client)
        for operation, *cells in (row.strip("|").split("|") for row in rows)
        for client, cell in zip(CLIENTS, cells, strict=True)
        if cell.strip() == "✓"
    }
    done = {(name, client) for client, facts in FACTS.items() for name in facts}
    done |= {("list jobs", client) for client in LISTING_JOBS}
    # these two are run as they are written, here and in test_walk_through
    scripts = read_script("docs/api.md") + read_script("README.md")
    done |= {(name, "curl") for name, pattern in CURL.items() if re.search(pattern, scripts, flags=re.MULTILINE)}
    assert documented == done
