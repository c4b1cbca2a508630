"""Jobs that continue others that have failed: what has ended there and is the same is not run again."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.execution.accept import Origin, accept
from zoo_runner.execution.retry import find_continued
from zoo_runner.inputs.memory import read_memory, set_memory
from zoo_runner.model.errors import InputError
from zoo_runner.model.job import Job
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import keep_request, show_request
from zoo_runner.server.deploying import Deployment, read_unit
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.jobs import get_job, keep_callback, place_job, prepare_execution
from zoo_runner.server.log_lines import about
from zoo_runner.server.processes import load_package
from zoo_runner.server.tracing import read_context

_MEMBERS = ("inputs", "memory", "package")

logger = logging.getLogger(__name__)


def retry_job(api: Api, call: Call, job_id: str, changes: Mapping[str, Any]) -> Job:
    """Create a job that continues a failed one, with the same checks as any job; nothing has run when this returns.

    `changes` may have `inputs`, of which each replaces that of the failed job (null: it is left out), `memory` by
    step, such as `{"mosaic": "8Gi"}`, and `package`, an edited package as an execution unit; that needs the permission
    to deploy. Raises `JobNotFoundError`, `InputError`, `PackageError`, and `EngineError` (`job.nothing-kept`,
    `job.not-ended`).
    """
    inputs, memory, edited = _read(changes)
    job = get_job(api, call, job_id)
    if edited:
        _ensure_may_edit(call, job)
    placed = place_job(api, call, job)
    workspace = placed.configuration.workspace
    handle = find_continued(api.context, job, workspace)
    package = load_package(api, call, edited) if edited else placed.package
    package = set_memory(package, read_memory([f"{step}={amount}" for step, amount in memory.items()]))
    request = show_request(job)
    given = {name: value for name, value in {**request["inputs"], **inputs}.items() if value is not None}
    request = {**request, "inputs": given}
    draft = prepare_execution(api, replace(placed, package=package), job.process_id, request)
    draft = replace(draft, continues=handle)
    origin = Origin(
        call.caller, keep_request(request, draft.order), job.priority, deployed_in=job.deployed_in, trace=read_context()
    )
    keep_callback(api, call, draft.id, request)
    accepted = accept(api.context, draft, job.engine, workspace, origin)
    logger.info("job accepted", extra=about(accepted, {"continues": job_id}))
    api.wake(accepted.id)
    return accepted


def _ensure_may_edit(call: Call, job: Job) -> None:
    """Refuse an edited package of a caller who may not deploy one, or where another workspace deployed the process."""
    if not call.may("process.deploy"):
        raise InputError(
            f"job {job.id} may be continued by this caller, but not with another package",
            "Leave package out, or ask who may deploy processes.",
            code="policy.denied",
        )
    if job.deployed_in not in (None, call.workspace):
        raise InputError(
            f"job {job.id} ran a process of the workspace {job.deployed_in}, whose package is not this workspace's",
            "Leave package out, or deploy the edited package here and execute it.",
            code="request.invalid",
        )


def _read(changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, str], Deployment | None]:
    if unknown := sorted(changes.keys() - set(_MEMBERS)):
        raise build_invalid(f"unknown member of a retry: {unknown[0]!r}", f"Members are: {', '.join(_MEMBERS)}.")
    inputs, memory = (changes.get(name, {}) for name in ("inputs", "memory"))
    if not isinstance(inputs, Mapping):
        raise build_invalid("inputs is not an object", "Give an object with one member per input that changes.")
    if not (isinstance(memory, Mapping) and all(isinstance(amount, str) for amount in memory.values())):
        raise build_invalid("memory is not an object of texts", 'Write it like {"memory": {"mosaic": "8Gi"}}.')
    return inputs, memory, read_unit(changes["package"], "package") if "package" in changes else None
