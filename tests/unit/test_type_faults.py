"""Types of plain data that others have written."""

from dataclasses import replace
from typing import Any

import pytest

from zoo_runner.model.codec import to_plain
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import StepEnded
from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.model.problems import Problem
from zoo_runner.model.type_faults import find_type_fault

TIME = "2026-01-31T12:00:00.000Z"
DIAGNOSIS = Diagnosis(
    Stage.EXECUTE, Level.USER, "a cause", "a remedy", problems=(Problem("a.code", "a", "/a", "a message"),)
)
JOB = Job(
    "1", "w", "p", "p", "local", "digest", {"a": [1, {"b": None}]}, "s3://b", TIME, TIME, Status.FAILED,
    outcome=Outcome(
        Status.FAILED, Results({}, {}, "s3://b/c"), DIAGNOSIS, 6, (StepEnded("s", 1, 2.5, None, None, None),)
    ),
)  # fmt: skip


@pytest.mark.parametrize("job", [JOB, replace(JOB, outcome=None), replace(JOB, time_limit_seconds=3)])
@pytest.mark.parametrize("sparse", [True, False])
def test_what_this_program_writes_has_no_fault(job: Job, sparse: bool) -> None:
    assert find_type_fault(Job, to_plain(job, sparse=sparse)) is None


def change(node: Any, path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value


FAULTS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "id": (("id",), 1),
    "status": (("status",), "lost"),
    "progress": (("progress",), True),
    "time_limit_seconds": (("time_limit_seconds",), "1"),
    "inputs": (("inputs",), []),
    "secret_inputs": (("secret_inputs",), "ab"),
    "secret_inputs[0]": (("secret_inputs",), [1]),
    "settings.a": (("settings",), {"a": 1}),
    "outcome": (("outcome",), 1),
    "outcome.exit_code": (("outcome", "exit_code"), "6"),
    "outcome.results.size_bytes": (("outcome", "results", "size_bytes"), 0.5),
    "outcome.diagnosis.level": (("outcome", "diagnosis", "level"), None),
    "outcome.diagnosis.problems[0].message": (("outcome", "diagnosis", "problems", 0, "message"), {}),
    "outcome.usage[0].ended": (("outcome", "usage", 0, "ended"), "now"),
}


@pytest.mark.parametrize("where", FAULTS)
def test_a_value_of_another_type_is_named(where: str) -> None:
    plain = to_plain(JOB)
    change(plain, *FAULTS[where])
    assert find_type_fault(Job, plain) == where


def test_a_member_that_is_missing_is_named_and_an_unknown_one_is_passed_over() -> None:
    plain = to_plain(JOB)
    assert find_type_fault(Job, {**plain, "later": object()}) is None
    del plain["outcome"]["status"]
    assert find_type_fault(Job, plain) == "outcome.status"
    assert find_type_fault(Job, []) == "."
