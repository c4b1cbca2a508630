"""Neighbours on a machine whose `temp` is public: they plant links, look into folders, and guess names."""

import json
import os
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.attacks.hostile import Host, output, tool
from tests.site import Site
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.service import SERVICE_DEFAULTS
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.protections import check_limits, check_time_limit
from zoo_runner.execution.retention import remove_logs
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.events import EngineLine, StepLines, StepStarted
from zoo_runner.model.job import Job
from zoo_runner.model.masking import Masker
from zoo_runner.model.workspace import Folders

PLANTED: dict[str, Callable[[JobPaths], Path]] = {
    "the job log": lambda paths: paths.job_log,
    "the log folder": lambda paths: paths.log_folder,
    "the log of a step": lambda paths: paths.step_log("s"),
    "the log of stage-in": lambda paths: paths.stage_in_log,
    "the plan": lambda paths: paths.plan,
    "the usage": lambda paths: paths.usage,
}


@pytest.fixture
def paths(tmp_path: Path) -> JobPaths:
    """The files of a job whose name the neighbour knows."""
    folders = Folders(tmp_path / "temp", tmp_path / "state", tmp_path / "scratch")
    for folder in (folders.temp, folders.state, folders.scratch):
        folder.mkdir()
    return JobPaths.build(folders, "w", "j")


def write_log(paths: JobPaths) -> None:
    with suppress(SettingsError), JobLog(paths, Masker()) as log:
        log.write_plan({})
        for event in (EngineLine("info", "engine"), StepStarted("s", "c", 0.0), StepLines("s", ("line",))):
            log(event)


@pytest.mark.parametrize("name", PLANTED)
def test_a_link_in_a_public_folder_has_nothing_written_elsewhere(name: str, paths: JobPaths, host: Host) -> None:
    before = host.read()
    place = PLANTED[name](paths)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(host.folder if place == paths.log_folder else host.secret)
    write_log(paths)
    assert host.read() == before
    assert sorted(path.name for path in host.folder.rglob("*")) == ["below", "secret.json", "secret.txt", "secret.txt"]


@pytest.mark.parametrize("name", PLANTED)
def test_a_link_in_a_public_folder_has_nothing_removed_elsewhere(name: str, paths: JobPaths, host: Host) -> None:
    before = host.read()
    place = PLANTED[name](paths)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(host.folder if place == paths.log_folder else host.secret)
    job = Job("j", "w", "p", "w", "local", "", {}, "", "", "", log=str(paths.job_log), log_folder=str(paths.log_folder))
    with suppress(OSError):
        remove_logs(job)
    assert host.read() == before


@pytest.fixture
def careless() -> Iterator[None]:
    """A process that was started with the widest permissions for new files."""
    mask = os.umask(0)
    yield
    os.umask(mask)


@pytest.mark.usefixtures("careless")
def test_records_and_data_of_jobs_are_private_whatever_the_permissions_of_new_files(site: Site) -> None:
    (site.folder / "package.cwl").write_text(json.dumps(tool("echo x > o.txt", output("File", "o.txt"))))
    story = site.run(site.accept(site.folder / "package.cwl"))
    assert story.outcome.diagnosis is None
    record = site.state / story.job.id
    for folder in (record, *(path for path in record.rglob("*") if path.is_dir())):
        private = [one for one in (folder, *folder.parents) if one.is_relative_to(site.state)]
        assert any(not one.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for one in private), folder


def test_no_name_of_a_log_can_be_guessed(site: Site) -> None:
    (site.folder / "package.cwl").write_text(json.dumps(tool("true", {})))
    ids = {site.accept(site.folder / "package.cwl").id for _ in range(3)}
    assert len(ids) == 3
    assert {uuid.UUID(one).version for one in ids} == {4}


LIMITS = [name for name in SERVICE_DEFAULTS if name not in ("ZOO_RUNNER_ISOLATION", "STAGEIN_ALLOW_PRIVATE")]


@pytest.mark.parametrize("name", LIMITS)
def test_a_service_has_each_limit_and_says_where_it_is_unset(name: str, site: Site) -> None:
    service = Site(site.folder, site.cache, {name: ""}, is_service=True).configuration
    check_limits(service.settings, service.workspace)
    check_time_limit(service.workspace)
    trusting = site.configuration
    with pytest.raises(EngineError) as caught:
        check_limits(trusting.settings, trusting.workspace)
        check_time_limit(trusting.workspace)
    with pytest.raises(EngineError) as late:
        check_time_limit(trusting.workspace)
    said = caught.value.diagnosis.cause + late.value.diagnosis.remedy
    assert name in said
