"""What a job pod says last may come long after Kubernetes told that it has ended."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from zoo_runner.config.kubernetes import load_kubernetes_settings
from zoo_runner.engines.calrissian.follower import Follower
from zoo_runner.engines.calrissian.lastwords import LastWords, Silence
from zoo_runner.engines.calrissian.pod_log import Ended, encode_line
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.pods import find_ending
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event, StepLine
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


def note_end(words: LastWords, pod: Manifest) -> Silence:
    return words.note_end(pod, find_ending(pod))


def test_while_lines_come_a_pod_that_has_ended_is_listened_to() -> None:
    words = LastWords("job-1", lines=5)
    silence = note_end(words, ended(0))
    for _ in range(3):
        words.lines += 1
        silence = words.listen_on(silence)
    with pytest.raises(RunnerError, match="ended with exit code 0 and did not tell how the job went"):
        words.listen_on(silence)


@pytest.mark.parametrize("over_first", [True, False])
def test_a_log_that_was_heard_to_its_end_is_not_waited_for(over_first: bool) -> None:
    words = LastWords("job-1", over=over_first)
    with pytest.raises(RunnerError, match="did not tell how the job went"):
        note_end(words, ended(1))
        words.over = True
        words.check()


@pytest.mark.parametrize("pod", [ended(137), ended(1, phase="Failed", reason="Evicted"), build_pod({})])
def test_the_log_of_a_pod_that_was_taken_away_may_just_stop(pod: Manifest) -> None:
    words = LastWords("job-1")
    assert note_end(words, pod).seconds < 5 < note_end(LastWords("job-1"), ended(0)).seconds


def test_a_pod_that_is_gone_and_says_that_it_was_stopped_is_not_waited_for() -> None:
    words = LastWords("job-1")
    note_end(words, build_pod({}))
    with pytest.raises(RunnerError, match="job-1"):
        words.note_taken()


def test_of_a_pod_that_says_that_it_was_stopped_the_status_may_tell_why() -> None:
    words = LastWords("job-1")
    words.note_taken()
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        note_end(words, ended(1, phase="Failed", reason="Evicted", message="too much disk"))


def test_a_log_that_may_just_stop_is_soon_looked_at_again() -> None:
    words = LastWords("job-1")
    first = note_end(words, build_pod({}))
    words.lines += 1
    assert words.listen_on(first).seconds < first.seconds


def test_what_kubernetes_says_later_of_an_end_counts() -> None:
    words = LastWords("job-1", over=True)
    silence = note_end(words, ended(137))
    note_end(words, ended(137, phase="Failed", reason="Evicted", message="too much disk"))
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        words.listen_on(silence)


@dataclass
class TardyCluster:
    """Tells of the end of a pod at once, and of its log when it is let."""

    end: Manifest
    may_speak: threading.Event = field(default_factory=threading.Event)

    def watch(self, kind: str, namespace: str, streams: Any, **query: str) -> Iterator[tuple[str, Manifest]]:
        if kind == "Pod":
            yield "ADDED", build_pod({"running": {}})
            yield "MODIFIED", self.end
        streams.closed.wait()

    def follow_log(self, namespace: str, pod: str, streams: Any, ended: threading.Event) -> Iterator[str]:
        assert self.may_speak.wait(20)
        yield "[work] a line"
        yield from encode_line(Ended(RESULTS))


def follow(cluster: TardyCluster, on: Callable[[Event], None], after_seconds: float) -> Ended:
    settings = load_kubernetes_settings({})
    follower = Follower(cast(Cluster, cluster), build_names("1", settings), settings, on)
    timer = threading.Timer(after_seconds, cluster.may_speak.set)
    timer.start()
    try:
        return follower.follow(Cancellation())
    finally:
        timer.cancel()
        timer.join()


def test_a_job_whose_log_comes_late_has_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pod has ended well, and more time passes than a log that was cut off is given."""
    monkeypatch.setattr("zoo_runner.engines.calrissian.lastwords._CUT_LOG_SECONDS", 0.01)
    told: list[Event] = []
    assert follow(TardyCluster(ended(0)), told.append, 0.3).results == RESULTS
    assert told == [StepLine("work", "a line")]


def test_a_pod_that_was_evicted_is_told_of_although_its_log_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_runner.engines.calrissian.lastwords._CUT_LOG_SECONDS", 0.01)
    monkeypatch.setattr("zoo_runner.engines.calrissian.follower._CLOSING_SECONDS", 0.01)
    evicted = TardyCluster(ended(137, phase="Failed", reason="Evicted", message="too much disk"))
    with pytest.raises(RunnerError, match="was evicted from its node: too much disk"):
        follow(evicted, lambda _: None, 0.3)


SANDBOX = "plugin type=bridge failed"


@dataclass
class NoisyCluster(TardyCluster):
    """Tells first of the network of a pod: of this job's, or of one whose name begins as those of this job do."""

    uid: str = ""

    def watch(self, kind: str, namespace: str, streams: Any, **query: str) -> Iterator[tuple[str, Manifest]]:
        if kind == "Event":
            about = {"kind": "Pod", "name": "job-1-2-abcde", "uid": self.uid}
            event = {"type": "Warning", "reason": "FailedCreatePodSandBox", "message": SANDBOX, "involvedObject": about}
            yield "ADDED", event
            self.may_speak.set()
            streams.closed.wait()
        yield from super().watch(kind, namespace, streams, **query)


@pytest.mark.parametrize("own", [True, False])
def test_a_warning_of_a_pod_is_heard_where_the_pod_is_the_jobs(own: bool) -> None:
    told: list[Event] = []
    uid = ended(0)["metadata"]["uid"] if own else "of another job"
    assert follow(NoisyCluster(ended(0), uid=uid), told.append, 5).results == RESULTS
    assert any(SANDBOX in str(event) for event in told) is own
