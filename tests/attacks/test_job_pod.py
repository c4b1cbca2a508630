"""Whoever left the interpreter in the container `cwl`, against the other container, over the socket between them."""

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_pod_execution import PLAIN, Pod, ask, having, mounting
from tests.unit.test_steppod import REQUEST
from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.job_pod.broker import MOST_REQUESTS, Broker, Room
from zoo_runner.engines.kubernetes.job_pod.channel import Channel, Offer, join
from zoo_runner.engines.kubernetes.job_pod.request import read_request
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_step_pod, build_step_settings
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.pod_log import decode_lines, encode_line
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import DismissedError, RunnerError
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.job import Outcome, Status

LINE = json.dumps({"line": "x", "severity": "info"}).encode()
FRAMES: dict[str, bytes] = {
    "no JSON": b"hello\n",
    "nothing": b"\n",
    "half of JSON": b'{"step": \n',
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "null": b"null\n",
    "no UTF-8": b'{"line": "\xff\xfe", "severity": "info"}\n',
    "UTF-16": '{"line": "x", "severity": "info"}\n'.encode("utf-16"),
    "NUL": b'{"line": "x"\0}\n',
    "two messages in a line": LINE + LINE + b"\n",
    "lists within lists without end": b"[" * 200_000 + b"\n",
    "objects within objects without end": b'{"a":' * 200_000 + b"\n",
    "a number of a million digits": b'{"number": ' + b"9" * 1_000_000 + b"}\n",
    "an object that says nothing": b"{}\n",
    "a step that is a list": b'{"step": [], "number": 0}\n',
    "an invalid number": b'{"step": {}, "number": "0"}\n',
    "an unknown severity": b'{"line": "x", "severity": "critical"}\n',
    "a line that is an object": b'{"line": {"a": 1}, "severity": "info"}\n',
    "a command for the other side": b'{"go": true}\n',
    "a new specification": b'{"spec": {"package": "/etc/passwd"}}\n',
    "65 MiB in a line": b'{"line": "' + b"x" * (65 << 20) + b'"}\n',
}


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def send(*frames: bytes) -> Callable[[Channel, Any], None]:
    """A peer that sends bytes of its own, on the connection of the launcher."""

    def peer(channel: Channel, _: Any) -> None:
        try:
            for frame in frames:
                channel._socket.sendall(frame)
        except OSError:  # hung up on
            pass

    return peer


def refused(pod: Pod, peer: Callable[[Channel, Any], None]) -> RunnerError:
    with pytest.raises(RunnerError) as caught:
        pod.run(peer)
    assert pod.ran == []
    return caught.value


@pytest.mark.parametrize("what", FRAMES)
def test_a_frame_that_is_no_message_fails_the_job_and_runs_nothing(what: str, pod: Pod) -> None:
    error = refused(pod, send(FRAMES[what], json.dumps({"step": PLAIN, "number": 0}).encode() + b"\n"))
    assert error.diagnosis.code == "engine.refused-request"
    assert len(error.diagnosis.cause) < 2000


REQUESTS: dict[str, dict[str, Any]] = {
    "a name that begins a line of the log": having(step='x\n{"event": "Outcome", "status": "successful"}'),
    "a name that moves the cursor": having(step="\x1b[2J\x1b[H"),
    "a name that is no Unicode": having(step="\ud800"),
    "a name without end": having(step="x" * 1001),
    "an image without end": having(image="x" * 1001),
    "a name with a line separator": having(step="a\u2028b"),
    "an image of two lines": having(image="x\nhostPath: /"),
    "a list as image": having(image=["x"]),
    "a mount over the root": mounting("run/x", "/"),
    "a mount over /proc": mounting("run/x", "/proc"),
    "a mount below /proc": mounting("run/x", "/proc/self/attr"),
    "a mount over /proc in other words": mounting("run/x", "//proc/./1"),
    "a mount over /sys": mounting("run/x", "/sys/fs/cgroup"),
    "a mount over /dev": mounting("run/x", "/dev/shm"),
    "a mount by steps up": mounting("run/x", "/x/../proc"),
    "the channel": mounting("channel"),
    "the bundle": mounting("bundle/part-0000"),
    "the records of the job": mounting("job.json"),
    "the root in other words": mounting("./"),
    "steps up in the middle": mounting("run/x/../../logs"),
    "steps up at the end": mounting("run/.."),
    "a source that only begins like a folder of steps": mounting("running"),
    "a source with NUL": mounting("run/x\0y"),
    "a place with NUL": mounting("run/x", "/x\0y"),
    "a source of Windows": mounting("..\\logs"),
    "a mount that says more": having(mounts=[{"path": "/x", "source": "run", "read_only": "no"}]),
    "a mount that is a text": having(mounts=["/"]),
    "infinite cores": having(cores=float("inf")),
    "a truth for cores": having(cores=True),
    "a truth for GPUs": having(gpus=True),
    "cores as text": having(cores="1"),
    "variables as a list": having(variables=[["A", "B"]]),
    "a variable without text": having(variables={"A": None}),
    "a network by number": having(network=1),
    "folders as a list": having(folders=["rm -rf /"]),
    "another working folder": having(working_folder=None),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_request_with_odd_words_runs_nothing(what: str, pod: Pod) -> None:
    assert refused(pod, ask(REQUESTS[what])).diagnosis.code == "engine.refused-request"


LINKS = (
    "a folder of steps that is a link",
    "a folder below that is a link",
    "a link to nothing",
    "a link to itself",
)


@pytest.mark.parametrize("what", LINKS)
def test_no_mount_is_behind_a_link(what: str, pod: Pod, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "logs").mkdir()
    source, target = {
        LINKS[0]: ("run", "logs"),
        LINKS[1]: ("files/a", "../logs"),
        LINKS[2]: ("files/b", "/nowhere"),
        LINKS[3]: ("files/c", "."),
    }[what]
    (volume / "files").mkdir()
    (volume / source).symlink_to(target)
    assert refused(pod, ask(mounting(f"{source}/x"))).diagnosis.code == "engine.refused-request"


FOREIGN: dict[str, dict[str, Any]] = {
    "another account": {"serviceAccountName": "zoo-runner-job", "service_account": "default"},
    "another namespace": {"namespace": "kube-system", "job": "job-other", "metadata": {"namespace": "kube-system"}},
    "volumes": {"volumes": [{"name": "x", "secret": {"secretName": "job-other-staging"}}], "claim": "job-other-work"},
    "secrets": {"envFrom": [{"secretRef": {"name": "job-other-staging"}}], "secret_inputs": ["AWS_SECRET_ACCESS_KEY"]},
    "privileges": {"securityContext": {"privileged": True}, "hostPID": True, "hostNetwork": True},
    "owners and labels": {"ownerReferences": [], "labels": {"zoo-runner/role": "job"}, "template": {}},
    "the class of its own fields": {"__class__": "x", "__dict__": {"image": "y"}},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_request_for_what_is_foreign_gives_the_pod_that_any_request_gives(what: str) -> None:
    names = build_names("1", KubernetesSettings(), workspace_of())
    settings, owner = build_step_settings(names, KubernetesSettings()), Owner("job-1-abcde", "u1")
    pod = build_step_pod(read_request({**PLAIN, **FOREIGN[what]}), settings, "a", owner)
    assert pod == build_step_pod(REQUEST, settings, "a", owner)


def test_variables_that_look_like_secrets_of_the_job_stay_text() -> None:
    names = build_names("1", KubernetesSettings(), workspace_of())
    settings = build_step_settings(names, KubernetesSettings())
    asked = having(
        variables={"A": "$(AWS_SECRET_ACCESS_KEY)", "AWS_SECRET_ACCESS_KEY": "(secret-AWS_SECRET_ACCESS_KEY)"}
    )
    (container,) = build_step_pod(read_request(asked), settings, "a", Owner("job-1-abcde", "u1"))["spec"]["containers"]
    assert not [entry for entry in container["env"] if "valueFrom" in entry]
    assert {"name": "A", "value": "$$(AWS_SECRET_ACCESS_KEY)"} in container["env"]


def test_a_request_that_is_sent_again_is_a_step_like_any_other(pod: Pod) -> None:
    again = json.dumps({"step": PLAIN, "number": 0}).encode() + b"\n"
    end = json.dumps({"end": None, "outputs": {}}).encode() + b"\n"

    def peer(channel: Channel, messages: Any) -> None:
        channel._socket.sendall(again * 3)
        assert [next(messages)["number"] for _ in range(3)] == [0, 0, 0]
        channel._socket.sendall(end + again)

    assert pod.run(peer) == {}
    assert pod.ran == [REQUEST] * 3


def test_nothing_is_run_after_the_end(pod: Pod) -> None:
    end = json.dumps({"end": None, "outputs": {}}).encode() + b"\n"
    pod.run(send(end, json.dumps({"step": PLAIN, "number": 0}).encode() + b"\n"))
    assert pod.ran == []


def test_a_flood_of_requests_is_refused_before_there_is_a_thread_for_each(tmp_path: Path) -> None:
    leave = threading.Event()

    def run(_: Any) -> int:
        leave.wait()
        return 0

    before, broker = threading.active_count(), Broker(run, Room(4, 1024), tmp_path)
    with pytest.raises(ValueError, match="requests"):
        for _ in range(MOST_REQUESTS + 1):
            broker.start(PLAIN, lambda code: None)
    assert threading.active_count() <= before + MOST_REQUESTS
    leave.set()


def test_requests_that_are_open_have_a_bounded_size_together(tmp_path: Path) -> None:
    leave, large = threading.Event(), having(args=["x" * (1 << 20)])

    def run(_: Any) -> int:
        leave.wait()
        return 0

    broker = Broker(run, Room(4, 1024), tmp_path)
    with pytest.raises(ValueError, match="64 MiB"):
        for _ in range(64):
            broker.start(large, lambda code: None)
    leave.set()


REFUSED: dict[str, dict[str, Any]] = {
    "when it is read": having(gpus=-1),
    "when it has its turn": mounting("files/link/x"),
}


@pytest.mark.parametrize("when", REFUSED)
def test_the_first_refused_request_ends_the_evaluation_with_a_short_error(when: str, pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "volume" / "files").mkdir()
    (tmp_path / "volume" / "files" / "link").symlink_to("..")
    heard = list[Any]()

    def peer(channel: Channel, messages: Any) -> None:
        send(json.dumps({"step": REFUSED[when], "number": 0}).encode() + b"\n")(channel, messages)
        # it waits for nothing but the end of the connection, or one answer before that
        heard.extend(messages)
        send(*[json.dumps({"step": PLAIN, "number": 1}).encode() + b"\n"] * 1000)(channel, messages)

    assert refused(pod, peer).diagnosis.code == "engine.refused-request"
    assert heard in ([], [{"number": 0, "code": None}])


def test_a_mount_that_becomes_a_link_while_its_request_waits_is_refused(pod: Pod, tmp_path: Path) -> None:
    first, leave = threading.Event(), threading.Event()
    (tmp_path / "volume" / "run" / "x").mkdir(parents=True)
    answers, done = list[int | None](), threading.Event()

    def run(_: Any) -> int:
        first.set()
        leave.wait()
        return 0

    def answer(code: int | None) -> None:
        answers.append(code)
        if len(answers) == 2:
            done.set()

    broker = Broker(run, Room(4, 1024, steps=1), tmp_path / "volume")
    broker.start(having(mounts=[]), answer)
    first.wait()
    broker.start(mounting("run/x"), answer)
    (tmp_path / "volume" / "run" / "x").rmdir()
    (tmp_path / "volume" / "run" / "x").symlink_to("..")
    leave.set()
    done.wait()
    assert sorted(answers, key=str) == [0, None]
    assert broker.failure and broker.failure.diagnosis.code == "engine.refused-request"


def test_what_is_wrong_with_a_long_request_is_said_in_few_words(pod: Pod) -> None:
    error = refused(pod, ask(*[mounting("x" * (8 << 20))] * 3))
    assert error.diagnosis.code == "engine.refused-request"
    assert len(error.diagnosis.cause) < 1000


def test_a_request_above_what_kubernetes_stores_fails_as_one_of_the_user_without_a_pod(pod: Pod) -> None:
    error = refused(pod, ask(having(variables={"A": "x" * (2 << 20)})))
    assert (error.diagnosis.code, error.diagnosis.step) == ("cluster.too-large", REQUEST.step)


def test_the_command_that_a_request_shows_is_cut(pod: Pod) -> None:
    pod.run(ask(having(command="x" * (2 << 20))))
    assert [len(request.command) for request in pod.ran] == [LONGEST_LINE]


def test_a_flood_of_messages_is_cut(pod: Pod) -> None:
    line = json.dumps({"line": "x" * (1 << 20), "severity": "info"}).encode() + b"\n"
    end = json.dumps({"end": None, "outputs": {}}).encode() + b"\n"
    pod.run(send(*[line] * 100, end))
    lines = [event for event in pod.events if isinstance(event, EngineLine)]
    assert len(lines) == 64
    assert max(len(event.text) for event in lines) <= LONGEST_LINE


@pytest.mark.timeout(30)
def test_a_peer_that_sends_byte_by_byte_does_not_keep_a_job_that_is_cancelled(pod: Pod) -> None:
    cancellation = Cancellation()

    def peer(channel: Channel, messages: Any) -> None:
        channel._socket.sendall(b'{"li')
        cancellation.cancel()
        assert list(messages) == []

    with pytest.raises(DismissedError):
        pod.run(peer, cancellation)


@pytest.mark.timeout(60)
def test_a_peer_that_reads_nothing_does_not_keep_a_job_that_is_cancelled(pod: Pod) -> None:
    cancellation = Cancellation()

    def peer(channel: Channel, _: Any) -> None:
        # answers to these fill the buffer of the socket
        for _ in range(500):
            channel.send({"step": PLAIN, "number": 10**4000})
        cancellation.cancel()

    with pytest.raises(DismissedError):
        pod.run(peer, cancellation)


def test_descriptors_that_a_peer_passes_are_not_taken(pod: Pod, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    end = json.dumps({"end": None, "outputs": {}}).encode() + b"\n"

    def peer(channel: Channel, _: Any) -> None:
        with (tmp_path / "x").open("w") as passed:
            socket.send_fds(channel._socket, [LINE + b"\n"], [passed.fileno()] * 20)
        channel._socket.sendall(end)

    assert pod.run(peer) == {}
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


@pytest.mark.parametrize("name", ["job", ".job"])
def test_a_link_in_the_place_of_the_socket_has_nothing_written_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "channel").mkdir()
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "channel" / name).symlink_to(tmp_path / "elsewhere")
    try:
        Offer(tmp_path / "channel").close()
    except OSError:
        assert name == ".job"
    assert (tmp_path / "elsewhere").read_text() == "x"
    assert not (tmp_path / "elsewhere").is_socket()


def test_only_one_peer_joins_and_the_first_stays(tmp_path: Path) -> None:
    offer, joined = Offer(tmp_path), list[tuple[Channel, int]]()
    first = threading.Thread(target=lambda: joined.append(join(tmp_path)))
    first.start()
    channel = offer.accept(2)
    first.join()
    ((peer, printed),) = joined
    with pytest.raises(OSError):
        join(tmp_path, 0.1)
    channel.send({"spec": 1})
    assert next(peer.receive()) == {"spec": 1}
    os.close(printed)
    channel.close()
    peer.close()


FAILURE: dict[str, Any] = {"status": "failed", "exit_code": 8, "diagnosis": None}
DIAGNOSIS = {"code": "step.failed", "stage": "execute", "level": "user", "cause": "c", "remedy": "r", "evidence": []}
ENDS: dict[str, Any] = {
    "a success without results": {"end": {"status": "successful", "exit_code": 0}, "outputs": None},
    "results of somebody else": {
        "end": {"status": "successful", "exit_code": 0, "results": {"document": {}, "collection_href": "file:///etc"}},
        "outputs": None,
    },
    "a failure without a diagnosis": {"end": FAILURE, "outputs": None},
    "a diagnosis that is a list": {"end": {**FAILURE, "diagnosis": []}, "outputs": None},
    "a diagnosis of numbers": {"end": {**FAILURE, "diagnosis": dict.fromkeys(DIAGNOSIS, 7)}, "outputs": None},
    "an unknown stage": {"end": {**FAILURE, "diagnosis": {**DIAGNOSIS, "stage": "x"}}, "outputs": None},
    "an exit code as text": {"end": {**FAILURE, "exit_code": "8", "diagnosis": DIAGNOSIS}, "outputs": None},
    "evidence without end": {
        "end": {**FAILURE, "diagnosis": {**DIAGNOSIS, "evidence": ["x" * 1000] * 5000}},
        "outputs": None,
    },
    "outputs that are a list": {"end": None, "outputs": []},
    "outputs that are a text": {"end": None, "outputs": "file:///etc/passwd"},
    "an end that is a text": {"end": "successful", "outputs": None},
    "an end that is a number": {"end": 0, "outputs": 0},
}


@pytest.mark.parametrize("what", ENDS)
def test_a_forged_end_is_a_failure_of_a_bounded_size(what: str, pod: Pod) -> None:
    error = refused(pod, send(json.dumps(ENDS[what]).encode() + b"\n"))
    assert len(json.dumps(to_plain(error.diagnosis))) < 100_000


FORGED = json.dumps({"event": "Outcome", **to_plain(Outcome(Status.SUCCESSFUL))})
EVENTS: dict[str, Event] = {
    "the step of printed lines": StepLines(f"x]\n{FORGED}\n[y", ("a",)),
    "a printed line": StepLines("x", (FORGED, f"[y] {FORGED}")),
    "a message": EngineLine("info", f"a\n{FORGED}\r{FORGED}\u2028{FORGED}"),
    "a command": StepStarted("x", f"a\n{FORGED}", 0.0),
    "what is no Unicode": StepLines(f"\udcff\n{FORGED}", ("\udcff",)),
}


@pytest.mark.parametrize("what", EVENTS)
def test_no_event_forges_the_last_line_of_a_job(what: str) -> None:
    written = "".join(f"{line}\n" for line in encode_line(EVENTS[what]))
    assert not [one for one in decode_lines(written.encode().decode().split("\n")) if isinstance(one, Outcome)]


def test_a_request_with_many_mounts_is_checked_in_a_bounded_time(pod: Pod) -> None:
    many = [{"path": f"/x/{number}", "source": f"run/{number}", "read_only": True} for number in range(20_000)]
    pod.run(ask(having(mounts=many)))
    assert pod.ran == [replace(REQUEST, mounts=read_request(having(mounts=many)).mounts)]
