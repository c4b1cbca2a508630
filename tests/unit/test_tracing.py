"""The spans of a job, planned from its record and from when its stages began."""

from dataclasses import replace

import pytest

from tests.contract.stores import build_job
from zoo_runner.config.server import load_server_settings
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import EngineLine, StageStarted
from zoo_runner.server.tracing import PlannedSpan, StageTimes, open_tracing, plan_spans, read_context, trace_part

SECOND = 1_000_000_000
CREATED = 1_767_225_600 * SECOND
JOB = replace(
    build_job(), created="2026-01-01T00:00:00Z", started="2026-01-01T00:00:02Z", finished="2026-01-01T00:00:09Z"
)


def test_stages_follow_one_another_to_the_end_of_the_job() -> None:
    begun = [(stage, CREATED + moment * SECOND) for stage, moment in ((Stage.STAGE_IN, 3), (Stage.EXECUTE, 5))]
    assert plan_spans(JOB, begun) == [
        PlannedSpan(f"job {JOB.process_id}", CREATED, CREATED + 9 * SECOND),
        PlannedSpan("queue", CREATED, CREATED + 2 * SECOND),
        PlannedSpan("stage-in", CREATED + 3 * SECOND, CREATED + 5 * SECOND),
        PlannedSpan("execute", CREATED + 5 * SECOND, CREATED + 9 * SECOND),
    ]


def test_a_job_that_never_began_has_waited_for_all_its_life() -> None:
    _, queue = plan_spans(replace(JOB, started=None), [])
    assert queue == PlannedSpan("queue", CREATED, CREATED + 9 * SECOND)


def test_no_span_ends_before_it_begins() -> None:
    *_, last = plan_spans(JOB, [(Stage.STAGE_OUT, CREATED + 9 * SECOND + 1)])
    assert last.begin == last.end


def test_only_stages_are_noted() -> None:
    times = StageTimes(iter((7, 8)).__next__)
    for event in (StageStarted(Stage.STAGE_IN, ""), EngineLine("info", "hello"), StageStarted(Stage.EXECUTE, "echo")):
        times.report(event)
    assert times.begun == [(Stage.STAGE_IN, 7), (Stage.EXECUTE, 8)]


def test_without_traces_a_part_is_nothing() -> None:
    with trace_part("accept"):
        assert read_context() is None


@pytest.mark.parametrize(
    "variables", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}]
)
def test_without_a_collector_nothing_is_sent(variables: dict[str, str]) -> None:
    assert open_tracing(load_server_settings(variables), "server") is None
