"""The notebooks of examples/ run from their first cell to the last, against the running server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.require import require
from tests.serving import Server, serving
from tests.site import Site
from tests.values import EXAMPLES, ROOT

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
HOST = "test.hub.invalid"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    require((PYTHON.parent / "jupyter-execute").exists(), "no clients: make clients")
    folder = tmp_path_factory.mktemp("notebooks")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogue/stac/catalogs/user/catalogs",
        ZOO_RUNNER_HOSTS=HOST,
    )
    with serving(site.environ, folder) as server:
        server.deploy(EXAMPLES / "echo" / "echo.cwl")
        yield server


def run(name: str, folder: Path, *words: str, **environ: str) -> list[str]:
    """Execute a notebook; return what its cells show."""
    program = ROOT / "tests" / "contract" / "clients" / "run_notebook.py"
    command = [str(PYTHON), str(program), str(EXAMPLES / "notebooks" / f"{name}.ipynb"), *words]
    own = {"PATH": str(PYTHON.parent), "HOME": str(folder), **environ}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    shown: list[str] = json.loads(done.stdout)
    return shown


def test_plain_https(server: Server, tmp_path: Path) -> None:
    _, inputs, status, results, logs, refusal, left = run("https", tmp_path, ZOO_RUNNER_URL=server.url)
    assert "Whom to greet." in inputs
    assert status == "'successful'"
    assert "greeting" in results
    assert "job.log" in logs
    assert refusal.startswith("inputs.")
    assert left == "['echo']"


def test_the_client_of_the_standard(server: Server, tmp_path: Path) -> None:
    shown = run("ogc-api-processes-client", tmp_path, ZOO_RUNNER_URL=server.url)
    assert shown == ["['echo']", "['message']", "'successful'", "['text']"]


def test_the_client_of_the_data_hub(server: Server, tmp_path: Path) -> None:
    hub = {"ZOO_RUNNER_URL": f"http://{HOST}:{server.port}", "ZOO_RUNNER_WORKSPACE": "ws-one"}
    _, processes, inputs, status, items, logs, _ = run("pyeodh", tmp_path, HOST, **hub)
    assert (processes, inputs, status) == ("[]", "['name']", "'successful'")
    assert len(items) > 2
    assert "Tool log" in logs
