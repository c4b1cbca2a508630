"""What goes wrong around a job (its store, its display, its lease, another caller) does not decide how it ends."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import TalkingEngine, accepted
from tests.values import configuration_in
from zoo_runner.config.configuration import Configuration
from zoo_runner.execution.context import Context, open_context, record_outcome
from zoo_runner.execution.execute import execute
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import ToolError
from zoo_runner.model.events import EngineLine, StageStarted
from zoo_runner.model.job import Outcome, Status
from zoo_runner.store.memory import MemoryStore

FAILED = Outcome(Status.FAILED, diagnosis=ToolError("why", "what").diagnosis, exit_code=6)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return configuration_in(tmp_path)


@pytest.fixture
def engine(configuration: Configuration) -> TalkingEngine:
    engine = TalkingEngine(configuration)
    engine.events = (StageStarted(Stage.STAGE_IN, "x"), EngineLine("info", "y"), StageStarted(Stage.EXECUTE, "z"))
    return engine


@pytest.fixture
def context(configuration: Configuration, engine: TalkingEngine) -> Context:
    return open_context(configuration, engine)


# another caller


def test_a_failed_call_leaves_the_job_of_another_call_alone(context: Context, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    job = context.store.get("j1")
    record_outcome(context.store, replace(job, version=0), FAILED)
    assert context.store.get("j1") == job


def test_a_failed_call_stores_its_failure_where_there_is_no_job_or_its_own(context: Context, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    job = context.store.get("j1")
    record_outcome(context.store, replace(job, id="j2", version=0), FAILED)
    record_outcome(context.store, job, FAILED)
    assert [context.store.get(name).outcome for name in ("j1", "j2")] == [FAILED, FAILED]


# the keeper


class FailingStore(MemoryStore):
    """Fails at every second renewal with an error that no store announces."""

    def __init__(self) -> None:
        super().__init__()
        self.renewals = 0
        self.renewed = threading.Event()

    def renew(self, lease: Any, seconds: float) -> Any:
        self.renewals += 1
        if self.renewals > 3:
            self.renewed.set()
        if self.renewals % 2:
            raise OSError("the disk is away")
        return super().renew(lease, seconds)


def test_the_keeper_outlives_a_store_that_fails_for_a_moment(context: Context, tmp_path: Path) -> None:
    store, cancellation = FailingStore(), Cancellation(0.1)
    other = replace(context, store=store, events=store)
    accepted(other, tmp_path)
    lease = store.lease("j1", "me", 60)
    assert lease
    timed_out = threading.Event()
    cancellation.when_cancelled(timed_out.set)
    with Keeper(store, beat_seconds=0.01).keeping(lease, cancellation, 0.1):
        assert store.renewed.wait(30)
        assert timed_out.wait(30)
    assert cancellation.reason is Reason.TIME_LIMIT


# the store and the display


def test_a_display_that_is_gone_ends_no_job(context: Context, tmp_path: Path) -> None:
    calls = []

    def broken(event: object) -> None:
        calls.append(event)
        raise BrokenPipeError("the terminal is gone")

    draft = accepted(context, tmp_path)
    assert execute(context, "j1", broken).status is Status.SUCCESSFUL
    assert len(calls) == 1
    assert draft.paths.job_log.read_text().count("BrokenPipeError") == 1


def test_an_event_log_that_fails_ends_no_job(context: Context, tmp_path: Path) -> None:
    class Full:
        def append(self, *_: object) -> int:
            raise OSError(28, "No space left on device")

        def read(self, *_: object) -> Any:
            raise OSError(5, "Input/output error")

    draft = accepted(context, tmp_path)
    assert execute(replace(context, events=Full()), "j1").status is Status.SUCCESSFUL
    assert draft.paths.job_log.read_text().count("No space left on device") == 1
