"""What a step prints is reported to its last line, without waiting for who holds its output open afterwards."""

import io
import os
import subprocess
import threading
from collections.abc import Iterator

import pytest

from zoo_runner.engines.local import printed
from zoo_runner.engines.local.printed import Printed
from zoo_runner.engines.local.watch import Watch
from zoo_runner.model.events import EngineLine, StepEnded, StepLines, StepStarted

# as much as a pipe holds
MUCH = b"x\n" * 32_768


@pytest.fixture
def pipe() -> Iterator[tuple[Printed, int]]:
    """What a step prints, and the end that it and others print into."""
    reader, writer = os.pipe()
    with Printed(reader) as opened:
        yield opened, writer
    os.close(writer)


def test_all_that_a_step_printed_is_read_however_long_it_takes(
    pipe: tuple[Printed, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "_LAST_LINES_SECONDS", 0.01)
    opened, writer = pipe
    os.write(writer, MUCH)
    opened.note_end()
    read = b""
    while chunk := opened.read(8192):
        read += chunk
        threading.Event().wait(0.02)
    assert read == MUCH


def test_somebody_who_prints_for_ever_is_heard_for_a_while(
    pipe: tuple[Printed, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "_LAST_LINES_SECONDS", 0.1)
    opened, writer = pipe
    with subprocess.Popen(["yes"], stdout=writer) as daemon:
        try:
            assert opened.read(2) == b"y\n"
            opened.note_end()
            while opened.read(8192):
                pass
            assert daemon.poll() is None
        finally:
            daemon.kill()


def test_a_child_that_passes_on_the_last_lines_is_heard(pipe: tuple[Printed, int]) -> None:
    opened, writer = pipe
    child = os.dup(writer)
    opened.note_end()
    os.write(child, b"the last line\n")
    os.close(child)
    assert io.BufferedReader(opened).readline() == b"the last line\n"


def test_no_line_of_a_step_is_lost_where_its_caller_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "_LAST_LINES_SECONDS", 0.01)
    reported: list[StepStarted | StepLines | StepEnded | EngineLine] = []
    may_report = threading.Event()

    def emit(event: StepStarted | StepLines | StepEnded | EngineLine) -> None:
        assert not isinstance(event, StepLines) or may_report.wait(20)
        reported.append(event)

    watch = Watch("work", "seq", emit, None, None)
    process = subprocess.Popen(["seq", "1000"], stdout=watch.writer, text=True)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    timer = threading.Timer(0.2, may_report.set)
    timer.start()
    watch.wait(process)
    timer.join()
    lines = [line for event in reported if isinstance(event, StepLines) for line in event.lines]
    assert lines == [str(number) for number in range(1, 1001)]
    assert isinstance(reported[-1], StepEnded)
