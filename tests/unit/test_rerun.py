"""A copy of a job is protected as the job was, and goes where its user says, from whatever folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.values import small_package
from zoo_runner.cli.options import read_configuration
from zoo_runner.cli.rerun import read_for_copy
from zoo_runner.config.configuration import load_configuration
from zoo_runner.engines.pipeline import find_destination
from zoo_runner.execution.accept import accept, draft_job
from zoo_runner.execution.context import open_context
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.job import Job

pytestmark = pytest.mark.unit
ISOLATED = {"ZOO_RUNNER_ISOLATION": "isolated", "ZOO_RUNNER_CONTAINERS": "sandbox"}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that was accepted by the local engine, isolated, with a time limit; the settings of now are the usual."""
    places = {f"ZOO_RUNNER_{name}": str(tmp_path / name) for name in ("STATE", "TEMP", "SCRATCH")}
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    for name in (*ISOLATED, "ZOO_RUNNER_TIME_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    configuration = load_configuration({**places, **ISOLATED, "ZOO_RUNNER_TIME_LIMIT": "60"})
    draft = draft_job(small_package(), {}, lambda _: str(tmp_path / "out"), configuration.workspace, "j1")
    accept(open_context(configuration), draft, "local", configuration.workspace)
    return open_context(configuration).store.get("j1")


def test_a_copy_is_isolated_in_the_same_containers_and_time_as_its_job(job: Job) -> None:
    read = read_for_copy(job, read_configuration)
    assert (read.settings.isolation, read.settings.containers) == ("isolated", "sandbox")
    assert read.workspace.limits.time_seconds == 60


def test_a_copy_is_less_protected_where_that_is_asked_for(job: Job) -> None:
    read = read_for_copy(job, read_configuration, containers="none", isolation="trusted", time_limit=90)
    assert (read.settings.isolation, read.settings.containers) == ("trusted", "none")
    assert read.workspace.limits.time_seconds == 90


def test_settings_that_protect_more_than_those_of_the_job_apply(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = {"ZOO_RUNNER_ISOLATION": "trusted", "ZOO_RUNNER_CONTAINERS": "auto"}
    for name, value in ISOLATED.items():
        monkeypatch.setenv(name, value)
    read = read_for_copy(replace(job, settings=trusted), read_configuration)
    assert (read.settings.isolation, read.settings.containers) == ("isolated", "sandbox")


def test_of_a_job_of_an_earlier_release_it_is_said_that_nothing_is_known(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    record = to_plain(job)
    del record["settings"]
    earlier = from_plain(Job, record)
    assert earlier.settings is None
    assert read_for_copy(earlier, read_configuration).settings.isolation == "trusted"
    assert "--isolation" in capsys.readouterr().err
    read_for_copy(earlier, read_configuration, isolation="trusted")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("out/k6", "{cwd}/out/k6"),
        ("../up", "{parent}/up"),
        ("/data/out", "/data/out"),
        ("s3://b/out", "s3://b/out"),
        ("file:///data/out", "file:///data/out"),
    ],
)
def test_a_destination_is_the_same_place_from_every_folder(
    given: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_destination(given) == found.format(cwd=tmp_path, parent=tmp_path.parent)
