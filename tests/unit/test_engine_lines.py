from zoo_runner.engines.cwl_process.engine_lines import EngineLines
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.events import EngineLine, Event


def test_an_engine_that_logs_without_end_is_heard_up_to_a_limit() -> None:
    events: list[Event] = []
    kept: list[Event] = []
    lines = EngineLines(events.append, kept.append, 1 << 20)
    for _ in range(100):
        lines.report(EngineLine("error", "x" * 100_000))
    texts = [event.text for event in events if isinstance(event, EngineLine)]
    assert [len(text) for text in texts[:-1]] == [LONGEST_LINE] * 10
    assert "not kept" in texts[-1]
    # for the diagnosis
    assert len(kept) == 90


def test_the_cause_that_comes_after_very_many_lines_is_reported() -> None:
    events: list[Event] = []
    lines = EngineLines(events.append, lambda event: None, 1 << 20)
    for _ in range(20):
        lines.report(EngineLine("info", "x" * 100_000))
    cause = EngineLine("error", "no space left")
    lines.report(cause)
    assert events[-1] == cause
    assert len(events) == 12
