"""The timeline of a job, as its page shows it."""

import pytest

from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import Event, StageStarted, StepEnded, StepReused, StepStarted
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.package import Package
from zoo_runner.server.pages.timeline import Request, Timeline, build_timeline, find_requests

BEGIN = 1769860800.0  # 2026-01-31T12:00:00Z


def build_job(status: Status, finished: str | None = None, outcome: Outcome | None = None) -> Job:
    created, started = "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:10.000Z"
    waits = status in (Status.ACCEPTED, Status.CREATED)
    return Job(
        *("job-1", "alpha", "scene", "scene", "local", "digest", {}, "/results"),
        *(created, created, status),
        started=None if waits else started,
        finished=finished,
        outcome=outcome,
    )


def build(job: Job, *events: Event, now: float = BEGIN + 100, asked: dict[str, Request] | None = None) -> Timeline:
    return build_timeline(job, events, asked or {}, now)


def list_states(timeline: Timeline) -> list[tuple[str, str]]:
    return [(row.bar.name, row.bar.state) for row in timeline.rows]


def test_a_job_that_waits_has_its_time_in_the_queue() -> None:
    timeline = build(build_job(Status.ACCEPTED))
    assert list_states(timeline) == [("Queue", "waiting")]
    assert [(row.left, row.width) for row in timeline.rows] == [(0.0, 100.0)]


def test_stages_and_steps_lie_on_one_axis() -> None:
    job = build_job(Status.SUCCESSFUL, "2026-01-31T12:01:40.000Z")
    timeline = build(
        job,
        StageStarted(Stage.STAGE_IN, "2 inputs"),
        StageStarted(Stage.EXECUTE, "scene"),
        StepStarted("clip", "clip.py", BEGIN + 20),
        StepEnded("clip", BEGIN + 20, BEGIN + 60, 0, 20.0, 300.0),
        StageStarted(Stage.STAGE_OUT, "1 output"),
        asked={"clip": Request(2, 512)},
    )
    assert [(row.bar.name, row.left, row.width) for row in timeline.rows] == [
        ("Queue", 0.0, 10.0),
        ("Stage-in", 10.0, 10.0),
        ("clip", 20.0, 40.0),
        ("Stage-out", 60.0, 40.0),
    ]
    step = timeline.rows[2]
    assert (step.cpu, step.memory, step.duration) == ("0.5 of 2 cores", "300 of 512 MiB", "40 s")


def test_what_runs_goes_on_until_now_and_what_was_not_ended_is_stopped() -> None:
    begun = StepStarted("clip", "clip.py", BEGIN + 20)
    assert list_states(build(build_job(Status.RUNNING), begun))[-1] == ("clip", "running")
    dismissed = build_job(Status.DISMISSED, "2026-01-31T12:00:40.000Z")
    (_, step) = build(dismissed, begun).rows
    assert (step.bar.state, step.duration) == ("stopped", "20 s")


def test_each_attempt_of_a_step_has_a_bar() -> None:
    events: list[Event] = [
        StepStarted("clip", "clip.py", BEGIN + 20),
        StepEnded("clip", BEGIN + 20, BEGIN + 30, 1, None, None),
        StepStarted("clip", "clip.py", BEGIN + 40),
        StepEnded("clip", BEGIN + 40, BEGIN + 50, 0, None, None),
    ]
    rows = build(build_job(Status.RUNNING), *events).rows[1:]
    assert [(row.bar.attempt, row.bar.attempts, row.bar.state, row.bar.exit_code) for row in rows] == [
        (1, 2, "failed", 1),
        (2, 2, "succeeded", 0),
    ]


def test_an_attempt_that_was_lost_ends_where_the_next_begins() -> None:
    events: list[Event] = [
        StepStarted("clip", "clip.py", BEGIN + 20),
        StepStarted("other", "other.py", BEGIN + 20),
        StepStarted("clip", "clip.py", BEGIN + 40),
        # the time of all attempts
        StepEnded("clip", BEGIN + 20, BEGIN + 50, 0, None, None),
    ]
    rows = build(build_job(Status.RUNNING), *events).rows[1:]
    assert [(row.bar.name, row.bar.attempt, row.bar.attempts, row.bar.state, row.duration) for row in rows] == [
        ("clip", 1, 2, "stopped", "20 s"),
        ("other", 1, 1, "running", "1 min 20 s"),
        ("clip", 2, 2, "succeeded", "10 s"),
    ]


def test_an_end_without_a_begin_and_a_step_that_was_not_run_are_shown() -> None:
    events: list[Event] = [StepEnded("clip", BEGIN + 20, BEGIN + 30, 0, None, None), StepReused("join", "job-0")]
    rows = build(build_job(Status.RUNNING), *events).rows[1:]
    assert [(row.bar.name, row.bar.state, row.duration) for row in rows] == [
        ("clip", "succeeded", "10 s"),
        ("join", "reused", ""),
    ]


def test_the_stage_that_failed_is_marked() -> None:
    found = Diagnosis(Stage.STAGE_IN, Level.USER, "no such file", "Check it.")
    job = build_job(Status.FAILED, "2026-01-31T12:00:20.000Z", Outcome(Status.FAILED, diagnosis=found))
    assert list_states(build(job, StageStarted(Stage.STAGE_IN, "1 input")))[-1] == ("Stage-in", "failed")


@pytest.mark.parametrize("seconds", [0.0, 0.05, 3.0, 59.0, 3601.0, 1e6])
def test_the_axis_has_a_few_ticks_whatever_its_length(seconds: float) -> None:
    timeline = build(build_job(Status.ACCEPTED), now=BEGIN + seconds)
    assert 1 <= len(timeline.ticks) <= 6
    assert all(0 <= tick.left <= 100 for tick in timeline.ticks)


def test_steps_of_a_scatter_ask_for_what_their_tool_does() -> None:
    asked = {"class": "ResourceRequirement", "coresMin": 2, "ramMin": "$(inputs.much)"}
    tool = {"class": "CommandLineTool", "id": "#clip", "requirements": [asked], "inputs": [], "outputs": []}
    step = {"id": "#main/clip", "run": "#clip", "in": [], "out": []}
    workflow = {"class": "Workflow", "id": "#main", "inputs": [], "outputs": [], "steps": [step]}
    document = {"cwlVersion": "v1.2", "$graph": [workflow, tool]}
    requests = find_requests(Package(document, "#main", "scene", {}, "0" * 64))
    assert requests == {"clip": Request(2.0, None)}
    timeline = build(build_job(Status.RUNNING), StepStarted("clip_2", "true", BEGIN + 20), asked=requests)
    assert timeline.rows[-1].cpu == "2 cores requested"
