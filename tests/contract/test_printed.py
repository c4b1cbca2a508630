"""What a step prints is reported to its last line, without waiting for who holds its output open afterwards."""

import io
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from zoo_runner.engines.local.printed import LAST_LINES_SECONDS, Printed
from zoo_runner.engines.local.watch import Watch
from zoo_runner.model.events import EngineLine, StepEnded, StepLines, StepStarted

# as much as a pipe holds
MUCH = b"x\n" * 32_768


@contextmanager
def open_pipe(last_lines_seconds: float) -> Iterator[tuple[Printed, int]]:
    """What a step prints, and the end that it and others print into."""
    reader, writer = os.pipe()
    with Printed(reader, last_lines_seconds) as opened:
        yield opened, writer
    os.close(writer)


def test_all_that_a_step_printed_is_read_however_long_it_takes() -> None:
    read = b""
    with open_pipe(0.01) as (opened, writer):
        os.write(writer, MUCH)
        opened.note_end()
        while chunk := opened.read(8192):
            read += chunk
            threading.Event().wait(0.02)
    assert read == MUCH


def test_somebody_who_prints_for_ever_is_heard_for_a_while() -> None:
    with open_pipe(0.1) as (opened, writer), subprocess.Popen(["yes"], stdout=writer) as daemon:
        try:
            assert opened.read(2) == b"y\n"
            opened.note_end()
            while opened.read(8192):
                pass
            assert daemon.poll() is None
        finally:
            daemon.kill()


def test_a_child_that_passes_on_the_last_lines_is_heard() -> None:
    with open_pipe(LAST_LINES_SECONDS) as (opened, writer):
        child = os.dup(writer)
        opened.note_end()
        os.write(child, b"the last line\n")
        os.close(child)
        assert io.BufferedReader(opened).readline() == b"the last line\n"


def test_no_line_of_a_step_is_lost_where_its_caller_is_slow() -> None:
    reported: list[StepStarted | StepLines | StepEnded | EngineLine] = []
    may_report = threading.Event()

    def emit(event: StepStarted | StepLines | StepEnded | EngineLine) -> None:
        assert not isinstance(event, StepLines) or may_report.wait(20)
        reported.append(event)

    watch = Watch("work", "seq", emit, None, None, last_lines_seconds=0.01)
    process = subprocess.Popen(["seq", "1000"], stdout=watch.writer, text=True)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    timer = threading.Timer(0.2, may_report.set)
    timer.start()
    watch.wait(process)
    timer.join()
    lines = [line for event in reported if isinstance(event, StepLines) for line in event.lines]
    assert lines == [str(number) for number in range(1, 1001)]
    assert isinstance(reported[-1], StepEnded)
