"""What a launcher prints, which code of a package may have taken over: events within bounds, or the end of the job."""

import json

import pytest

from zoo_runner.engines.local.run import read_events
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import EngineLine


def test_events_are_read_and_other_lines_left_out() -> None:
    line = json.dumps({"event": "EngineLine", "severity": "info", "text": "x"})
    assert list(read_events([line, "no event", "{}"])) == [EngineLine("info", "x")]


def test_a_line_that_no_launcher_prints_ends_the_job() -> None:
    with pytest.raises(EngineError) as caught:
        list(read_events(["x" * 99, "x" * 100], longest=100))
    assert caught.value.diagnosis.code == "engine.refused-request"
