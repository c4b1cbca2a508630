"""A job that continues a failed one: which jobs can be continued, what it is drafted of, and whose the volume is."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.jobs import accepted, elsewhere
from tests.unit.test_kept_volume import ClusterWith
from tests.values import configuration_in, small_job
from zoo_runner.engines import open_engine
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.kept import has_kept, keep_volume, take_volume
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.protocol import Handle
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import Context
from zoo_runner.execution.execute import execute
from zoo_runner.execution.retry import Changes, draft_retry
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import (
    DismissedError,
    EngineError,
    InputError,
    NotReachedError,
    RunnerError,
    StageInError,
    StageOutError,
    TimeLimitError,
    ToolError,
)
from zoo_runner.model.events import StepReused
from zoo_runner.model.job import Status

REUSED = StepReused("list", "j1")


class ContinuingEngine(FakeEngine):
    """Keeps what the steps of a failed job did."""

    continued: Handle | None = None

    def ensure_continuable(self, handle: Handle) -> None:
        """Have all that is asked for."""

    def plan(self, job: Any) -> Any:
        self.continued = job.continues
        return super().plan(job)

    def follow(self, handle: Handle, report: Any, cancellation: Any) -> Any:
        if self.continued:
            report(REUSED)
        return super().follow(handle, report, cancellation)


@pytest.fixture
def engine(tmp_path: Path) -> ContinuingEngine:
    return ContinuingEngine(configuration_in(tmp_path))


@pytest.fixture
def context(engine: ContinuingEngine, tmp_path: Path) -> Context:
    """A store with the job `j1`, which failed in a step."""
    context = elsewhere(configuration_in(tmp_path), engine)
    accepted(context, tmp_path)
    engine.failure = ToolError("no band 9", "Look.", step="list")
    assert execute(context, "j1").status is Status.FAILED
    engine.failure = None
    return context


def test_the_new_job_names_the_failed_one_also_in_another_process_and_says_what_it_reused(
    context: Context, engine: ContinuingEngine, tmp_path: Path
) -> None:
    job, workspace = context.store.get("j1"), context.find_workspace("")
    draft = draft_retry(context, job, Changes(), workspace, "j2")
    assert (draft.order, draft.destination, draft.package) == (job.inputs, job.destination, draft.package)
    accept(context, draft, "fake", workspace)
    other = elsewhere(configuration_in(tmp_path), engine)
    outcome = execute(other, "j2")
    assert engine.continued == Handle(**cast(Any, job.handle))
    assert outcome.reused == (REUSED,)
    assert other.store.get("j2").outcome == outcome
    assert other.store.get("j2").continues == asdict(engine.continued)
    assert "j1" in next(line for line in draft.paths.job_log.read_text().splitlines() if "[list]" in line)


def test_a_changed_input_is_checked_as_that_of_any_job(context: Context) -> None:
    with pytest.raises(InputError) as caught:
        draft_retry(context, context.store.get("j1"), Changes(inputs=["no-such=1"]), context.find_workspace(""))
    assert [one.code for one in caught.value.diagnosis.problems] == ["inputs.unknown"]


@pytest.mark.parametrize("status", [Status.SUCCESSFUL, Status.DISMISSED, Status.RUNNING])
def test_only_a_job_that_failed_can_be_continued(status: Status, context: Context) -> None:
    job = replace(context.store.get("j1"), status=status)
    with pytest.raises(EngineError) as caught:
        draft_retry(context, job, Changes(), context.find_workspace(""))
    assert caught.value.diagnosis.code == ("job.not-ended" if status is Status.RUNNING else "job.nothing-kept")


def test_a_job_that_continued_another_and_was_dismissed_is_continued_in_its_place(context: Context) -> None:
    job = context.store.get("j1")
    dismissed = replace(job, status=Status.DISMISSED, continues=job.handle)
    assert draft_retry(context, dismissed, Changes(), context.find_workspace("")).continues == Handle(
        **cast(Any, job.handle)
    )


def test_a_job_of_another_workspace_is_not_continued(context: Context) -> None:
    with pytest.raises(EngineError) as caught:
        draft_retry(context, replace(context.store.get("j1"), workspace="b"), Changes(), context.find_workspace(""))
    assert caught.value.diagnosis.code == "job.nothing-kept"


def test_an_engine_that_keeps_nothing_says_so_with_the_command_that_helps(context: Context, tmp_path: Path) -> None:
    plain = elsewhere(configuration_in(tmp_path), FakeEngine(configuration_in(tmp_path)))
    with pytest.raises(EngineError) as caught:
        draft_retry(plain, plain.store.get("j1"), Changes(), plain.find_workspace(""))
    assert caught.value.diagnosis.code == "job.nothing-kept"
    assert "zoo-runner rerun j1" in caught.value.diagnosis.remedy


FIRST, NEXT = Names("ws-a", "job-1"), Names("ws-a", "job-1").build_next("job-2")
ROOT: Manifest = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "job-2", "uid": "u2"},
}


class ClusterWithVolume(ClusterWith):
    """A cluster that has a failed job, `job-1` with the uid `one`, and its volume."""

    def __init__(self, owner: str = "job-1", **labels: str) -> None:
        failed: Manifest = {"metadata": {"annotations": {"zoo-runner/job-uid": "one"}}, "spec": {}}
        meta = {"name": "job-1-work", "resourceVersion": "7", "labels": {"zoo-runner/job": owner, **labels}}
        super().__init__(PersistentVolumeClaim={"metadata": meta}, Workflow=failed)
        self.deleted: list[str] = []
        self.refused: ApiError | None = None

    def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> None:
        if self.refused:
            raise self.refused
        super().patch(kind, namespace, name, change)
        for part, members in change["metadata"].items():
            if isinstance(members, dict):
                own = self.there[kind]["metadata"].setdefault(part, {})
                own.update(members)
                self.there[kind]["metadata"][part] = {key: one for key, one in own.items() if one is not None}

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.deleted.append(name)

    @property
    def job(self) -> ClusterJob:
        cluster = cast(Cluster, self)
        return ClusterJob(cluster, FIRST, ClusterRoot(cluster, "Workflow", FIRST, {}))


def take(double: ClusterWithVolume, uid: str = "one") -> bool:
    return take_volume(double.job, uid, NEXT, ROOT)


def test_a_job_that_continues_another_owns_its_volume_and_nothing_else_of_it_stays() -> None:
    double = ClusterWithVolume()
    keep_volume(double.job, "1", 24, ToolError("no band 9", "Look."))
    assert has_kept(cast(Cluster, double), FIRST)
    assert take(double)
    (_, change) = double.changed[-1]
    assert [one["uid"] for one in change["metadata"]["ownerReferences"]] == ["u2"]
    # whoever was faster has changed it
    assert change["metadata"]["resourceVersion"] == "7"
    assert double.deleted == ["job-1"]
    # kept on, whatever becomes of the new job
    assert has_kept(cast(Cluster, double), NEXT)
    assert not has_kept(cast(Cluster, double), FIRST)
    # a second submission of the same job finds it done
    assert take(double)


def test_what_the_steps_did_is_kept_with_the_command_that_continues_the_job() -> None:
    kept = keep_volume(ClusterWithVolume().job, "1", 24, ToolError("no band 9", "Look.", step="b"))
    assert isinstance(kept, ToolError)
    assert "zoo-runner retry 1" in kept.diagnosis.remedy
    assert kept.diagnosis.step == "b"


@pytest.mark.parametrize("what", ["not kept", "of another job", "of another store", "gone", "faster"])
def test_a_volume_that_is_not_there_for_it_is_not_taken(what: str) -> None:
    kept = {} if what == "not kept" else {"zoo-runner/kept": "true"}
    double = ClusterWithVolume("job-3" if what == "of another job" else "job-1", **kept)
    if what == "gone":
        del double.there["PersistentVolumeClaim"]
    if what == "faster":
        double.refused = ApiError("changing it", 409, "Conflict", "changed")
    assert not take(double, "two" if what == "of another store" else "one")
    assert double.deleted == []


def test_a_job_that_was_taken_over_keeps_its_volume_for_the_next_one() -> None:
    double = ClusterWithVolume("job-2", **{"zoo-runner/kept": "true"})
    assert NEXT.claim == FIRST.claim
    assert has_kept(cast(Cluster, double), NEXT)
    # so that the deletion of the first job does not remove it
    assert not has_kept(cast(Cluster, double), FIRST)


class ClusterThatRefuses(ClusterWithVolume):
    """Creates all objects but those of one kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(**{"zoo-runner/kept": "true"})
        self.kind = kind

    def create(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == self.kind:
            raise ApiError("creating it", 403, "Forbidden", "exceeded quota")
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "u2"}}

    def create_each(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        return list(map(self.create, manifests))


@pytest.mark.parametrize("refused", ["ConfigMap", "none"])
def test_a_job_whose_submission_fails_has_taken_no_volume(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_runner.engines.kubernetes.engine.look_at_tenant", lambda *_, **__: None)
    first = plan_first(tmp_path)
    handle = replace(first.handle, data={**first.handle.data, "uid": "one"})
    planned, double = plan_next(tmp_path, handle), ClusterThatRefuses(refused)
    before = Names(**handle.data["names"])
    double.there["PersistentVolumeClaim"]["metadata"]["labels"]["zoo-runner/job"] = before.job
    engine: Any = open_engine("argo-native", configuration_in(tmp_path))
    content = [{"kind": "ConfigMap", "metadata": {"name": "part"}}]
    with suppress(ApiError):
        engine._create(double, planned, content)
    assert has_kept(cast(Cluster, double), before) is (refused == "ConfigMap")
    assert double.deleted == ([] if refused == "ConfigMap" else [before.job])


@pytest.mark.parametrize("names", [FIRST, NEXT])
def test_a_namespace_that_has_the_volume_of_another_job_is_not_that_jobs_to_remove(
    names: Names, tmp_path: Path
) -> None:
    engine: Any = open_engine("argo-native", configuration_in(tmp_path))
    own = replace(names, own_namespace=True)
    assert engine._is_anothers(ClusterWithVolume("job-3"), own)
    assert not engine._is_anothers(ClusterWithVolume(names.job), own)
    assert not engine._is_anothers(ClusterWithVolume("job-3"), names)


def plan_next(folder: Path, continued: Handle, engine: str = "argo-native", **more: Any) -> Any:
    job = replace(small_job(folder, job_id="j2", **more), destination="s3://results/x", continues=continued)
    return open_engine(engine, configuration_in(folder)).plan(job)


def plan_first(folder: Path, engine: str = "argo-native") -> Any:
    job = replace(small_job(folder, job_id="j1"), destination="s3://results/x")
    return open_engine(engine, configuration_in(folder)).plan(job)


def test_a_job_that_continues_another_is_planned_on_its_volume_and_says_so_in_a_label(tmp_path: Path) -> None:
    first = plan_first(tmp_path)
    planned = plan_next(tmp_path, first.handle)
    kinds = [one["kind"] for one in planned.submission["manifests"]]
    assert "PersistentVolumeClaim" in [one["kind"] for one in first.submission["manifests"]]
    assert "PersistentVolumeClaim" not in kinds
    spec = planned.submission["manifests"][0]["spec"]
    assert {"claimName": "job-j1-work"} in [one.get("persistentVolumeClaim") for one in spec["volumes"]]
    assert spec["podMetadata"]["labels"]["zoo-runner/volume"] == "job-j1"
    names = Names(**planned.handle.data["names"])
    assert (names.job, names.claim, names.generation) == ("job-j2", "job-j1-work", 1)
    # and so on
    assert names.build_next("job-j3").claim == "job-j1-work"


def test_a_namespace_that_is_not_that_of_the_failed_job_is_refused(tmp_path: Path) -> None:
    handle = plan_first(tmp_path).handle
    elsewhere_ran = replace(handle, data={**handle.data, "names": {**handle.data["names"], "namespace": "ws-b"}})
    with pytest.raises(EngineError) as caught:
        plan_next(tmp_path, elsewhere_ran)
    assert caught.value.diagnosis.code == "job.nothing-kept"


@pytest.mark.parametrize("engine", ["argo", "calrissian"])
def test_an_engine_whose_jobs_are_one_pod_continues_none(engine: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        plan_next(tmp_path, plan_first(tmp_path, engine).handle, engine)
    assert caught.value.diagnosis.code == "job.nothing-kept"


def test_an_edited_package_that_needs_one_pod_is_refused(tmp_path: Path) -> None:
    by_expression = [{"class": "ResourceRequirement", "ramMin": "$(1 + 1)"}]
    with pytest.raises(EngineError) as caught:
        plan_next(tmp_path, plan_first(tmp_path).handle, requirements=by_expression)
    assert caught.value.diagnosis.code == "job.nothing-kept"


FAILED = ToolError("no band 9", "Look.")


@pytest.mark.parametrize(
    ("error", "begun", "generation", "kept"),
    [
        (FAILED, {Stage.EXECUTE}, 0, True),
        (FAILED, set(), 0, False),
        # what was there before is there still
        (StageInError("no scene", "Look."), {Stage.STAGE_IN}, 1, True),
        (DismissedError("cancelled", "Nothing."), {Stage.EXECUTE}, 1, False),
        (StageOutError("full", "Make room."), {Stage.EXECUTE}, 0, False),
        (StageOutError("full", "Make room."), {Stage.EXECUTE, Stage.STAGE_OUT}, 0, True),
    ],
)
def test_what_is_kept_is_what_another_command_needs(
    error: RunnerError, begun: set[Stage], generation: int, kept: bool, tmp_path: Path
) -> None:
    engine: Any = open_engine("argo-native", configuration_in(tmp_path))
    assert engine._is_worth_keeping(NEXT if generation else FIRST, begun, error) is kept


@pytest.mark.parametrize("name", ["argo", "argo-native", "calrissian"])
@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (EngineError("gone", "Raise its limit.", code="engine.no-result"), True),
        (TimeLimitError("later than 5 s", "Raise the limit."), True),
        (DismissedError("cancelled", "Nothing."), False),
        (NotReachedError("no answer", "Look."), False),
    ],
)
def test_results_are_kept_whatever_ended_the_job_in_stage_out(
    name: str, error: RunnerError, kept: bool, tmp_path: Path
) -> None:
    engine: Any = open_engine(name, configuration_in(tmp_path))
    begun = {Stage.EXECUTE, Stage.STAGE_OUT}
    assert engine._is_worth_keeping(FIRST, begun, error.move_to(Stage.STAGE_OUT)) is kept
