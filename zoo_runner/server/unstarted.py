"""Jobs that are created, edited, and started later (OGC API - Processes, Part 4: Job Management, 24-051).

What a client sends is kept as it is, and checked when the job is started: until then it may be incomplete.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import unquote

from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.accept import Origin, accept_created, create_unstarted
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.model.job import Job, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import MEMBERS, keep_request, show_request
from zoo_runner.server.documents import Definition
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.jobs import (
    add_step_token,
    draft_execution,
    ensure_storable,
    get_job,
    keep_callback,
    load_package,
    place_job,
    prepare_execution,
)
from zoo_runner.server.log_lines import about
from zoo_runner.server.subscriber import find_reach, read_subscriber
from zoo_runner.server.tracing import read_context

logger = logging.getLogger(__name__)


def create_job(api: Api, call: Call, request: Mapping[str, Any]) -> Job:
    """Create a job that does not run yet; raises `InputError`, `ProcessNotFoundError`."""
    process_id = _read_process(call, request.get("process"))
    kept = _check(api, request)
    draft = _draft(api, call, process_id, kept["inputs"])
    _ensure_room(api, call.workspace, kept, {})
    configuration = api.find_configuration(call.workspace)
    engine = configuration.settings.engine
    return create_unstarted(api.context, draft, engine, configuration.workspace, Origin(call.caller, kept))


def edit_job(api: Api, call: Call, job_id: str, changes: Mapping[str, Any]) -> Job:
    """Change the request of a job that was not started: members replace those of before, and so does each input.

    An input that is null is left out. Raises `JobNotFoundError`, `InputError`, and `EngineError` (`job.locked`).
    """
    job, request = _get_unstarted(api, call, job_id)
    if "process" in changes and _read_process(call, changes["process"]) != job.process_id:
        raise build_invalid("process is that of another job", "Create a job of that process.")
    given = {key: value for key, value in changes.items() if key != "process"}
    inputs = {**request["inputs"], **_check(api, given)["inputs"]}
    kept = _check(api, {**request, **given, "inputs": {key: one for key, one in inputs.items() if one is not None}})
    _draft(api, call, job.process_id, kept["inputs"])
    _ensure_room(api, call.workspace, kept, request)
    return api.store.jobs.update(replace(job, request=kept, updated=clock.now()))


def start_job(api: Api, call: Call, job_id: str) -> Job:
    """Check the request of a job and start it.

    Raises `JobNotFoundError`, `InputError` with all problems, and `EngineError` (`job.locked`) where it was started.
    """
    job, request = _get_unstarted(api, call, job_id)
    placed = place_job(api, call, job)
    workspace = placed.configuration.workspace
    draft = prepare_execution(api, placed, job.process_id, request, job_id)
    priority = api.find_profile(job.workspace).priority
    origin = Origin(job.caller, keep_request(request, draft.order), priority, trace=read_context(), title=job.title)
    keep_callback(api, call, job_id, request)
    draft = add_step_token(api, placed, draft)
    started = accept_created(api.context, job, draft, workspace, origin)
    logger.info("job accepted", extra=about(started))
    api.wake(job_id)
    return started


def get_definition(api: Api, call: Call, job_id: str) -> Definition:
    """Return what a job runs, in the form in which it could be sent; raises `JobNotFoundError`."""
    job = get_job(api, call, job_id)
    process = call.at(job.deployed_in).link("processes", job.process_id)
    return cast(Definition, {"process": process, **show_request(job)})


def get_inputs(api: Api, call: Call, job_id: str) -> dict[str, Any]:
    """Return the inputs of a job, as an execute request has them; raises `JobNotFoundError`."""
    inputs: dict[str, Any] = show_request(get_job(api, call, job_id))["inputs"]
    return inputs


def _draft(api: Api, call: Call, process_id: str, inputs: Mapping[str, Any]) -> JobSpec:
    """Draft a job whose inputs are checked later; raises `InputError` for inputs that must not be stored."""
    configuration = api.find_configuration(call.workspace)
    draft = draft_execution(api, configuration, process_id, load_package(api, call, process_id), {})
    ensure_storable(replace(draft, order=inputs), configuration.workspace)
    return draft


def _ensure_room(api: Api, workspace: str, request: Mapping[str, Any], replaced: Mapping[str, Any]) -> None:
    """Refuse a request for which there is no room among those that were not started; raises `InputError`.

    Requests that are sent at the same time may each find the same room.
    """
    grows = len(json.dumps(request)) - len(json.dumps(replaced))
    most = api.settings.unstarted_max_mib
    if grows > 0 and api.store.jobs.measure_unstarted(workspace) + grows > most * 2**20:
        raise InputError(
            f"the jobs of workspace {workspace} that were created and not started would take more than {most:g} MiB",
            "Start or dismiss some of them: GET /jobs?status=created lists them.",
            code="job.too-many-unstarted",
        )


def _get_unstarted(api: Api, call: Call, job_id: str) -> tuple[Job, Mapping[str, Any]]:
    job = get_job(api, call, job_id)
    if job.status is not Status.CREATED or job.request is None:
        raise EngineError(
            f"job {job_id} was started before: it is {job.status}",
            "Create another job: POST /jobs with its definition.",
            level=Level.USER,
            code="job.locked",
        )
    return job, job.request


def _read_process(call: Call, process: Any) -> str:
    """Read the id of a process from its address, or as it is."""
    own = call.link("processes", "")
    if not isinstance(process, str) or not process:
        raise build_invalid("the member process is missing", f'Write {{"process": "{own}…", "inputs": {{…}}}}.')
    process_id = unquote(process.removeprefix(own).rstrip("/"))
    if "/" in process_id:
        raise build_invalid(f"{process[:200]!r} is not a process of this workspace", f"Give an address below {own}")
    return process_id


def _check(api: Api, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a request."""
    inputs = request.get("inputs") or {}
    if not isinstance(inputs, Mapping):
        raise build_invalid("inputs is not an object", "Give an object with one member per input.")
    read_subscriber(request, find_reach(api.settings))
    return {"inputs": dict(inputs), **{name: request[name] for name in MEMBERS if name in request}}
