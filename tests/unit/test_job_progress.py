"""How far a job is, as its events say."""

from zoo_runner.execution.progress import ProgressTracker
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted, StepEnded, StepStarted

EXECUTE = StageStarted(Stage.EXECUTE, "two steps")
FIRST: tuple[Event, ...] = (
    StepStarted("a", "true", 1.0),
    StepEnded("a", 1.0, 2.0, 0, 0.1, 1.0),
    StepStarted("b", "true", 2.0),
)


def test_a_job_that_begins_again_counts_its_steps_anew_and_does_not_go_back() -> None:
    tracker = ProgressTracker(2)
    for event in (EXECUTE, *FIRST):
        before = tracker.note(event)
    assert before
    assert "1 of 2" in before.message
    again = tracker.note(EXECUTE)
    assert again
    assert again.percent == before.percent
    for event in FIRST:
        after = tracker.note(event)
    assert after == before
