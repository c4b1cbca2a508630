"""Quotas of workspaces: what is refused before a job begins, what waits, and what is shown."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from tests.server_api import opened_api
from tests.unit.messages import Check
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.profiles import parse_profiles
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Status
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Quota
from zoo_runner.server.api import Api, Call
from zoo_runner.server.quotas import describe_usage, ensure_within
from zoo_runner.store.protocol import Share

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
    folder = tmp_path / "results" / NAME / "earlier"
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(bytes(2 << 20))
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
    assert shown["resultsMiB"]["used"] == 0


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
    ):
        with pytest.raises(ValueError, match=r"^a"):
            parse_profiles(wrong)
