"""A job is dismissed in each of its states: it has ended soon, its step runs no more, nothing of it is published."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.kill_points import KILL, KillPoint, add_kill, build_site
from tests.contract.test_resolver import a_silent_server
from tests.processes import choose_seconds, find_by_argument
from tests.serving import Server, kill, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

END_SECONDS, SECONDS = 60, choose_seconds()
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"
TOOL = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "reads", "baseCommand": "cat", "stdout": "o.txt"}
READS = {**TOOL, "inputs": {"scene": {"type": "File", "inputBinding": {}}}, "outputs": {"o": "stdout"}}


@dataclass(frozen=True)
class Place:
    """A server without workers, and what a test needs to bring a job into a state."""

    site: Site
    server: Server
    stack: ExitStack

    def execute(self, package: Path, **inputs: object) -> str:
        """Deploy a package and start a job of it."""
        return self.server.execute(self.server.deploy(package), inputs)

    def start_worker(self, site: Site) -> None:
        """Start a separate worker, which is killed at the end."""
        log = self.stack.enter_context((self.site.folder / "worker.log").open("ab"))
        command = [sys.executable, "-m", "zoo_runner", "worker"]
        worker = subprocess.Popen(command, env=site.environ, stdout=log, stderr=log)
        self.stack.callback(worker.wait)
        self.stack.callback(kill, worker.pid)

    def hold_worker(self, kind: str, number: int) -> Callable[[], None]:
        """Start a worker that waits after a statement of a kind; returns what has it go on."""
        go_on = self.site.folder / "go-on"
        site = self.site.having(HOLD=str(go_on), KILL_KIND=kind)
        self.start_worker(add_kill(site, KillPoint("worker", "after", number)))
        wait_for((self.site.folder / "killed").exists, END_SECONDS)
        return go_on.touch


@contextmanager
def a_place(folder: Path, cache: Path) -> Iterator[Place]:
    site = build_site(folder, cache, "").having(
        ZOO_RUNNER_WORKERS="0",
        ZOO_RUNNER_LEASE="6",
        ZOO_RUNNER_DISMISS_WAIT="1",
        STAGEIN_ALLOW_PRIVATE="true",
        STAGEIN_READ_TIMEOUT_SECONDS="120",
    )
    with ExitStack() as stack:
        yield Place(site, stack.enter_context(serving(site.environ, folder)), stack)


@pytest.fixture
def place(tmp_path: Path, package_cache: Path) -> Iterator[Place]:
    with a_place(tmp_path, package_cache) as place:
        yield place


def nothing() -> None:
    """Nobody waits for the test."""


def queue(place: Place) -> tuple[str, Callable[[], None]]:
    return place.execute(KILL / "once.cwl", ran=str(place.site.folder / "ran")), nothing


def begin(place: Place) -> tuple[str, Callable[[], None]]:
    """Have a worker take a job and submit nothing yet."""
    job = place.execute(KILL / "once.cwl", ran=str(place.site.folder / "ran"))
    return job, place.hold_worker("SELECT packages", 2)


def stage(place: Place) -> tuple[str, Callable[[], None]]:
    """Have a job wait for a web server that does not answer."""
    url, asked = place.stack.enter_context(a_silent_server())
    package = place.site.folder / "reads.cwl"
    package.write_text(json.dumps(READS))
    job = place.execute(package, scene={"href": f"{url}/scene.tif"})
    place.start_worker(place.site)
    assert asked.wait(END_SECONDS)
    return job, nothing


def run(place: Place) -> tuple[str, Callable[[], None]]:
    job = place.execute(SLOW, seconds=SECONDS)
    place.start_worker(place.site)
    wait_for(lambda: bool(find_by_argument(str(SECONDS))), END_SECONDS)
    return job, nothing


def end(place: Place) -> tuple[str, Callable[[], None]]:
    """Have a job end whose results are stored, and whose outcome is known."""
    job = place.execute(KILL / "once.cwl", ran=str(place.site.folder / "ran"))
    return job, place.hold_worker("SELECT jobs.body", 4)


@pytest.mark.parametrize(
    ("reach", "seen", "final", "runs"),
    [
        (queue, "accepted", "dismissed", 0),
        (begin, "running", "dismissed", 0),
        (stage, "running", "dismissed", 0),
        (run, "running", "dismissed", 0),
        # it is too late: the first outcome stays
        (end, "running", "successful", 1),
    ],
    ids=["queued", "starting", "staging", "running", "ending"],
)
def test_a_job_is_dismissed_in_each_state(
    place: Place, reach: Callable[[Place], tuple[str, Callable[[], None]]], seen: str, final: str, runs: int
) -> None:
    job, go_on = reach(place)
    assert place.server.request("GET", f"/jobs/{job}").json["status"] == seen
    assert place.server.request("DELETE", f"/jobs/{job}").status == 200
    go_on()
    ended = place.server.wait(job)
    ran = place.site.folder / "ran"
    assert (ended["status"], len(ran.read_text().split()) if ran.exists() else 0) == (final, runs)
    results = [path for path in (place.site.folder / "results").rglob("*") if path.is_file() and path.suffix == ".txt"]
    assert len(results) == runs
    assert find_by_argument(str(SECONDS)) == []
    if final == "dismissed":
        assert ended["diagnosis"]["code"] == "job.dismissed"
        assert place.server.request("GET", f"/jobs/{job}/results").json["diagnosis"]["code"] == "job.dismissed"
