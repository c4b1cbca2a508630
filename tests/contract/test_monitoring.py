"""The page of figures and alarms names what the parts that run have, and nothing else."""

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

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.gitserver import create_repository, serving_git
from tests.harvesting import TOOL
from tests.serving import Server, find_free_port, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ALERTS = ROOT / "deploy" / "kubernetes" / "alerts.yaml"
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
FAILING = ROOT / "tests/data/packages/failing/tool-exit-code/tool-exit-code.cwl"
FIGURE = re.compile(r"\b(?:zoo_runner|process)_[a-z_]+")
PASSWORD = "hunter2-of-the-forest"


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


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Parts]:
    """A server without workers, a worker, a harvester of two sources, and an ingester whose bus is away."""
    folder = tmp_path_factory.mktemp("monitoring")
    site = Site(folder, package_cache).having(ZOO_RUNNER_WORKERS="0")
    with ExitStack() as stack:
        server = stack.enter_context(serving(site.environ, folder))
        server.deploy(ECHO)
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


def test_each_figure_has_a_row_and_each_row_a_figure(parts: Parts) -> None:
    run_one_of_each(parts)
    page = (ROOT / "docs" / "monitoring.md").read_text()
    rows = {name for line in page.splitlines() if line.startswith("| `") for name in FIGURE.findall(line.split("|")[1])}
    figures = set[str]().union(*parts.list_figures().values())
    # requests to a cluster are counted once there are some: tests/live
    figures.add("zoo_runner_kubernetes_requests_total")
    ends = re.compile("_(bucket|sum|count)$")
    ours = {name for name in figures if name.startswith("zoo_runner_") and not ends.search(name)}
    assert {name for name in rows if name.startswith("zoo_runner_")} == ours
    assert rows <= figures


def test_alarms_are_about_figures_that_there_are_and_are_explained(parts: Parts) -> None:
    run_one_of_each(parts)
    (group,) = YAML(typ="safe").load(ALERTS.read_text())["spec"]["groups"]
    page = (ROOT / "docs" / "monitoring.md").read_text()
    figures = set[str]().union(*parts.list_figures().values())
    for rule in group["rules"]:
        assert set(FIGURE.findall(rule["expr"])) <= figures, rule["alert"]
        assert f"| `{rule['alert']}` |" in page


def test_each_part_has_figures_of_its_process(parts: Parts) -> None:
    for name, figures in parts.list_figures().items():
        assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= figures, name
        assert ("zoo_runner_threads" in figures) == (name != "api")
        # an alarm looks for servers by this one
        assert ("zoo_runner_queue_oldest_seconds" in figures) == (name == "api")


def run_one_of_each(parts: Parts) -> None:
    """Have a job and a harvest counted."""
    assert parts.server.wait(parts.server.execute("echo", {"message": "x"}))["status"] == "successful"
    wait_for(lambda: bool(parts.worker.read("zoo_runner_worker_job_seconds_count", status="successful")))

    def has_run(repository: str, outcome: str) -> bool:
        labels = {**parts.select(repository), "outcome": outcome}
        return bool(parts.harvester.read("zoo_runner_harvest_runs_total", **labels))

    wait_for(lambda: has_run("none", "failed") and has_run("repository", "done"))


def test_a_worker_counts_its_jobs_by_engine_and_end(parts: Parts) -> None:
    before = parts.worker.read("zoo_runner_worker_job_seconds_count", engine="local", status="failed") or 0.0
    taken = parts.worker.read("zoo_runner_worker_looks_total", outcome="job") or 0.0
    job = parts.server.execute(parts.server.deploy(FAILING), {})
    assert parts.server.wait(job)["status"] == "failed"
    parts.worker.wait(before + 1, "zoo_runner_worker_job_seconds_count", engine="local", status="failed")
    assert parts.worker.read("zoo_runner_worker_looks_total", outcome="job") == taken + 1
    parts.worker.wait(0.0, "zoo_runner_worker_jobs")
    assert parts.worker.read("zoo_runner_worker_jobs_limit") == 1.0
    assert parts.worker.read("zoo_runner_worker_queue_oldest_seconds") == 0.0


def test_a_harvester_shows_which_source_has_a_problem_and_when_each_succeeded(parts: Parts) -> None:
    run_one_of_each(parts)
    good, none = parts.select("repository"), parts.select("none")
    assert parts.harvester.read("zoo_runner_harvest_problem", **good) == 0.0
    assert parts.harvester.read("zoo_runner_harvest_problem", **none) == 1.0
    assert parts.harvester.read("zoo_runner_harvest_changes_total", kind="deploy", outcome="done") == 1.0
    assert parts.harvester.read("zoo_runner_harvest_findings", severity="error", **good) == 0.0
    assert parts.harvester.read("zoo_runner_harvest_given_up", **good) == 0.0
    last = "zoo_runner_harvest_last_success_timestamp_seconds"
    first, known = (parts.harvester.read(last, **labels) for labels in (good, none))
    assert first and known
    wait_for(lambda: (parts.harvester.read(last, **good) or 0.0) > first)
    # what has a problem stays as old as it is
    assert parts.harvester.read(last, **none) == known
    assert PASSWORD not in parts.harvester.fetch()[1]


def test_an_ingester_without_its_bus_shows_that(parts: Parts) -> None:
    assert parts.ingester.read("zoo_runner_ingest_connected") == 0.0
    assert parts.ingester.read("zoo_runner_ingest_messages_total", outcome="dead") == 0.0
    assert parts.ingester.read("zoo_runner_ingest_oldest_seconds") == 0.0


def test_nothing_but_the_figures_is_served_and_only_on_this_machine(parts: Parts) -> None:
    assert parts.worker.fetch("/") == (404, "metrics are at /metrics\n")
    assert parts.worker.fetch("/metrics?name=x")[0] == 200
    listening = Path("/proc/net/tcp").read_text().splitlines()
    port = f":{parts.worker.port:04X}"
    # 127.0.0.1, in the order of bytes of this machine
    addresses = {line.split()[1] for line in listening if port in line.split()[1] and line.split()[3] == "0A"}
    assert addresses == {f"0100007F{port}"}


def test_a_worker_that_starts_anew_serves_its_figures_again(site: Site, tmp_path: Path) -> None:
    limited = site.having(ZOO_RUNNER_WORKERS="0", ZOO_RUNNER_WORKER_JOBS="1")
    with serving(limited.environ, tmp_path) as server, measured(limited, "worker") as worker:
        server.deploy(ECHO)
        for _ in range(2):
            assert server.wait(server.execute("echo", {"message": "x"}))["status"] == "successful"
            # of the program that has run none
            worker.wait(0.0, "zoo_runner_worker_looks_total", outcome="job")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worker", "--metrics=metrics.example.org"], ["'metrics.example.org'", "HOST:PORT"]),
        (["worker", "--metrics=70000"], ["'70000'", "HOST:PORT"]),
        (["harvest", "sources.yml", "--metrics=9464"], ["--metrics", "--every", "--listen"]),
        (["ingest", "messages.yml", "--once", "--metrics=9464"], ["--metrics", "--once", "--dead-letters"]),
    ],
    ids=["host", "port", "harvest-once", "ingest-once"],
)
def test_an_address_that_makes_no_sense_is_refused(site: Site, words: list[str], said: list[str]) -> None:
    done = site.command(*words)
    assert done.returncode == 2
    assert [one for one in said if one not in done.stderr] == [], done.stderr


def test_a_port_that_is_taken_is_said_with_what_to_do(site: Site, parts: Parts) -> None:
    done = site.command("worker", f"--metrics={parts.worker.port}")
    assert done.returncode == 2
    assert f"127.0.0.1:{parts.worker.port}: Address already in use" in done.stderr
    assert "settings.invalid" in done.stderr
    assert "--metrics" in done.stderr
