"""All parts of a release as processes of this machine that serve their figures, for tests of these."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.gitserver import create_repository, serving_git
from tests.harvesting import TOOL
from tests.serving import Server, find_free_port, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ALERTS = ROOT / "deploy" / "kubernetes" / "alerts.yaml"
PAGE = ROOT / "docs" / "monitoring.md"
FIGURE = re.compile(r"\b(?:zoo_runner|process)_[a-z_]+")
"""Name of a figure of ours."""
PASSWORD = "hunter2-of-the-forest"
"""That of the repository which is harvested."""
_ECHO = ROOT / "examples" / "echo" / "echo.cwl"


def read_alarms() -> list[dict[str, Any]]:
    """Read the alarms as they are applied."""
    (group,) = YAML(typ="safe").load(ALERTS.read_text())["spec"]["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@dataclass(frozen=True)
class Part:
    """A process that serves figures, by the port."""

    port: int

    def fetch(self, path: str = "/metrics") -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def read(self, name: str, **labels: str) -> float | None:
        """Read one figure; None where there is none, or nobody answers yet."""
        try:
            text = self.fetch()[1]
        except OSError:
            return None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None

    def wait(self, wanted: float, name: str, **labels: str) -> None:
        """Wait until a figure has a value."""
        wait_for(lambda: self.read(name, **labels) == wanted)


@contextmanager
def measured(site: Site, *words: str | Path) -> Iterator[Part]:
    """Run a command that serves figures while the block runs."""
    port, log = find_free_port(), site.folder / f"{words[0]}.log"
    command = [sys.executable, "-m", "zoo_runner", *map(str, words), f"--metrics={port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=site.environ, stdout=output, stderr=output, cwd=site.folder)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            return Part(port).read("process_open_fds") is not None

        wait_for(answers)
        yield Part(port)
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Parts:
    """All parts of a release."""

    site: Site
    server: Server
    worker: Part
    harvester: Part
    ingester: Part
    git: str

    def select(self, repository: str) -> dict[str, str]:
        """Return the labels of a source."""
        return {"source": f"{self.git}/{repository}.git", "workspace": "forest"}

    def list_figures(self) -> dict[str, set[str]]:
        """Return the names of the figures of each part, as they are on the page."""
        assert self.server.request("GET", "/jobs").status == 200
        texts = {"api": self.server.request("GET", "/metrics").body.decode()}
        texts |= {name: getattr(self, name).fetch()[1] for name in ("worker", "harvester", "ingester")}
        return {name: set(list_names(text)) for name, text in texts.items()}


def list_names(text: str) -> Iterator[str]:
    """List the names of figures; those of a histogram are also there without their ends."""
    for line in text.splitlines():
        if not line.startswith("#"):
            name = line.split("{")[0].split()[0]
            # when each figure was created, for Prometheus
            if not name.endswith("_created"):
                yield name
                yield re.sub("_(bucket|sum|count)$", "", name)


@contextmanager
def running_parts(site: Site) -> Iterator[Parts]:
    """Run a server without workers, a worker, a harvester of two sources, and an ingester whose bus is away."""
    site, folder = site.having(ZOO_RUNNER_WORKERS="0"), site.folder
    with ExitStack() as stack:
        server = stack.enter_context(serving(site.environ, folder))
        server.deploy(_ECHO)
        repository = create_repository(folder)
        repository.push({"echo.cwl": TOOL.format(id="harvested", doc="said")})
        git = stack.enter_context(serving_git(folder / "served"))
        password = folder / "password"
        password.write_text(PASSWORD)
        sources = [
            {"url": f"{git}/repository.git", "workspace": "forest", "user": "reader", "password-file": str(password)},
            {"url": f"{git}/none.git", "workspace": "forest"},
        ]
        (folder / "sources.yml").write_text(json.dumps({"server": server.url, "sources": sources}))
        bus = {"url": f"pulsar://127.0.0.1:{find_free_port()}", "topic": "changes"}
        messages = {"server": server.url, "bus": bus, "files": str(folder), "keys": "{workspace}/"}
        messages["workspaces"] = ["forest"]
        (folder / "messages.yml").write_text(json.dumps(messages))
        yield Parts(
            site,
            server,
            stack.enter_context(measured(site, "worker")),
            stack.enter_context(measured(site, "harvest", folder / "sources.yml", "--every", "1")),
            stack.enter_context(measured(site, "ingest", folder / "messages.yml", "--records", folder / "ingested")),
            git,
        )


def run_one_of_each(parts: Parts) -> None:
    """Have a job and a harvest of each source counted."""
    assert parts.server.wait(parts.server.execute("echo", {"message": "x"}))["status"] == "successful"
    wait_for(lambda: bool(parts.worker.read("zoo_runner_worker_job_seconds_count", status="successful")))

    def has_run(repository: str, outcome: str) -> bool:
        labels = {**parts.select(repository), "outcome": outcome}
        return bool(parts.harvester.read("zoo_runner_harvest_runs_total", **labels))

    wait_for(lambda: has_run("none", "failed") and has_run("repository", "done"))
