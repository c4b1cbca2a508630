"""Dismiss a job of a ZOO kernel by its id.

A kernel kills a service on its own machine at once, and does not notify a service elsewhere or a job in the queue. The
job's record reaches all of them: a service looks there whether its job is to be cancelled, and a job that was dismissed
before its service stored it has a record that says so.
"""

import json
import os
import re
import shutil
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.execution.accept import build_unaccepted
from zoo_runner.execution.context import build_paths, open_context
from zoo_runner.execution.kept_results import forget_kept
from zoo_runner.execution.recover import cancel
from zoo_runner.model.errors import DismissedError, JobChangedError, JobExistsError, JobNotFoundError, RunnerError
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import build_defect, build_failure
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.model.workspace import Workspace
from zoo_runner.store.files import FileStore
from zoo_runner.store.protocol import JobStore
from zoo_runner.zoo.conf import (
    Conf,
    check_kernel_job_id,
    get_section,
    load_site_configuration,
    read_site,
)
from zoo_runner.zoo.process import captured_output, child_signals
from zoo_runner.zoo.results import build_failure_message

_LONGEST_GOODBYE_SECONDS = 30.0
_LONGEST_REQUEST_SECONDS = 10.0
_SECONDS_BETWEEN_LOOKS = 0.2
_MOST_LOST_JOBS = 10_000
_UNKNOWN_PROCESS = "unknown"

SERVICE_SUCCEEDED, SERVICE_FAILED = 3, 4


def dismiss_job(job_id: str, configuration: Configuration) -> Job | None:
    """Stop what runs of a job and remove what it leaves, logs included; its record stays.

    Returns None if no service has stored the job here: one that waits in a queue, or whose service is at its
    preparations, will not run. May be repeated, also for a job that has ended.
    """
    context = open_context(configuration)
    with suppress(JobExistsError):
        context.store.create(_build_dismissed(check_kernel_job_id(job_id), configuration.workspace), NO_PACKAGE)
        # a service at its preparations has begun it, and may be killed
        JobPaths.build(configuration.workspace.folders, _UNKNOWN_PROCESS, job_id).kept_log.unlink(missing_ok=True)
        return None
    job = _request_removal(context.store, job_id)
    if job.status not in FINAL:
        job = cancel(context, job_id)
        if not _wait_released(context.store, job_id):
            return job
        # a service may be killed before it has concluded the job
        job = cancel(context, job_id)
    with suppress(RunnerError):  # what a cluster has it removes when its time is over
        forget_kept(context, job)
    _remove_files(job, configuration.workspace)
    return job


def _build_dismissed(job_id: str, workspace: Workspace) -> Job:
    """Build the record of a job that nobody has stored: its service will find the id taken."""
    job = build_unaccepted(job_id, _UNKNOWN_PROCESS, workspace)
    outcome = build_failure(build_dismissal(), Masker(()))
    return replace(
        job,
        status=outcome.status,
        outcome=outcome,
        finished=job.created,
        cancel_requested=True,
        removal_requested=True,
    )


def _request_removal(store: JobStore, job_id: str) -> Job:
    """Store that all of a job is to be removed, also of one that has ended: its service may still deliver."""
    while not (job := store.get(job_id)).removal_requested:
        with suppress(JobChangedError):
            return store.update(replace(job, removal_requested=True))
    return job


def _wait_released(store: JobStore, job_id: str) -> bool:
    """Wait until the service of a job has concluded it, or the kernel has killed the service; False after 30 s.

    The service may be on another machine that shares the folder, from which no file notification comes.
    """
    deadline, pause = time.monotonic() + _LONGEST_GOODBYE_SECONDS, threading.Event()
    while store.find_lease(job_id):
        if time.monotonic() > deadline:
            return False
        pause.wait(_SECONDS_BETWEEN_LOOKS)
    return True


def _remove_files(job: Job, workspace: Workspace) -> None:
    """Remove logs and data of a job. The kernel has done so in `temp`, before the job was concluded here."""
    paths = build_paths(job, workspace)
    for log in (paths.job_log, paths.kept_log):
        log.unlink(missing_ok=True)
    for folder in (paths.log_folder, paths.scratch):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_public_files(temp: Path, job: Job) -> None:
    """Remove the files of a job, as the kernel did: it may have written the job's end since.

    Others' files lie beside them: a name counts where the id is a whole part of it, such as `echo_<id>_error.log`.
    """
    if job.process_id == _UNKNOWN_PROCESS:  # of an id that no service has stored: it may be any text
        return
    of_job = re.compile(rf"(.+[_-])?{re.escape(job.id)}([_.].*)?")
    with suppress(OSError):
        for path in filter(lambda path: of_job.fullmatch(path.name), temp.iterdir()):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def was_dismissed(store: JobStore, job_id: str) -> bool:
    """Whether a job was dismissed, before or while it ran."""
    try:
        job = store.get(job_id)
    except JobNotFoundError:
        return False
    return job.cancel_requested and job.status is Status.DISMISSED


def was_removed(status_file: Path | None, seen: Path) -> bool:
    """Whether the kernel has removed a job that waited in its queue: its request to `runDismiss` waits behind the job.

    The kernel writes the file just after it has put the job into the queue. Not every installation shows it to its
    workers: that it is missing says something only where an earlier job has seen its own, and left the mark `seen`.
    """
    if status_file is None:
        return False
    deadline, pause = time.monotonic() + _LONGEST_REQUEST_SECONDS, threading.Event()
    while not status_file.exists():
        if not seen.exists():
            return False
        if time.monotonic() > deadline:
            return True
        pause.wait(_SECONDS_BETWEEN_LOOKS)
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.touch()
    return False


def is_removal_requested(store: JobStore, job_id: str) -> bool:
    """Whether a job was dismissed by its kernel, also one that ended in another way.

    A request to cancel that came too late (`zoo-runner cancel`) removes nothing.
    """
    with suppress(JobNotFoundError):
        return store.get(job_id).removal_requested
    return False


def build_dismissal() -> DismissedError:
    """Describe the end of a dismissed job."""
    return DismissedError("the job was dismissed", "Run it again if its results are needed.")


def runDismiss(conf: Conf, inputs: Any, outputs: dict[str, dict[str, Any]] | None) -> int:
    """Run as the service `runDismiss` of a kernel: `lenv.gs_usid` is the job, the user gives the workspace.

    Jobs of other workspaces are not found, so nobody can stop them. Never raises.
    """
    try:
        return _run_dismiss(conf, outputs)
    except BaseException as error:  # noqa: BLE001 the entry point: nothing may reach the kernel
        known = error if isinstance(error, RunnerError) else build_defect(error)
        sys.stderr.write(f"{known.diagnosis.cause}\n")
        conf.setdefault("lenv", {})["message"] = build_failure_message(known.diagnosis, "")
        return SERVICE_FAILED


def _run_dismiss(conf: Conf, outputs: dict[str, dict[str, Any]] | None) -> int:
    conf.pop("orequests", None)
    site = read_site(conf)
    # with those settings of the handler that need no call of it: partial results lie where they say
    parameters = get_section(conf, "additional_parameters")
    configuration = load_site_configuration(conf, os.environ, site, parameters)  # noqa: TID251 entry point
    # removed, because the kernel writes a status file at the end, under this id where there is one
    job_id = str(conf["lenv"].pop("gs_usid", ""))
    with child_signals(), captured_output(lambda line: None):
        job = dismiss_job(job_id, configuration)
    if job is not None:
        _remove_public_files(site.temp, job)
    said = f"job {job_id}: {job.status if job else 'not known in this workspace; if it is queued, it will not run'}"
    sys.stderr.write(f"{said}\n")
    for entry in (outputs or {}).values():
        entry["value"] = json.dumps(said)
    return SERVICE_SUCCEEDED


def main() -> None:
    """List lost jobs of a state folder (`python -m zoo_runner.zoo.dismiss FOLDER`): id, process, last update."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m zoo_runner.zoo.dismiss STATE_FOLDER")
    # those without a lease that have not ended: their service died
    for job in FileStore(Path(sys.argv[1])).find_abandoned(_MOST_LOST_JOBS):
        sys.stdout.write(f"{job.id} {job.workflow_id} {job.updated}\n")


if __name__ == "__main__":
    main()
