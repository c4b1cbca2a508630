"""Reads what was published of a job; pure. All of it may be hostile: whoever may write to the bucket wrote it."""

import re
from dataclasses import dataclass, replace
from typing import Any

from zoo_runner.access_documents import WORKSPACE
from zoo_runner.execution.job_record import FORMAT
from zoo_runner.model import clock
from zoo_runner.model.codec import from_plain
from zoo_runner.model.ids import new_uid
from zoo_runner.model.job import FINAL, Job
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.model.portable import find_unportable
from zoo_runner.model.type_faults import find_type_fault
from zoo_runner.model.written import read_json, write_json
from zoo_runner.server.requests import is_deeper

# of other forms are the names of what lies beside the files of jobs, which are removed with them
_JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_MOST_LEVELS, _LONGEST_NAME, _MOST_PERCENT = 100, 255, 100
INVALID, NEWER = "recover.record", "recover.newer"


class RecordError(ValueError):
    """A record cannot be used; the text says why, `code` which kind of reason it is."""

    def __init__(self, reason: str, code: str = INVALID) -> None:
        super().__init__(reason)
        self.code = code


def parse_record(body: bytes, job_id: str) -> Job:
    """Read the record that lies at the place of a job that has ended; raises `RecordError`.

    Nothing in what is returned is a place of this machine, or a permission: these are for the caller to fill in.
    """
    plain = _read_member(body, "job")
    # what a reader knows by itself: a record does not choose it
    given = {name: one for name, one in plain.items() if name not in _OWN} | {"destination": ""}
    if fault := find_type_fault(Job, given):
        raise RecordError(f"its member job.{fault} is missing or of another type")
    try:
        job = from_plain(Job, given)
        _check(job, job_id)
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, RecordError) else RecordError(f"it has an invalid value: {error}") from error
    return replace(job, uid=new_uid(), package=NO_PACKAGE.digest)


_OWN = frozenset(
    (
        *("allowed_roots", "public_url", "caller", "log", "log_folder", "step", "handle", "cancel_requested"),
        *("removal_requested", "uid", "priority", "runs_in", "settings", "continues", "trace", "needs", "version"),
    )
)


def _check(job: Job, job_id: str) -> None:
    """Check each value that is more than its type says; raises `RecordError`, and `ValueError` for an invalid time."""
    _check_names(job, job_id)
    if job.status not in FINAL or job.outcome is None or job.outcome.status is not job.status or job.finished is None:
        raise RecordError("it is of a job that has not ended")
    if not 0 <= job.progress <= _MOST_PERCENT:
        raise RecordError(f"its progress is {job.progress}")
    for time in filter(None, (job.created, job.updated, job.started, job.finished)):
        if not _TIME.fullmatch(time):
            raise RecordError(f"{time[:40]!r} is not a time")
        clock.to_seconds(time)
    _check_request(job)


def _check_names(job: Job, job_id: str) -> None:
    if not is_job_id(job.id):
        raise RecordError(f"{job.id[:_LONGEST_NAME]!r} is no id that a server gives")
    if job.id != job_id:
        raise RecordError(f"it is of job {job.id}, and lies at the place of {job_id[:_LONGEST_NAME]!r}")
    for name in ("workspace", "process_id", "workflow_id", "engine"):
        if not _is_name(getattr(job, name)):
            raise RecordError(f"its {name} is not a name")
    if job.deployed_in is not None and not WORKSPACE.fullmatch(job.deployed_in):
        raise RecordError("its deployed_in is not a workspace")


def _check_request(job: Job) -> None:
    """Check what answers depend on: which outputs were asked for, and how."""
    request = dict(job.request or {})
    outputs = request.get("outputs") or {}
    if not isinstance(outputs, dict) or not all(one is None or isinstance(one, dict) for one in outputs.values()):
        raise RecordError("its request.outputs is not an object of objects")
    if not isinstance(request.get("inputs", {}), dict) or request.get("response", "raw") not in ("raw", "document"):
        raise RecordError("its request is not an execute request")
    if "subscriber" in request:
        # this server would call there
        raise RecordError("its request has a subscriber, which no record has")


def is_job_id(text: str) -> bool:
    """Whether it is an id that a server gives."""
    return bool(_JOB_ID.fullmatch(text))


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


@dataclass(frozen=True)
class PublishedPackage:
    """A package as it was published: CWL in JSON, the id of what runs, and the names that it had."""

    text: str
    entry: str
    workflow_id: str
    types: dict[str, str]


def parse_package(body: bytes) -> PublishedPackage:
    """Read the package beside a record; it is CWL that anybody can have written. Raises `RecordError`."""
    plain = _read_member(body, "package")
    types, document = plain.get("types", {}), plain.get("document")
    entry, workflow_id = plain.get("entry"), plain.get("workflow_id")
    if not isinstance(document, dict) or not isinstance(types, dict):
        raise RecordError("it is not a packed document")
    if not all(isinstance(one, str) for one in (entry, workflow_id, *types, *types.values())):
        raise RecordError("its names are not texts")
    if not _is_name(str(entry)) or not _is_name(str(workflow_id)):
        raise RecordError("its entry or workflow_id is not a name")
    return PublishedPackage(write_json(document), str(entry), str(workflow_id), types)


def _read_member(body: bytes, name: str) -> dict[str, Any]:
    """Read a document of this form, and return what it is about; raises `RecordError`."""
    try:
        document = read_json(body)
    except (ValueError, RecursionError) as error:
        raise RecordError("it is not JSON") from error
    version = document.get("format") if isinstance(document, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise RecordError("it has no format")
    if version > FORMAT:
        raise RecordError(f"it has format {version}, and this release reads up to {FORMAT}", NEWER)
    plain = document.get(name)
    if not isinstance(plain, dict):
        raise RecordError(f"it has no object {name}")
    if is_deeper(plain, _MOST_LEVELS):
        raise RecordError(f"it has more than {_MOST_LEVELS} levels")
    if found := find_unportable(plain):
        raise RecordError(f"{found.reason}, at {found.pointer[:200]}")
    return plain
