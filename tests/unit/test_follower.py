"""The last lines of a job pod may come long after Kubernetes reported that it has ended."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from zoo_runner.config.kubernetes import load_kubernetes_settings
from zoo_runner.engines.calrissian.follower import Follower
from zoo_runner.engines.calrissian.log_end import LogEnd, Silence
from zoo_runner.engines.calrissian.pod_log import Ended, encode_line
from zoo_runner.engines.kubernetes.background import Background, find_background
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.logs import LogReader, Take
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.pods import find_ending
from zoo_runner.engines.kubernetes.root import ClusterRoot
from zoo_runner.engines.kubernetes.watch import Change
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Results

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


def test_while_lines_come_a_pod_that_has_ended_is_listened_to() -> None:
    log_end = LogEnd("job-1", lines=5)
    silence = note_end(log_end, ended(0))
    for _ in range(3):
        log_end.lines += 1
        silence = log_end.listen_on(silence)
    with pytest.raises(RunnerError, match="exited with code 0 without reporting a result"):
        log_end.listen_on(silence)


@pytest.mark.parametrize("over_first", [True, False])
def test_a_log_that_was_heard_to_its_end_is_not_waited_for(over_first: bool) -> None:
    log_end = LogEnd("job-1", over=over_first)
    with pytest.raises(RunnerError, match="without reporting a result"):
        note_end(log_end, ended(1))
        log_end.over = True
        log_end.check()


@pytest.mark.parametrize("pod", [ended(137), ended(1, phase="Failed", reason="Evicted"), build_pod({})])
def test_the_log_of_a_pod_that_was_taken_away_may_just_stop(pod: Manifest) -> None:
    log_end = LogEnd("job-1")
    assert note_end(log_end, pod).seconds < 5 < note_end(LogEnd("job-1"), ended(0)).seconds


def test_a_pod_that_is_gone_and_says_that_it_was_stopped_is_not_waited_for() -> None:
    log_end = LogEnd("job-1")
    note_end(log_end, build_pod({}))
    with pytest.raises(RunnerError, match="job-1"):
        log_end.note_stopped()


def test_of_a_pod_that_says_that_it_was_stopped_the_status_may_tell_why() -> None:
    log_end = LogEnd("job-1")
    log_end.note_stopped()
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        note_end(log_end, ended(1, phase="Failed", reason="Evicted", message="too much disk"))


def test_a_log_that_may_just_stop_is_soon_looked_at_again() -> None:
    log_end = LogEnd("job-1")
    first = note_end(log_end, build_pod({}))
    log_end.lines += 1
    assert log_end.listen_on(first).seconds < first.seconds


def test_what_kubernetes_says_later_of_an_end_counts() -> None:
    log_end = LogEnd("job-1", over=True)
    silence = note_end(log_end, ended(137))
    note_end(log_end, ended(137, phase="Failed", reason="Evicted", message="too much disk"))
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        log_end.listen_on(silence)


@dataclass
class TardyCluster:
    """Reports the end of a pod at once, and its log when it is let."""

    end: Manifest
    may_speak: threading.Event = field(default_factory=threading.Event)
    background: Background = field(default_factory=find_background)

    def watch(self, namespace: str, job: str, kinds: Any, take: Callable[[Any], Any], names: Any) -> Callable[[], None]:
        take(Change("Pod", "ADDED", build_pod({"running": {}})))
        take(Change("Pod", "MODIFIED", self.end))
        return lambda: None

    def read_log(self, namespace: str, pod: str, take: Take, ended: bool = False) -> LogReader:
        reader = LogReader(self.background, take, ended)
        lines = ["[work] a line", *encode_line(Ended(RESULTS))]

        async def read() -> None:
            assert await asyncio.get_running_loop().run_in_executor(None, self.may_speak.wait, 20)
            await asyncio.wrap_future(take(lines))

        reader.done = self.background.start(read())
        return reader


def follow(cluster: TardyCluster, on: Callable[[Event], None], after_seconds: float) -> Ended:
    settings = load_kubernetes_settings({})
    names = build_names("1", settings)
    root = ClusterRoot(cast(Cluster, cluster), "Job", names, {})
    follower = Follower(cast(Cluster, cluster), root, names, settings, on)
    timer = threading.Timer(after_seconds, cluster.may_speak.set)
    timer.start()
    try:
        return follower.follow(Cancellation()).result(20)
    finally:
        cluster.may_speak.set()
        timer.cancel()
        timer.join()


def test_a_job_whose_log_comes_late_has_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pod has ended well, and more time passes than a log that was cut off is given."""
    monkeypatch.setattr("zoo_runner.engines.calrissian.log_end._CUT_LOG_SECONDS", 0.01)
    told: list[Event] = []
    assert follow(TardyCluster(ended(0)), told.append, 0.3).results == RESULTS
    assert told == [StepLines("work", ("a line",))]


def test_a_pod_that_was_evicted_is_told_of_although_its_log_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_runner.engines.calrissian.log_end._CUT_LOG_SECONDS", 0.01)
    evicted = TardyCluster(ended(137, phase="Failed", reason="Evicted", message="too much disk"))
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        follow(evicted, lambda _: None, 0.3)
