"""Results by value: what a results document has in place of a link, and in which parts a body is read."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import build_job
from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.server.api import Call
from zoo_runner.server.results import MOST_INLINE_BYTES, get_multipart, get_results

CALL = Call("ws", "http://here")


def build(folder: Path, value: Any, mode: str | None = "value", destination: str | None = None) -> Job:
    results = Results({"out": value}, {}, destination or str(folder))
    return replace(
        build_job(),
        status=Status.SUCCESSFUL,
        destination=destination or str(folder),
        outcome=Outcome(Status.SUCCESSFUL, results),
        request={"outputs": {"out": {"transmissionMode": mode}}} if mode else None,
    )


def put(folder: Path, name: str, content: bytes) -> dict[str, str]:
    (folder / name).write_bytes(content)
    return {"href": (folder / name).as_uri()}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"words", {"value": "words", "mediaType": "text/plain"}),
        ("a.json", b'{"a": [1]}', {"value": {"a": [1]}, "mediaType": "application/json"}),
        ("a.bin", b"\0\xff", {"value": "AP8=", "mediaType": "application/octet-stream", "encoding": "base64"}),
        # no text, and no JSON, whatever the names say
        ("b.txt", b"\xff", {"value": "/w==", "mediaType": "text/plain", "encoding": "base64"}),
        ("b.json", b"{", {"value": "ew==", "mediaType": "application/json", "encoding": "base64"}),
    ],
)
def test_a_value_has_its_media_type_and_encoding(
    tmp_path: Path, name: str, content: bytes, expected: dict[str, Any]
) -> None:
    link = put(tmp_path, name, content)
    assert get_results(build(tmp_path, link), CALL, as_collection=False) == {"out": expected}
    assert get_results(build(tmp_path, [link, 5]), CALL, as_collection=False) == {"out": [expected, 5]}


@pytest.mark.parametrize("mode", [None, "reference"])
def test_what_is_not_asked_for_by_value_is_a_link(tmp_path: Path, mode: str | None) -> None:
    job = build(tmp_path, put(tmp_path, "a.txt", b"words"), mode)
    assert get_results(job, CALL, as_collection=False) == {"out": {"href": f"http://here/jobs/{job.id}/files/a.txt"}}


def test_a_value_that_is_too_large_or_lies_elsewhere_stays_a_link(tmp_path: Path) -> None:
    link = put(tmp_path, "a.bin", b"")
    os.truncate(tmp_path / "a.bin", MOST_INLINE_BYTES + 1)
    assert set(get_results(build(tmp_path, link), CALL, as_collection=False)["out"]) == {"href"}
    os.truncate(tmp_path / "a.bin", MOST_INLINE_BYTES // 2 + 1)
    twice = get_results(build(tmp_path, [link, link]), CALL, as_collection=False)["out"]
    assert [set(one) for one in twice] == [{"value", "mediaType", "encoding"}, {"href"}]
    elsewhere = {"href": "s3://bucket/a.txt"}
    assert get_results(build(tmp_path, elsewhere, destination="s3://bucket"), CALL, as_collection=False) == {
        "out": elsewhere
    }


def test_a_large_part_is_read_in_pieces(tmp_path: Path) -> None:
    link = put(tmp_path, "a.bin", b"")
    os.truncate(tmp_path / "a.bin", 1 << 21)
    parts = get_multipart(build(tmp_path, link, None), CALL)
    sizes = [len(piece) for piece in parts.read()]
    assert sum(sizes) > 1 << 21
    assert max(sizes) <= 1 << 18
