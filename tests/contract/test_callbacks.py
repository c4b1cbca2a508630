"""Clients are called back: once for each status that they asked for, whatever fails meanwhile, and nobody else is."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.contract.stores import build_job, create
from tests.postgres import find_postgres, use_schema
from tests.server_api import opened_api
from tests.servers import Fault, FileServer
from tests.serving import ASYNC, Server, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for
from zoo_runner.model.job import Status
from zoo_runner.server.api import Api
from zoo_runner.server.callbacks import PLACES, Notifier
from zoo_runner.store.sql import SqlStore, open_sql_store

PACKAGES = ROOT / "tests" / "data" / "packages" / "failing"
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SECRET = "key-of-callbacks-0451"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_CALLBACK_HOSTS="127.0.0.1",
        ZOO_RUNNER_CALLBACK_SECRET=SECRET,
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        server.deploy(PACKAGES / "slow" / "slow.cwl")
        server.deploy(next((PACKAGES / "tool-exit-code").glob("*.cwl")))
        yield server


def execute(server: Server, process: str, inputs: Any, web: FileServer, *names: str) -> Any:
    subscriber = {name: f"{web.url}/{name}" for name in names}
    body = {"inputs": inputs, "subscriber": subscriber}
    return server.request("POST", f"/processes/{process}/execution", body, ASYNC)


ALL = ("successUri", "inProgressUri", "failedUri")


def wait_for_post(web: FileServer, path: str, count: int = 1) -> Any:
    wait_for(lambda: [where for where, _ in web.posted].count(path) >= count, 60)
    return next(body for where, body in web.posted if where == path)


def test_the_results_come_when_the_job_has_succeeded(server: Server, web: FileServer) -> None:
    job = execute(server, "echo", {"message": "called back"}, web, "successUri").json["jobID"]
    assert wait_for_post(web, "successUri") == server.request("GET", f"/jobs/{job}/results").json
    assert [path for path, _ in web.posted] == ["successUri"]


def test_messages_are_signed_as_standard_webhooks_are(server: Server, web: FileServer) -> None:
    execute(server, "echo", {"message": "signed"}, web, "successUri")
    body = json.dumps(wait_for_post(web, "successUri"))
    (headers,) = [{name.lower(): text for name, text in sent.items()} for path, sent in web.headers]
    checker = Webhook(base64.b64encode(SECRET.encode()).decode())
    assert checker.verify(body, headers) == json.loads(body)
    assert SECRET not in str(web.headers)


def test_the_status_comes_when_a_job_runs_and_when_it_was_dismissed(server: Server, web: FileServer) -> None:
    job = execute(server, "slow", {}, web, *ALL).json["jobID"]
    assert wait_for_post(web, "inProgressUri")["status"] == "running"
    server.request("DELETE", f"/jobs/{job}")
    status = wait_for_post(web, "failedUri")
    assert (status["jobID"], status["status"]) == (job, "dismissed")
    assert "successUri" not in dict(web.posted)


def test_the_diagnosis_comes_when_a_job_has_failed(server: Server, web: FileServer) -> None:
    listed = server.request("GET", "/processes").json["processes"]
    (process,) = [one["id"] for one in listed if one["id"] not in ("echo", "slow")]
    execute(server, process, {}, web, "successUri", "failedUri")
    assert wait_for_post(web, "failedUri")["diagnosis"]["code"] == "step.exit-code"


def test_who_does_not_answer_is_asked_again(server: Server, web: FileServer) -> None:
    web.fail("successUri", Fault(status=503), Fault(status=500))
    execute(server, "echo", {"message": "again"}, web, "successUri")
    wait_for_post(web, "successUri", 3)


def test_a_server_that_was_killed_sends_what_it_had_not(server: Server, web: FileServer) -> None:
    web.fail_always("successUri", Fault(status=503))
    job = execute(server, "echo", {"message": "killed"}, web, "successUri").json["jobID"]
    server.wait(job)
    wait_for_post(web, "successUri")
    server.kill()
    web.posted.clear()
    web.fail_always("successUri", Fault(status=200))
    server.start()
    wait_for_post(web, "successUri")


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/x",
        "http://10.0.0.1/x",
        "http://localhost:1/x",
        "ftp://host/x",
        "file:///etc/passwd",
        1,
        "x",
    ],
)
def test_no_address_in_a_private_network_is_called_back(server: Server, address: Any) -> None:
    before = server.request("GET", "/jobs").json["numberTotal"]
    for name in ALL:
        body = {"inputs": {}, "subscriber": {"successUri": "https://example.org/x", name: address}}
        answer = server.request("POST", "/processes/echo/execution", body, ASYNC)
        assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.subscriber")
    assert server.request("GET", "/jobs").json["numberTotal"] == before


@pytest.mark.parametrize("subscriber", [{}, [], "https://example.org", {"failedUri": "https://example.org/x"}])
def test_a_subscriber_without_an_address_for_results_is_refused(server: Server, subscriber: Any) -> None:
    body = {"inputs": {}, "subscriber": subscriber}
    answer = server.request("POST", "/processes/echo/execution", body, ASYNC)
    assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.subscriber")


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], SqlStore]]:
    if request.param == "sqlite":
        yield lambda: open_sql_store(f"sqlite:///{tmp_path / 'runner.db'}")
        return
    with use_schema(find_postgres()) as schema:
        yield lambda: open_sql_store(schema)


def test_a_message_is_claimed_by_one_and_due_again_where_it_was_not_sent(open_store: Callable[[], SqlStore]) -> None:
    one, other = open_store(), open_store()
    job = build_job(1)
    one.callbacks.add(job.id, "http://base", False)
    assert one.callbacks.claim(60) is None, "no job yet"
    create(one, job)
    assert one.callbacks.claim(60) is None, "the client knows it"
    one.jobs.update(replace(one.jobs.get(job.id), status=Status.FAILED))
    claimed = one.callbacks.claim(60)
    assert claimed
    assert (claimed.job_id, claimed.status) == (job.id, Status.FAILED)
    assert other.callbacks.claim(60) is None
    other.callbacks.postpone(replace(claimed, due=claimed.due - 1), 0)
    assert other.callbacks.claim(60) is None, "taken by another since"
    other.callbacks.postpone(claimed, 0)
    again = other.callbacks.claim(60)
    assert again
    assert again.attempts == 1
    other.callbacks.conclude(again)
    assert one.callbacks.claim(60) is None
    for store in (one, other):
        store.close()


def test_a_status_is_due_at_once_however_long_the_one_before_waits(open_store: Callable[[], SqlStore]) -> None:
    store, job = open_store(), build_job(1)
    store.callbacks.add(job.id, "http://base", False)
    create(store, job)
    store.jobs.update(replace(store.jobs.get(job.id), status=Status.RUNNING))
    for attempts in range(3):
        running = store.callbacks.claim(60)
        assert running
        assert (running.status, running.attempts) == (Status.RUNNING, attempts)
        store.callbacks.postpone(running, 0 if attempts < 2 else 1800)
    assert store.callbacks.claim(60) is None
    store.jobs.update(replace(store.jobs.get(job.id), status=Status.FAILED))
    failed = store.callbacks.claim(60)
    assert failed
    assert (failed.status, failed.attempts) == (Status.FAILED, 0)
    store.callbacks.conclude(failed)
    assert store.callbacks.claim(60) is None
    store.close()


def test_messages_of_workspaces_that_are_left_are_not_claimed(open_store: Callable[[], SqlStore]) -> None:
    store = open_store()
    for number, workspace in enumerate(("one", "one", "two")):
        job = build_job(number, workspace=workspace, status=Status.FAILED)
        store.callbacks.add(job.id, "http://base", False)
        create(store, job)
    two = store.callbacks.claim(60, {"one"})
    assert two
    assert two.workspace == "two"
    assert store.callbacks.claim(60, {"one"}) is None
    one = store.callbacks.claim(60)
    assert one
    store.callbacks.put_back(one, 0)
    again = [store.callbacks.claim(60), store.callbacks.claim(60)]
    assert sorted((found.job_id, found.attempts) for found in again if found) == [("job-0", 0), ("job-1", 0)]
    assert store.callbacks.claim(60) is None
    store.close()


def fail_jobs(store: SqlStore, workspace: str, url: str, count: int) -> list[str]:
    """Keep jobs that have failed, and that somebody is to be called back about; returns the paths."""
    paths = sorted(f"{workspace}-{number}" for number in range(count))
    for path in paths:
        request = {"inputs": {}, "subscriber": {"successUri": f"{url}/{path}", "failedUri": f"{url}/{path}"}}
        job = replace(build_job(), id=path, workspace=workspace, status=Status.FAILED, request=request)
        store.callbacks.add(job.id, "http://base", False)
        create(store, job)
    return paths


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with opened_api(tmp_path) as opened:
        yield replace(opened, settings=replace(opened.settings, callback_hosts=("127.0.0.1", "localhost")))


def test_who_is_slow_holds_up_no_other_workspace_and_no_other_host(api: Api, web: FileServer) -> None:
    release = threading.Event()

    def answer(path: str, _: Any) -> Any:
        if path.startswith("slow"):
            release.wait()
        return {}

    def posted(workspace: str) -> list[str]:
        return sorted(path for path, _ in web.posted if path.startswith(workspace))

    web.answer_post = answer
    slow = fail_jobs(api.store, "slow", web.url, PLACES.most + 1)
    notifier = Notifier(api)
    try:
        wait_for(lambda: len(posted("slow")) == PLACES.share, 60)
        quick = fail_jobs(api.store, "quick", web.url.replace("127.0.0.1", "localhost"), 2)
        neighbour = fail_jobs(api.store, "neighbour", web.url, 1)
        notifier.wake()
        wait_for(lambda: posted("quick") == quick, 60)
        assert (len(posted("slow")), posted("neighbour")) == (PLACES.share, [])
        release.set()
        wait_for(lambda: (posted("slow"), posted("neighbour")) == (slow, neighbour), 60)
    finally:
        release.set()
        notifier.stop()


def test_a_workspace_that_was_noted_as_waiting_after_all_was_sent_does_not_wait_for_another(
    api: Api, web: FileServer
) -> None:
    notifier = Notifier(api)
    try:
        notifier._resting.add("quiet")  # the moment between two threads
        wanted = fail_jobs(api.store, "quiet", web.url, 1)
        notifier.wake()
        wait_for(lambda: [path for path, _ in web.posted] == wanted, 60)
    finally:
        notifier.stop()


def test_a_receiver_that_redirects_or_holds_the_line_has_not_received(server: Server, web: FileServer) -> None:
    web.fail("successUri", Fault(302, {"Location": f"{web.url}/elsewhere"}))
    web.put("elsewhere", b"{}")
    execute(server, "echo", {"message": "redirected"}, web, "successUri")
    wait_for_post(web, "successUri", 2)
    assert web.count("elsewhere") == 0
