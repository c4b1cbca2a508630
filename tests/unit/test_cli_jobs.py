"""The commands that look at stored jobs, on jobs that have not ended."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo_runner.cli.main import cli
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import Job
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.store.files import FileStore

CREATED = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one job that waits."""
    monkeypatch.setenv("ZOO_RUNNER_STATE", str(tmp_path))
    job = Job("waits", "default", "water", "water", "local", NO_PACKAGE.digest, {}, "/out", CREATED, CREATED)
    FileStore(tmp_path).create(job, NO_PACKAGE)
    return tmp_path


@pytest.mark.usefixtures("state")
def test_a_job_that_has_not_ended_has_no_results() -> None:
    done = CliRunner().invoke(cli, ["results", "waits"], standalone_mode=False)
    assert isinstance(done.exception, JobNotFoundError)
    assert done.exception.diagnosis.code == "job.not-ended"


@pytest.mark.usefixtures("state")
def test_a_job_that_has_not_ended_is_shown_without_an_end() -> None:
    shown = json.loads(CliRunner().invoke(cli, ["show", "waits", "--format", "json"]).stdout)
    assert (shown["status"], shown["results"], shown["diagnosis"]) == ("accepted", None, None)


@pytest.mark.usefixtures("state")
def test_a_job_that_was_not_submitted_is_healthy() -> None:
    done = CliRunner().invoke(cli, ["diagnose", "waits", "--format", "json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["state"], found["diagnoses"]) == (0, "waiting", [])
    assert found["waits"]


@pytest.mark.usefixtures("state")
def test_a_list_has_a_line_for_each_job_that_is_asked_for() -> None:
    assert "waits" in CliRunner().invoke(cli, ["jobs", "--process", "water"]).stdout
    assert CliRunner().invoke(cli, ["jobs", "--process", "fire"]).stdout == ""
    assert CliRunner().invoke(cli, ["jobs", "--status", "running"]).stdout == ""
