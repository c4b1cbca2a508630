import pytest

from zoo_runner.engines.cwl_process import engine_lines
from zoo_runner.engines.cwl_process.engine_lines import EngineLines
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.events import EngineLine, Event


def test_an_engine_that_logs_without_end_is_heard_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_lines, "_MOST_BYTES", 1 << 20)
    events: list[Event] = []
    lines = EngineLines(events.append)
    for _ in range(100):
        lines.report(EngineLine("error", "x" * 100_000))
    texts = [event.text for event in events if isinstance(event, EngineLine)]
    assert [len(text) for text in texts[:-1]] == [LONGEST_LINE] * 10
    assert "not kept" in texts[-1]
