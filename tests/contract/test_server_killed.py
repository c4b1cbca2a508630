"""Servers and workers that are killed: no accepted job is lost, none runs twice, none is left running."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import find_postgres, use_schema
from tests.serving import kill, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"
END_SECONDS = 60


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path, package_cache: Path) -> Iterator[Site]:
    site = Site(tmp_path, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"), ZOO_RUNNER_LEASE="2", ZOO_RUNNER_SHUTDOWN_LIMIT="1"
    )
    if request.param == "sqlite":
        yield site
        return
    with use_schema(find_postgres()) as url:
        yield site.having(ZOO_RUNNER_DATABASE=url)


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_jobs_that_wait_when_the_server_is_killed_run_once_it_is_there_again(site: Site) -> None:
    with serving(site.having(ZOO_RUNNER_WORKERS="0").environ, site.folder) as server:
        server.deploy(ECHO)
        jobs = [server.execute("echo", {"message": f"number {number}"}) for number in range(3)]
        server.kill()
        server.environ = site.environ
        server.start()
        for number, job in enumerate(jobs):
            assert server.wait(job)["status"] == "successful"
            results = server.request("GET", f"/jobs/{job}/results").json
            assert server.request("GET", results["text"]["href"]).body == f"number {number}\n".encode()
        assert server.request("GET", "/jobs").json["numberTotal"] == 3


def test_a_job_whose_server_is_killed_is_brought_to_its_end_by_its_worker(site: Site) -> None:
    with serving(site.environ, site.folder) as server:
        server.deploy(SLOW)
        job = server.execute("slow", {"seconds": 3})
        server.wait(job, "running")
        workers = server.find_workers()
        server.kill()
        wait_for(lambda: all(map(is_gone, workers)), END_SECONDS)
        server.start()
        assert server.wait(job)["status"] == "successful"


def test_a_job_whose_worker_is_killed_is_known_to_be_lost_and_others_go_on(site: Site) -> None:
    with serving(site.environ, site.folder) as server:
        server.deploy(SLOW)
        server.deploy(ECHO)
        job = server.execute("slow", {})
        server.wait(job, "running")
        wait_for(lambda: "sleep" in server.request("GET", f"/jobs/{job}/logs").body.decode(), END_SECONDS)
        for worker in server.find_workers():
            kill(worker)
        status = server.wait(job)
        assert (status["status"], status["diagnosis"]["code"]) == ("failed", "job.lost")
        assert server.wait(server.execute("echo", {}))["status"] == "successful"


def test_a_job_whose_server_and_worker_are_killed_is_not_left_running(site: Site) -> None:
    with serving(site.environ, site.folder) as server:
        server.deploy(SLOW)
        job = server.execute("slow", {})
        server.wait(job, "running")
        workers = server.find_workers()
        server.kill()
        for worker in workers:
            kill(worker)
        server.start()
        # killed before anything of it was created, it runs anew: then it is stopped here
        wait_for(lambda: server.request("GET", f"/jobs/{job}").json["updated"] != "", END_SECONDS)
        status = server.wait(job, "failed", "running")
        if status["status"] == "running":
            server.request("DELETE", f"/jobs/{job}")
        assert server.wait(job)["status"] in ("failed", "dismissed")


def test_a_dismissal_that_outlives_the_worker_is_carried_out(site: Site) -> None:
    with serving(site.having(ZOO_RUNNER_WORKERS="0", ZOO_RUNNER_DISMISS_WAIT="0.1").environ, site.folder) as server:
        server.deploy(SLOW)
        job = server.execute("slow", {})
        assert server.request("DELETE", f"/jobs/{job}").json["status"] == "dismissed"
        server.kill()
        server.environ = site.environ
        server.start()
        assert server.wait(job)["status"] == "dismissed"


def test_a_server_that_is_stopped_gives_its_jobs_time_to_end(site: Site) -> None:
    with serving(site.having(ZOO_RUNNER_SHUTDOWN_LIMIT="60").environ, site.folder) as server:
        server.deploy(SLOW)
        job = server.execute("slow", {"seconds": 2})
        server.wait(job, "running")
        server.stop()
        assert server.process.returncode == 0
        server.start()
        assert server.wait(job)["status"] == "successful"


def test_a_worker_of_its_own_runs_jobs_until_it_is_stopped(site: Site) -> None:
    with serving(site.having(ZOO_RUNNER_WORKERS="0").environ, site.folder) as server:
        server.deploy(ECHO)
        worker = subprocess.Popen([sys.executable, "-m", "zoo_runner", "worker"], env=site.environ)
        try:
            assert server.wait(server.execute("echo", {}))["status"] == "successful"
        finally:
            worker.terminate()
        assert worker.wait(END_SECONDS) == 0
