"""Rules of the job pod's log."""

import base64
import json
import zlib
from dataclasses import replace
from io import StringIO

import pytest

from zoo_runner.engines.kubernetes.job_pod.pod import PodOutput
from zoo_runner.engines.kubernetes.pod_log import Handover, LastLine, decode_line, decode_lines, encode_line
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import (
    DismissedError,
    EngineError,
    RunnerError,
    StageInError,
    StageOutError,
    TimeLimitError,
    ToolError,
)
from zoo_runner.model.events import EngineLine, Event, Published, StageStarted, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import build_failure, restore_error
from zoo_staging.progress import Transferred

FOUND = Diagnosis(Stage.STAGE_IN, Level.PLATFORM, "cause", "remedy", ("a", "b"), "write", None)
FAILED = Outcome(Status.FAILED, diagnosis=FOUND, exit_code=5)


@pytest.mark.parametrize(
    "event",
    [
        StageStarted(Stage.STAGE_IN, "there"),
        StepStarted("write_2", "echo a", 1.5),
        StepLines("write", ("[a] {b} engine info: c",)),
        StepLines("write", ("",)),
        StepEnded("write", 1.0, 2.0, None, None, None),
        EngineLine("warning", "careful: [x]"),
        Transferred("stage-in", "s3://a/b", 1, 2, 3, None),
        Published("s3://b/logs/1"),
        Outcome(Status.SUCCESSFUL, Results({"a": 1}, {"type": "Collection"}, "s3://b/c.json")),
        FAILED,
        Handover(),
    ],
)
def test_every_event_comes_back_from_its_line(event: Event | LastLine) -> None:
    (line,) = encode_line(event)
    assert "\n" not in line
    assert decode_line(line) == event


def test_a_line_of_a_step_is_readable_as_it_stands() -> None:
    assert encode_line(StepLines("write", ("Hello",))) == ["[write] Hello"]


def write(event: Event | LastLine, *secrets: str) -> list[str]:
    stream = StringIO()
    PodOutput(stream, Masker(secrets))(event)
    return stream.getvalue().splitlines()


def test_results_that_look_like_secrets_come_back_from_the_last_line() -> None:
    results = Results({"stats": {"token_count": 12, "password": None, "text": 'of ca"nary'}}, {}, "s3://b/c.json")
    [line] = write(Outcome(Status.SUCCESSFUL, results), 'ca"nary')
    assert decode_line(line) == Outcome(
        Status.SUCCESSFUL,
        replace(results, document={"stats": {"token_count": 12, "password": None, "text": "of *****"}}),
    )


@pytest.mark.parametrize("secret", ["failed", "stage-in", "platform", "Outcome", "diagnosis", "runner.defect"])
def test_a_secret_that_is_a_word_of_the_log_costs_no_last_line(secret: str) -> None:
    [line] = write(replace(FAILED, diagnosis=replace(FOUND, cause=f"{secret} is wrong")), secret)
    assert decode_line(line) == replace(FAILED, diagnosis=replace(FOUND, cause="***** is wrong"))


def test_a_secret_is_masked_in_every_event() -> None:
    assert write(StepLines("write", ("canary",)), "canary") == ["[write] *****"]
    assert write(EngineLine("info", "a\ncanary"), "canary") == ["engine info: a", "engine info: *****"]
    for event in (StageStarted(Stage.STAGE_IN, "canary"), Published("s3://canary"), StepStarted("a", "b canary", 1.0)):
        assert "canary" not in "".join(write(event, "canary"))


def test_a_step_cannot_pretend_that_the_job_has_ended() -> None:
    (forged,) = encode_line(StepLines("write", tuple(encode_line(FAILED))))
    assert isinstance(decode_line(forged), StepLines)


def test_a_line_that_is_invalid_of_ours_is_the_engines() -> None:
    assert decode_line("Traceback (most recent call last):") == EngineLine("info", "Traceback (most recent call last):")
    assert decode_line('{"event": "Unheard"}') == EngineLine("info", '{"event": "Unheard"}')


def test_several_lines_of_the_engine_stay_several() -> None:
    assert encode_line(EngineLine("info", "a\nb")) == ["engine info: a", "engine info: b"]


def test_the_error_of_the_pod_is_made_again() -> None:
    error = restore_error(FAILED)
    assert isinstance(error, StageInError)
    assert error.diagnosis == FOUND


def test_an_error_of_an_unknown_exit_code_is_the_engines() -> None:
    assert isinstance(restore_error(replace(FAILED, exit_code=99)), EngineError)


@pytest.mark.parametrize("kind", [StageInError, ToolError, EngineError, StageOutError, TimeLimitError, DismissedError])
def test_the_outcome_of_a_job_pod_gives_the_error_that_it_was_made_of(kind: type[RunnerError]) -> None:
    error = kind("cause", "remedy")
    restored = restore_error(build_failure(error))
    assert restored
    assert (type(restored), restored.diagnosis) == (kind, error.diagnosis)


def test_a_job_with_results_has_no_error() -> None:
    assert restore_error(Outcome(Status.SUCCESSFUL, Results({}, {}, "s3://b/c.json"))) is None


def test_much_that_a_step_printed_at_once_is_few_lines_with_the_last_in_plain() -> None:
    printed = StepLines("write tile", tuple(f"tile {number} is écrit" for number in range(20_000)))
    lines = encode_line(printed)
    assert len(lines) < 10
    assert sum(map(len, lines)) < sum(map(len, printed.lines)) / 4
    assert '"last": "tile 19999 is \\u00e9crit"' in lines[-1]
    blocks = [event for event in decode_lines(lines) if isinstance(event, StepLines)]
    assert len(blocks) == 1
    assert [line for block in blocks for line in block.lines] == list(printed.lines)


def test_lines_before_and_after_a_block_keep_their_place() -> None:
    much = StepLines("write", ("x" * 40_000, "y" * 40_000))
    lines = [*encode_line(StepLines("write", ("a", "b"))), *encode_line(much), "[write] c", "[other] d"]
    assert list(decode_lines(lines)) == [
        StepLines("write", ("a", "b", *much.lines, "c")),
        StepLines("other", ("d",)),
    ]


def test_a_line_that_is_longer_than_a_block_comes_through() -> None:
    printed = StepLines("write", ("x" * 64_000, "\U0001f30d" * 60_000, "", "y"))
    blocks = [event for event in decode_lines(encode_line(printed)) if isinstance(event, StepLines)]
    assert [line for block in blocks for line in block.lines] == list(printed.lines)


@pytest.mark.parametrize(
    "content",
    ["no base64!", base64.b64encode(b"no zlib").decode(), base64.b64encode(zlib.compress(bytes(1 << 30))).decode(), 7],
    ids=["base64", "zlib", "bomb", "number"],
)
def test_a_block_that_is_none_is_a_line_of_the_engine(content: object) -> None:
    line = json.dumps({"event": "PackedLines", "step": "write", "lines": 1, "last": "", "zlib": content})
    assert decode_line(line) == EngineLine("info", line)


def test_of_very_much_the_blocks_are_a_few_events() -> None:
    printed = StepLines("write", tuple(f"tile {number} is written" for number in range(200_000)))
    blocks = [event for event in decode_lines(encode_line(printed)) if isinstance(event, StepLines)]
    assert 3 < len(blocks) < 8
    assert [line for block in blocks for line in block.lines] == list(printed.lines)
