"""Text and numbers that not every store and reader of JSON can hold: refused on their way in, replaced in results."""

import asyncio
import base64
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from tests.values import settings_in
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import PackageError, RunnerError
from zoo_runner.model.events import StepReused
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import mask_outcome
from zoo_runner.model.portable import find_unportable, make_portable, write_json
from zoo_runner.package.loading import load_package
from zoo_runner.server.deploying import read_deployment
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.null_characters import NullsRefused
from zoo_runner.server.requests import read_execute, read_job
from zoo_runner.server.results import write_address
from zoo_runner.store.cursors import read_cursor


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": ["x", "ü😀", 1, 1.5, None, True]}, None),
        ({"a": "\\u0000"}, None),
        ({"a": ["x", {"b/~": "y\ud800"}]}, "/a/1/b~1~0"),
        ({"a": {"\ud800": 1}}, "/a"),
        ({"a": "y\0"}, "/a"),
        ("\0", ""),
        ([math.nan], "/0"),
        ([-math.inf], "/0"),
    ],
)
def test_what_not_everything_can_hold_is_found_with_its_place(value: Any, found: str | None) -> None:
    fault = find_unportable(value)
    assert (fault and fault.pointer) == found
    assert find_unportable(make_portable(value)) is None
    json.loads(write_json(value).decode(), parse_constant=pytest.fail)


def test_what_can_be_kept_of_a_value_is_kept() -> None:
    value = {"a\ud800": ("x\0y", "\ud83d\ude00", [math.nan, math.inf, 1e300])}
    assert make_portable(value) == {"a\ufffd": ["x\ufffdy", "😀", [None, None, 1e300]]}
    assert make_portable(known := {"a": [1]}) is known


BAD = {
    "half a pair": b'"a\\uD800"',
    "half a pair as bytes": b'"a\xed\xa0\x80"',
    "a null character": b'"a\\u0000b"',
    "NaN": b"NaN",
    "a number beyond all": b"1e999",
    "UTF-16": '"x"'.encode("utf-16"),
}


@pytest.mark.parametrize("name", BAD)
def test_no_body_brings_it_in(name: str) -> None:
    bodies = (
        lambda: read_execute(b'{"inputs": {"x": %s}}' % BAD[name], "application/json"),
        lambda: read_job(b'{"process": "p", "inputs": {"x": %s}}' % BAD[name], "application/json", ""),
        lambda: read_deployment(
            b'{"executionUnit": {"unit": {}}, "processDescription": {"title": %s}}' % BAD[name],
            "application/json",
            None,
        ),
    )
    for read in bodies:
        with pytest.raises(RunnerError) as caught:
            read()
        assert caught.value.diagnosis.code == "request.invalid"


def test_the_answer_says_where_it_is() -> None:
    with pytest.raises(RunnerError) as caught:
        read_execute(b'{"inputs": {"x": "\\ud800"}}', "application/json")
    assert "/inputs/x" in caught.value.diagnosis.cause


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
def test_no_cursor_brings_it_in(text: str) -> None:
    with pytest.raises(RunnerError) as caught:
        read_cursor(base64.urlsafe_b64encode(json.dumps([text, "x"]).encode()).decode(), 2)
    assert caught.value.diagnosis.code == "request.cursor"


@pytest.mark.parametrize("value", ['"\\uD800"', '"a\\0"', ".nan", "-.inf"])
def test_no_package_brings_it_in(value: str, tmp_path: Path) -> None:
    document = tmp_path / "p.cwl"
    kind = "float" if value.endswith(("nan", "inf")) else "string"
    document.write_text(
        f"cwlVersion: v1.2\nclass: Workflow\nid: p\ninputs: {{x: {{type: {kind}, default: {value}}}}}\noutputs: {{}}\n"
        "steps: {}\n"
    )
    with pytest.raises(PackageError) as caught:
        load_package(str(document), settings_in(tmp_path))
    assert caught.value.diagnosis.code == "package.invalid"
    assert "/inputs/0/default" in caught.value.diagnosis.cause


def test_results_and_diagnoses_are_stored_without_it() -> None:
    diagnosis = Diagnosis(Stage.EXECUTE, Level.USER, "the tool says \ud800", "Look.", evidence=("\0",))
    outcome = Outcome(Status.FAILED, Results({"x": "\ud800"}, {"y": math.nan}, "file:///c", {"z": "\0"}), diagnosis)
    outcome = replace(outcome, published="s3://b/\ud800", reused=(StepReused("a\0", "j1"),))
    kept = mask_outcome(outcome, Masker())
    assert (kept.published, kept.reused) == ("s3://b/\ufffd", (StepReused("a\ufffd", "j1"),))
    assert kept.results == Results({"x": "\ufffd"}, {"y": None}, "file:///c", {"z": "\ufffd"})
    assert kept.diagnosis
    assert (kept.diagnosis.cause, kept.diagnosis.evidence) == ("the tool says \ufffd", ("\ufffd",))


def test_what_an_earlier_release_has_stored_is_answered() -> None:
    assert json.loads(bytes(JsonAnswer({"title": "x\ud800", "y": math.nan}).body)) == {"title": "x\ufffd", "y": None}


def test_a_link_that_a_tool_has_written_is_one_header() -> None:
    found = write_address("https://a.example/ü\r\nX-Other: 1\ud800>?a=b%20c")
    assert found == "https://a.example/%C3%BC%0D%0AX-Other:%201%EF%BF%BD%3E?a=b%20c"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [("/processes/a", b"q=%2500", 200), ("/processes/\0", b"", 400), ("/jobs", b"q=a%00", 400)],
)
def test_no_address_has_a_null_character(path: str, query: bytes, status: int) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Mapping[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
    asyncio.run(NullsRefused(PlainTextResponse("known"))(dict(scope), receive, send))
    assert sent[0]["status"] == status
