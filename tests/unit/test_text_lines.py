"""Lines that come as one text are handled as a whole, with the same result as one by one."""

import doctest
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.kubernetes.pod_log import decode_lines, encode_line
from zoo_runner.execution.job_log import JobLog
from zoo_runner.lines import LineCutter
from zoo_runner.model import text_lines
from zoo_runner.model.codec import event_from_plain, event_to_plain
from zoo_runner.model.events import StepLines, StepStarted, decode_event, encode_event, mask_event
from zoo_runner.model.masking import MASK, Masker
from zoo_runner.model.text_lines import TextLines, join_lines, measure_lines

SECRETS = ("canary-Qx/1", "two words")
WORDS = st.sampled_from(
    [*SECRETS, "canary", "", " ", "token=", "b", "50 %", "%63anary-Qx/1", "two+words", "\x1b[31m", "ü", "\r", "\\x"]
)
LINES = st.lists(st.lists(WORDS, max_size=4).map("".join), min_size=1, max_size=80).map(tuple)


def read_logs(folder: Path, lines: Sequence[str]) -> list[tuple[str, str]]:
    paths = JobPaths("water", "j1", folder / "temp", folder / "record", folder / "scratch")
    with JobLog(paths, Masker(SECRETS), most_bytes=200) as log:
        log(StepStarted("write", "awk", 1.0))
        log(StepLines("write", lines))
        log(StepLines("write", lines))
    # without the times
    return [
        (path.name, "\n".join(line.partition("Z [")[2] or line for line in path.read_text("utf-8").split("\n")))
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".log", ".colours") and path.name != ".job.colours"
    ]


@given(LINES)
@settings(max_examples=60, deadline=None)
def test_logs_of_a_text_are_those_of_its_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: tuple[str, ...]
) -> None:
    one_by_one = read_logs(tmp_path_factory.mktemp("lines"), lines)
    assert read_logs(tmp_path_factory.mktemp("text"), TextLines("\n".join(lines))) == one_by_one
    assert len(one_by_one) >= 2


@given(LINES)
def test_a_text_is_masked_as_its_lines_are(lines: tuple[str, ...]) -> None:
    masker = Masker(SECRETS)
    apart = tuple(map(Masker(SECRETS).mask, lines))
    assert masker.mask_lines(TextLines("\n".join(lines))) == apart
    assert masker.mask_lines(lines) == apart


@given(LINES)
def test_the_pods_log_and_the_launchers_are_the_same_for_a_text(lines: tuple[str, ...]) -> None:
    text = StepLines("write", TextLines("\n".join(lines)))
    assert text == StepLines("write", lines)
    assert hash(text) == hash(StepLines("write", lines))
    assert encode_event(text) == encode_event(StepLines("write", lines))
    assert decode_event(encode_event(text)) == text
    assert event_from_plain(event_to_plain(text)) == text
    for times in (1, 1000):
        many = StepLines("write", lines * times)
        written = encode_line(StepLines("write", TextLines("\n".join(lines * times))))
        assert written == encode_line(many)
        events = [event for event in decode_lines(written) if isinstance(event, StepLines)]
        assert tuple(line for event in events for line in event.lines) == many.lines


@given(LINES, st.integers(1, 40), st.integers(1, 12))
def test_a_stream_is_cut_into_the_same_lines_whatever_is_looked_at(
    lines: tuple[str, ...], size: int, longest: int
) -> None:
    content = ("\n".join(lines) + "\n").encode()
    cutter, found = LineCutter(longest), list[str]()
    for begin in range(0, len(content), size):
        found += cutter.feed(content[begin : begin + size])
    found += cutter.end()
    if b"\r" not in content and "ü" not in "".join(lines):
        assert found == [line[at : at + longest] for line in lines for at in range(0, len(line) or 1, longest)]
    assert max(map(len, found)) <= longest


def test_the_example_of_the_module_is_right() -> None:
    assert doctest.testmod(text_lines).failed == 0


def test_the_last_lines_are_found_without_a_look_at_the_others() -> None:
    text = TextLines("\n".join(map(str, range(1000))))
    assert text[-3:] == ("997", "998", "999")
    assert text[-2000:] == tuple(map(str, range(1000)))
    assert text[0:] is text
    assert (text[0], text[-1], text[2:4], len(text)) == ("0", "999", ("2", "3"), 1000)
    assert repr(TextLines("a")) == "('a',)"
    assert TextLines("a") != ["a"]


@given(LINES)
def test_a_text_has_the_size_of_its_lines(lines: tuple[str, ...]) -> None:
    text = TextLines("\n".join(lines))
    assert (len(text), measure_lines(text), join_lines(text)) == (len(lines), measure_lines(lines), join_lines(lines))


def test_a_secret_of_rare_or_common_characters_is_found() -> None:
    for secret in ("aaaaa", "00000000", "Qx7/+==", "ü~~~~", "eieio"):
        assert Masker([secret]).mask(f"a {secret} b") == f"a {MASK} b"


def test_a_mask_of_many_lines_with_per_cent_signs_takes_little_time() -> None:
    masker = Masker(["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"])
    event = StepLines("write", TextLines("\n".join(f"tile {number}: 50 % of it" for number in range(200_000))))
    masker.mask("%41")
    began = time.process_time()
    assert mask_event(event, masker) is event
    assert time.process_time() - began < 1.5
