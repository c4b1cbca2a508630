from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zoo_runner.cli.main import cli
from zoo_runner.engines.local.kept import keep_outputs, read_kept
from zoo_runner.execution.retention import find_expired, remove_job
from zoo_runner.model import clock
from zoo_runner.model.errors import JobNotFoundError, StageOutError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.store.files import FileStore
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.selection import iterate_jobs

_DAY = 86_400


def keep(store: FileStore, folder: Path, name: str, days: float, status: Status = Status.SUCCESSFUL) -> Job:
    """Store a job that ended some days ago, with its logs."""
    log, log_folder = folder / f"{name}.log", folder / name
    log.write_text("log")
    log_folder.mkdir()
    (log_folder / "step.log").write_text("log")
    ended = clock.after(-days * _DAY)
    job = Job(name, "alice", "water", "water", "local", NO_PACKAGE.digest, {}, "", ended, ended, status)
    return store.create(replace(job, finished=ended, log=str(log), log_folder=str(log_folder)), NO_PACKAGE)


def test_only_jobs_that_ended_long_ago_are_found(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    keep(store, tmp_path, "old", 11)
    keep(store, tmp_path, "new", 9)
    keep(store, tmp_path, "running", 11, Status.RUNNING)
    assert [job.id for job in find_expired(iterate_jobs(store, JobQuery()), 10)] == ["old"]


def test_nothing_of_a_removed_job_is_left(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    old, new = keep(store, tmp_path, "old", 11), keep(store, tmp_path, "new", 9)
    remove_job(store, old)
    remove_job(store, old)
    assert not list(tmp_path.rglob("*old*"))
    assert Path(new.log).exists()
    with pytest.raises(JobNotFoundError):
        store.get("old")


def test_results_in_the_folder_of_the_logs_outlive_the_job(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    old = keep(store, tmp_path, "old", 11)
    results = Path(old.log_folder) / "results"
    results.mkdir()
    (results / "a.tif").write_text("data")
    document = Path(old.log_folder) / "results.json"
    document.write_text("{}")
    old = store.update(replace(old, destination=str(results)))
    remove_job(store, old)
    assert {path for path in Path(old.log_folder).rglob("*") if path.is_file()} == {results / "a.tif", document}
    with pytest.raises(JobNotFoundError):
        store.get("old")


def test_a_results_document_beside_the_logs_outlives_the_job_wherever_its_results_are(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    for name, status, left in (("done", Status.SUCCESSFUL, ["results.json"]), ("failed", Status.FAILED, [])):
        job = keep(store, tmp_path, name, 11, status)
        folder = Path(job.log_folder)
        (folder / "results.json").write_text("{}")
        remove_job(store, store.update(replace(job, destination="s3://bucket/results")))
        assert [path.name for path in folder.glob("*")] == left


def collect(folder: Path, *words: str, **environ: str) -> Result:
    variables = {"ZOO_RUNNER_CONTAINERS": "none", "HOME": str(folder)}
    variables |= {f"ZOO_RUNNER_{name}": str(folder / name.lower()) for name in ("TEMP", "STATE", "SCRATCH", "CACHE")}
    command = ["gc", "--engine", "local", *words]
    return CliRunner().invoke(cli, command, env={**variables, **environ}, standalone_mode=False)


def keep_results(folder: Path, job_id: str) -> Path:
    scratch = folder / "scratch" / job_id
    scratch.mkdir(parents=True)
    keep_outputs(scratch, job_id, {}, Masker(), StageOutError("full", "Make room."))
    return scratch


def test_kept_results_go_on_request_or_with_their_job_only(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    keep(store, tmp_path, "old", 11, Status.FAILED)
    keep(store, tmp_path, "new", 9, Status.FAILED)
    old, new = keep_results(tmp_path, "old"), keep_results(tmp_path, "new")
    assert collect(tmp_path, "--remove").exit_code == 0
    assert read_kept(old) == read_kept(new) == {}
    assert collect(tmp_path, "--remove", ZOO_RUNNER_RETENTION_DAYS="10").exit_code == 0
    assert (old.exists(), new.exists()) == (False, True)
    assert collect(tmp_path, "--remove", "--active").exit_code == 0
    assert not new.exists()


def test_jobs_of_a_state_folder_expire_under_any_workspace_name(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    keep(store, tmp_path, "old", 11)
    done = collect(tmp_path, "--remove", ZOO_RUNNER_RETENTION_DAYS="10", ZOO_RUNNER_WORKSPACE="another")
    assert done.exit_code == 0
    assert list(iterate_jobs(store, JobQuery())) == []


def test_a_job_whose_logs_cannot_be_removed_does_not_keep_the_others(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    stuck, _ = keep(store, tmp_path, "stuck", 12), keep(store, tmp_path, "old", 11)
    Path(stuck.log).unlink()
    Path(stuck.log).mkdir()
    done = collect(tmp_path, "--remove", ZOO_RUNNER_RETENTION_DAYS="10")
    assert done.exit_code == 0
    assert "stuck" in done.stderr
    assert [job.id for job in iterate_jobs(store, JobQuery())] == ["stuck"]
