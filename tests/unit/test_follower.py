"""The last lines of a job pod may come long after Kubernetes reported that it has ended."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.messages import Check
from tests.values import workspace_of
from zoo_runner.config.kubernetes import load_kubernetes_settings
from zoo_runner.engines.kubernetes.background import Background, find_background
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_follower import JobFollower
from zoo_runner.engines.kubernetes.log_end import LogEnd, Silence
from zoo_runner.engines.kubernetes.logs import LogReader, Take
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.engines.kubernetes.pods import find_ending
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.kubernetes.watch import Change
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Event, StepLines
from zoo_runner.model.job import Outcome, Results, Status

FAILED_CONDITION = {"type": "Failed", "status": "True"}
RESULTS = Results({"text": "hello"}, {"type": "Collection"}, "s3://b/collection.json")


def build_pod(state: dict[str, Any], **status: Any) -> Manifest:
    return {
        "metadata": {"name": "job-1-x", "uid": "1", "resourceVersion": "1"},
        "spec": {"containers": [{"image": "job:1"}]},
        "status": {"containerStatuses": [{"state": state}], **status},
    }


def ended(exit_code: int, **status: Any) -> Manifest:
    return build_pod({"terminated": {"exitCode": exit_code}}, **status)


def note_end(log_end: LogEnd, pod: Manifest) -> Silence:
    return log_end.note_end(pod, find_ending(pod))


def test_the_log_of_a_pod_that_has_ended_is_read_as_long_as_lines_arrive(check: Check) -> None:
    log_end = LogEnd("job-1", lines=5)
    silence = note_end(log_end, ended(0))
    for _ in range(3):
        log_end.lines += 1
        silence = log_end.listen_on(silence)
    with pytest.raises(RunnerError) as caught:
        log_end.listen_on(silence)
    check(caught.value, "engine.no-result", "code 0")


@pytest.mark.parametrize("over_first", [True, False])
def test_a_log_that_was_read_to_its_end_is_not_waited_for(over_first: bool, check: Check) -> None:
    log_end = LogEnd("job-1", over=over_first)
    with pytest.raises(RunnerError) as caught:
        note_end(log_end, ended(1))
        log_end.over = True
        log_end.check()
    check(caught.value, "engine.no-result", "code 1")


@pytest.mark.parametrize("pod", [ended(137), ended(1, phase="Failed", reason="Evicted"), build_pod({})])
def test_the_log_of_a_deleted_pod_is_waited_for_less_long(pod: Manifest) -> None:
    log_end = LogEnd("job-1")
    assert note_end(log_end, pod).seconds < 5 < note_end(LogEnd("job-1"), ended(0)).seconds


def test_a_deleted_pod_that_reported_that_it_was_stopped_is_not_waited_for() -> None:
    log_end = LogEnd("job-1")
    note_end(log_end, build_pod({}))
    with pytest.raises(RunnerError, match="job-1"):
        log_end.note_stopped()


def test_the_status_of_a_pod_explains_why_it_was_stopped(check: Check) -> None:
    log_end = LogEnd("job-1")
    log_end.note_stopped()
    with pytest.raises(RunnerError) as caught:
        note_end(log_end, ended(1, phase="Failed", reason="Evicted", message="too much disk"))
    check(caught.value, "cluster.evicted", "too much disk")


def test_the_log_of_a_deleted_pod_is_soon_looked_at_again() -> None:
    log_end = LogEnd("job-1")
    first = note_end(log_end, build_pod({}))
    log_end.lines += 1
    assert log_end.listen_on(first).seconds < first.seconds


def test_what_kubernetes_reports_later_of_an_end_counts(check: Check) -> None:
    log_end = LogEnd("job-1", over=True)
    silence = note_end(log_end, ended(137))
    note_end(log_end, ended(137, phase="Failed", reason="Evicted", message="too much disk"))
    with pytest.raises(RunnerError) as caught:
        log_end.listen_on(silence)
    check(caught.value, "cluster.evicted", "too much disk")


@dataclass
class TardyCluster:
    """Reports the end of a pod at once, then changes of the Job and of other pods, and logs when it may."""

    end: Manifest
    then: tuple[Change, ...] = ()
    deleted: list[str] = field(default_factory=list)
    may_speak: threading.Event = field(default_factory=threading.Event)
    background: Background = field(default_factory=find_background)

    def watch(self, namespace: str, job: str, kinds: Any, take: Callable[[Any], Any], names: Any) -> Callable[[], None]:
        take(Change("Pod", "ADDED", build_pod({"running": {}})))
        take(Change("Pod", "MODIFIED", self.end))
        # once the pod was given up
        threading.Timer(0.1, lambda: [take(change) for change in self.then]).start()
        return lambda: None

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.deleted.append(name)

    def read_log(
        self, namespace: str, pod: str, take: Take, ended: bool = False, container: str | None = None
    ) -> LogReader:
        reader = LogReader(self.background, take, ended)
        if pod in self.deleted:
            return reader
        lines = ["[work] a line", *encode_line(Outcome(Status.SUCCESSFUL, RESULTS))]

        async def read() -> None:
            assert await asyncio.get_running_loop().run_in_executor(None, self.may_speak.wait, 20)
            await asyncio.wrap_future(take(lines))

        reader.done = self.background.start(read())
        return reader


def follow(cluster: TardyCluster, on: Callable[[Event], None], after_seconds: float, **variables: str) -> Outcome:
    settings = load_kubernetes_settings(variables)
    names = build_names("1", settings, workspace_of())
    root = ClusterRoot(cast(Cluster, cluster), "Job", names, {})
    follower = JobFollower(ClusterJob(cast(Cluster, cluster), names, root), settings, on, cut_log_seconds=0.01)
    timer = threading.Timer(after_seconds, cluster.may_speak.set)
    timer.start()
    try:
        return follower.follow(Cancellation()).result(20)
    finally:
        cluster.may_speak.set()
        timer.cancel()
        timer.join()


def test_a_job_whose_log_comes_late_has_its_results() -> None:
    """Its pod has succeeded, and more time passes than a log that was cut off is waited for."""
    events: list[Event] = []
    assert follow(TardyCluster(ended(0)), events.append, 0.3).results == RESULTS
    assert events == [StepLines("work", ("a line",))]


EVICTED = ended(137, phase="Failed", reason="Evicted", message="too much disk")
FAILED = Change("Job", "MODIFIED", {"spec": {}, "metadata": {}, "status": {"conditions": [FAILED_CONDITION]}})


def test_an_eviction_is_reported_although_the_log_never_ends(check: Check) -> None:
    with pytest.raises(RunnerError) as caught:
        follow(TardyCluster(EVICTED), lambda _: None, 5, ZOO_RUNNER_STEP_RETRIES="0")
    check(caught.value, "cluster.evicted", "too much disk")


def test_a_job_whose_last_pod_was_evicted_has_failed_once_kubernetes_says_so(check: Check) -> None:
    with pytest.raises(RunnerError) as caught:
        follow(TardyCluster(EVICTED, (FAILED,)), lambda _: None, 5)
    check(caught.value, "cluster.evicted", "too much disk")


def test_a_pod_that_takes_the_place_of_an_evicted_one_is_followed() -> None:
    events: list[Event] = []
    another = build_pod({"running": {}})
    another["metadata"] = {"name": "job-1-y", "uid": "2", "creationTimestamp": "2026-01-01T00:00:10Z"}
    # what is said of the first one later does not count
    then = (Change("Pod", "DELETED", EVICTED), Change("Pod", "ADDED", another), Change("Pod", "DELETED", EVICTED))
    cluster = TardyCluster(EVICTED, then)
    assert follow(cluster, events.append, 0.3).results == RESULTS
    assert cluster.deleted == ["job-1-x"], "the pods of its steps go with it"
    said = [event.text for event in events if isinstance(event, EngineLine)]
    assert [("too much disk" in text, "job-1-y" in text) for text in said] == [(True, False), (True, True)], (
        "the second says why"
    )


def test_a_pod_that_is_not_replaced_in_time_was_lost(check: Check) -> None:
    with pytest.raises(RunnerError) as caught:
        follow(TardyCluster(EVICTED), lambda _: None, 5, ZOO_RUNNER_PENDING_SECONDS="0.2")
    check(caught.value, "cluster.evicted", "too much disk")
