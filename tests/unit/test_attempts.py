"""What a pod that takes the place of a lost one knows of that, and waits for."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.cwl_process.reuse import FINISHED
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.job_pod.attempts import Attempts, wait_for_steps
from zoo_runner.engines.kubernetes.job_pod.request import OUT, OUTPUTS, RECORDS
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import STEP_ANNOTATION
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.errors import DismissedError, EngineError
from zoo_runner.model.events import Event, Published
from zoo_runner.model.job import Outcome, Results, Status

STEPS = {"namespace": "ws-alpha", "job": "job-1"}
DONE = Outcome(Status.SUCCESSFUL, Results({"text": "hello"}, {}, "s3://b/collection.json"))


def build_step(name: str, owner: str, phase: str = "Running") -> Manifest:
    meta = {"name": name, "annotations": {STEP_ANNOTATION: "work"}, "ownerReferences": [{"uid": owner}]}
    return {"metadata": meta, "status": {"phase": phase}}


class FewPods:
    """The pods of a job, and what happens to them once they were listed."""

    def __init__(self, pods: list[Manifest], changes: list[Change | WatchFailed]) -> None:
        self._pods, self._changes = pods, changes
        self.watched = 0

    def watch(self, namespace: str, job: str, kinds: Any, take: Callable[[Any], None]) -> Callable[[], None]:
        assert (namespace, job) == ("ws-alpha", "job-1")
        self._take, self.watched = take, 1
        return self._stop

    def _stop(self) -> None:
        self.watched -= 1

    def find(self, kind: str, namespace: str, selector: str) -> list[Manifest]:
        assert selector == "zoo-runner/job=job-1"
        for change in self._changes:
            self._take(change)
        return self._pods


def wait(pods: list[Manifest], *changes: Change | WatchFailed, cancellation: Cancellation | None = None) -> None:
    cluster = FewPods(pods, list(changes))
    try:
        wait_for_steps(cast(Cluster, cluster), STEPS, "mine", cancellation or Cancellation(), 0.05)
    finally:
        assert cluster.watched == 0


def test_the_first_pod_finds_nothing_and_the_next_one_does(tmp_path: Path) -> None:
    first, second = Attempts(tmp_path), Attempts(tmp_path)
    assert not first.begin()
    assert not first.is_another
    assert second.begin()
    assert second.is_another
    assert second.find_outcome() is None


def test_how_a_job_ended_is_kept_once(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    assert not attempts.keep_outcome(Outcome(Status.DISMISSED)), "another pod may follow"
    assert attempts.keep_outcome(DONE)
    assert not attempts.keep_outcome(Outcome(Status.FAILED))
    assert Attempts(tmp_path).find_outcome() == DONE


def test_what_an_earlier_pod_left_is_removed_but_for_what_steps_that_ended_have_written(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "files"
    # what the native engine notes of ended steps holds for inputs that are not fetched again
    for name in (f"{OUT}/deep", f"{OUTPUTS}/deep", RECORDS, FINISHED, "inputs/deep"):
        (run / name).mkdir(parents=True)
    other.mkdir()
    (run / "order.json").write_text("{}")
    (run / "link").symlink_to(other)
    Attempts(tmp_path).clear()
    assert sorted(path.name for path in run.iterdir()) == sorted([OUT, OUTPUTS, RECORDS])
    assert other.is_dir()


def test_the_time_limit_counts_from_the_start_of_the_job(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    (tmp_path / "started").write_text("1000.0")
    with attempts.limited(60, Cancellation()) as limited:
        over = threading.Event()
        with limited.calling(over.set):
            assert over.wait(5), "it was over long ago"
        assert limited.reason is Reason.TIME_LIMIT
    with attempts.limited(None, Cancellation()) as limited:
        assert limited.reason is None


def test_steps_of_the_earlier_pod_are_waited_for() -> None:
    gone, ended = build_step("a", "earlier"), build_step("b", "earlier")
    wait([gone, ended], Change("Pod", "DELETED", gone), Change("Pod", "MODIFIED", build_step("b", "earlier", "Failed")))


def test_a_pod_in_the_place_of_another_leaves_the_published_logs_to_the_follower(tmp_path: Path) -> None:
    attempts, events = Attempts(tmp_path), list[Event]()
    for _ in range(2):
        attempts.begin()
        attempts.publish_for(events.append)(Published("s3://b/logs/1"))
    assert events == [Published("s3://b/logs/1")], "the first pod alone"


def test_own_steps_and_those_that_have_ended_are_not_waited_for() -> None:
    job_pod = {"metadata": {"name": "job-1-x", "ownerReferences": [{"uid": "job"}]}, "status": {"phase": "Running"}}
    wait([build_step("a", "mine"), build_step("b", "earlier", "Succeeded"), job_pod])


def test_steps_that_do_not_end_are_an_answer(check: Check) -> None:
    with pytest.raises(EngineError) as caught:
        wait([build_step("a", "earlier")])
    check(caught.value, "cluster.pod-lost", "0.05 s")
    assert caught.value.diagnosis.evidence == ("a",)


def test_a_watch_that_fails_is_an_answer() -> None:
    refused = ApiError("watch pods", 403, "Forbidden", "no watch")
    with pytest.raises(ApiError, match="no watch"):
        wait([build_step("a", "earlier")], WatchFailed("Pod", refused))


def test_a_pod_that_is_stopped_waits_no_longer() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(DismissedError):
        wait([build_step("a", "earlier")], cancellation=cancellation)
