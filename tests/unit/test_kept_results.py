"""Publishing kept results: what goes wrong beside it does not lose the success; the engine is a double."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.jobs import accepted, elsewhere
from tests.values import configuration_in
from tests.waiting import wait_for
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Handle, JobSpec
from zoo_runner.execution.context import Context
from zoo_runner.execution.execute import execute
from zoo_runner.execution.keeper import Keeper
from zoo_runner.execution.kept_results import publish_kept, remove_with_results
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, JobBusyError, StageOutError
from zoo_runner.model.events import EngineLine, Event, Report
from zoo_runner.model.job import Results, Status


class KeepingEngine(FakeEngine):
    """Has kept the results of every job, and publishes them; notes whether the success was stored when it forgot."""

    context: Context
    wait: Callable[[Cancellation], None] = staticmethod(Cancellation.check)
    status_when_forgotten: Status | None = None
    lease_while_published = False

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        report(EngineLine("info", "published"))
        self.lease_while_published = self.context.store.find_lease(job.id) is not None
        self.wait(cancellation)
        return Results({}, {"type": "Collection"}, f"{job.destination}/collection.json")

    def forget(self, handle: Handle) -> None:
        self.status_when_forgotten = self.context.store.get(handle.job_id).status
        raise OSError("disk")


@pytest.fixture
def engine(tmp_path: Path) -> KeepingEngine:
    """An engine that has kept the results of the job `j1`, which failed in stage-out."""
    configuration = configuration_in(tmp_path)
    engine = KeepingEngine(configuration)
    engine.context = elsewhere(configuration, engine)
    accepted(engine.context, tmp_path)
    engine.failure = StageOutError("full", "Make room.")
    execute(engine.context, "j1")
    return engine


def test_the_success_is_stored_before_the_results_are_forgotten(engine: KeepingEngine) -> None:
    def fail(event: Event) -> None:
        raise BrokenPipeError(type(event).__name__)

    assert publish_kept(engine.context, "j1", report=fail).exit_code == 0
    assert engine.status_when_forgotten is Status.SUCCESSFUL
    assert engine.context.store.get("j1").status is Status.SUCCESSFUL
    assert engine.lease_while_published
    assert engine.context.store.find_lease("j1") is None


def test_what_cannot_be_forgotten_does_not_keep_the_rest_of_a_job(engine: KeepingEngine) -> None:
    before = list(engine.removed)
    publish_kept(engine.context, "j1")
    assert engine.removed == [*before, "j1"]
    with pytest.raises(OSError, match="disk"):
        remove_with_results(engine, Handle(engine.name, "j1", {}))
    assert engine.removed == [*before, "j1", "j1"]


def test_a_request_to_cancel_the_former_run_does_not_stop_the_publication(engine: KeepingEngine) -> None:
    store = engine.context.store
    store.update(replace(store.get("j1"), cancel_requested=True))
    assert publish_kept(engine.context, "j1").status is Status.SUCCESSFUL
    assert not store.get("j1").cancel_requested


def test_a_change_of_the_record_meanwhile_does_not_lose_the_success(engine: KeepingEngine) -> None:
    store = engine.context.store

    def change(_: Cancellation) -> None:
        store.update(replace(store.get("j1"), message="changed"))

    engine.wait = change
    publish_kept(engine.context, "j1", "/elsewhere")
    job = store.get("j1")
    assert (job.status, job.message, job.destination) == (Status.SUCCESSFUL, "changed", "/elsewhere")


def test_a_job_that_another_process_publishes_is_busy_and_one_published_has_nothing_kept(engine: KeepingEngine) -> None:
    store = engine.context.store
    lease = store.lease("j1", "another", 60)
    assert lease
    with pytest.raises(JobBusyError):
        publish_kept(engine.context, "j1")
    store.release(lease)
    publish_kept(engine.context, "j1")
    with pytest.raises(EngineError) as caught:
        publish_kept(engine.context, "j1")
    assert caught.value.diagnosis.code == "job.nothing-kept"


def test_the_lease_is_renewed_while_results_are_published(engine: KeepingEngine) -> None:
    store = engine.context.store
    context = replace(engine.context, keeper=Keeper(store, beat_seconds=0.02, lease_seconds=30))

    def wait(_: Cancellation) -> None:
        first = store.find_lease("j1")
        wait_for(lambda: store.find_lease("j1") != first)

    engine.wait = wait
    assert publish_kept(context, "j1").status is Status.SUCCESSFUL
