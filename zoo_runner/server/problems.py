"""From an error to an HTTP status and a problem document: one table."""

from typing import Any

from zoo_runner.model.codes import CODES
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.remedies import fit_remedy
from zoo_runner.server.access.tokens import REFUSALS
from zoo_runner.server.documents import DiagnosisInfo, Problem

PART_1 = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
PART_2 = "http://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0"

PART_4 = "http://www.opengis.net/def/exceptions/ogcapi-processes-4/1.0"

_TYPES = {
    "process.not-found": f"{PART_1}/no-such-process",
    "job.not-found": f"{PART_1}/no-such-job",
    "job.not-ended": f"{PART_1}/result-not-ready",
    "job.locked": f"{PART_4}/locked",
    "job.media-type": f"{PART_4}/unsupported-media-type",
    "job.schema": f"{PART_4}/unsupported-schema",
    "process.exists": f"{PART_2}/duplicated-process",
    "process.immutable": f"{PART_2}/immutable-process",
    "package.workflow": f"{PART_2}/workflow-not-found",
    "request.media-type": f"{PART_2}/unsupported-media-type",
}
_STATUSES = {
    "request.media-type": 415,
    "request.not-acceptable": 406,
    "request.too-large": 413,
    "request.too-many": 429,
    "request.unknown-path": 404,
    "request.method": 405,
    "request.range": 416,
    "request.precondition": 412,
    "request.interrupted": 503,
    "request.busy": 503,
    "request.timeout": 408,
    "request.invalid": 400,
    "request.cursor": 400,
    "request.cross-site": 403,
    "request.host": 421,
    "job.not-ended": 404,
    "process.immutable": 403,
    "job.locked": 423,
    "job.nothing-kept": 409,
    "job.media-type": 415,
    "job.schema": 422,
    "job.too-many-unstarted": 429,
    "upload.full": 413,
    "upload.out-of-reach": 403,
    "store.unreachable": 503,
    "identity.missing": 401,
    **dict.fromkeys(REFUSALS, 401),
    "identity.session": 401,
    **dict.fromkeys(("identity.scope", "identity.development", "token.no-owner"), 403),
    **dict.fromkeys(("token.not-found", "secret.not-found"), 404),
    **dict.fromkeys(("secret.off", "link.off"), 501),
    "link.invalid": 403,
    "link.expired": 410,
    "secret.key": 503,
    "token.too-many": 429,
    **dict.fromkeys(("login.denied", "login.insecure"), 403),
    "login.state": 400,
    **dict.fromkeys(("login.exchange", "token.exchange"), 502),
    "identity.workspace": 403,
    "identity.role": 403,
    "identity.provider": 503,
    **dict.fromkeys(("quota.queued-jobs", "quota.results"), 429),
    **dict.fromkeys(("quota.cores", "quota.memory"), 403),
    "policy.denied": 403,
    "policy.unavailable": 503,
    "workspace.private": 403,
    "access.unavailable": 503,
}


def get_type(code: str) -> str:
    """Return the type of a problem: the standard's where it has one, else ours by the code."""
    return _TYPES.get(code, f"urn:zoo-runner:problem:{code}")


def build_problem(error: RunnerError) -> Problem:
    """Build the document of an error that ended a request."""
    status = _STATUSES.get(error.diagnosis.code, error.http_status)
    return describe_problem(error.diagnosis, status)


def describe_problem(diagnosis: Diagnosis, status: int) -> Problem:
    """Build a problem document from a diagnosis."""
    code = CODES.get(diagnosis.code)
    return {
        "type": get_type(diagnosis.code),
        "title": code.meaning if code else diagnosis.code,
        "status": status,
        "detail": diagnosis.cause,
        "diagnosis": describe_diagnosis(diagnosis),
    }


def describe_diagnosis(diagnosis: Diagnosis) -> DiagnosisInfo:
    """Build the member `diagnosis`; what is absent is left out, as are places on this machine."""
    info: DiagnosisInfo = {
        "code": diagnosis.code,
        "stage": diagnosis.stage.value,
        "level": diagnosis.level.value,
        "cause": diagnosis.cause,
        "remedy": fit_remedy(diagnosis.remedy),
    }
    if diagnosis.evidence:
        info["evidence"] = list(diagnosis.evidence)
    if diagnosis.problems:
        info["problems"] = [
            {"code": one.code, "pointer": one.pointer, "message": one.message} for one in diagnosis.problems
        ]
    if diagnosis.step:
        info["step"] = diagnosis.step
    return info


def describe_failure(job: Job) -> Problem | None:
    """Build the problem of a job that failed; None for any other."""
    diagnosis = job.outcome.diagnosis if job.outcome else None
    return describe_problem(diagnosis, 500 if diagnosis.level != "user" else 400) if diagnosis else None


_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}, "text/html": {}}
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "content": _PROBLEM, "description": "The request cannot be fulfilled."},
    "5XX": {"model": Problem, "content": _PROBLEM, "description": "The server could not do its part."},
}
"""The errors of every operation, for the OpenAPI document."""
