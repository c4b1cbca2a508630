"""What the parent writes to the supervisor: orders of any length, and a word behind them."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from zoo_runner.engines.cwl_process.supervisor import LifeLine


@pytest.fixture
def ends() -> Iterator[tuple[LifeLine, int]]:
    reading, writing = os.pipe()
    try:
        yield LifeLine(reading), writing
    finally:
        os.close(reading)


def write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(content)


def test_a_long_order_is_read_in_time_linear_in_its_length(ends: tuple[LifeLine, int]) -> None:
    lifeline, writing = ends
    order = b"x" * (8 << 20) + b"\n"
    writer = threading.Thread(target=write, args=(writing, order + b"cancel\n"))
    writer.start()
    began = time.process_time()
    assert lifeline.read_line() == order
    assert time.process_time() - began < 8
    assert lifeline.read_line() == b"cancel\n"
    writer.join()


def test_lines_that_came_together_are_read_one_by_one(ends: tuple[LifeLine, int]) -> None:
    lifeline, writing = ends
    write(writing, b"{}\ncancel\nunfinished")
    assert (lifeline.has_line, lifeline.read_line()) == (False, b"{}\n")
    assert (lifeline.has_line, lifeline.read_line()) == (True, b"cancel\n")
    assert (lifeline.has_line, lifeline.read_line()) == (False, b"")
