"""What every store says when a job is not there, is there already, or was changed meanwhile."""

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import (
    EngineError,
    InputError,
    JobChangedError,
    JobExistsError,
    JobNotFoundError,
    ProcessExistsError,
)


def build_not_found(job_id: str, folder: str | None = None) -> JobNotFoundError:
    """Say that a store has no such job; `folder` is that of a store in files."""
    place, hint = "", ""
    if folder:
        place = f" in {folder}"
        hint = ", and that ZOO_RUNNER_STATE has the value that it had when the job was started"
    return JobNotFoundError(f"job {job_id!r} was not found{place}", f"Check the id{hint}.")


def build_exists(job_id: str) -> JobExistsError:
    """Say that an id is taken."""
    return JobExistsError(
        f"a job with the id {job_id!r} exists already",
        "Choose another id, or leave it out to have one generated; `zoo-runner logs` shows the existing job.",
        level=Level.USER,
    )


def build_process_exists(process_id: str) -> ProcessExistsError:
    """Say that a process of that id is deployed."""
    return ProcessExistsError(
        f"a process {process_id!r} is deployed already", "Replace it (PUT), or deploy under another id."
    )


def build_process_changed(process_id: str) -> InputError:
    """Say that another version of a process is deployed than a change is for."""
    return InputError(
        f"the process {process_id!r} was replaced meanwhile, and is not in the version that the request names",
        "Get its description again, and send the request with its current ETag.",
        code="request.precondition",
    )


def build_damaged(path: str, error: Exception) -> EngineError:
    """Say that a record is there and cannot be read."""
    return EngineError(
        f"the record {path} cannot be read: {type(error).__name__}",
        "Check the disk and the permissions of the file; remove the folder of the job if its record is lost.",
        code="store.damaged",
    )


def build_changed(job_id: str, version: int, stored: int) -> JobChangedError:
    """Say that another process stored a change."""
    return JobChangedError(
        f"job {job_id} was changed by another process (version {version} was read, version {stored} is stored)",
        "Read the job again and repeat the change.",
    )


class HeldError(EngineError):
    """Another process has a lock, or has taken it meanwhile: this one may write nothing more."""

    default_code = "harvest.busy"
