import doctest
import time

import pytest

from zoo_runner import lines
from zoo_runner.lines import iterate_lines


def read(*chunks: bytes, longest: int | None = None) -> list[str]:
    given = iter([*chunks, b""])
    return [line for batch in iterate_lines(lambda: next(given), longest) for line in batch]


def test_the_example_of_the_module_is_right() -> None:
    assert doctest.testmod(lines).failed == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_the_same_however_the_stream_is_cut(size: int) -> None:
    text = "one\n\ntwo ü\nthree\r\n\r\n10%\r20%\r\r\nlast\r".encode()
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    assert read(*chunks) == ["one", "", "two ü", "three", "", "10%\r20%\r", "last"]


@pytest.mark.parametrize("size", [3, 10, 64])
def test_a_line_without_end_is_cut(size: int) -> None:
    text = b"x" * 25 + b"\nshort\n" + b"y" * 11
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    cut = read(*chunks, longest=10)
    assert "".join(cut) == "x" * 25 + "short" + "y" * 11
    assert max(map(len, cut)) <= 10


def test_a_whole_batch_arrives_at_once() -> None:
    given = iter([b"1\n2\n3\n", b""])
    assert list(iterate_lines(lambda: next(given))) == [("1", "2", "3")]


def test_a_line_that_comes_in_very_many_chunks_takes_time_in_proportion_to_its_length() -> None:
    given = iter([*[b"x" * 64] * (1 << 18), b"\nend", b""])
    began = time.process_time()
    assert [len(line) for batch in iterate_lines(lambda: next(given)) for line in batch] == [64 << 18, 3]
    assert time.process_time() - began < 8
