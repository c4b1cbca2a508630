"""Quotas of workspaces: what is refused before a job begins, what waits, and what is shown."""

import json
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
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.profiles import parse_profiles
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.cwl_process.resources import find_needs
from zoo_runner.engines.local.engine import LocalEngine
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.context import end_job
from zoo_runner.model import clock
from zoo_runner.model.errors import EngineError, JobNotFoundError, RunnerError, StageOutError
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.needs import Needs
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Quota
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import get_job
from zoo_runner.server.quotas import describe_usage, ensure_within, explain_waiting
from zoo_runner.server.results import get_results
from zoo_runner.server.stored_results import remove_expired_results, remove_results
from zoo_runner.store.protocol import Share
from zoo_runner.store.sql.schema import STORED_RESULTS
from zoo_runner.store.sql.stored_results import SqlStoredResults

NAME = "default"


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


def store_results(
    api: Api, job_id: str, size_bytes: int, destination: str = "s3://results/here", workspace: str = NAME
) -> None:
    """Have a job end with results of a size, as a worker stores it."""
    running = replace(build_job(), id=job_id, workspace=workspace, destination=destination, status=Status.RUNNING)
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
    share = Share(quota_of=lambda name: Quota(running_jobs=1 if name == "full" else None))
    taken = [api.store.jobs.claim("me", 60, share) for _ in range(4)]
    names = sorted(job.workspace for job in taken if job)
    assert names == ["free", "free", "full"]
    assert api.store.jobs.claim("me", 60, Share(quota_of=lambda _: Quota(running_jobs=0))) is None


def wait_with_needs(api: Api, *cores: float) -> None:
    for number, amount in enumerate(cores):
        job = replace(build_job(number, needs=Needs(amount, 100)), id=f"job-{number}", workspace=NAME)
        job = replace(job, created=clock.now())
        api.store.jobs.create(job, PACKAGE)


def test_jobs_begin_while_their_sum_is_within_the_quota_and_a_smaller_one_takes_the_room_that_is_left(api: Api) -> None:
    wait_with_needs(api, 2, 3, 1, 0.5)
    share = Share(quota_of=lambda _: Quota(cores=4, memory_mib=10_000))
    taken = [api.store.jobs.claim("me", 60, share) for _ in range(4)]
    assert [job and job.id for job in taken] == ["job-0", "job-2", "job-3", None]
    assert api.store.jobs.measure_leased(NAME) == (3, Needs(3.5, 300))
    api.store.jobs.update(replace(taken[0], status=Status.SUCCESSFUL)) if taken[0] else None
    assert api.store.jobs.claim("me", 60, share) is None
    api.store.jobs.update(replace(taken[1], status=Status.SUCCESSFUL)) if taken[1] else None
    job = api.store.jobs.claim("me", 60, share)
    assert job
    assert job.id == "job-1"


def test_memory_counts_as_cores_do_and_a_job_alone_always_begins(api: Api) -> None:
    wait_with_needs(api, 1, 1)
    share = Share(quota_of=lambda _: Quota(memory_mib=50))
    assert api.store.jobs.claim("me", 60, share)
    assert api.store.jobs.claim("me", 60, share) is None


def test_a_job_that_waits_for_room_says_for_which(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text('{"default": {"quota": {"cores": 4}}}')
    with opened_api(tmp_path, workspaces=profiles) as api:
        wait_with_needs(api, 2, 3)
        assert api.store.jobs.claim("me", 60)
        first, second = (api.store.jobs.get(f"job-{number}") for number in range(2))
        call = Call(NAME, "http://localhost")
        assert explain_waiting(api, call, first) is None
        said = explain_waiting(api, call, second) or ""
        assert "may take 3 cores" in said
        assert "may take 2 of 4 (quota.cores)" in said
        assert describe_usage(api, call)["cores"] == {"used": 2, "most": 4}
        # who may read the status without being a member learns nothing of quota and use
        assert explain_waiting(api, replace(call, member_of=frozenset({NAME})), second) == said
        assert explain_waiting(api, replace(call, member_of=frozenset({"another"})), second) is None
        profiles.write_text('{"default": {"quota": {"runningJobs": 1}}}')
        assert "1 of 1 run (quota.running-jobs)" in (explain_waiting(api, call, second) or "")


def build_package(*steps: dict[str, Any], version: str = "v1.2") -> Package:
    tools = [
        {
            "class": "CommandLineTool",
            "id": f"#tool-{number}",
            "requirements": [{"class": "ResourceRequirement", **step.get("needs", {})}],
        }
        for number, step in enumerate(steps)
    ]
    graph = [
        {
            "class": "Workflow",
            "id": "#main",
            "steps": [
                {"id": f"#main/{number}", "run": f"#tool-{number}", **({"scatter": "x"} if "scatter" in step else {})}
                for number, step in enumerate(steps)
            ],
        },
        *tools,
    ]
    document = {"cwlVersion": version, "$graph": graph}
    processes: dict[str, Any] = {str(one["id"]).lstrip("#"): one for one in graph}
    return Package(document, "#main", "main", processes, "d" * 64)


def test_a_job_may_take_what_all_its_steps_ask_for_and_all_that_its_engine_gives_where_that_is_not_known() -> None:
    two = ({"needs": {"coresMin": 2, "ramMin": 100}}, {"needs": {"coresMax": 3}})
    assert find_needs(build_package(*two)) == Needs(5, 356)
    assert find_needs(build_package({}, version="v1.0")) == Needs(1, 1024)
    for step in ({"scatter": True}, {"needs": {"coresMin": "$(inputs.cores)", "ramMin": "$(inputs.ram)"}}):
        assert find_needs(build_package(step)).capped(4, 2048) == Needs(4, 2048)


def test_the_engine_of_a_workspace_gives_its_jobs_no_more_than_its_quota() -> None:
    configuration = load_configuration({})
    workspace = replace(configuration.workspace, quota=Quota(cores=3, memory_mib=1024))
    limited = replace(configuration, workspace=workspace)
    package = build_package({"scatter": True})
    assert CalrissianEngine(limited).measure(package) == Needs(3, 1024)
    assert CalrissianEngine(configuration).measure(package) == Needs(4.01, 8192 + 256)
    local = LocalEngine(limited).measure(package)
    assert 0 < local.cores <= 3
    assert 0 < local.memory_mib <= 1024
    small = replace(limited, workspace=replace(workspace, quota=Quota(cores=0.5, memory_mib=16)))
    assert LocalEngine(small).measure(package) == Needs(0.5, 16)


def test_a_sum_of_fractions_that_is_all_of_the_quota_waits_for_no_room(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    profiles.write_text('{"default": {"quota": {"cores": 0.3}}}')
    with opened_api(tmp_path, workspaces=profiles) as api:
        wait_with_needs(api, 0.1, 0.2, 0.1)
        share = Share(quota_of=lambda _: Quota(cores=0.3))
        assert api.store.jobs.claim("me", 60, share)
        assert explain_waiting(api, Call(NAME, "http://localhost"), api.store.jobs.get("job-1")) is None
        assert api.store.jobs.claim("me", 60, share)
        assert "quota.cores" in (
            explain_waiting(api, Call(NAME, "http://localhost"), api.store.jobs.get("job-2")) or ""
        )


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
        age(api, "old", 31)
        # a job whose record was removed before
        api.store.jobs.delete("old")
        assert remove_expired_results(api, Event()) == 1
        assert [folder.exists() for folder in folders] == [False, True]
        assert api.store.results.measure(NAME) == 4


def age(api: Api, job_id: str, days: float) -> None:
    with api.store.database.writing() as connection:
        is_it = STORED_RESULTS.c.job_id == job_id
        connection.execute(update(STORED_RESULTS).where(is_it).values(stored=clock.after(-days * 86_400)))


def test_each_workspace_keeps_results_for_its_own_time_and_is_read_in_pages(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles.json"
    days_kept = {"*": 30, "own": 60, "kept": None}
    text = json.dumps({name: {"resultsRetentionDays": days} for name, days in days_kept.items()})
    profiles.write_text(text)
    with opened_api(tmp_path, workspaces=profiles) as api:
        for number, (workspace, days) in enumerate(
            [("a", 31), ("b", 31), ("a", 31), ("a", 29), ("own", 61), ("own", 59), ("kept", 900)] + [("c", 40)] * 5
        ):
            folder = tmp_path / "results" / workspace / f"job-{number}"
            folder.mkdir(parents=True)
            store_results(api, folder.name, 4, str(folder), workspace)
            age(api, folder.name, days)
        paged = replace(api.store, results=SqlStoredResults(api.store.database, at_once=2))
        assert remove_expired_results(replace(api, store=paged), Event()) == 9
        kept = [api.store.results.find_largest(name, 9) for name in ("a", "b", "c", "own", "kept")]
        assert [[one.job_id for one in each] for each in kept] == [["job-3"], [], [], ["job-5"], ["job-6"]]


def test_results_in_a_folder_that_is_not_there_at_the_moment_stay_counted(
    api: Api, tmp_path: Path, check: Check
) -> None:
    call, folder = Call(NAME, "http://localhost"), lie_on_disk(tmp_path, "done")
    store_results(api, "done", 4, str(folder))
    away = folder.parent.rename(tmp_path / "away")
    with pytest.raises(StageOutError) as caught:
        remove_results(api, call, "done")
    check(caught.value, "destination.missing", "done", str(folder.parent))
    assert api.store.results.measure(NAME) == 4
    read_results(api, call, "done")
    away.rename(folder.parent)
    remove_results(api, call, "done")
    assert not folder.exists()
    assert api.store.results.measure(NAME) == 0


def test_results_that_a_worker_of_an_earlier_release_stored_are_counted_and_can_be_removed(
    api: Api, tmp_path: Path
) -> None:
    call = Call(NAME, "http://localhost")
    folders = [lie_on_disk(tmp_path, name) for name in ("first", "second")]
    for folder in folders:
        store_results(api, folder.name, 4, str(folder))
        job = api.store.jobs.get(folder.name)
        api.store.jobs.update(replace(job, started=clock.now(), finished=clock.now()))
        api.store.results.remove(folder.name)
    remove_results(api, call, "first")
    assert [folder.exists() for folder in folders] == [False, True]
    assert api.store.results.count_missed(0) == 1
    assert api.store.results.measure(NAME) == 4
    assert api.store.results.count_missed(0) == 0
    with pytest.raises(JobNotFoundError):
        remove_results(api, call, "first")


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
