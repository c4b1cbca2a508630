"""How far a job is, as its events say."""

from zoo_runner.execution.progress import ProgressTracker
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted, StepEnded, StepStarted, build_not_again

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


def test_steps_that_the_next_pod_does_not_run_again_count_as_ended() -> None:
    tracker = ProgressTracker(2)
    for event in (EXECUTE, *FIRST, EXECUTE):
        before = tracker.note(event)
    after = tracker.note(build_not_again("a"))
    assert before
    assert after
    assert (after.percent, "1 of 2" in after.message) == (before.percent, True)
    last = tracker.note(FIRST[2])
    assert last
    assert "1 of 2" in last.message
