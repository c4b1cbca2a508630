"""Jobs that repeat others that have failed, with changes: what has ended there and is the same is not run again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo_runner.engines.protocol import Handle
from zoo_runner.execution.accept import Origin, accept
from zoo_runner.execution.retry import ensure_ended, find_continued
from zoo_runner.inputs.limits import StepLimits, read_memory, set_limits
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.model.job import Job
from zoo_runner.model.workspace import Workspace
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import keep_request, show_request
from zoo_runner.server.deploying import Deployment, read_unit
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.jobs import get_job, keep_callback, place_job, prepare_execution
from zoo_runner.server.log_lines import about
from zoo_runner.server.processes import load_package
from zoo_runner.server.requests import ensure_members
from zoo_runner.server.tracing import read_context

_NEVER, _IF_NEEDED, _ALWAYS = RESTARTS = ("never", "if-needed", "always")
"""Whether the new job runs all steps again: never, where nothing was kept of the failed one, or in any case."""
_OBJECTS = ("inputs", "memory", "disk", "timeLimits")
_MEMBERS = (*_OBJECTS, "package", "restart")
_MOST_SECONDS = 1e9

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What differs from the failed job: inputs (None: it is left out), limits of steps, an edited package."""

    inputs: Mapping[str, Any]
    limits: Mapping[str, StepLimits]
    edited: Deployment | None
    restart: str


def retry_job(api: Api, call: Call, job_id: str, changes: Mapping[str, Any]) -> Job:
    """Create a job that continues a failed one, with the same checks as any job; nothing has run when this returns.

    `changes` may have `inputs`, of which each replaces that of the failed job (null: it is left out), `memory` and
    `disk` by step, such as `{"mosaic": "8Gi"}`, `timeLimits` of steps in seconds, `restart`, and `package`, an edited
    package as an execution unit; that needs the permission to deploy. Raises `JobNotFoundError`, `InputError`,
    `PackageError`, and `EngineError` (`job.nothing-kept`, `job.not-ended`).
    """
    wanted = read_changes(changes)
    job = get_job(api, call, job_id)
    if wanted.edited:
        _ensure_may_edit(call, job)
    placed = place_job(api, call, job)
    workspace = placed.configuration.workspace
    handle = _find_handle(api, job, workspace, wanted.restart)
    package = load_package(api, call, wanted.edited) if wanted.edited else placed.package
    package = set_limits(package, wanted.limits)
    request = show_request(job)
    given = {name: value for name, value in {**request["inputs"], **wanted.inputs}.items() if value is not None}
    request = {**request, "inputs": given}
    draft = prepare_execution(api, replace(placed, package=package), job.process_id, request)
    draft = replace(draft, continues=handle)
    kept = keep_request(request, draft.order)
    origin = Origin(call.caller, kept, job.priority, job.deployed_in, trace=read_context(), title=job.title)
    keep_callback(api, call, draft.id, request)
    accepted = accept(api.context, draft, job.engine, workspace, origin)
    logger.info("job accepted", extra=about(accepted, {"continues" if handle else "repeats": job_id}))
    api.wake(accepted.id)
    return accepted


def _find_handle(api: Api, job: Job, workspace: Workspace, restart: str) -> Handle | None:
    """Find what the new job continues; None where it runs all steps again. Raises `EngineError`."""
    ensure_ended(job)
    if restart == _ALWAYS:
        return None
    try:
        return find_continued(api.context, job, workspace)
    except EngineError as error:
        if restart == _NEVER or error.diagnosis.code != "job.nothing-kept":
            raise
        return None


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


def read_changes(changes: Mapping[str, Any]) -> Changes:
    """Read what is to differ; raises `InputError`."""
    ensure_members(changes, _MEMBERS)
    for name in _OBJECTS:
        if not isinstance(changes.get(name, {}), Mapping):
            raise build_invalid(f"{name} is not an object", "Give an object with one member for each input or step.")
    restart = changes.get("restart", _NEVER)
    if restart not in RESTARTS:
        raise build_invalid(f"restart is {str(restart)[:60]!r}", f"Use: {', '.join(RESTARTS)}.")
    edited = read_unit(changes["package"], "package") if "package" in changes else None
    return Changes(changes.get("inputs", {}), _read_limits(changes), edited, restart)


def _read_limits(changes: Mapping[str, Any]) -> dict[str, StepLimits]:
    memory, disk = (_read_amounts(changes, name) for name in ("memory", "disk"))
    seconds = changes.get("timeLimits", {})
    for step, limit in seconds.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not 1 <= limit <= _MOST_SECONDS:
            raise build_invalid(
                f"the time limit of the step {step[:100]!r} is {str(limit)[:60]}", "Give seconds, 1 or more."
            )
    steps = dict.fromkeys([*memory, *disk, *seconds])
    return {step: StepLimits(memory.get(step), disk.get(step), seconds.get(step)) for step in steps}


def _read_amounts(changes: Mapping[str, Any], name: str) -> dict[str, float]:
    given = changes.get(name, {})
    if not all(isinstance(amount, str) for amount in given.values()):
        raise build_invalid(f"{name} is not an object of texts", f'Write it like {{"{name}": {{"mosaic": "8Gi"}}}}.')
    return read_memory([f"{step}={amount}" for step, amount in given.items()])
