"""Rules of watching: what changed while nobody looked is reported."""

import asyncio
from collections.abc import AsyncIterator

from zoo_runner.engines.kubernetes.connection import split_lines
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.patience import Patience
from zoo_runner.engines.kubernetes.watch import compare, remember


def build(uid: str, version: str) -> Manifest:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


def test_what_is_new_changed_and_gone_since_is_reported_once() -> None:
    known = {"a": build("a", "1"), "b": build("b", "1"), "c": build("c", "1")}
    reported = list(compare(known, [build("a", "1"), build("b", "2"), build("d", "3")]))
    assert reported == [("DELETED", build("c", "1")), ("MODIFIED", build("b", "2")), ("ADDED", build("d", "3"))]
    assert list(compare(known, [build("a", "1"), build("b", "2"), build("d", "3")])) == []


def test_a_deleted_object_is_forgotten() -> None:
    known = {"a": build("a", "1")}
    remember(known, "DELETED", build("a", "2"))
    assert known == {}
    remember(known, "MODIFIED", build("b", "2"))
    assert known == {"b": build("b", "2")}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_api_server_that_is_away_is_waited_for_without_end() -> None:
    clock = Clock()
    patience = Patience(clock)
    clock.now = 1e6
    assert patience.retries(0)
    assert patience.retries(503)


def test_a_refusal_from_the_start_is_reported_at_once() -> None:
    assert not Patience(Clock()).retries(403)


def test_a_stream_that_worked_is_tried_again_for_a_while() -> None:
    clock = Clock()
    patience = Patience(clock)
    patience.note_success()
    clock.now = 1.0
    assert patience.retries(403)
    clock.now = 20.0
    assert patience.retries(403)
    clock.now = 40.0
    assert not patience.retries(403)


def test_waits_grow_until_the_stream_works_again() -> None:
    patience = Patience(Clock())
    assert [round(patience.next_wait_seconds(), 1) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    patience.note_success()
    assert patience.next_wait_seconds() == 0.2


def test_a_line_that_never_seems_to_end_is_read_in_one_pass() -> None:
    """Of 32 MiB in pieces; put together anew with each of them, that took minutes."""
    piece, pieces = b"x" * 2**13, 2**12

    async def stream() -> AsyncIterator[bytes]:
        yield b"first\nsec"
        yield b"ond\nthird\n"
        for _ in range(pieces):
            yield piece

    async def read() -> list[list[str]]:
        return [lines async for lines in split_lines(stream())]

    one, two, (long,) = asyncio.run(read())
    assert (one, two, len(long)) == (["first"], ["second", "third"], len(piece) * pieces)
