import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_runner.model.codec import event_from_plain, event_to_plain, from_plain, to_plain
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import (
    EngineLine,
    Event,
    Published,
    StageStarted,
    StepEnded,
    StepLines,
    StepStarted,
)
from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.model.package import Package, SourceFile
from zoo_staging.progress import Transferred

EVENTS: list[Event] = [
    EngineLine("warning", "slow"),
    Published("s3://results/logs"),
    StageStarted(Stage.STAGE_IN, "/scratch"),
    StepEnded("a", 1.0, 2.0, None, 0.5, None),
    StepLines("a", ("ü\n",)),
    StepStarted("a", "echo", 1.0),
    Transferred("stage-out", "s3://results/a", 1, 2, 3, None),
]
JOB = Job(
    "j", "ws", "p", "w", "local", "d" * 64, {"x": [1, None]}, "/out", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
)
FAILED = Outcome(
    Status.FAILED,
    diagnosis=Diagnosis(Stage.EXECUTE, Level.USER, "cause", "remedy", ("one", "two"), "step", "log", "step.failed"),
    exit_code=6,
    usage=(StepEnded("a", 1.0, 2.0, 1, None, None),),
)
SUCCEEDED = Outcome(Status.SUCCESSFUL, Results({"out": {"href": "x"}}, {"type": "Collection"}, "c"), published="logs")
_REQUIRED = (
    *("id", "workspace", "process_id", "workflow_id", "engine", "package", "inputs", "destination"),
    *("created", "updated"),
)
PACKAGE = Package({"cwlVersion": "v1.2"}, "#main", "w", {}, "d" * 64, (SourceFile("file:///a", "0"),), {"a": "b"})


def travel(value: object) -> object:
    return json.loads(json.dumps(to_plain(value)))


@pytest.mark.parametrize("outcome", [None, FAILED, SUCCEEDED])
def test_a_job_survives_json(outcome: Outcome | None) -> None:
    job = replace(JOB, status=Status.RUNNING, secret_inputs=("key",), outcome=outcome, handle={"pid": 1})
    assert from_plain(Job, travel(job)) == job


def test_a_sparse_record_has_what_is_not_a_default() -> None:
    job = replace(JOB, status=Status.FAILED, step="", message=None, outcome=FAILED)
    record = to_plain(job, sparse=True)
    assert record.keys() == {*_REQUIRED, "status", "step", "outcome"}
    assert record["outcome"].keys() == {"status", "diagnosis", "exit_code", "usage"}
    assert from_plain(Job, json.loads(json.dumps(record))) == job


def test_a_package_survives_json() -> None:
    assert from_plain(Package, travel(PACKAGE)) == PACKAGE


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_survives_json(event: Event) -> None:
    assert event_from_plain(json.loads(json.dumps(event_to_plain(event)))) == event


def test_a_member_of_a_newer_release_is_left_out() -> None:
    assert from_plain(Job, {**to_plain(JOB), "of_tomorrow": 1}) == JOB


def test_a_member_that_an_older_release_lacks_takes_its_default() -> None:
    plain = to_plain(JOB)
    del plain["priority"]
    assert from_plain(Job, plain).priority == 0


@pytest.mark.parametrize("data", [None, [], {}, {"id": "j"}])
def test_what_is_no_job_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="Job"):
        from_plain(Job, data)


@given(st.dictionaries(st.text(), st.integers()))
def test_what_is_no_event_is_refused(data: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="event"):
        event_from_plain(data)


@dataclass(frozen=True)
class _Doubled:
    number: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", 2 * self.number)


@dataclass(frozen=True)
class _Listed:
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Slotted:
    name: str = "a"


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [(_Doubled, {"number": 2}, _Doubled(2)), (_Listed, {}, _Listed([])), (_Slotted, {"name": "b"}, _Slotted("b"))],
)
def test_a_class_that_does_more_than_set_members_is_called(
    kind: type[Any], data: Mapping[str, Any], expected: object
) -> None:
    assert from_plain(kind, data) == expected


def test_what_is_not_written_has_its_default_and_values_share_none() -> None:
    first, second = from_plain(_Listed, {}), from_plain(_Listed, {})
    first.names.append("x")
    assert second == _Listed([])
    assert from_plain(Outcome, {"status": "failed"}) == Outcome(Status.FAILED)
