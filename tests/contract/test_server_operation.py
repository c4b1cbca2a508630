"""How a server is run: its limits, and how it stops."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from tests.contract.test_resolver import a_silent_server
from tests.serving import LONGEST_SECONDS, Server, serving, wait_for
from tests.site import Site
from tests.values import ROOT

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"


@pytest.fixture
def site(tmp_path: Path, package_cache: Path) -> Site:
    return Site(tmp_path, package_cache).having(ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"))


def test_jobs_that_nobody_starts_take_so_much_and_stay_so_long(site: Site, tmp_path: Path) -> None:
    with serving(site.having(ZOO_RUNNER_UNSTARTED_MAX_MIB="0.1").environ, tmp_path) as server:
        server.deploy(ECHO)
        request = {"process": "echo", "inputs": {"message": "x" * 30_000}}
        answers = [server.request("POST", "/jobs", request) for _ in range(4)]
        assert [answer.status for answer in answers] == [201, 201, 201, 429]
        assert answers[-1].json["diagnosis"]["code"] == "job.too-many-unstarted"
        first, second, third = (str(answer.json["jobID"]) for answer in answers[:3])
        grown = server.request("PATCH", f"/jobs/{first}", {"inputs": {"message": "x" * 60_000}})
        assert grown.status == 429
        assert server.request("PATCH", f"/jobs/{first}", {"inputs": {"message": "y" * 30_000}}).status == 200
        server.request("POST", f"/jobs/{second}/results")
        server.request("DELETE", f"/jobs/{third}")
        assert server.request("POST", "/jobs", request).status == 201
        server.stop()
        removing = replace(server, environ={**server.environ, "ZOO_RUNNER_UNSTARTED_HOURS": "0.0000001"})
        removing.start()
        try:
            wait_for(lambda: removing.request("GET", "/jobs?status=created").json["numberTotal"] == 0, LONGEST_SECONDS)
            assert removing.request("GET", f"/jobs/{second}").json["status"] == "successful"
        finally:
            removing.stop()


def test_a_server_that_is_stopped_waits_for_no_resolution_and_for_no_job_of_a_request(
    site: Site, tmp_path: Path
) -> None:
    limits = site.having(ZOO_RUNNER_PACKAGE_HOSTS="127.0.0.1", ZOO_RUNNER_SHUTDOWN_LIMIT="1")
    with serving(limits.environ, tmp_path) as server, a_silent_server() as (url, came), ThreadPoolExecutor(2) as pool:
        server.deploy(SLOW)
        waiting = pool.submit(server.request, "POST", "/processes/slow/execution", {"inputs": {}})
        unit = {"executionUnit": {"href": f"{url}/a.cwl"}}
        deployment = pool.submit(server.request, "POST", "/processes", unit)
        assert came.wait(LONGEST_SECONDS)
        wait_for(lambda: _count(server, "running") == 1, LONGEST_SECONDS)
        started = monotonic()
        server.stop()
        assert monotonic() - started < 10
        refused = deployment.result()
        assert (refused.status, refused.json["diagnosis"]["code"]) == (503, "request.interrupted")
        assert (waiting.result().status, waiting.result().json["status"]) == (201, "running")


def _count(server: Server, status: str) -> int:
    return int(server.request("GET", f"/jobs?status={status}").json["numberTotal"])
