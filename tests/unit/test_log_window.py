"""The part of a log that a page shows."""

import tracemalloc
from pathlib import Path

import pytest

from zoo_runner.server.pages.log_window import MOST_LINES, WINDOW_BYTES, LogWindow, find_kind, find_lines, read_window


def list_texts(window: LogWindow) -> list[str]:
    return ["".join(part.text for part in line.parts) for line in window.lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "job.log"


def test_a_short_log_is_shown_whole(log: Path) -> None:
    log.write_text("one\ntwo\n\nlast")
    window = read_window(log)
    assert list_texts(window) == ["one", "two", "", "last"]
    assert (window.earlier, [line.place for line in window.lines]) == (None, [0, 4, 8, 9])


def test_of_a_long_log_the_end_is_read_and_what_is_above_can_be_reached(log: Path) -> None:
    lines = [f"line {number}" for number in range(40_000)]
    log.write_text("\n".join(lines) + "\n")
    shown: list[str] = []
    window, before = read_window(log), None
    while True:
        assert len(window.lines) <= MOST_LINES
        shown = list_texts(window) + shown
        if window.earlier is None:
            break
        assert before is None or window.earlier < before
        before = window.earlier
        window = read_window(log, before)
    assert shown == lines


def test_a_line_that_fills_the_window_is_cut(log: Path) -> None:
    log.write_bytes(b"x" * (3 * WINDOW_BYTES))
    window = read_window(log)
    assert len(list_texts(window)[0]) < WINDOW_BYTES
    assert window.earlier == 2 * WINDOW_BYTES


def test_lines_with_a_text_are_found_in_the_whole_log_and_marked(log: Path) -> None:
    log.write_text("Start\nan Error here, an error there\n" + "noise\n" * 50_000 + "ERROR\n")
    window = find_lines(log, "error")
    assert list_texts(window) == ["an Error here, an error there", "ERROR"]
    assert [part.text for part in window.lines[0].parts if part.is_found] == ["Error", "error"]
    assert (window.searched_from, window.is_full) == (0, False)


def test_a_search_keeps_no_more_lines_than_it_shows(log: Path) -> None:
    log.write_text("e\n" * 100_000)
    tracemalloc.start()
    try:
        window = find_lines(log, "e")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(window.lines), window.lines[-1].place, window.is_full) == (500, 199_998, True)
    assert most < 2 << 20


def test_a_text_is_found_anywhere_in_a_long_line(log: Path) -> None:
    for before in range((16 << 10) - 6, (16 << 10) + 2):
        log.write_text("x" * before + "error" + "x" * 20_000 + "\nnot here\n")
        assert len(find_lines(log, "Error").lines) == 1, before
    log.write_text("x" * ((16 << 10) - 3) + "err\nor\n")
    assert find_lines(log, "error").lines == ()


def test_what_changes_its_length_in_lower_case_is_found_and_not_marked(log: Path) -> None:
    log.write_text("İstanbul error\n")
    assert list_texts(find_lines(log, "error")) == ["İstanbul error"]


def test_a_log_that_is_not_there_or_no_text_is_shown_as_far_as_it_can(log: Path) -> None:
    assert read_window(log) == find_lines(log, "a") == LogWindow((), 0)
    log.write_bytes(b"\xff\xfe\n")
    assert list_texts(read_window(log)) == ["\ufffd\ufffd"]
    assert read_window(log, 10**18).lines == read_window(log).lines


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2026-01-31T12:00:00.000Z [clip] ERROR: no band", "error"),
        ("Traceback (most recent call last):", "error"),
        ("2026-01-31T12:00:00.000Z [engine] warning: slow", "warning"),
        ("[WARN] slow", "warning"),
        ("found no errors at all, only an error", ""),
        ("", ""),
    ],
)
def test_errors_and_warnings_differ_from_other_lines(text: str, kind: str) -> None:
    assert find_kind(text) == kind
