"""The page of figures and alarms names what the parts that run have, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.measuring import FIGURE, PAGE, PASSWORD, Parts, measured, read_alarms, run_one_of_each, running_parts
from tests.serving import serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
FAILING = ROOT / "tests/data/packages/failing/tool-exit-code/tool-exit-code.cwl"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Parts]:
    """A server without workers, a worker, a harvester of two sources, and an ingester whose bus is away."""
    with running_parts(Site(tmp_path_factory.mktemp("monitoring"), package_cache)) as running:
        yield running


def test_each_figure_has_a_row_and_each_row_a_figure(parts: Parts) -> None:
    run_one_of_each(parts)
    page = PAGE.read_text()
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
    page = PAGE.read_text()
    figures = set[str]().union(*parts.list_figures().values())
    for rule in read_alarms():
        assert set(FIGURE.findall(rule["expr"])) <= figures, rule["alert"]
        assert f"| `{rule['alert']}` |" in page


def test_each_part_has_figures_of_its_process(parts: Parts) -> None:
    for name, figures in parts.list_figures().items():
        assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= figures, name
        assert ("zoo_runner_threads" in figures) == (name != "api")
        # an alarm looks for servers by this one
        assert ("zoo_runner_queue_oldest_seconds" in figures) == (name == "api")


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
