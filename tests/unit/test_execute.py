"""Jobs are accepted, executed, taken up again and cancelled, by one process or by several; no engine but the double."""

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.jobs import TalkingEngine, accepted, build_secret_job, elsewhere, leave_submitted
from tests.site import run_draft
from tests.values import configuration_in, small_job, small_package
from tests.waiting import wait_for
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.fake import FAKE_WORK, FakeEngine
from zoo_runner.engines.protocol import Capabilities, JobSpec, Plan
from zoo_runner.execution.accept import Origin, accept, accept_failed, build_masker, draft_job, find_secret_values
from zoo_runner.execution.context import Context, open_context, request_cancel
from zoo_runner.execution.execute import execute, start
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.journal import Journal
from zoo_runner.execution.keeper import Keeper
from zoo_runner.execution.recover import cancel, recover
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import (
    DismissedError,
    InputError,
    JobBusyError,
    JobExistsError,
    JobNotFoundError,
    NotReachedError,
    SettingsError,
    StageOutError,
    ToolError,
)
from zoo_runner.model.events import (
    EngineLine,
    Event,
    Published,
    Report,
    StageStarted,
    StepEnded,
    StepLines,
    StepStarted,
    build_anew,
)
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import FileStore

SECRET = "canary-in-the-story"


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return configuration_in(tmp_path, MY_SECRET=SECRET)


@pytest.fixture
def engine(configuration: Configuration) -> FakeEngine:
    return FakeEngine(configuration)


@pytest.fixture
def context(configuration: Configuration, engine: FakeEngine) -> Context:
    return open_context(configuration, engine)


def test_drafting_creates_nothing(tmp_path: Path, configuration: Configuration) -> None:
    draft = draft_job(small_package(), {}, lambda paths: f"s3://b/{paths.job_id}", configuration.workspace, "j1")
    assert draft.destination == "s3://b/j1"
    assert list(tmp_path.iterdir()) == []


def test_an_engine_gets_the_limit_of_the_logs(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path, ZOO_RUNNER_LOG_MAX_MIB="2")
    engine = FakeEngine(configuration)
    context = open_context(configuration, engine)
    draft = draft_job(small_package(), {}, lambda _: str(tmp_path / "results"), configuration.workspace, "j1")
    accept(context, draft, "fake", configuration.workspace)
    seen: list[int] = []
    plan = engine.plan
    engine.plan = lambda job: seen.append(job.log_bytes) or plan(job)  # type: ignore[method-assign,func-returns-value]
    execute(context, "j1")
    assert (draft.log_bytes, seen) == (2 * 2**20, [2 * 2**20])


def test_an_accepted_job_keeps_its_caller_and_its_priority(context: Context, tmp_path: Path) -> None:
    accept(context, small_job(tmp_path), "fake", context.find_workspace(""), Origin("ada", priority=3))
    job = context.store.get("j1")
    assert (job.status, job.caller, job.priority) == (Status.ACCEPTED, "ada", 3)


def test_a_request_that_fails_before_it_is_accepted_is_kept_as_a_job_that_has_ended(
    context: Context, tmp_path: Path
) -> None:
    error = InputError(f"the value {SECRET} is not a date", "Correct it.", code="inputs.type")
    accept_failed(context, small_job(tmp_path), "fake", context.find_workspace(""), error, Origin("ada"))
    job = context.store.get("j1")
    assert (job.status, job.caller, job.finished) == (Status.FAILED, "ada", job.created)
    assert job.outcome is not None
    assert job.outcome.diagnosis is not None
    assert (job.outcome.diagnosis.code, job.outcome.exit_code) == ("inputs.type", InputError.exit_code)
    assert SECRET not in str(job)
    assert execute(context, "j1") == job.outcome
    assert context.store.find_abandoned() == ()


@pytest.mark.parametrize("job_id", ["../x", "a/b", "-x"])
def test_an_invalid_job_id_is_refused(configuration: Configuration, job_id: str) -> None:
    with pytest.raises(SettingsError):
        draft_job(small_package(), {}, lambda _: "x", configuration.workspace, job_id)


def test_what_is_accepted_is_stored_and_nothing_runs(context: Context, engine: FakeEngine, tmp_path: Path) -> None:
    draft = accepted(context, tmp_path)
    job = context.store.get("j1")
    assert (job.status, job.engine, job.started, job.handle) == (Status.ACCEPTED, "fake", None, None)
    assert context.store.load_package(job.package) == draft.package
    assert engine.submitted == {}
    assert not draft.paths.job_log.exists()


def test_what_the_engine_cannot_run_is_refused_before_it_is_stored(context: Context, tmp_path: Path) -> None:
    class Strict(FakeEngine):
        def plan(self, job: JobSpec) -> Plan:
            raise StageOutError("no", "Change it.")

    strict = replace(context, find_engine=lambda *_: Strict.__new__(Strict))
    with pytest.raises(StageOutError):
        accepted(strict, tmp_path)
    with pytest.raises(JobNotFoundError):
        context.store.get("j1")


def test_an_id_is_given_once(context: Context, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    with pytest.raises(JobExistsError) as caught:
        accepted(context, tmp_path)
    assert caught.value.exit_code == 2


def test_a_job_is_accepted_by_one_process_and_executed_by_another(
    context: Context, configuration: Configuration, engine: FakeEngine, tmp_path: Path
) -> None:
    accepted(context, tmp_path)
    outcome = execute(elsewhere(configuration, engine), "j1")
    job = context.store.get("j1")
    assert outcome.status is job.status is Status.SUCCESSFUL
    assert job.outcome == outcome
    assert job.created <= (job.started or "") <= (job.finished or "")
    assert (job.progress, job.step) == (100, None)
    assert engine.removed == ["j1"]
    assert context.store.find_lease("j1") is None


def test_a_job_that_has_ended_gives_its_outcome_again(context: Context, engine: FakeEngine, tmp_path: Path) -> None:
    engine.failure = ToolError("step 'a' failed", "Read its log.", step="a")
    draft = accepted(context, tmp_path)
    first = execute(context, "j1")
    log = draft.paths.job_log.read_text()
    assert execute(context, "j1") == first == context.store.get("j1").outcome
    assert draft.paths.job_log.read_text() == log


def test_an_internal_error_is_an_outcome_and_its_trace_is_private(tmp_path: Path, configuration: Configuration) -> None:
    class Broken(FakeEngine):
        def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
            raise ZeroDivisionError(f"nobody foresaw {SECRET}")

    job = small_job(tmp_path)
    outcome = run_draft(job, Broken(configuration), configuration)
    assert outcome.status is Status.FAILED
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.code == "runner.defect"
    assert "ZeroDivisionError: nobody foresaw *****" in outcome.diagnosis.cause
    assert "Traceback" not in job.paths.job_log.read_text()
    trace = (job.paths.record / "internal-error.txt").read_text()
    assert "ZeroDivisionError" in trace
    assert SECRET not in trace


def test_log_record_and_caller_get_the_same_failure(tmp_path: Path, context: Context, engine: FakeEngine) -> None:
    engine.failure = ToolError("step 'a' failed", "Read its log.", evidence=("line",), step="a")
    draft = accepted(context, tmp_path)
    outcome = execute(context, "j1")
    job = context.store.get("j1")
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.log == str(draft.paths.job_log)
    assert job.outcome
    assert job.outcome.diagnosis == outcome.diagnosis
    assert "step 'a' failed" in draft.paths.job_log.read_text()
    assert (job.status, outcome.exit_code) == (Status.FAILED, 6)


def test_a_job_is_leased_until_its_record_says_how_it_ended(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its logs may take long to publish, and whoever follows them must not take the job for lost meanwhile."""
    held: list[bool] = []
    monkeypatch.setattr(
        "zoo_runner.execution.execute.publish_logs", lambda *_: held.append(context.store.find_lease("j1") is not None)
    )
    accepted(context, tmp_path)
    execute(context, "j1")
    assert held == [True]
    assert context.store.find_abandoned() == ()


def test_a_job_that_another_process_works_on_is_left_to_it(
    context: Context, configuration: Configuration, engine: FakeEngine, tmp_path: Path
) -> None:
    accepted(context, tmp_path)
    other = elsewhere(configuration, engine)
    assert other.store.lease("j1", other.owner, 60)
    with pytest.raises(JobBusyError):
        execute(context, "j1")
    assert context.store.get("j1").status is Status.ACCEPTED


def test_secret_inputs_reach_the_engine_and_no_store(
    context: Context, engine: FakeEngine, tmp_path: Path, configuration: Configuration
) -> None:
    draft = build_secret_job(tmp_path)
    accept(context, draft, "fake", configuration.workspace)
    seen: list[dict[str, Any]] = []
    plan = engine.plan
    engine.plan = lambda job: seen.append(dict(job.order)) or plan(job)  # type: ignore[method-assign,func-returns-value]
    job = context.store.get("j1")
    assert (dict(job.inputs), job.secret_inputs) == ({"user": "ada"}, ("token",))
    assert (
        execute(context, "j1", secrets=find_secret_values(draft, configuration.workspace)).status is Status.SUCCESSFUL
    )
    assert seen == [{"user": "ada", "token": "canary-t"}]
    assert "canary-t" not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_secret_inputs_that_are_kept_elsewhere_are_found_by_the_process_that_works_on_the_job(
    configuration: Configuration, tmp_path: Path
) -> None:
    engine = TalkingEngine(configuration)
    engine.events = (StepLines("a", ("before", "canary-t", "after")),)
    context = replace(
        open_context(configuration, engine), find_secrets=lambda job: {"token": "canary-t"} if job.id == "j1" else {}
    )
    draft = build_secret_job(tmp_path)
    accept(context, draft, "fake", configuration.workspace)
    assert execute(context, "j1").status is Status.SUCCESSFUL
    assert "[a] after" in draft.paths.job_log.read_text()
    assert "canary-t" not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"token_uri": "https://auth.example/token", "private_key": "canary-key"}),
        "-----BEGIN KEY-----\r\n  canary-one\r\ncanary-two==\r\n-----END KEY-----\r\n",
        f"canary-user:{SECRET}@canary-host",
    ],
)
def test_a_secret_input_that_a_step_prints_is_in_no_log(
    configuration: Configuration, tmp_path: Path, value: str
) -> None:
    engine = TalkingEngine(configuration)
    engine.events = (StepLines("a", ("before", *value.splitlines(), "after")),)
    context = open_context(configuration, engine)
    draft = build_secret_job(tmp_path)
    draft = replace(draft, order={**draft.order, "token": value})
    accept(context, draft, "fake", configuration.workspace)
    execute(context, "j1", secrets=find_secret_values(draft, configuration.workspace))
    log = draft.paths.job_log.read_text()
    assert "[a] before" in log
    assert "[a] after" in log
    assert "canary" not in log


def test_of_an_input_with_a_secret_of_the_workspace_only_the_secret_is_masked(configuration: Configuration) -> None:
    text = f"https://data.example/{SECRET}/scene"
    masked = text.replace(SECRET, "*****")
    assert build_masker(configuration.workspace, {"url": text}).mask(text) == masked
    assert build_masker(configuration.workspace, {"url": text}, ["url"]).mask(text) == "*****"


def test_a_job_whose_secret_inputs_were_lost_before_it_was_submitted_fails(
    context: Context, configuration: Configuration, tmp_path: Path
) -> None:
    accept(context, build_secret_job(tmp_path), "fake", configuration.workspace)
    outcome = execute(context, "j1")
    assert outcome.diagnosis
    assert outcome.diagnosis.code == "job.secrets-lost"
    assert "token" in outcome.diagnosis.cause


def test_of_a_job_with_secrets_that_was_killed_between_submission_and_stored_handle_nothing_is_left(
    context: Context, configuration: Configuration, engine: FakeEngine, tmp_path: Path
) -> None:
    draft = build_secret_job(tmp_path)
    accept(context, draft, "fake", configuration.workspace)
    engine.submit(engine.plan(draft), lambda _: None, Cancellation())
    outcome = execute(elsewhere(configuration, engine), "j1")
    assert outcome.diagnosis
    assert outcome.diagnosis.code == "job.secrets-lost"
    assert (engine.submitted, engine.removed) == ({}, ["j1"])


class FullStore(FileStore):
    """Has no space for the handles of jobs."""

    def update(self, job: Job) -> Job:
        if job.handle:
            raise OSError("no space left")
        return super().update(job)


def test_of_a_job_whose_handle_cannot_be_stored_nothing_is_left(
    context: Context, configuration: Configuration, engine: FakeEngine, tmp_path: Path
) -> None:
    accept(context, small_job(tmp_path, job_id="j1"), "fake", configuration.workspace)
    full = replace(context, store=FullStore(configuration.workspace.folders.state))
    assert execute(full, "j1").status is Status.FAILED
    assert (engine.submitted, engine.removed) == ({}, ["j1"])


# what another process left


def test_an_abandoned_job_ends_as_if_its_process_had_stayed(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.document = {"text": "hello"}
    draft = leave_submitted(context, engine, tmp_path)
    [future] = recover(context).values()
    results = future.result().results
    assert results is not None
    assert results.document == {"text": "hello"}
    assert context.store.get("j1").status is Status.SUCCESSFUL
    log = draft.paths.job_log.read_text()
    assert log.startswith("half of the story\n")
    assert "[job]" in log
    assert "engine fake" in log
    assert engine.removed == ["j1"]
    assert recover(context) == {}


def test_an_engine_that_has_forgotten_a_job_leaves_its_log(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    draft = leave_submitted(context, engine, tmp_path)
    engine.submitted.clear()
    outcome = execute(context, "j1")
    assert outcome.diagnosis
    assert outcome.diagnosis.code == "job.lost"
    assert "half of the story" in draft.paths.job_log.read_text()


def test_a_process_whose_job_was_taken_over_writes_nothing_more(context: Context, tmp_path: Path) -> None:
    draft = accepted(context, tmp_path)
    with JobLog(draft.paths, Masker()) as log:
        journal = Journal(context, context.store.get("j1"), log, lambda _: None)
        journal(EngineLine("info", "mine"))
        journal.hand_over()
        journal(EngineLine("info", "late"))
    assert "late" not in draft.paths.job_log.read_text()
    assert [event for _, event in context.events.read("j1")] == [EngineLine("info", "mine")]


def test_whoever_loses_a_lease_learns_it_at_the_next_beat(context: Context, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    lease = context.store.lease("j1", "me", 0.0)
    assert lease
    lost = threading.Event()
    with Keeper(context.store, 0.01, 0.0).keeping(lease, Cancellation(), None, lost.set):
        assert context.store.lease("j1", "other", 60)
        assert lost.wait(30)


def test_what_is_reported_after_the_end_does_not_clear_the_log(
    context: Context, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(log: object, destination: str, storage: object, outcome: Outcome, report: Report) -> None:
        report(Published("s3://b/logs"))

    monkeypatch.setattr("zoo_runner.execution.execute.publish_logs", publish)
    draft = leave_submitted(context, engine, tmp_path)
    cancel(context, "j1")
    assert "half of the story" in draft.paths.job_log.read_text()


def test_a_job_that_was_never_submitted_is_submitted(context: Context, engine: FakeEngine, tmp_path: Path) -> None:
    accepted(context, tmp_path)
    context.store.update(context.store.get("j1").moved_to(Status.RUNNING, "2026-01-01T00:00:00.000Z"))
    assert execute(context, "j1").status is Status.SUCCESSFUL


def test_a_job_whose_outcome_is_stored_needs_its_engine_to_be_removed_only(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    draft = leave_submitted(context, engine, tmp_path)
    known = Outcome(Status.FAILED, diagnosis=ToolError("why", "what").diagnosis, exit_code=6)
    context.store.update(replace(context.store.get("j1"), outcome=known))
    assert execute(context, "j1") == known
    assert context.store.get("j1").status is Status.FAILED
    assert "half of the story" in draft.paths.job_log.read_text()
    assert engine.removed == ["j1"]


def test_an_engine_that_does_not_answer_leaves_a_job_as_it_was(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    leave_submitted(context, engine, tmp_path)
    engine.failure = NotReachedError("away", "Try again.")
    with pytest.raises(NotReachedError):
        execute(context, "j1")
    with pytest.raises(NotReachedError):
        start(context, "j1").result()
    assert context.store.get("j1").status is Status.RUNNING
    assert [job.id for job in context.store.find_abandoned()] == ["j1"]


def test_an_event_that_is_reported_again_is_stored_once(context: Context, engine: FakeEngine, tmp_path: Path) -> None:
    leave_submitted(context, engine, tmp_path)
    known: list[Event] = [StageStarted(Stage.EXECUTE, FAKE_WORK), EngineLine("info", "x")]
    context.events.append("j1", known)
    execute(context, "j1")
    kept = [event for _, event in context.events.read("j1")]
    assert kept[:2] == known
    assert sum(isinstance(event, StageStarted) for event in kept) == 1


# what happens meanwhile


def test_events_are_kept_masked_and_without_the_lines_of_steps(configuration: Configuration, tmp_path: Path) -> None:
    engine = TalkingEngine(configuration)
    end = StepEnded("a", 1.0, 2.0, 0, None, None)
    engine.events = (StepStarted("a", f"echo {SECRET}", 1.0), StepLines("a", ("hi",)), end)
    context = open_context(configuration, engine)
    draft = accepted(context, tmp_path)
    execute(context, "j1")
    kept = [event for _, event in context.events.read("j1")]
    assert kept[:2] == [StepStarted("a", "echo *****", 1.0), end]
    assert not any(isinstance(event, StepLines) for event in kept)
    assert "[a] hi" in draft.paths.job_log.read_text()


def test_a_thousand_events_cost_the_record_a_few_writes(configuration: Configuration, tmp_path: Path) -> None:
    engine = TalkingEngine(configuration)
    engine.events = tuple(StepStarted("a", str(number), 1.0) for number in range(1000))
    context = open_context(configuration, engine)
    accepted(context, tmp_path)
    execute(context, "j1")
    assert context.store.get("j1").version < 20


def test_a_request_to_cancel_is_noticed_wherever_it_was_made(
    configuration: Configuration, engine: FakeEngine, context: Context, tmp_path: Path
) -> None:
    engine.waits = True
    context = replace(context, keeper=Keeper(context.store, beat_seconds=0.02))
    accepted(context, tmp_path)
    future = start(context, "j1")
    elsewhere_store = elsewhere(configuration, engine).store
    wait_for(lambda: elsewhere_store.get("j1").handle is not None)
    request_cancel(elsewhere_store, elsewhere_store.get("j1"))
    assert future.result(30).status is Status.DISMISSED


def test_a_time_limit_is_kept_and_what_was_used_before_counts(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.waits = True
    leave_submitted(context, engine, tmp_path)
    context.store.update(replace(context.store.get("j1"), time_limit_seconds=3600.0))
    outcome = start(context, "j1").result(30)
    assert outcome.exit_code == 9, "it was started long ago"


def test_many_jobs_of_a_remote_engine_are_followed_by_few_threads(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.waits = True
    cancellation = Cancellation()
    names = [f"job-{number}" for number in range(100)]
    for name in names:
        accepted(context, tmp_path, name)
    before = threading.active_count()
    futures = [start(context, name, cancellation=cancellation) for name in names]
    wait_for(lambda: len(engine.submitted) == len(names))
    assert threading.active_count() - before < 12
    cancellation.cancel()
    assert not wait(futures, 60).not_done
    assert {future.result().status for future in futures} == {Status.DISMISSED}


def test_a_job_that_nobody_works_on_is_cancelled_whole(context: Context, engine: FakeEngine, tmp_path: Path) -> None:
    draft = leave_submitted(context, engine, tmp_path)
    assert cancel(context, "j1").status is Status.DISMISSED
    assert "half of the story" in draft.paths.job_log.read_text()
    assert engine.removed == ["j1"]
    assert cancel(context, "j1").status is Status.DISMISSED


def test_a_job_that_is_cancelled_before_it_is_executed_never_runs(
    context: Context, engine: FakeEngine, tmp_path: Path
) -> None:
    accepted(context, tmp_path)
    assert cancel(context, "j1").status is Status.DISMISSED
    assert engine.submitted == {}
    outcome = execute(context, "j1")
    assert outcome.exit_code == DismissedError.exit_code


class NearEngine(FakeEngine):
    """An engine of this machine, which cannot follow what another process runs."""

    capabilities = Capabilities(remote=False, isolates=False)


def test_the_log_of_a_local_job_goes_on_where_another_process_left_it(
    configuration: Configuration, tmp_path: Path
) -> None:
    engine = NearEngine(configuration)
    context = open_context(configuration, engine)
    draft = leave_submitted(context, engine, tmp_path)
    execute(context, "j1")
    assert "half of the story" in draft.paths.job_log.read_text()


def test_the_record_of_a_job_is_plain_json(context: Context, tmp_path: Path) -> None:
    draft = accepted(context, tmp_path)
    execute(context, "j1")
    record = json.loads((draft.paths.record / "job.json").read_text())
    assert (record["status"], record["outcome"]["exit_code"], record["uid"]) == ("successful", 0, draft.uid)


@pytest.mark.parametrize("by_a_pod", [True, False])
def test_the_record_is_published_beside_logs_whoever_has_published_these(
    context: Context, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_a_pod: bool
) -> None:
    said: list[str] = []
    records: list[Mapping[str, bytes]] = []

    def publish(log: object, destination: str, storage: object, outcome: Outcome, report: Report) -> None:
        said.append(destination)
        report(Published("s3://b/logs"))

    def publish_record(paths: object, destination: str, storage: object, build: Any, report: Report) -> None:
        records.append(build())

    monkeypatch.setattr("zoo_runner.execution.execute.publish_logs", publish)
    monkeypatch.setattr("zoo_runner.execution.execute.publish_record", publish_record)
    if by_a_pod:
        monkeypatch.setattr(JobLog, "published", property(lambda _: "s3://b/logs"))
    leave_submitted(context, engine, tmp_path)
    cancel(context, "j1")
    assert len(said) == (0 if by_a_pod else 1)
    (documents,) = records
    record = json.loads(documents["job.json"])["job"]
    stored = context.store.get("j1")
    assert (record["status"], record["finished"], record["updated"]) == ("dismissed", stored.finished, stored.updated)


LOST_POD: tuple[Event, ...] = (StageStarted(Stage.STAGE_IN, "/in"), StageStarted(Stage.EXECUTE, "water"))
NEXT_POD: tuple[Event, ...] = (build_anew("job-1-y"), *LOST_POD, StageStarted(Stage.STAGE_OUT, "/out"))


@pytest.mark.parametrize("number", range(len(NEXT_POD) + 1))
def test_events_of_a_pod_in_the_place_of_a_lost_one_are_stored_once_by_whoever_follows_it(
    context: Context, tmp_path: Path, number: int
) -> None:
    draft = accepted(context, tmp_path)

    def write(events: Sequence[Event], again: bool) -> None:
        with JobLog(draft.paths, Masker()) as log:
            journal = Journal(context, context.store.get("j1"), log, lambda _: None)
            if again:
                journal.begin_again("followed again")
            for event in events:
                journal(event)

    write((*LOST_POD, *NEXT_POD[:number]), again=False)
    write(NEXT_POD, again=True)
    assert [event for _, event in context.events.read("j1")] == [*LOST_POD, *NEXT_POD]
