"""The walk through the HTTP API in README.md, as it is written; only the port is another, and failures end it."""

import re
import socket
import subprocess
from pathlib import Path

from tests.site import Site, wait_until_none_is_left
from tests.values import ROOT

SECTION = re.compile(r"## As a service\n.*?```sh\n(.*?)```", re.DOTALL)
# an answer with an error ends the shell, and each answer has a line of its own
PRELUDE = "curl() { command curl --silent --show-error --fail-with-body --write-out '\\n' \"$@\"; }\n"
LONGEST_SECONDS = 120


def test_the_walk_through_of_the_readme_works_as_written(tmp_path: Path, package_cache: Path) -> None:
    found = SECTION.search((ROOT / "README.md").read_text())
    assert found
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = PRELUDE + found[1].replace("8080", str(port)) + "wait\n"
    site = Site(tmp_path, package_cache).having(ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=site.environ,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert wait_until_none_is_left(tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    for fact in (
        '"id":"echo"',
        '"message":{"title":"Message"',
        "event: StepStarted",
        '"status": "successful"',
        '{"text":{"href":"http',
        "\nHello\n",
        '"status":"dismissed"',
    ):
        assert fact in done.stdout
