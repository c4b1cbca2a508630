"""Quotas of workspaces: what is refused before a job begins, what waits, and what is shown."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from stageout.model import StageOutOptions
from stageout.stage import stage_out
from tests.contract.stores import PACKAGE, build_job
from tests.server_api import opened_api
from tests.unit.messages import Check
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.profiles import parse_profiles
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.context import end_job
from zoo_runner.model import clock
from zoo_runner.model.errors import EngineError, JobNotFoundError, RunnerError
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Quota
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import get_job
from zoo_runner.server.quotas import describe_usage, ensure_within
from zoo_runner.server.results import get_results
from zoo_runner.server.stored_results import remove_expired_results, remove_results
from zoo_runner.store.protocol import Share
from zoo_runner.store.sql.schema import STORED_RESULTS

NAME = "default"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with opened_api(tmp_path) as opened:
        yield opened


def build_draft(tmp_path: Path, **needs: Any) -> JobSpec:
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "main",
        "requirements": [{"class": "ResourceRequirement", **needs}],
        "inputs": [],
        "outputs": [],
    }
    package = Package(tool, "#main", "main", {}, "c" * 64)
    return JobSpec(JobPaths("main", "job", tmp_path, tmp_path, tmp_path), package, {}, str(tmp_path))


def wait_in_queue(api: Api, count: int, workspace: str = NAME) -> None:
    for number in range(count):
        job = replace(build_job(number), id=f"{workspace}-{number}", workspace=workspace, status=Status.ACCEPTED)
        api.store.jobs.create(job, PACKAGE)


def store_results(api: Api, job_id: str, size_bytes: int, destination: str = "s3://results/here") -> None:
    """Have a job end with results of a size, as a worker stores it."""
    running = replace(build_job(), id=job_id, workspace=NAME, destination=destination, status=Status.RUNNING)
    job = api.store.jobs.create(running, PACKAGE)
    results = Results({}, {}, "", size_bytes=size_bytes)
    end_job(api.store.jobs, job, Outcome(Status.SUCCESSFUL, results))


@pytest.mark.parametrize(
    ("quota", "code", "facts"),
    [
        (Quota(cores=2), "quota.cores", ("4", "2")),
        (Quota(memory_mib=512), "quota.memory", ("1024", "512")),
        (Quota(queued_jobs=3), "quota.queued-jobs", ("3",)),
        (Quota(results_mib=1), "quota.results", ("2 MiB", "1 MiB")),
    ],
)
def test_a_job_without_room_is_refused_with_the_quota(
    api: Api, tmp_path: Path, quota: Quota, code: str, facts: tuple[str, ...], check: Check
) -> None:
    wait_in_queue(api, 3)
    store_results(api, "earlier", 2 << 20)
    workspace = replace(api.configuration.workspace, quota=quota)
    with pytest.raises(RunnerError) as caught:
        ensure_within(api, build_draft(tmp_path, coresMin=4, ramMin=1024), workspace)
    check(caught.value, code, NAME, *facts)


def test_a_tool_without_a_minimum_asks_for_its_maximum(api: Api, tmp_path: Path) -> None:
    workspace = replace(api.configuration.workspace, quota=Quota(cores=2))
    with pytest.raises(RunnerError, match="asks for 3 cores"):
        ensure_within(api, build_draft(tmp_path, coresMax=3), workspace)


def test_a_job_within_the_quota_is_let_in_and_expressions_are_left_to_the_run(api: Api, tmp_path: Path) -> None:
    quota = Quota(cores=4, memory_mib=1024, queued_jobs=1, results_mib=1)
    workspace = replace(api.configuration.workspace, quota=quota)
    ensure_within(api, build_draft(tmp_path, coresMin=4, ramMin="$(inputs.ram)"), workspace)


def test_jobs_of_a_workspace_at_its_limit_wait_and_those_of_others_go_on(api: Api) -> None:
    wait_in_queue(api, 2, "full")
    wait_in_queue(api, 2, "free")
    share = Share(most_of={"full": 1}.get)
    taken = [api.store.jobs.claim("me", 60, share) for _ in range(4)]
    names = sorted(job.workspace for job in taken if job)
    assert names == ["free", "free", "full"]
    assert api.store.jobs.claim("me", 60, Share(most_of={"full": 0}.get)) is None


def test_usage_is_shown_beside_the_quota(api: Api) -> None:
    wait_in_queue(api, 2)
    shown = describe_usage(api, Call(NAME, "http://localhost"))
    assert shown["queuedJobs"] == {"used": 2}
    assert shown["runningJobs"] == {"used": 0}
    assert shown["resultsMiB"] == {"used": 0}
    assert shown["largestResults"] == []


def test_results_in_a_bucket_count_until_they_are_removed_whatever_becomes_of_their_job(api: Api) -> None:
    store_results(api, "small", 1 << 20)
    store_results(api, "large", 3 << 20)
    for job_id in ("small", "large"):
        job = api.store.jobs.get(job_id)
        api.store.jobs.update(job)
    api.store.jobs.delete("large")
    shown = describe_usage(api, Call(NAME, "http://localhost"))
    assert shown["resultsMiB"]["used"] == 4
    assert [(one["jobID"], one["sizeMiB"]) for one in shown["largestResults"]] == [("large", 3), ("small", 1)]
    assert describe_usage(api, Call("another", "http://localhost"))["resultsMiB"]["used"] == 0
    api.store.results.remove("large")
    assert api.store.results.measure(NAME) == 1 << 20


def lie_on_disk(tmp_path: Path, job_id: str) -> Path:
    """Store results in a folder as stage-out does."""
    folder = tmp_path / "results" / NAME / job_id
    data = tmp_path / f"{job_id}.txt"
    data.write_text("data")
    stage_out({"text": {"class": "File", "path": str(data)}}, str(folder), StageOutOptions(job_id))
    return folder


def read_results(api: Api, call: Call, job_id: str) -> None:
    get_results(get_job(api, call, job_id), call, as_collection=False)


def test_removed_results_are_gone_and_count_no_more(api: Api, tmp_path: Path, check: Check) -> None:
    call, folder = Call(NAME, "http://localhost"), lie_on_disk(tmp_path, "done")
    store_results(api, "done", 4, str(folder))
    (folder / "by-hand.txt").write_text("not of the job")
    remove_results(api, call, "done")
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "by-hand.txt"]
    assert api.store.results.measure(NAME) == 0
    for ask in (partial(remove_results, api, call, "done"), partial(read_results, api, call, "done")):
        with pytest.raises(JobNotFoundError) as caught:
            ask()
        check(caught.value, "job.no-results", "done", "removed")


def test_results_of_another_workspace_or_of_a_running_job_are_not_removed(api: Api) -> None:
    store_results(api, "done", 4)
    with pytest.raises(JobNotFoundError):
        remove_results(api, Call("another", "http://localhost"), "done")
    job = api.store.jobs.get("done")
    api.store.jobs.update(replace(job, status=Status.RUNNING))
    with pytest.raises(EngineError) as caught:
        remove_results(api, Call(NAME, "http://localhost"), "done")
    assert caught.value.diagnosis.code == "job.not-ended"
    assert api.store.results.measure(NAME) == 4


def test_results_are_removed_once_they_are_older_than_the_profile_says(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text('{"default": {"resultsRetentionDays": 30}}')
    with opened_api(tmp_path, workspaces=profiles) as api:
        folders = [lie_on_disk(tmp_path, name) for name in ("old", "new")]
        for folder in folders:
            store_results(api, folder.name, 4, str(folder))
        with api.store.database.writing() as connection:
            is_it = STORED_RESULTS.c.job_id == "old"
            connection.execute(update(STORED_RESULTS).where(is_it).values(stored=clock.after(-31 * 86_400)))
        # a job whose record was removed before
        api.store.jobs.delete("old")
        assert remove_expired_results(api, Event()) == 1
        assert [folder.exists() for folder in folders] == [False, True]
        assert api.store.results.measure(NAME) == 4


def test_quotas_are_read_from_the_profiles() -> None:
    text = (
        """{"*": {"quota": {"runningJobs": 2}, "retentionDays": 7}, "a": {"quota": {"cores": 1.5, "queuedJobs": 0}}}"""
    )
    found = parse_profiles(text)
    assert (found["*"].quota, found["*"].retention_days) == (Quota(running_jobs=2), 7)
    assert (found["a"].quota, found["a"].retention_days) == (Quota(cores=1.5, queued_jobs=0), 7)
    for wrong in (
        '{"a": {"quota": {"cpu": 1}}}',
        '{"a": {"quota": {"cores": "1"}}}',
        '{"a": {"quota": {"cores": NaN}}}',
        '{"a": {"retentionDays": -1}}',
        '{"a": {"retentionDays": Infinity}}',
        '{"a": {"resultsRetentionDays": "30"}}',
    ):
        with pytest.raises(ValueError, match=r"^a"):
            parse_profiles(wrong)
