"""Identity, computed: ids and file names that are valid for any input and never collide."""

import re
from hashlib import sha256

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import JobNotFoundError, SettingsError

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_NAME_LENGTH = 100


def new_job_id() -> str:
    """Make the id of a new job: a random UUID, as OGC API - Processes servers use."""
    # imported where it is used: it loads what knows all platforms
    from uuid import uuid4

    return str(uuid4())


def new_uid() -> str:
    """Make an identifier that is unique to a job, even if another store has a job of the same id."""
    from uuid import uuid4

    return uuid4().hex


def check_job_id(job_id: str) -> str:
    """Return a job id that is safe as a file name, or raise `JobNotFoundError`: no such job can exist."""
    if not _JOB_ID.fullmatch(job_id) or ".." in job_id:
        raise JobNotFoundError(
            f"{job_id!r} is not a job id",
            "A job id has letters, digits, '-', '_' and '.'; `zoo-runner jobs` lists them.",
        )
    return job_id


def accept_job_id(job_id: str) -> str:
    """Return an id that a client chose for a new job, or raise `SettingsError`."""
    try:
        return check_job_id(job_id)
    except JobNotFoundError as error:
        raise SettingsError(
            error.diagnosis.cause,
            "Use letters, digits, '-', '_' and '.', or leave it out to have one generated.",
            code="settings.invalid",
            level=Level.USER,
        ) from error


def file_name(text: str) -> str:
    """Turn any text into a file name; a changed name gets a hash, so that two names never become one."""
    safe = _UNSAFE.sub("-", text).lstrip(".-")[:_NAME_LENGTH]
    if safe and safe == text:
        return safe
    # a name may be no Unicode
    digest = sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{safe or 'x'}-{digest}"
