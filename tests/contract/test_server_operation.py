"""How a server is run: its limits, and how it stops."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.contract.stores import LONG, build_job, create
from tests.contract.test_resolver import a_silent_server
from tests.serving import ASYNC, CWL, LONGEST_SECONDS, Answer, Server, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for
from zoo_runner.model.job import Status
from zoo_runner.server.housekeeping import end_overdue
from zoo_runner.server.workers import end_processes
from zoo_runner.store.sql import open_sql_store

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
        server.stop()
        refused = deployment.result()
        assert (refused.status, refused.json["diagnosis"]["code"]) == (503, "request.interrupted")
        assert (waiting.result().status, waiting.result().json["status"]) == (201, "running")


def test_sources_that_never_answer_hold_up_nobody_but_those_who_name_them(site: Site, tmp_path: Path) -> None:
    limits = site.having(ZOO_RUNNER_PACKAGE_HOSTS="127.0.0.1", ZOO_RUNNER_WORKSPACE_PREFIX="/hubs")
    with serving(limits.environ, tmp_path) as server, a_silent_server() as (url, came), ThreadPoolExecutor(45) as pool:

        def deploy(number: int) -> Answer:
            return server.request("POST", "/processes", {"executionUnit": {"href": f"{url}/{number}.cwl"}})

        assert server.openapi["paths"]  # read once, before many need it
        deployments = [pool.submit(deploy, number) for number in range(45)]
        assert came.wait(LONGEST_SECONDS)
        # the others have all places or wait for them
        refused = next(as_completed(deployments, LONGEST_SECONDS)).result()
        assert (refused.status, refused.json["diagnosis"]["code"]) == (503, "request.busy")
        assert int(refused.headers["retry-after"]) > 0
        for path in ("/jobs", "/processes", "/health", "/health/ready"):
            assert server.request("GET", path).status == 200
        assert server.deploy(ECHO, "/hubs/other") == "echo"
        server.stop()
        codes = {one.result().json["diagnosis"]["code"] for one in deployments}
        assert codes <= {"request.busy", "request.interrupted"}


@contextmanager
def sending_half_a_body(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), LONGEST_SECONDS) as connection:
        head = f"POST /processes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {CWL}\r\nContent-Length: 100\r\n\r\nx"
        connection.sendall(head.encode())
        yield connection


def test_a_server_that_is_stopped_waits_for_no_body_and_begins_no_job(site: Site, tmp_path: Path) -> None:
    limits = site.having(ZOO_RUNNER_SHUTDOWN_LIMIT="12", ZOO_RUNNER_BODY_TIMEOUT="600")
    with serving(limits.environ, tmp_path) as server, sending_half_a_body(server):
        server.deploy(SLOW)
        running, waiting = server.execute("slow", {"seconds": 3}), server.execute("slow", {"seconds": 3})
        server.wait(running, "running")
        server.stop()
    with closing(open_sql_store(f"sqlite:///{site.state / 'runner.db'}")) as store:
        statuses = [store.jobs.get(job).status for job in (running, waiting)]
    assert statuses == [Status.SUCCESSFUL, Status.ACCEPTED]


def test_a_body_that_does_not_go_on_is_refused(site: Site, tmp_path: Path) -> None:
    limits = site.having(ZOO_RUNNER_BODY_TIMEOUT="0.5")
    with serving(limits.environ, tmp_path) as server, sending_half_a_body(server) as connection:
        answer = connection.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert server.deploy(ECHO) == "echo"


def test_the_time_to_stop_is_one_for_all_workers() -> None:
    many = [subprocess.Popen(["sleep", str(LONGEST_SECONDS)], text=True) for _ in range(3)]
    end_processes(many, monotonic())
    assert [process.wait(LONGEST_SECONDS) for process in many] == [-signal.SIGKILL] * 3


def _count(server: Server, status: str) -> int:
    return int(server.request("GET", f"/jobs?status={status}").json["numberTotal"])


def read_lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


@pytest.mark.parametrize("limit", [{"ZOO_RUNNER_WORKER_JOBS": "2"}, {"ZOO_RUNNER_WORKER_MAX_MIB": "1"}])
def test_a_worker_starts_anew_after_its_limit_and_loses_no_job(
    site: Site, tmp_path: Path, limit: dict[str, str]
) -> None:
    with serving(site.having(**limit).environ, tmp_path) as server:
        server.deploy(ECHO)
        workers = server.find_workers()
        jobs = [server.execute("echo", {"message": f"number {number}"}) for number in range(5)]
        for number, job in enumerate(jobs):
            assert server.wait(job)["status"] == "successful"
            results = server.request("GET", f"/jobs/{job}/results").json
            assert server.request("GET", results["text"]["href"]).body == f"number {number}\n".encode()
        assert server.find_workers() == workers
        lines = [line for line in read_lines(server) if line["part"] == "worker"]
    ended = [line["job"] for line in lines if line.get("status") == "successful"]
    assert ended == jobs
    assert len([line for line in lines if line["logger"] == "zoo_runner.server.working"]) >= 2


def test_a_separate_worker_starts_anew_and_goes_on(site: Site, tmp_path: Path) -> None:
    with serving(site.having(ZOO_RUNNER_WORKERS="0").environ, tmp_path) as server:
        server.deploy(ECHO)
        jobs = [server.execute("echo", {"message": "x"}) for _ in range(3)]
        environ = site.having(ZOO_RUNNER_WORKER_JOBS="1").environ
        worker = subprocess.Popen([sys.executable, "-m", "zoo_runner", "worker"], env=environ)
        try:
            for job in jobs:
                assert server.wait(job)["status"] == "successful"
            assert worker.poll() is None
        finally:
            worker.kill()
            worker.wait()


def test_a_job_that_waits_too_long_for_a_worker_has_failed(site: Site, tmp_path: Path) -> None:
    limited = site.having(ZOO_RUNNER_QUEUE_LIMIT="1", ZOO_RUNNER_WORKERS="0")
    with serving(limited.environ, tmp_path) as server:
        server.deploy(ECHO)
        created = str(server.request("POST", "/jobs", {"process": "echo"}).json["jobID"])
        failed = server.wait(server.execute("echo", {"message": "never"}))
        assert (failed["status"], failed["diagnosis"]["code"]) == ("failed", "job.queue-limit")
        # a synchronous execution learns of it too
        refused = server.request("POST", "/processes/echo/execution", {"inputs": {}})
        assert refused.json["diagnosis"]["code"] == "job.queue-limit"
        # it was created longer ago, and waits only now
        assert server.request("GET", f"/jobs/{created}").json["status"] == "created"
        server.request("POST", f"/jobs/{created}/results", headers=ASYNC)
        started = monotonic()
        assert server.wait(created)["diagnosis"]["code"] == "job.queue-limit"
        assert monotonic() - started > 0.9


def test_a_job_that_somebody_works_on_waits_for_nobody(tmp_path: Path) -> None:
    with closing(open_sql_store(f"sqlite:///{tmp_path / 'runner.db'}")) as store:
        create(store, build_job(1), build_job(2))
        assert store.jobs.lease("job-1", "somebody", LONG)
        assert [end_overdue(store.jobs, store.jobs.get(name), 1) for name in ("job-1", "job-2")] == [False, True]
        assert [store.jobs.get(name).status for name in ("job-1", "job-2")] == [Status.ACCEPTED, Status.FAILED]


SECRET = "canary-of-the-callbacks"


@pytest.mark.parametrize("form", ["json", "text"])
def test_each_event_is_one_line_with_its_job_workspace_and_request(site: Site, tmp_path: Path, form: str) -> None:
    more = {"ZOO_RUNNER_WORKSPACE_PREFIX": "/hubs", "ZOO_RUNNER_CALLBACK_SECRET": SECRET}
    more |= {"ZOO_RUNNER_LOG_FORMAT": form, "ZOO_RUNNER_LOG_LEVEL": "debug"}
    with serving(site.having(**more).environ, tmp_path) as server:
        server.deploy(ECHO, "/hubs/ws-one")
        path = f"/hubs/ws-one/processes/echo/execution?token={SECRET}"
        answer = server.request("POST", path, {"inputs": {}}, {"X-Request-Id": "mine-1"})
        job = answer.json["jobID"]
        assert answer.headers["x-request-id"] == "mine-1"
        assert server.wait(job, base="/hubs/ws-one")["status"] == "successful"
        other = server.request("GET", "/jobs/none", headers={"X-Request-Id": "not\tan id"})
        assert other.headers["x-request-id"] not in ("", "not\tan id")
        server.stop()
        text = server.log.read_text()
        assert SECRET not in text
        if form == "text":
            assert f" job={job} workspace=ws-one" in text
            return
        lines = read_lines(server)
    assert all({"time", "level", "message", "part", "logger"} <= set(line) for line in lines)
    assert [line["workspace"] for line in lines if line.get("job") == job] == ["ws-one"] * 3
    accepted = [line for line in lines if line.get("job") == job and line.get("request") == "mine-1"]
    assert len(accepted) == 1
    answered = [line for line in lines if line.get("path") == "/hubs/ws-one/processes/echo/execution"]
    assert [(line["request"], line["method"], line["status"]) for line in answered] == [("mine-1", "POST", 201)]
    assert [line["status"] for line in lines if line.get("path") == "/jobs/none"] == [404]
    ended = [line for line in lines if line["part"] == "worker" and line.get("status")]
    assert [(line["job"], line["status"]) for line in ended] == [(job, "successful")]
    assert any(line["logger"].startswith("uvicorn") for line in lines)


def test_a_server_whose_profiles_cannot_be_read_does_not_start(site: Site, tmp_path: Path) -> None:
    done = site.having(ZOO_RUNNER_WORKSPACES=str(tmp_path / "none.json")).command("serve", "--port", "0")
    assert (done.returncode, "none.json" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
