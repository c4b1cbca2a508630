"""A pod of a Workflow that was stopped from outside, and the one that Argo starts in its place."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.messages import Check
from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo import follower as module
from zoo_runner.engines.argo.follower import WorkflowFollower
from zoo_runner.engines.kubernetes.background import Background, find_background
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.logs import LogReader, Take
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.kubernetes.watch import Change
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.job import Outcome, Results, Status

SETTINGS = KubernetesSettings()
NAMES = build_names("1", SETTINGS, workspace_of())
RESULTS = Results({"text": "hello"}, {"type": "Collection"}, "s3://b/collection.json")
ENDS = {"first": Outcome(Status.DISMISSED), "second": Outcome(Status.SUCCESSFUL, RESULTS)}
VERDICT_SECONDS = 0.3


def build_pod(name: str) -> Manifest:
    running = [{"name": "stage-in", "state": {"running": {}}}]
    return {
        "metadata": {"name": name, "uid": name},
        "spec": {"containers": [{"name": "stage-in", "image": "job:1"}]},
        "status": {"containerStatuses": running},
    }


@dataclass
class Argo:
    """Stops its first pod, and starts another one in its place, or none; that ends when it may."""

    replaces: bool
    may_end: threading.Event = field(default_factory=threading.Event)
    background: Background = field(default_factory=find_background)

    def watch(self, namespace: str, job: str, kinds: Any, take: Callable[[Any], Any], names: Any) -> Callable[[], None]:
        for name in ("first", "second") if self.replaces else ("first",):
            take(Change("Pod", "ADDED", build_pod(name)))
        return lambda: None

    def read_log(
        self, namespace: str, pod: str, take: Take, ended: bool = False, container: str | None = None
    ) -> LogReader:
        reader = LogReader(self.background, take, ended)

        async def read() -> None:
            if pod == "second":
                assert await asyncio.get_running_loop().run_in_executor(None, self.may_end.wait, 20)
            await asyncio.wrap_future(take(list(encode_line(ENDS[pod]))))

        reader.done = self.background.start(read())
        return reader


def follow(argo: Argo, on: Callable[[Event], None], monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setattr(module, "VERDICT_SECONDS", VERDICT_SECONDS)
    root = ClusterRoot(cast(Cluster, argo), "Workflow", NAMES, {})
    follower = WorkflowFollower(ClusterJob(cast(Cluster, argo), NAMES, root), SETTINGS, on)
    timer = threading.Timer(3 * VERDICT_SECONDS, argo.may_end.set)
    timer.start()
    try:
        return follower.follow(Cancellation()).result(20)
    finally:
        argo.may_end.set()
        timer.cancel()
        timer.join()


def test_a_pod_that_takes_the_place_of_a_stopped_one_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    assert follow(Argo(replaces=True), events.append, monkeypatch).results == RESULTS
    (line,) = [event.text for event in events if isinstance(event, EngineLine)]
    assert ("pod first" in line, "pod second" in line, "deleted" in line) == (True, True, True)


def test_a_stopped_pod_that_nothing_replaces_was_lost(monkeypatch: pytest.MonkeyPatch, check: Check) -> None:
    with pytest.raises(RunnerError) as caught:
        follow(Argo(replaces=False), lambda _: None, monkeypatch)
    check(caught.value, "cluster.pod-lost", "job-1")
