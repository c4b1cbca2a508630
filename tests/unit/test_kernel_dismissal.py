"""A kernel's dismissal of a job that no service has stored, that runs, or that has ended; the engine is the double."""

from pathlib import Path
from typing import Any

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
from zoo_runner.zoo.conf import load_site_configuration, read_site
from zoo_runner.zoo.dismiss import SERVICE_SUCCEEDED, dismiss_job, is_removal_requested, runDismiss, was_dismissed

KERNEL_ID = "c6c07164-e6be-11f1-9d6b-0242ac110002"


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


def make_conf(services: Path, **lenv: str) -> Any:
    temp = services / "alice" / "temp"
    temp.mkdir(parents=True, exist_ok=True)
    return {
        "main": {"tmpPath": str(temp), "tmpUrl": "http://zoo.example/alice/temp/", "cacheDir": str(services / "cache")},
        "lenv": {"usid": "3f1b0c9e-e6bf-11f1", "Identifier": "runDismiss", **lenv},
        "auth_env": {"user": "alice"},
        "servicesNamespace": {"path": str(services)},
    }


def test_a_dismissal_removes_only_files_with_the_id_as_a_whole_part_of_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "fake", "zoo_runner.engines.fake:FakeEngine")
    conf = make_conf(tmp_path)
    configuration = load_site_configuration(conf, {}, read_site(conf))
    context = elsewhere(configuration, FakeEngine(configuration))
    accepted(context, tmp_path, job_id=KERNEL_ID)
    execute(context, KERNEL_ID)
    temp = configuration.workspace.folders.temp
    others = {f"water_1{KERNEL_ID}_error.log", f"water-{KERNEL_ID}-2", f"{KERNEL_ID}2.sid", "final_status.json", "a"}
    own = {f"{KERNEL_ID}_status.json", f"water_final_{KERNEL_ID}.json", f"water_{KERNEL_ID}_error.log"}
    folder = temp / f"water-{KERNEL_ID}"
    folder.mkdir()
    for name in others | own:
        (temp / name).touch()

    def dismiss(job_id: str) -> set[str]:
        outputs: dict[str, dict[str, Any]] = {"Result": {}}
        assert runDismiss(make_conf(tmp_path, gs_usid=job_id), {}, outputs) == SERVICE_SUCCEEDED
        assert job_id in outputs["Result"]["value"]
        return {path.name for path in temp.iterdir()}

    for any_text in ("a", "status", KERNEL_ID[:8]) * 2:  # at first nobody has stored them, then a dismissal has
        assert dismiss(any_text) == {*others, *own, folder.name}
    assert dismiss(KERNEL_ID) == others
