"""A pod's log is followed to the end of its container, whatever ends the streams that bring it."""

import doctest
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes import logs
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.logs import LogReader

# what the API answers to one request after the other: lines of the log, or a refusal
Answers = list[list[str] | int]


@contextmanager
def serve(answers: Answers) -> Iterator[tuple[Cluster, list[str]]]:
    """An API that ends each stream as if all were reported; the times since which it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(parse_qs(urlsplit(self.path).query).get("sinceTime", [""])[0])
            answer = answers.pop(0)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            if not isinstance(answer, int):
                self.wfile.write("".join(f"{line}\n" for line in answer).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            with closing(
                Cluster(KubernetesSettings(api_url=f"http://127.0.0.1:{server.server_address[1]}"))
            ) as cluster:
                yield cluster, asked
        finally:
            server.shutdown()


def line(second: int, text: str) -> str:
    return f"2026-01-01T00:00:{second:02}.000000001Z {text}"


def follow(cluster: Cluster, ended_after: str) -> list[str]:
    """The lines of a log whose container has ended once a line was read."""
    lines = list[str]()
    started: Future[LogReader] = Future()

    def take(texts: list[str]) -> "Future[None]":
        lines.extend(texts)
        if ended_after in texts:
            started.result(20).note_end()
        taken: Future[None] = Future()
        taken.set_result(None)
        return taken

    started.set_result(cluster.read_log("ws-a", "job-1", take, ended=not ended_after))
    started.result().done.result(20)
    return lines


def test_a_stream_that_is_over_before_the_container_is_taken_up_again() -> None:
    answers: Answers = [[line(1, "one"), line(2, "two")], [line(2, "two"), line(3, "three")], [line(3, "three")]]
    with serve(answers) as (cluster, asked):
        assert follow(cluster, ended_after="three") == ["one", "two", "three"]
    assert asked == ["", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"]


def write_local(hour: int, offset: str, text: str) -> str:
    return f"2026-10-25T{hour:02}:30:00.000000001{offset} {text}"


def test_the_times_of_a_node_that_is_not_in_utc_are_compared_in_utc() -> None:
    # summer time ends: the clock of the node is at half past two twice
    one, two = write_local(2, "+02:00", "one"), write_local(2, "+01:00", "two")
    three = write_local(3, "+01:00", "three")
    answers: Answers = [[one], [one, two], [two, three], [three]]
    with serve(answers) as (cluster, asked):
        assert follow(cluster, ended_after="three") == ["one", "two", "three"]
    assert asked == ["", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]


def test_a_line_of_kubelet_without_a_time_ends_no_log() -> None:
    odd = "unable to retrieve container logs for containerd://1"
    answers: Answers = [[line(1, "one"), odd], [odd], [line(1, "one"), line(2, "two")], [line(2, "two")]]
    with serve(answers) as (cluster, asked):
        assert sorted(follow(cluster, ended_after="two")) == ["one", "two", odd]
    assert asked == ["", *["2026-01-01T00:00:01Z"] * 2, "2026-01-01T00:00:02Z"]


@pytest.mark.parametrize("stamp", ["unable", "QUIZ", "", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(stamp: str) -> None:
    assert logs.read_time(stamp) is None


def test_the_example_of_the_module_is_right() -> None:
    assert doctest.testmod(logs).failed == 0


def test_the_log_of_a_container_that_has_ended_is_read_once() -> None:
    with serve([[line(1, "one")]]) as (cluster, asked):
        assert follow(cluster, ended_after="") == ["one"]
    assert len(asked) == 1


def test_an_api_that_refuses_for_a_moment_costs_no_line() -> None:
    answers: Answers = [[line(1, "one")], 503, [line(1, "one"), line(2, "two")], [line(2, "two")]]
    with serve(answers) as (cluster, _):
        assert follow(cluster, ended_after="two") == ["one", "two"]


def test_the_log_of_a_pod_that_was_deleted_is_over() -> None:
    with serve([[line(1, "one")], 404]) as (cluster, _):
        assert follow(cluster, ended_after="one") == ["one"]


def test_a_log_that_may_not_be_read_says_so() -> None:
    with serve([403]) as (cluster, _), pytest.raises(ApiError) as refused:
        follow(cluster, ended_after="never")
    assert refused.value.status == 403
