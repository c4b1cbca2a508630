"""What goes wrong around a job (its store, its display, its lease, another caller) does not decide how it ends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import TalkingEngine, accepted, build_secret_job, elsewhere, leave_submitted
from tests.values import configuration_in, small_job
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.protocol import Handle
from zoo_runner.execution.accept import accept, find_secret_values
from zoo_runner.execution.context import Context, end_job, open_context, record_outcome
from zoo_runner.execution.execute import execute
from zoo_runner.execution.keeper import Keeper
from zoo_runner.execution.recover import cancel, recover
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, JobBusyError, ToolError
from zoo_runner.model.events import EngineLine, Event, Report, StageStarted
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.memory import MemoryStore
from zoo_runner.store.protocol import Lease

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
    with Keeper(store, beat_seconds=0.01, lease_seconds=0.03).keeping(lease, cancellation, 0.1):
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


# the lease


class LosingEngine(TalkingEngine):
    """While it follows a job, something else happens to it."""

    def happens(self) -> None: ...

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Any:
        self.happens()
        return super().follow(handle, report, cancellation)


@pytest.fixture
def losing(configuration: Configuration) -> tuple[LosingEngine, Context]:
    engine = LosingEngine(configuration)
    return engine, open_context(configuration, engine)


def test_a_job_that_another_process_took_over_is_not_concluded(
    losing: tuple[LosingEngine, Context], tmp_path: Path
) -> None:
    engine, context = losing
    lease = Lease("j1", context.owner, "")

    def lose() -> None:
        context.store.release(lease)
        assert context.store.lease("j1", "other", 60)

    engine.happens = lose  # type: ignore[method-assign]
    accepted(context, tmp_path)
    with pytest.raises(JobBusyError):
        execute(context, "j1")
    assert (context.store.get("j1").status, context.store.get("j1").outcome) == (Status.RUNNING, None)
    assert engine.removed == []


def test_an_outcome_that_is_stored_is_not_replaced_by_another(
    losing: tuple[LosingEngine, Context], tmp_path: Path
) -> None:
    engine, context = losing
    known = Outcome(Status.SUCCESSFUL, exit_code=0)

    def conclude() -> None:
        context.store.update(replace(context.store.get("j1"), outcome=known))

    engine.happens = conclude  # type: ignore[method-assign]
    engine.failure = ToolError("why", "what")
    accepted(context, tmp_path)
    assert execute(context, "j1").status is Status.SUCCESSFUL
    assert context.store.get("j1").status is Status.SUCCESSFUL


def test_a_process_works_on_a_job_once_at_a_time(losing: tuple[LosingEngine, Context], tmp_path: Path) -> None:
    engine, context = losing
    busy: list[str] = []

    def work_again() -> None:
        with pytest.raises(JobBusyError) as caught:
            execute(context, "j1")
        busy.append(caught.value.diagnosis.code)

    engine.happens = work_again  # type: ignore[method-assign]
    accepted(context, tmp_path)
    assert execute(context, "j1").status is Status.SUCCESSFUL
    assert busy == ["job.busy"]
    assert engine.removed == ["j1"]


class RacingStore(MemoryStore):
    """Another process ends a job just before its lease is taken."""

    def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        end_job(self, self.get(job_id), FAILED)
        return super().lease(job_id, owner, seconds)

    def release(self, lease: Lease) -> None:
        raise EngineError("the database is away", "Wait.", code="store.unreachable")


def test_a_job_that_ended_before_its_lease_is_not_begun_again(
    context: Context, engine: TalkingEngine, tmp_path: Path
) -> None:
    store = RacingStore()
    context = replace(context, store=store, events=store)
    accepted(context, tmp_path)
    assert execute(context, "j1") == FAILED
    assert engine.submitted == {}


def test_logs_that_cannot_be_published_for_a_reason_that_nobody_foresaw_end_no_job(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(*_: object) -> str:
        raise FileNotFoundError(2, "No such file or directory", "node_stage_in.log")

    monkeypatch.setattr("stageout.stage.put_beside", vanish)
    draft = replace(small_job(tmp_path), destination="s3://bucket/place")
    accept(context, draft, "fake", context.find_workspace(""))
    assert execute(context, "j1").status is Status.SUCCESSFUL
    assert ": FileNotFoundError" in draft.paths.job_log.read_text()


def test_a_job_with_secret_inputs_is_its_callers_from_the_first_moment(
    context: Context, configuration: Configuration, engine: TalkingEngine, tmp_path: Path
) -> None:
    draft = build_secret_job(tmp_path)
    accept(context, draft, "fake", configuration.workspace, leased=True)
    assert recover(elsewhere(configuration, engine)) == {}
    secrets = find_secret_values(draft, configuration.workspace)
    assert execute(context, "j1", secrets=secrets).status is Status.SUCCESSFUL


def test_cancelling_a_job_that_somebody_takes_up_at_that_moment_is_no_error(
    configuration: Configuration, engine: TalkingEngine, tmp_path: Path
) -> None:
    class Taken(MemoryStore):
        def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
            return None

    store = Taken()
    context = replace(open_context(configuration, engine), store=store, events=store)
    accepted(context, tmp_path)
    assert cancel(context, "j1").cancel_requested


# what the adapter decided


def test_what_a_door_decided_about_storage_holds_wherever_the_job_is_taken_up(
    configuration: Configuration, engine: TalkingEngine, context: Context, tmp_path: Path
) -> None:
    workspace = context.find_workspace("")
    storage = replace(workspace.storage, allowed_roots=(tmp_path / "shared",), public_url="https://host/results")
    accept(context, small_job(tmp_path), "fake", replace(workspace, storage=storage))
    seen: list[Workspace] = []

    def find_engine(_: str, workspace: Workspace) -> TalkingEngine:
        seen.append(workspace)
        return engine

    execute(replace(elsewhere(configuration, engine), find_engine=find_engine), "j1")
    assert {one.storage.allowed_roots for one in seen} == {(tmp_path / "shared",)}
    assert {one.storage.public_url for one in seen} == {"https://host/results"}


def test_an_engine_is_opened_once_for_one_storage_also_by_many_threads(configuration: Configuration) -> None:
    context = open_context(configuration)
    workspace = configuration.workspace
    confined = replace(workspace, storage=replace(workspace.storage, allowed_roots=()))
    with ThreadPoolExecutor(8) as pool:
        engines = set(pool.map(lambda _: context.find_engine("local", workspace), range(64)))
    assert len(engines) == 1
    assert context.find_engine("local", confined) not in engines


# secrets


@pytest.mark.parametrize("secret", ["failed", "settings", "execute", "StageStarted", "warning", "successful"])
def test_a_secret_that_is_a_word_of_the_model_breaks_nothing(tmp_path: Path, secret: str) -> None:
    configuration = configuration_in(tmp_path, MY_SECRET=secret)
    engine = TalkingEngine(configuration)
    engine.events = (StageStarted(Stage.EXECUTE, secret), EngineLine("warning", secret))
    engine.failure = ToolError(f"why: {secret}", "what", step="a")
    context = open_context(configuration, engine)
    accepted(context, tmp_path)
    shown: list[Event] = []
    outcome = execute(context, "j1", shown.append)
    job = context.store.get("j1")
    assert (outcome.status, job.status) == (Status.FAILED, Status.FAILED)
    assert job.outcome
    assert job.outcome.diagnosis
    assert (job.outcome.diagnosis.stage, job.outcome.diagnosis.cause) == (Stage.EXECUTE, "why: *****")
    masked = [StageStarted(Stage.EXECUTE, "*****"), EngineLine("warning", "*****")]
    assert shown[:2] == masked, "a display may print what it gets"
    assert [event for _, event in context.events.read("j1")][:2] == masked


# taken up again


def test_a_job_that_is_taken_up_again_does_not_go_back_nor_double_its_private_log(
    context: Context, engine: TalkingEngine, tmp_path: Path
) -> None:
    draft = leave_submitted(context, engine, tmp_path)
    context.store.update(replace(context.store.get("j1"), progress=80))
    draft.paths.record.mkdir(parents=True, exist_ok=True)
    draft.paths.kept_log.write_text("half of the story\n")
    seen: list[int] = []
    execute(context, "j1", lambda _: seen.append(context.store.get("j1").progress))
    assert min(seen) == 80
    assert draft.paths.kept_log.read_text().count("half of the story") == 1


def block(path: Path) -> None:
    """Put something there that is neither removed nor written as a file, whoever tries."""
    path.unlink(missing_ok=True)
    (path / "kept").mkdir(parents=True)


@pytest.mark.parametrize("blocked", [("job_log",), ("kept_log",), ("job_log", "kept_log", "plan", "usage")])
def test_logs_that_can_be_neither_read_nor_written_end_no_job_that_is_taken_up_again(
    context: Context, engine: TalkingEngine, tmp_path: Path, blocked: tuple[str, ...]
) -> None:
    draft = leave_submitted(context, engine, tmp_path)
    paths = draft.paths
    paths.kept_log.write_text("half of the story\n")
    for name in blocked:
        block(getattr(paths, name))
    [future] = recover(context).values()
    assert future.result().status is Status.SUCCESSFUL
    assert context.store.get("j1").status is Status.SUCCESSFUL
    whole = [log for log in (paths.job_log, paths.kept_log) if log.is_file()]
    assert all(log.read_text().count("half of the story") == 1 for log in whole)
    assert all(log.read_text().count("SUCCESSFUL") == 1 for log in whole)


def test_an_internal_error_whose_trace_cannot_be_written_is_an_outcome_all_the_same(
    context: Context, engine: TalkingEngine, tmp_path: Path
) -> None:
    draft = accepted(context, tmp_path)
    block(draft.paths.record / "internal-error.txt")
    engine.failure = ZeroDivisionError("canary")  # type: ignore[assignment]
    diagnosis = execute(context, "j1").diagnosis
    assert diagnosis is not None
    assert diagnosis.code == "runner.defect"
    assert context.store.get("j1").status is Status.FAILED


def test_what_was_submitted_is_removed_also_where_its_handle_could_not_be_stored(
    context: Context, engine: TalkingEngine, tmp_path: Path
) -> None:
    class Away(MemoryStore):
        def update(self, job: Job) -> Job:
            if job.handle and not job.outcome:
                raise EngineError("the database is away", "Wait.", code="store.unreachable")
            return super().update(job)

    store = Away()
    context = replace(context, store=store, events=store)
    accepted(context, tmp_path)
    outcome = execute(context, "j1")
    assert outcome.diagnosis
    assert outcome.diagnosis.code == "store.unreachable"
    assert engine.removed == ["j1"]


def test_a_job_ends_with_the_outcome_that_was_stored_first(context: Context, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    job = context.store.update(replace(context.store.get("j1"), outcome=Outcome(Status.SUCCESSFUL)))
    ended = end_job(context.store, job, FAILED)
    assert (ended.status, ended.outcome, ended.progress) == (Status.SUCCESSFUL, Outcome(Status.SUCCESSFUL), 100)
