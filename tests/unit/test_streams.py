"""Rules of watching: what changed while nobody looked is told."""

from collections.abc import Iterator

from zoo_runner.engines.kubernetes.client import read_lines
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.streams import Patience, Streams, compare, remember


def build(uid: str, version: str) -> Manifest:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


def test_what_is_new_changed_and_gone_since_is_told_once() -> None:
    known = {"a": build("a", "1"), "b": build("b", "1"), "c": build("c", "1")}
    told = list(compare(known, [build("a", "1"), build("b", "2"), build("d", "3")]))
    assert told == [("DELETED", build("c", "1")), ("MODIFIED", build("b", "2")), ("ADDED", build("d", "3"))]
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
    assert patience.bears(0)
    assert patience.bears(503)


def test_a_refusal_from_the_start_is_told_at_once() -> None:
    assert not Patience(Clock()).bears(403)


def test_a_stream_that_worked_bears_a_refusal_for_a_while() -> None:
    clock = Clock()
    patience = Patience(clock)
    patience.note_success()
    clock.now = 1.0
    assert patience.bears(403)
    clock.now = 20.0
    assert patience.bears(403)
    clock.now = 40.0
    assert not patience.bears(403)


def test_waits_grow_until_the_stream_works_again() -> None:
    patience = Patience(Clock())
    assert [round(patience.next_wait_seconds(), 1) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    patience.note_success()
    assert patience.next_wait_seconds() == 0.2


def test_what_comes_after_a_stream_was_closed_is_no_line() -> None:
    """Python gives the bytes of a TLS connection that was shut down as they are on the wire."""
    streams = Streams()

    class Answer:
        def stream(self, size: int) -> Iterator[bytes]:
            yield b'{"a": 1}\n{"b'
            streams.close()
            yield b"\x17\x03\x03\n\x1e"

        def shutdown(self) -> None: ...

        def close(self) -> None: ...

    assert list(read_lines(Answer(), "watching", streams)) == ['{"a": 1}']


def test_a_line_that_never_seems_to_end_is_read_in_one_pass() -> None:
    """Of 32 MiB in pieces; put together anew with each of them, that took minutes."""
    piece, pieces = b"x" * 2**13, 2**12

    class Answer:
        def stream(self, size: int) -> Iterator[bytes]:
            yield b"first\nsec"
            yield b"ond\n"
            yield from (piece for _ in range(pieces))

        def shutdown(self) -> None: ...

        def close(self) -> None: ...

    first, second, long = read_lines(Answer(), "reading", Streams())
    assert (first, second, len(long)) == ("first", "second", len(piece) * pieces)
