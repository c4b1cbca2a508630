"""Open Policy Agent for tests: a real server with the policy of deploy/opa, and data of the test."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.require import require
from tests.serving import START_SECONDS
from tests.values import ROOT
from tests.waiting import answers, wait_for

POLICY = ROOT / "deploy" / "opa"


def find_opa() -> str:
    """Return the program, or skip the test."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 where the tests learn of the program
    found = sorted(Path(base).expanduser().glob("zoo-runner/opa/v*/opa"))
    require(bool(found), "no program: make opa")
    return str(found[-1])


@dataclass
class Agent:
    """A server that can be stopped, continued and killed."""

    port: int
    data: Path
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        """The address of the decision."""
        return f"http://127.0.0.1:{self.port}/v1/data/zoo_runner/decision"

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [
            find_opa(),
            "run",
            "--server",
            "--addr",
            f"127.0.0.1:{self.port}",
            "--set",
            "decision_logs.console=true",
        ]
        words += ["--disable-telemetry", str(POLICY / "policy.rego"), str(self.data)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        wait_for(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return answers(f"http://127.0.0.1:{self.port}/health", START_SECONDS)

    def publish(self, access: Mapping[str, Any]) -> None:
        """Put other data in the place of what says who sees what."""
        address = f"http://127.0.0.1:{self.port}/v1/data/workflow_access"
        request = urllib.request.Request(address, json.dumps(access).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=START_SECONDS):
            pass

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@contextmanager
def agent(folder: Path, access: Mapping[str, Any]) -> Iterator[Agent]:
    """Run an agent on a free port while the block runs."""
    data = folder / "access.json"
    data.write_text(json.dumps({"workflow_access": access}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Agent(port, data, folder / "opa.log")
    running.start()
    try:
        yield running
    finally:
        running.kill()
