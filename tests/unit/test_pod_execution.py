"""The two containers of a job pod: what the one that evaluates the package may ask of the other, and what not."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.unit.messages import Check
from tests.unit.test_steppod import REQUEST
from zoo_runner.engines.kubernetes.job_pod.broker import Broker, Room
from zoo_runner.engines.kubernetes.job_pod.channel import Channel, Offer, join
from zoo_runner.engines.kubernetes.job_pod.execution import Execution, Observer
from zoo_runner.engines.kubernetes.job_pod.request import StepRequest, read_request
from zoo_runner.engines.pipeline import Staged
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import DismissedError, EngineError, RunnerError, ToolError
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.outcomes import build_failure

Messages = Iterator[dict[str, Any]]
Peer = Callable[[Channel, Messages], None]
PLAIN: dict[str, Any] = to_plain(REQUEST)


class Pod:
    """A job pod whose other container does what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ran, self.events = folder, list[StepRequest](), list[Event]()
        self.code: int | Exception = 0
        self.explained: RunnerError | None = None
        (folder / "volume").mkdir()

    def run(self, peer: Peer, cancellation: Cancellation | None = None) -> dict[str, Any]:
        """Evaluate, with the peer in a thread."""
        spec = {"order": str(self.folder / "order.json"), "scratch": str(self.folder), "is_staged": False}
        broker = Broker(self._run_step, Room(4, 1024), self.folder / "volume")
        execution = Execution(spec, broker, Observer(self.events.append), lambda _: self.explained, self.folder)
        thread = threading.Thread(target=self._join, args=(peer, spec))
        thread.start()
        try:
            return execution.execute(Staged({"a": 1}, {}), cancellation or Cancellation())
        finally:
            execution.close()
            thread.join()

    def _join(self, peer: Peer, spec: Mapping[str, Any]) -> None:
        channel, printed = join(self.folder)
        os.close(printed)
        messages = channel.receive()
        assert next(messages) == {"spec": spec}
        assert next(messages) == {"go": True}
        peer(channel, messages)
        channel.close()

    def _run_step(self, request: StepRequest) -> int:
        self.ran.append(request)
        if isinstance(self.code, Exception):
            raise self.code
        return self.code


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def ask(*requests: Mapping[str, Any]) -> Peer:
    def peer(channel: Channel, messages: Messages) -> None:
        # after a refused request nobody listens any more
        with suppress(OSError):
            for number, request in enumerate(requests):
                channel.send({"step": request, "number": number})
            answers = list(islice(messages, len(requests)))
            channel.send({"end": None, "outputs": {"answers": sorted(answers, key=lambda one: one["number"])}})

    return peer


def test_a_step_is_run_and_its_exit_code_goes_back(pod: Pod) -> None:
    pod.code = 3
    outputs = pod.run(ask(PLAIN, PLAIN))
    assert outputs == {"answers": [{"number": 0, "code": 3}, {"number": 1, "code": 3}]}
    assert pod.ran == [REQUEST, REQUEST]


def test_what_the_engine_says_is_reported(pod: Pod) -> None:
    def peer(channel: Channel, messages: Messages) -> None:
        channel.send({"line": "hello", "severity": "warning"})
        channel.send({"end": None, "outputs": {}})

    pod.run(peer)
    assert pod.events == [EngineLine("warning", "hello")]


def test_an_error_of_the_cluster_is_that_of_the_job_whatever_the_other_container_says(pod: Pod) -> None:
    pod.code = EngineError("no room", "Wait.", code="cluster.quota")
    with pytest.raises(EngineError, match="no room"):
        pod.run(ask(PLAIN))


def test_an_error_that_nobody_foresaw_is_answered_and_ends_the_job(pod: Pod) -> None:
    pod.code = PermissionError(13, "Permission denied", "/job/run/out")
    with pytest.raises(EngineError, match="/job/run/out") as caught:
        pod.run(ask(PLAIN))
    assert caught.value.diagnosis.code == "runner.defect"


def test_an_error_that_the_other_container_found_is_that_of_the_job(pod: Pod) -> None:
    failure = build_failure(ToolError("too large", "Ask for less.", code="step.too-large"))
    with pytest.raises(ToolError, match="too large"):
        pod.run(lambda channel, _: channel.send({"end": to_plain(failure), "outputs": None}))


def test_the_end_of_the_other_container_without_a_word_is_explained_by_its_status(pod: Pod) -> None:
    pod.explained = ToolError("out of memory", "Raise the limit.", code="job.out-of-memory")
    with pytest.raises(ToolError, match="out of memory"):
        pod.run(lambda channel, messages: None)


def test_a_job_that_is_cancelled_does_not_wait_for_the_other_container(pod: Pod) -> None:
    cancellation = Cancellation()

    def peer(channel: Channel, messages: Messages) -> None:
        cancellation.cancel()
        assert list(messages) == []

    with pytest.raises(DismissedError):
        pod.run(peer, cancellation)


def having(**other: Any) -> dict[str, Any]:
    return {**PLAIN, **other}


def mounting(source: str, path: str = "/x") -> dict[str, Any]:
    return having(mounts=[{"path": path, "source": source, "read_only": False}])


NOT_ALLOWED: dict[str, dict[str, Any]] = {
    "no step at all": {},
    "an object for an image": having(image={"hostPath": "/"}),
    "a word of the command that is no text": having(args=["a", {"valueFrom": 1}]),
    "a variable from a Secret": having(variables={"A": {"valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}}),
    "no words": having(args=None),
    "a number for words": having(args=5),
    "a number for files": having(mounts=5),
    "the root of the volume": mounting(""),
    "another folder of the volume": mounting("logs"),
    "a step up": mounting("run/../logs"),
    "a path of the node": mounting("/etc"),
    "a relative place": mounting("run/x", "etc"),
    "more cores than the job has": having(cores=5.0),
    "more memory than the job has": having(ram=1e9),
    "no number": having(cores=float("nan")),
    "less than nothing": having(cores=-1.0, cores_min=-1.0),
    "a minimum above the maximum": having(ram_min=600.0),
    "GPUs below 0": having(gpus=-1),
    "a text for a truth": having(network="yes"),
    "a link": mounting("run/link/x"),
}


@pytest.mark.parametrize("what", NOT_ALLOWED)
def test_a_request_that_is_not_allowed_runs_nothing_and_fails_the_job(what: str, pod: Pod, check: Check) -> None:
    (pod.folder / "volume" / "run").mkdir()
    (pod.folder / "volume" / "run" / "link").symlink_to("../logs")
    with pytest.raises(EngineError) as caught:
        pod.run(ask(NOT_ALLOWED[what]))
    check(caught.value, "engine.refused-request")
    assert pod.ran == []


@pytest.mark.parametrize(
    "other",
    [
        {"serviceAccountName": "zoo-runner-job"},
        {"privileged": True},
        {"volumes": [{"hostPath": {"path": "/"}}]},
        {"namespace": "ws-other"},
    ],
)
def test_what_a_request_has_no_field_for_is_not_there(other: dict[str, Any], pod: Pod) -> None:
    pod.run(ask({**PLAIN, **other}))
    assert pod.ran == [REQUEST]


@pytest.mark.parametrize("message", [{"delete": "pod"}, {"step": "x", "number": 0}, {"line": 1, "severity": "info"}])
def test_any_other_message_fails_the_job(message: dict[str, Any], pod: Pod) -> None:
    with pytest.raises(EngineError) as caught:
        pod.run(lambda channel, _: channel.send(message))
    assert caught.value.diagnosis.code == "engine.refused-request"


def test_a_second_peer_is_not_let_in(tmp_path: Path) -> None:
    offer = Offer(tmp_path)
    joined = list[tuple[Channel, int]]()
    thread = threading.Thread(target=lambda: joined.append(join(tmp_path)))
    thread.start()
    offer.accept(2).close()
    thread.join()
    joined[0][0].close()
    os.close(joined[0][1])
    with pytest.raises(OSError, match="refused"):
        join(tmp_path)


def test_whoever_waits_in_vain_stops_waiting(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        join(tmp_path, 0.01)
    offer = Offer(tmp_path)
    offer.close()
    with pytest.raises(OSError):
        offer.accept(2)


def test_steps_wait_for_their_turn_when_the_job_uses_all_it_may() -> None:
    room, order = Room(2, 100, steps=2), list[str]()
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with room.take(1.5, 50):
            inside.set()
            leave.wait()
            order.append("first")

    def second() -> None:
        with room.take(1, 50):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    inside.wait()
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]


def test_a_request_arrives_as_it_was_sent() -> None:
    assert read_request(PLAIN) == REQUEST
