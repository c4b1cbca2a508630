"""Which limit a page offers to raise, by how much, and what its form sends."""

from typing import Any
from urllib.parse import urlencode

import pytest

from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import InputError
from zoo_runner.server.pages.limit_form import RaisedLimit, read_limit_form, suggest_limit, write_command
from zoo_runner.server.pages.timeline import Bar, Request

STEPS = {"clip": Request(memory_mib=1000, seconds=30), "join": Request(disk_mib=4096)}


def suggest(code: str, step: str | None, *bars: Bar) -> RaisedLimit | None:
    return suggest_limit(Diagnosis(Stage.EXECUTE, Level.USER, "cause", "remedy", step=step, code=code), STEPS, bars)


def run(name: str, peak: float) -> Bar:
    return Bar(name, "step", "failed", 0.0, 1.0, peak_memory_mib=peak)


@pytest.mark.parametrize(
    ("code", "step", "kind", "value"),
    [
        ("step.out-of-memory", "clip", "memory", 2048),
        ("step.out-of-memory", "clip_2", "memory", 2048),
        ("step.out-of-memory", "join", "memory", 512),
        ("step.time-limit", "clip", "seconds", 60),
        ("step.time-limit", "join", "seconds", 60),
        ("resources.disk-full", "join", "disk", 8192),
    ],
)
def test_twice_of_what_was_asked_for_is_suggested(code: str, step: str, kind: str, value: int) -> None:
    found = suggest(code, step)
    assert found is not None
    assert (found.kind, found.value, found.step) == (kind, value, step.partition("_")[0])


def test_what_a_step_used_counts_where_it_is_more() -> None:
    found = suggest("step.out-of-memory", "clip", run("clip", 900), run("clip_2", 1400), run("join", 9000))
    assert found == RaisedLimit("clip", "memory", 2816, "It asked for 1000 MiB and used 1400 MiB.")


@pytest.mark.parametrize(
    ("code", "step"),
    [("step.failed", "clip"), ("job.time-limit", None), ("step.out-of-memory", None), ("step.time-limit", "elsewhere")],
)
def test_no_limit_is_offered_that_a_client_cannot_raise(code: str, step: str | None) -> None:
    assert suggest(code, step) is None
    assert suggest_limit(None, STEPS, ()) is None


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"step": "clip", "memory": "2048"}, {"memory": {"clip": "2048Mi"}}),
        ({"step": "clip", "disk": " 512 "}, {"disk": {"clip": "512Mi"}}),
        ({"step": "clip", "seconds": "60"}, {"timeLimits": {"clip": 60}}),
    ],
)
def test_a_form_is_the_request_of_a_retry(fields: dict[str, str], changes: dict[str, Any]) -> None:
    assert read_limit_form(urlencode(fields).encode()) == {**changes, "restart": "if-needed"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"step=clip",
        b"memory=1",
        b"step=clip&memory=-1",
        b"step=clip&memory=1.5",
        b"step=clip&memory=1e9",
        "step=clip&memory=٣".encode(),
        b"step=clip&memory=" + b"9" * 13,
        b"step=clip&memory=1&seconds=2",
        b"&".join(b"a%d=1" % number for number in range(20)),
    ],
)
def test_a_form_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_limit_form(body)
    assert caught.value.diagnosis.code == "request.invalid"


def test_the_call_of_the_form_is_safe_to_copy() -> None:
    command = write_command(RaisedLimit("a'; rm -rf x", "memory", 1, ""), "https://eo.example/jobs/1")
    assert command.startswith("curl -X POST https://eo.example/jobs/1/retry")
    assert """'"'"'""" in command
