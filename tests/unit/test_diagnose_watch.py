"""Watching what is diagnosed: it ends where nothing more can change, and prints each finding on a line."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.values import configuration_in
from zoo_runner.cli.main import cli
from zoo_runner.engines.argo.judgement import State
from zoo_runner.execution.diagnose import find_judgements
from zoo_runner.model.errors import EngineError


@pytest.fixture
def empty_cluster() -> Iterator[str]:
    """The URL of an API that has nothing."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            is_list = path.endswith(("s", "/log"))
            self.send_response(200 if is_list else 404)
            self.end_headers()
            if "watch=true" in query:
                over.wait(20)
                return
            found = {"metadata": {"resourceVersion": "1"}, "items": []}
            self.wfile.write(json.dumps(found if is_list else {"reason": "NotFound"}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()


@pytest.mark.timeout(20)
def test_a_name_that_is_not_found_ends_the_watch(empty_cluster: str, tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL=empty_cluster)
    (found,) = find_judgements(configuration, "never-there", watch=True)
    assert (found.state, [one.code for one in found.diagnoses]) == (State.NOT_FOUND, ["cluster.not-found"])


@pytest.mark.timeout(20)
def test_a_watch_prints_each_finding_as_json_on_one_line_and_ends_with_the_exit_code_of_the_last(
    empty_cluster: str, tmp_path: Path
) -> None:
    environ = {"ZOO_RUNNER_KUBERNETES_URL": empty_cluster, "ZOO_RUNNER_STATE": str(tmp_path)}
    done = CliRunner().invoke(cli, ["diagnose", "never-there", "--watch", "--format", "json"], env=environ)
    (line,) = done.stdout.splitlines()
    assert (done.exit_code, json.loads(line)["state"]) == (EngineError.exit_code, "not found")
