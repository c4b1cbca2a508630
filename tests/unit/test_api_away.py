"""An API that is away, busy or refuses this account says nothing of a job that may run."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import leave_submitted
from tests.values import configuration_in, small_job
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.protocol import Handle
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
from zoo_runner.execution.recover import recover
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, EngineError, NotReachedError, RunnerError
from zoo_runner.model.job import Status

REFUSED, BUSY = (403, "not allowed"), (503, "busy")
BOUND = {"metadata": {"uid": "c", "resourceVersion": "1", "labels": {"zoo-runner/job": "job-j1"}}}


@dataclass
class Api:
    """Has the Job `job-j1`, and answers requests of a method and a kind as it is set up."""

    suspend: bool = False
    bound: bool = False
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        kind = re.search(r"/(namespaces|\w+s)(/[\w.-]+)?(\?|$)", path.partition("/ws-")[2] or path)
        asked = f"{method} {kind[1] if kind else path}"
        if refusal := self.refused.get(asked):
            return refusal[0], {"reason": "Refused", "message": refusal[1]}
        if asked == "POST selfsubjectaccessreviews":
            return 201, {"status": {"allowed": True}}
        if asked == "GET jobs" and "?" not in path:
            return 200, {"metadata": {"name": "job-j1", "uid": "u"}, "spec": {"suspend": self.suspend}}
        if method == "GET" and kind and kind[2]:
            return 404, {"reason": "NotFound"}
        claims = [{**BOUND, "status": {"phase": "Bound"}}] if self.bound and "persistentvolumeclaims" in path else []
        return 200, {"metadata": {"resourceVersion": "1", "name": "x", "uid": "u"}, "items": claims}


@contextmanager
def serving(api: Api, folder: Path) -> Iterator[CalrissianEngine]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = api.answer(self.command, self.path)
            self.send_response(status)
            self.end_headers()
            if "watch=true" in self.path:
                api.over.wait(20)
                return
            self.wfile.write(json.dumps(document).encode())

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield CalrissianEngine(configuration_in(folder, ZOO_RUNNER_KUBERNETES_URL=url))
        finally:
            api.over.set()
            server.shutdown()


def build_handle(engine: CalrissianEngine) -> Handle:
    names = build_names("j1", engine._cluster, engine._workspace)
    return Handle("calrissian", "j1", {"names": vars(names), "uid": ""})


def follow(api: Api, folder: Path) -> EngineError:
    with serving(api, folder) as engine, pytest.raises(EngineError) as caught:
        engine.follow(build_handle(engine), lambda _: None, Cancellation()).result(20)
    return caught.value


def submit(api: Api, folder: Path) -> EngineError:
    job = replace(small_job(folder), destination="s3://results/x", uid="u")
    with serving(api, folder) as engine, pytest.raises(EngineError) as caught:
        engine.submit(engine.plan(job), lambda _: None, Cancellation())
    return caught.value


@pytest.mark.parametrize(
    ("refusal", "passes"),
    [(BUSY, True), ((429, "slow down"), True), (REFUSED, False), ((500, "etcdserver: request is too large"), False)],
)
def test_a_job_that_is_refused_fails_and_one_that_cannot_be_sent_does_not(
    refusal: tuple[int, str], passes: bool, tmp_path: Path
) -> None:
    found = submit(Api(refused={"POST jobs": refusal}), tmp_path)
    assert isinstance(found, NotReachedError) == passes
    assert refusal[1] in str(found)


@pytest.mark.parametrize("status", [401, 403])
def test_a_job_that_runs_has_not_failed_because_its_pods_may_not_be_seen_any_more(status: int, tmp_path: Path) -> None:
    assert isinstance(follow(Api(refused={"GET pods": (status, "no")}), tmp_path), NotReachedError)


def test_a_job_whose_pods_may_not_be_seen_before_it_starts_fails(tmp_path: Path) -> None:
    found = follow(Api(suspend=True, refused={"GET pods": REFUSED}), tmp_path)
    assert (type(found) is NotReachedError, found.diagnosis.code) == (False, "cluster.permission")


@pytest.mark.parametrize(("refusal", "passes"), [(BUSY, True), (REFUSED, False)])
def test_a_job_that_could_not_be_let_go_fails_only_where_that_is_refused(
    refusal: tuple[int, str], passes: bool, tmp_path: Path
) -> None:
    found = follow(Api(suspend=True, bound=True, refused={"PATCH jobs": refusal}), tmp_path)
    assert (isinstance(found, NotReachedError), refusal[1] in str(found)) == (passes, True)


@pytest.mark.parametrize(("refusal", "passes"), [(BUSY, True), (REFUSED, False)])
def test_what_cannot_be_removed_now_is_distinguished_from_what_is_refused(
    refusal: tuple[int, str], passes: bool, tmp_path: Path
) -> None:
    with serving(Api(refused={"DELETE jobs": refusal}), tmp_path) as engine, pytest.raises(EngineError) as caught:
        engine.remove(build_handle(engine))
    assert isinstance(caught.value, NotReachedError) == passes


@pytest.mark.parametrize("refusal", [BUSY, REFUSED])
def test_a_job_that_cannot_be_cancelled_is_as_it_was(refusal: tuple[int, str], tmp_path: Path) -> None:
    with serving(Api(refused={"PATCH jobs": refusal}), tmp_path) as engine, pytest.raises(NotReachedError):
        engine.cancel(build_handle(engine))


class AwayEngine(FakeEngine):
    """Does not answer when a job is to be removed."""

    away: RunnerError | None = None

    def remove(self, handle: Handle) -> None:
        if self.away:
            raise self.away
        super().remove(handle)


def test_a_job_that_was_cancelled_while_its_engine_was_away_is_removed_when_it_is_back(tmp_path: Path) -> None:
    engine = AwayEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    leave_submitted(context, engine, tmp_path)
    engine.away, engine.failure = NotReachedError("away", "Try again."), DismissedError("stopped", "-")
    with pytest.raises(NotReachedError):
        execute(context, "j1")
    stored = context.store.get("j1")
    assert (stored.status, stored.outcome and stored.outcome.status) == (Status.RUNNING, Status.DISMISSED)
    engine.away, engine.failure = None, None
    [ended] = recover(context).values()
    assert (ended.result(10).status, engine.removed) == (Status.DISMISSED, ["j1"])
    assert context.store.get("j1").status is Status.DISMISSED


@pytest.mark.parametrize("away", [NotReachedError("away", "Try again."), EngineError("refused", "-")])
def test_a_job_with_results_has_ended_although_not_all_of_it_was_removed(away: RunnerError, tmp_path: Path) -> None:
    engine = AwayEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    leave_submitted(context, engine, tmp_path)
    engine.away = away
    assert execute(context, "j1").status is Status.SUCCESSFUL
    assert context.store.get("j1").status is Status.SUCCESSFUL


def test_a_job_whose_kubeconfig_cannot_be_read_fails_with_that(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path, KUBECONFIG=str(tmp_path / "none"))
    context = open_context(configuration, CalrissianEngine(configuration))
    draft = replace(small_job(tmp_path), destination="s3://results/x", uid="u")
    outcome = execute(context, accept(context, draft, "calrissian", configuration.workspace).id)
    assert outcome.diagnosis
    assert outcome.diagnosis.code == "cluster.access"
    assert context.store.get("j1").status is Status.FAILED
