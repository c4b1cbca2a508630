"""The record of a job, as it lies beside its logs in object storage: a server that lost its database reads it again.

Who may read the bucket reads it, so that it has neither secrets nor people: who called, and whom to call back, are left
out, as is what only the machine of the job knew.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.model.codec import to_plain
from zoo_runner.model.job import Job
from zoo_runner.model.masking import Masker
from zoo_runner.model.package import Package
from zoo_runner.model.portable import make_portable
from zoo_runner.model.written import write_json

FORMAT = 1
RECORD, PACKAGE = "job.json", "package.json"
MOST_RECORD_BYTES, MOST_PACKAGE_BYTES = 64 << 20, 16 << 20
"""What is published of a job at most, and read again; of larger ones there is no record."""
# what is not named here is not published
_MEMBERS = (
    "id",
    "workspace",
    "process_id",
    "workflow_id",
    "engine",
    "package",
    "inputs",
    "created",
    "updated",
    "status",
    "secret_inputs",
    "time_limit_seconds",
    "started",
    "finished",
    "progress",
    "outcome",
    "deployed_in",
)
_MEMBERS_OF_REQUEST = ("inputs", "outputs", "response")


def build_record(job: Job, masker: Masker) -> bytes:
    """Build the record of a job that has ended: a JSON object with `format` and `job`.

    What depends on the place is left out: a reader knows where it has found the record.
    """
    outcome = job.outcome
    if outcome and outcome.diagnosis:
        outcome = replace(outcome, diagnosis=replace(outcome.diagnosis, log=None))
    if outcome:
        outcome = replace(outcome, published=None)
    plain = to_plain(replace(job, outcome=outcome), sparse=True)
    said = {name: plain[name] for name in _MEMBERS if name in plain}
    said |= _list_request(job)
    return _encode({"format": FORMAT, "job": make_portable(masker.mask_data(said))})


def _list_request(job: Job) -> dict[str, Any]:
    request = {name: one for name, one in (job.request or {}).items() if name in _MEMBERS_OF_REQUEST}
    return {"request": request} if request else {}


def build_package(job: Job, package: Package, masker: Masker) -> bytes | None:
    """Build the document of the package of a job; None where who has the results may not have it.

    That is one of another workspace, which lets others run it there, and one with something that looks like a secret:
    without it, it would be another package.
    """
    document = {"entry": package.entry, "workflow_id": package.workflow_id, "document": package.document}
    if job.runs_in is not None or not package.document or masker.mask_data(document) != document:
        return None
    return _encode({"format": FORMAT, "package": {**document, "types": dict(package.types), "digest": package.digest}})


def build_documents(job: Job, package: Package, masker: Masker) -> Mapping[str, bytes]:
    """Build what is published of a job for its recovery, by name; raises `ValueError` for a record that is too large.

    A package that is too large is left out.
    """
    record, packed = build_record(job, masker), build_package(job, package, masker)
    if len(record) > MOST_RECORD_BYTES:
        raise ValueError(f"the record of the job has {len(record)} bytes, the limit is {MOST_RECORD_BYTES}")
    return {RECORD: record, **({PACKAGE: packed} if packed and len(packed) <= MOST_PACKAGE_BYTES else {})}


def _encode(document: Mapping[str, Any]) -> bytes:
    return write_json(document).encode()
