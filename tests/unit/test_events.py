import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_runner.model.events import EngineLine, StepEnded, StepLines, StepStarted, decode_event, encode_event


@pytest.mark.parametrize(
    "event",
    [
        StepStarted("a", "echo hi", 1.5),
        StepLines("a", ('quotes " and \\ and \u2028 and ü', "next")),
        StepEnded("a", 1.0, 2.0, None, None, None),
        StepEnded("a", 1.0, 2.0, -9, 0.5, 12.25),
        EngineLine("error", "two\nlines"),
    ],
)
def test_an_event_survives_its_line(event: StepStarted | StepLines | StepEnded | EngineLine) -> None:
    line = encode_event(event)
    assert "\n" not in line
    assert decode_event(line) == event


@given(st.text())
def test_a_line_that_is_no_event_is_none(line: str) -> None:
    assert decode_event(line) is None


@pytest.mark.parametrize(
    "line", ["[]", "1", "null", "{}", '{"event": "Transferred"}', '{"event": ["StepLines"]}', '{"event": "StepLines"}']
)
def test_json_that_is_no_event_is_none(line: str) -> None:
    assert decode_event(line) is None
