"""Prometheus for tests: its checks of alarms and figures, and a real server that reads figures from this machine."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.require import require
from tests.serving import START_SECONDS, find_free_port
from tests.waiting import answers, wait_for


def find_program(name: str) -> str:
    """Return a program, `prometheus` or `promtool`, or skip the test."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 where the tests learn of the program
    path = Path(base).expanduser() / "zoo-runner" / "prometheus" / name
    require(path.exists(), "no program: make prometheus")
    return str(path)


def promtool(*words: str | Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run promtool to its end."""
    command = [find_program("promtool"), *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)


def write_rules(path: Path, rules: Sequence[Mapping[str, Any]]) -> Path:
    """Write rules as a file of Prometheus, as the operator does from a PrometheusRule."""
    path.write_text(json.dumps({"groups": [{"name": "zoo-runner", "rules": rules}]}))
    return path


@dataclass
class Prometheus:
    """A server that reads the figures of `targets`, the port of each by the name of its job, once a second."""

    port: int
    folder: Path
    targets: Mapping[str, int]
    rules: Sequence[Mapping[str, Any]]
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / "prometheus.log"

    def start(self) -> None:
        """Start it and wait until it answers."""
        write_rules(self.folder / "rules.json", self.rules)
        # what it drops of what it reads is among its own figures
        jobs = {**self.targets, "prometheus": self.port}
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.json"],
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for name, port in jobs.items()
            ],
        }
        (self.folder / "prometheus.json").write_text(json.dumps(settings))
        words = [
            find_program("prometheus"),
            f"--config.file={self.folder / 'prometheus.json'}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        wait_for(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return answers(f"http://127.0.0.1:{self.port}/-/ready", START_SECONDS)

    def ask(self, path: str, **words: str) -> Any:
        """Return the data that its API answers with."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read().decode()}") from error

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression is now: labels and value of each series."""
        answer = self.ask("query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def list_firing(self) -> set[str]:
        """Names of the alarms that fire."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}


@contextmanager
def reading(folder: Path, targets: Mapping[str, int], rules: Sequence[Mapping[str, Any]] = ()) -> Iterator[Prometheus]:
    """Run a server on a free port while the block runs."""
    server = Prometheus(find_free_port(), folder, targets, rules)
    server.start()
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
