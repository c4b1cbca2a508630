"""One watch for each kind serves every job of a namespace, and hands each job what is its own."""

import json
import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.loopback import serving_handler
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.access import Configured
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pods import warns
from zoo_runner.engines.kubernetes.volumes import awaits_pod
from zoo_runner.engines.kubernetes.watch import EVENT_QUERY, Change, WatchFailed

Taken = queue.Queue[Change | WatchFailed]


def pod(uid: str, job: str, version: str = "1") -> Manifest:
    meta = {"uid": uid, "name": f"{job}-{uid}", "resourceVersion": version, "labels": {"zoo-runner/job": job}}
    return {"metadata": meta}


def event(uid: str, kind: str, about: str, name: str = "") -> Manifest:
    return {
        "metadata": {"uid": uid, "resourceVersion": "1"},
        "type": "Warning",
        "reason": "Failed",
        "message": uid,
        "involvedObject": {"kind": kind, "uid": about, "name": name},
    }


@dataclass
class Api:
    """Lists what it has, then sends what `changes` are put; counts the requests of each kind."""

    listed: dict[str, list[Manifest]]
    refused: frozenset[str] = frozenset()
    texts: dict[str, bytes] = field(default_factory=dict)
    changes: dict[str, "queue.Queue[tuple[str, Manifest] | None]"] = field(
        default_factory=lambda: defaultdict(queue.Queue)
    )
    asked: Counter[str] = field(default_factory=Counter)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        kind = url.path.rpartition("/")[2]
        watches = "watch" in parse_qs(url.query)
        self.asked[f"{'watch' if watches else 'list'} {kind}"] += 1
        handler.send_response(403 if kind in self.refused else 200)
        handler.end_headers()
        if text := self.texts.pop(kind, None):
            handler.wfile.write(text)
            return
        if not watches:
            handler.wfile.write(
                json.dumps({"metadata": {"resourceVersion": "1"}, "items": self.listed.get(kind, [])}).encode()
            )
            return
        changes = self.changes[kind]
        while (change := changes.get()) is not None:
            handler.wfile.write(json.dumps({"type": change[0], "object": change[1]}).encode() + b"\n")

    def send(self, kind: str, change: str, item: Manifest) -> None:
        self.changes[kind].put((change, item))


@contextmanager
def serving(api: Api) -> Iterator[Cluster]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with serving_handler(Handler) as url, closing(Cluster(KubernetesSettings(api_url=url))) as cluster:
        try:
            yield cluster
        finally:
            for changes in api.changes.values():
                changes.put(None)


def take(taken: Taken, count: int) -> list[tuple[str, str, str]]:
    changes = [taken.get(timeout=10) for _ in range(count)]
    assert all(isinstance(change, Change) for change in changes)
    return [(one.kind, one.change, one.item["metadata"]["uid"]) for one in changes if isinstance(one, Change)]


def test_jobs_of_a_namespace_share_one_watch_and_each_has_its_own_pods() -> None:
    api, first, second = Api({"pods": [pod("p1", "job-a"), pod("p2", "job-b")]}), Taken(), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a", ("Pod",), first.put)
        cluster.watch("ws", "job-b", ("Pod",), second.put)
        api.send("pods", "MODIFIED", pod("p1", "job-a", "2"))
        api.send("pods", "DELETED", pod("p2", "job-b", "3"))
        assert take(first, 2) == [("Pod", "ADDED", "p1"), ("Pod", "MODIFIED", "p1")]
        assert take(second, 2) == [("Pod", "ADDED", "p2"), ("Pod", "DELETED", "p2")]
    assert api.asked == {"list pods": 1, "watch pods": 1}


def test_a_job_that_comes_later_is_handed_what_is_there_already() -> None:
    api, first, late = Api({"pods": [pod("p1", "job-a")], "events": [event("e1", "Pod", "p1")]}), Taken(), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a", ("Pod", "Event"), first.put)
        assert set(take(first, 2)) == {("Pod", "ADDED", "p1"), ("Event", "ADDED", "e1")}
        cluster.watch("ws", "job-a", ("Pod", "Event"), late.put)
        assert take(late, 2) == [("Pod", "ADDED", "p1"), ("Event", "ADDED", "e1")]


def test_an_event_that_is_reported_before_its_pod_reaches_the_job() -> None:
    """Whose pod it is only the pod's label says: `job-a-b-1` may be of the job `a` or `a-b`."""
    api, own, other = Api({"events": [event("e1", "Pod", "p1", "job-a-b-1")]}), Taken(), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a-b", ("Pod", "Event"), own.put)
        cluster.watch("ws", "job-a", ("Pod", "Event"), other.put, ("job-a",))
        api.send("events", "ADDED", event("e2", "Job", "j1", "job-a"))
        assert take(other, 1) == [("Event", "ADDED", "e2")]
        api.send("pods", "ADDED", pod("p1", "job-a-b"))
        assert take(own, 2) == [("Pod", "ADDED", "p1"), ("Event", "ADDED", "e1")]
        assert other.empty()


def test_a_kind_that_may_not_be_watched_is_reported_and_the_others_go_on() -> None:
    api, taken = Api({"pods": [pod("p1", "job-a")]}, frozenset({"events"})), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a", ("Pod", "Event"), taken.put)
        found = [taken.get(timeout=10) for _ in range(2)]
        (failed,) = (one for one in found if isinstance(one, WatchFailed))
        assert (failed.kind, failed.error.status, failed.error.diagnosis.code) == ("Event", 403, "cluster.permission")
        api.send("pods", "MODIFIED", pod("p1", "job-a", "2"))
        assert take(taken, 1) == [("Pod", "MODIFIED", "p1")]


def test_who_has_unsubscribed_is_handed_nothing_more_and_nobody_is_watched_for() -> None:
    api, first, second = Api({"pods": [pod("p1", "job-a")]}), Taken(), Taken()
    with serving(api) as cluster:
        stop_first = cluster.watch("ws", "job-a", ("Pod",), first.put)
        stop_second = cluster.watch("ws", "job-a", ("Pod",), second.put)
        assert take(second, 1) == take(first, 1)
        stop_first()
        api.send("pods", "MODIFIED", pod("p1", "job-a", "2"))
        assert take(second, 1) == [("Pod", "MODIFIED", "p1")]
        assert first.empty()
        stop_second()
        cluster.watch("ws", "job-a", ("Pod",), first.put)
        assert take(first, 1) == [("Pod", "ADDED", "p1")]
    assert api.asked["list pods"] == 2


@pytest.mark.parametrize("end", ["ERROR", "cut"])
def test_a_watch_that_ends_lists_again_and_delivers_what_changed_meanwhile(end: str) -> None:
    api, taken = Api({"pods": [pod("p1", "job-a")]}), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a", ("Pod",), taken.put)
        assert take(taken, 1) == [("Pod", "ADDED", "p1")]
        api.listed = {"pods": [pod("p3", "job-a")]}
        if end == "ERROR":
            api.send("pods", "ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})
        api.changes["pods"].put(None)
        assert take(taken, 2) == [("Pod", "DELETED", "p1"), ("Pod", "ADDED", "p3")]


@pytest.mark.parametrize("text", [b"<html>Log in</html>", b"[]", b"\xff"])
def test_an_answer_that_is_not_kubernetes_is_asked_for_again(text: bytes) -> None:
    api, taken = Api({"pods": [pod("p1", "job-a")]}, texts={"pods": text}), Taken()
    with serving(api) as cluster:
        cluster.watch("ws", "job-a", ("Pod",), taken.put)
        assert take(taken, 1) == [("Pod", "ADDED", "p1")]
    with serving(Api({}, texts={"pods": text})) as cluster, pytest.raises(ApiError) as caught:
        cluster.find("Pod", "ws")
    assert (caught.value.status, caught.value.diagnosis.code) == (0, "cluster.unreachable")


def test_a_watch_that_nobody_foresaw_to_end_is_reported_to_each_job_and_starts_again() -> None:
    api, first, second = Api({"pods": [pod("p1", "job-a")]}, texts={"pods": b"{}"}), Taken(), Taken()
    with serving(api) as cluster:
        for taken in (first, second):
            cluster.watch("ws", "job-a", ("Pod",), taken.put)
            failed = taken.get(timeout=10)
            assert isinstance(failed, WatchFailed)
            assert (failed.kind, failed.error.status) == ("Pod", 0)
            api.texts["pods"] = b"{}"
        api.texts.clear()
        cluster.watch("ws", "job-a", ("Pod",), second.put)
        assert take(second, 1) == [("Pod", "ADDED", "p1")]


def test_a_token_that_cannot_be_read_is_an_api_that_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api({"pods": [pod("p1", "job-a")]})
    with serving(api) as cluster:

        def fail(_: object) -> None:
            raise FileNotFoundError("token")

        monkeypatch.setattr(Configured, "headers", fail)
        with pytest.raises(ApiError) as caught:
            cluster.find("Pod", "ws")
        assert (caught.value.status, "token" in str(caught.value)) == (0, True)
        monkeypatch.undo()
        assert len(cluster.find("Pod", "ws")) == 1


def test_a_cluster_that_nobody_uses_any_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()
    cluster = Cluster(KubernetesSettings(api_url="http://127.0.0.1:9"))
    connection = cluster._connection

    async def note(one: Connection) -> None:
        if one is connection:
            closed.set()

    monkeypatch.setattr(Connection, "close", note)
    stop = cluster.watch("ws", "job-a", ("Pod",), lambda _: None)
    del cluster
    stop()
    assert not closed.is_set()
    del stop
    assert closed.wait(10)


def test_events_that_somebody_reads_are_asked_for() -> None:
    left_out = [term.removeprefix("reason!=") for term in EVENT_QUERY["fieldSelector"].split(",")]
    events = [{"reason": reason, "type": "Normal"} for reason in left_out]
    assert "Scheduled" in left_out
    assert [event["reason"] for event in events if warns(event) or awaits_pod(event)] == []
