"""Colours that programs print: what of them is kept, and where."""

import os
from pathlib import Path

import pytest

from tests.values import job_paths
from zoo_runner.config.folders import JobPaths
from zoo_runner.execution import log_notes
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.log_notes import locate_attempts, locate_colours, read_attempts, read_runs
from zoo_runner.model.colours import MOST_RUNS, ColouredLine, Run, Style, make_coloured_line
from zoo_runner.model.events import StepLines, StepStarted
from zoo_runner.model.masking import Masker
from zoo_runner.model.printable import make_one_line

SHOWN = {
    "\x1b[31mred\x1b[0m": [("red", "ink-red")],
    "\x1b[1;31mred\x1b[22m red": [("red", "ink-red bold"), (" red", "ink-red")],
    "\x1b[m\x1b[92mok": [("ok", "ink-green")],
    "a\x1b[4mb\x1b[24;9mc\x1b[29;3md": [("b", "underlined"), ("c", "struck"), ("d", "italic")],
    "\x1b[90mquiet\x1b[39m, \x1b[2mfaint\x1b[22m not": [("quiet", "ink-grey"), ("faint", "ink-grey")],
    # of 256 colours, and of all
    "\x1b[38;5;196mred\x1b[38;5;21mblue\x1b[38;5;244mgrey\x1b[38;5;2mgreen": [
        *(("red", "ink-red"), ("blue", "ink-blue"), ("grey", "ink-grey"), ("green", "ink-green")),
    ],
    "\x1b[38;2;0;200;200mcyan\x1b[38:2::200:0:200mmagenta": [("cyan", "ink-cyan"), ("magenta", "ink-magenta")],
    # what could not be read on its ground can
    "\x1b[31;41mred on red": [("red on red", "ground-red")],
    "\x1b[30;40mblack on black": [("black on black", "ground-grey")],
    "\x1b[7mturned\x1b[27m": [("turned", "ground-grey")],
    "\x1b[32;7mturned": [("turned", "ground-green")],
    "\x1b[8mconcealed": [],
    "\x1b[97;30;37mblack and white": [],
    # no colours at all
    "\x1b[2J\x1b[1;1Hmoved": [],
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\": [],
    "\x1b[31;": [],
    "\x1b[" + "1;" * 100 + "31mtoo long": [],
    "\x1b[99999999999999999999mx\x1b[38;5mx\x1b[38;9;1mx": [],
}


@pytest.mark.parametrize("number", range(len(SHOWN)))
def test_a_line_keeps_its_colours_as_styles_of_its_characters(number: int) -> None:
    text, wanted = list(SHOWN.items())[number]
    line = make_coloured_line(text)
    assert line == make_one_line(text)
    runs = line.runs if isinstance(line, ColouredLine) else ()
    assert [(line[run.begin : run.end], run.style.list_classes()) for run in runs if run.style.list_classes()] == wanted
    assert [Style.decode(run.style.encode()) for run in runs] == [run.style for run in runs]


def test_a_line_in_very_many_colours_ends_without() -> None:
    line = make_coloured_line("\x1b[31ma\x1b[32mb" * MOST_RUNS)
    assert isinstance(line, ColouredLine)
    assert (len(line), len(line.runs)) == (2 * MOST_RUNS, MOST_RUNS)


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    return job_paths(folder=tmp_path)


def list_files(paths: JobPaths) -> list[str]:
    return sorted(path.name for path in paths.log_folder.iterdir() if path != paths.usage)


def test_logs_stay_plain_and_colours_are_found_by_the_place_of_a_line(paths: JobPaths) -> None:
    with JobLog(paths, Masker()) as log:
        log(StepStarted("clip", "clip.py", 0.0))
        log(StepLines("clip", ("é plain", "a \x1b[31mred\x1b[0m one", "\x1b[32mgreen")))
        assert list_files(paths) == [".job.colours", "clip.colours", "clip.log"]
    assert paths.step_log("clip").read_text() == "$ clip.py\né plain\na red one\ngreen\n"
    found = read_runs(locate_colours(paths.step_log("clip"), paths.log_folder), 0, 1 << 40)
    assert found == {(19, 9): [Run(2, 5, Style(2))], (29, 5): [Run(0, 5, Style(3))]}
    text = paths.job_log.read_text()
    line = text.splitlines()[2]
    at = line.index("red")
    place = len(text[: text.index(line)].encode())
    notes = locate_colours(paths.job_log, paths.log_folder)
    assert read_runs(notes, place, place + 1) == {(place, len(line)): [Run(at, at + 3, Style(2))]}
    assert read_runs(notes, 0, place) == {}


def test_what_has_no_colours_has_no_file_of_them(paths: JobPaths) -> None:
    with JobLog(paths, Masker()) as log:
        log(StepStarted("clip", "clip.py", 0.0))
        log(StepLines("clip", ("plain", "\x1b[2Jmoved\r")))
    assert list_files(paths) == ["clip.log"]
    assert read_attempts(paths.step_log("clip")) == []


def test_a_secret_in_several_colours_is_masked(paths: JobPaths) -> None:
    with JobLog(paths, Masker(["canary-of-colours"])) as log:
        log(StepLines("clip", ("is \x1b[31mcanary\x1b[32m-of-colours", "is canary\x1b[0m-of-colours")))
    assert paths.step_log("clip").read_text() == "is *****\n" * 2
    assert list_files(paths) == ["clip.log"]


def test_colours_have_a_limit_and_the_log_goes_on(paths: JobPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_notes, "MOST_BYTES", 100)
    with JobLog(paths, Masker()) as log:
        for number in range(5):
            log(StepLines("clip", (f"\x1b[31mline {number}",)))
    assert len(paths.step_log("clip").read_text().splitlines()) == 5
    assert len(read_runs(locate_colours(paths.step_log("clip"), paths.log_folder), 0, 1 << 40)) == 2


def test_of_all_logs_of_a_job_colours_have_a_limit(paths: JobPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_notes, "MOST_BYTES_OF_ALL", 200)
    with JobLog(paths, Masker()) as log:
        for number in range(5):
            log(StepLines(f"s{number}", ("\x1b[31mred",)))
    assert list_files(paths).count(".job.colours") == 1
    assert sum((paths.log_folder / name).stat().st_size for name in list_files(paths) if name[-1] == "s") == 200


def test_another_process_writes_no_colours_and_attempts_twice(paths: JobPaths) -> None:
    events = (
        *(StepStarted("clip", "clip.py", 0.0), StepLines("clip", ("\x1b[31mfirst",))),
        *(StepStarted("clip", "clip.py", 1.0), StepLines("clip", ("\x1b[32msecond",))),
    )
    for _ in range(2):
        with JobLog(paths, Masker()) as log:
            log.take_up()
            for event in events:
                log(event)
    own = paths.step_log("clip")
    assert own.read_text() == "$ clip.py\nfirst\n$ clip.py\nsecond\n"
    assert read_attempts(own) == [16]
    assert len(read_runs(locate_colours(own, paths.log_folder), 0, 1 << 40)) == 2
    assert locate_attempts(own).stat().st_size == 17


@pytest.mark.parametrize("text", [b"", b"x", b"\xff" * 4000, b"g" * 4000, b"f" * 40 + b"\n", b"0" * 4000])
def test_a_file_that_others_have_written_changes_nothing(tmp_path: Path, text: bytes) -> None:
    log = tmp_path / "clip.log"
    log.write_text("one\n")
    for path in (locate_colours(log, tmp_path), locate_attempts(log)):
        path.write_bytes(text)
    assert read_runs(locate_colours(log, tmp_path), 0, 1 << 64) == {}
    assert [place for place in read_attempts(log) if place < 4] == []


def test_a_pipe_or_link_in_place_of_colours_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.colours")
    (tmp_path / "b.colours").symlink_to("/dev/zero")
    assert [read_runs(tmp_path / name, 0, 9) for name in ("a.colours", "b.colours")] == [{}, {}]
