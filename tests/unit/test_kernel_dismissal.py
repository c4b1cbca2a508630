"""A kernel's dismissal of a job that no service has stored, that runs, or that has ended; the engine is the double."""

from pathlib import Path

import pytest

from tests.jobs import accepted, elsewhere
from tests.values import configuration_in, job_paths, small_job
from zoo_runner.engines import ENGINES
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.execution.accept import accept
from zoo_runner.execution.context import request_cancel
from zoo_runner.execution.execute import execute
from zoo_runner.model.errors import JobExistsError
from zoo_runner.model.job import Status
from zoo_runner.zoo.dismiss import dismiss_job, is_removal_requested, was_dismissed


def test_a_dismissal_before_the_service_has_stored_the_job_takes_its_id(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path)
    begun = job_paths(folder=tmp_path).kept_log
    begun.parent.mkdir(parents=True)
    begun.write_text("preparing")
    assert dismiss_job("j1", configuration) is None
    assert not begun.exists()
    context = elsewhere(configuration, FakeEngine(configuration))
    with pytest.raises(JobExistsError):
        accept(context, small_job(tmp_path), "fake", configuration.workspace, leased=True)
    assert was_dismissed(context.store, "j1")
    again = dismiss_job("j1", configuration)
    assert again is not None
    assert again.status is Status.DISMISSED
    assert context.store.find_abandoned() == ()


def test_a_dismissal_after_the_end_removes_the_logs_and_leaves_the_record(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path)
    context = elsewhere(configuration, FakeEngine(configuration))
    draft = accepted(context, tmp_path)
    execute(context, "j1")
    before = context.store.get("j1")
    job = dismiss_job("j1", configuration)
    assert job is not None
    assert (job.status, job.outcome) == (before.status, before.outcome)
    assert is_removal_requested(context.store, "j1")
    assert not was_dismissed(context.store, "j1")
    assert not draft.paths.job_log.exists()
    assert not draft.paths.kept_log.exists()


def test_a_job_that_nobody_works_on_is_concluded_by_its_dismissal_and_its_logs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "fake", "zoo_runner.engines.fake:FakeEngine")
    configuration = configuration_in(tmp_path)
    context = elsewhere(configuration, FakeEngine(configuration))
    draft = accepted(context, tmp_path)
    job = dismiss_job("j1", configuration)
    assert job is not None
    assert (job.status, job.cancel_requested, job.removal_requested) == (Status.DISMISSED, True, True)
    assert was_dismissed(context.store, "j1")
    assert not draft.paths.job_log.exists()
    assert not draft.paths.kept_log.exists()


def test_a_request_to_cancel_that_came_too_late_is_no_dismissal(tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path)
    context = elsewhere(configuration, FakeEngine(configuration))
    accepted(context, tmp_path)
    request_cancel(context.store, context.store.get("j1"))
    assert context.store.get("j1").cancel_requested
    assert not is_removal_requested(context.store, "j1")
