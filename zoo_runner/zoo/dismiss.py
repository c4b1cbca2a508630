"""Dismiss a job of a ZOO kernel by its id.

A kernel kills a service on its own machine at once, and does not notify a service elsewhere or a job in the queue. A
mark in the job's private folder reaches all of them.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.execution.context import build_paths, open_context
from zoo_runner.execution.recover import cancel
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, JobNotFoundError, RunnerError
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.files import FileStore
from zoo_runner.store.locks import SERVICE
from zoo_runner.store.protocol import JobQuery, JobStore
from zoo_runner.store.selection import iterate_jobs
from zoo_runner.zoo.conf import (
    Conf,
    check_kernel_job_id,
    get_section,
    load_site_configuration,
    read_site,
)
from zoo_runner.zoo.process import captured_output, child_signals

MARK = "dismissed"
"""File in the private folder of a dismissed job."""
_LONGEST_GOODBYE_SECONDS = 30.0

SERVICE_SUCCEEDED, SERVICE_FAILED = 3, 4


def _wait_released(record: Path) -> bool:
    """Wait until the service of a job has ended it, or the kernel has killed the service; False after 30 s."""
    waiter = threading.Thread(target=SERVICE.wait_released, args=(record,), daemon=True)
    waiter.start()
    waiter.join(_LONGEST_GOODBYE_SECONDS)
    return not waiter.is_alive()


def find_lost_jobs(state: Path) -> list[Job]:
    """Jobs that no service works on any more and that did not come to an end: their service died."""
    jobs = iterate_jobs(FileStore(state), JobQuery(statuses=(Status.ACCEPTED, Status.RUNNING)))
    return sorted((job for job in jobs if not SERVICE.is_held(state / job.id)), key=lambda job: job.id)


@contextlib.contextmanager
def watch_dismissal(record: Path, cancellation: Cancellation, seconds: float) -> Iterator[None]:
    """Cancel a job when its mark appears, or at once if it is there.

    The mark may be made on another machine that shares the folder, from which no file notification comes. So the
    folder is checked every so many seconds.
    """
    over = threading.Event()

    def look() -> None:
        while not (record / MARK).exists():
            if over.wait(seconds):
                return
        cancellation.cancel()

    if (record / MARK).exists():
        cancellation.cancel()
    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def dismiss_job(job_id: str, configuration: Configuration) -> Job | None:
    """Stop what runs of a job and remove what it leaves; logs and record stay.

    Returns None if no service has started the job here. A job that waits in a queue finds the mark when its service
    starts, and ends at once. May be repeated, also for a job that has ended.
    """
    context = open_context(configuration)
    folder = configuration.workspace.folders.state / check_kernel_job_id(job_id)
    job = _find_job(context.store, job_id)
    if job and job.status in FINAL:
        return job
    mark_dismissed(folder)
    if job:
        cancel(context, job_id)
    elif not SERVICE.is_held(folder):
        return None
    # a service may be at what comes before the job is stored, or be killed before it has concluded the job
    released = _wait_released(folder)
    job = _find_job(context.store, job_id)
    if job and released:
        job = cancel(context, job_id)
        _remove_files(job, configuration.workspace)
    return job


def _remove_files(job: Job, workspace: Workspace) -> None:
    """Remove what a job left in folders that others see: the kernel has done so before the job was concluded here."""
    paths = build_paths(job, workspace)
    paths.job_log.unlink(missing_ok=True)
    for folder in (paths.log_folder, paths.scratch):
        shutil.rmtree(folder, ignore_errors=True)


def mark_dismissed(folder: Path) -> None:
    """Mark a job as dismissed in its private folder, whether it has begun or not."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / MARK).touch()


def ensure_not_dismissed(folder: Path) -> None:
    """Raise `DismissedError` where a job was dismissed before its service started on it."""
    if (folder / MARK).exists():
        raise build_dismissal()


def build_dismissal() -> DismissedError:
    """Describe the end of a dismissed job."""
    return DismissedError("the job was dismissed", "Run it again if its results are needed.")


def _find_job(store: JobStore, job_id: str) -> Job | None:
    try:
        return store.get(job_id)
    except JobNotFoundError:
        return None


def runDismiss(conf: Conf, inputs: Any, outputs: dict[str, dict[str, Any]] | None) -> int:
    """Run as the service `runDismiss` of a kernel: `lenv.gs_usid` is the job, the user gives the workspace.

    Jobs of other workspaces are not found, so nobody can stop them. Never raises.
    """
    try:
        return _run_dismiss(conf, outputs)
    except BaseException as error:  # noqa: BLE001 the door: nothing may reach the kernel
        from zoo_runner.execution.outcomes import build_defect
        from zoo_runner.zoo.results import build_failure_message

        known = error if isinstance(error, RunnerError) else build_defect(error)
        sys.stderr.write(f"{known.diagnosis.cause}\n")
        conf.setdefault("lenv", {})["message"] = build_failure_message(known.diagnosis, "")
        return SERVICE_FAILED


def _run_dismiss(conf: Conf, outputs: dict[str, dict[str, Any]] | None) -> int:
    conf.pop("orequests", None)
    site = read_site(conf)
    configuration = load_site_configuration(conf, os.environ, site)  # noqa: TID251 this door's one place
    job_id = str(get_section(conf, "lenv").get("gs_usid", ""))
    with child_signals(), captured_output(lambda line: None):
        job = dismiss_job(job_id, configuration)
    said = f"job {job_id}: {job.status if job else 'not known in this workspace; if it is queued, it will not run'}"
    sys.stderr.write(f"{said}\n")
    for entry in (outputs or {}).values():
        entry["value"] = json.dumps(said)
    return SERVICE_SUCCEEDED


def main() -> None:
    """List lost jobs of a state folder (`python -m zoo_runner.zoo.dismiss FOLDER`): id, process, last update."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m zoo_runner.zoo.dismiss STATE_FOLDER")
    for job in find_lost_jobs(Path(sys.argv[1])):
        sys.stdout.write(f"{job.id} {job.workflow_id} {job.updated}\n")


if __name__ == "__main__":
    main()
