"""Operations on jobs: accept an execution, list, status, dismiss."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.argo.template.source import ensure_same_place
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.accept import Origin, accept, accept_failed, draft_job, find_secret_values
from zoo_runner.execution.context import end_job, request_cancel
from zoo_runner.execution.retention import remove_logs
from zoo_runner.inputs.joborder import read_execute_request
from zoo_runner.model.errors import DismissedError, InputError
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import FINAL, Job, Outcome, Status
from zoo_runner.model.package import Package
from zoo_runner.model.step_token import TOKEN_INPUT
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.cwltypes import parse_parameters
from zoo_runner.server.access.workspaces import choose_calling, find_workspaces
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import keep_request, show_request
from zoo_runner.server.documents import JobList, Link, StatusInfo
from zoo_runner.server.installation import build_destination
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.log_lines import about
from zoo_runner.server.logs import list_links
from zoo_runner.server.problems import describe_diagnosis, describe_failure
from zoo_runner.server.quotas import ensure_within
from zoo_runner.server.step_tokens import asks_for_token
from zoo_runner.server.subscriber import find_reach, read_subscriber
from zoo_runner.server.tracing import read_context, trace_part
from zoo_runner.server.uploads import locate_files
from zoo_runner.store.errors import build_not_found
from zoo_runner.store.protocol import JobPage, JobQuery, JobStore
from zoo_runner.store.selection import iterate_jobs

RESULTS_REL = "http://www.opengis.net/def/rel/ogc/1.0/results"
_LEASE_TO_DISMISS_SECONDS = 30.0
_LINES_AT_ONCE = _READ_AT_ONCE = 500
_READ_AGAIN: Mapping[str, str] = {"job.inputs": "the inputs", "process.read": "the process"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Placement:
    """Where a process is executed, and for whom.

    `call` is the request as one to the workspace whose job it is, `configuration` that of the executing workspace with
    that one's storage. `deployed_in` is the workspace of the process, None: that of the job; `title` is the
    title of the process.
    """

    package: Package
    call: Call
    configuration: Configuration
    deployed_in: str | None
    title: str | None = None


def place_execution(api: Api, call: Call, process_id: str, request: Mapping[str, Any]) -> Placement:
    """Find out where a process is executed.

    Raises `ProcessNotFoundError`, `InputError` for who may not, `PackageError` where its template is not there.
    """
    process = api.store.processes.get(call.workspace, process_id)
    package = api.store.processes.load_package(process.package)
    calling = choose_calling(call.workspace, call.member_of, _read_wanted(package, request, call))
    places = find_workspaces(call.published.find_kind(process_id), call.workspace, calling)
    if places.calling != places.deploying:
        # what let the request in was an answer for the workspace of the process only
        call.admit_job(places.calling, process_id)
    configuration = api.find_configuration(places.executing, places.calling)
    if places.executing != places.deploying:
        ensure_same_place(package, api.find_configuration(places.deploying), configuration)
    deployed_in = places.deploying if places.deploying != places.calling else None
    return Placement(package, call.at(calling), configuration, deployed_in, process.description.get("title"))


def place_job(api: Api, call: Call, job: Job) -> Placement:
    """Find out where a job is executed, as it was decided when it was created.

    One that was not started runs what is deployed then: raises `ProcessNotFoundError`. Any other has its own package,
    whoever has its process may have withdrawn it since.
    """
    if job.status is Status.CREATED:
        package = load_package(api, call.at(job.deployed_in), job.process_id)
    else:
        package = api.store.jobs.load_package(job.package)
    configuration = api.find_configuration(job.runs_in or job.workspace, job.workspace)
    return Placement(package, call, configuration, job.deployed_in, job.title)


def _read_wanted(package: Package, request: Mapping[str, Any], call: Call) -> str | None:
    """Read the workspace that a client names beside the inputs, if that is no input of the package."""
    inputs = request.get("inputs")
    wanted = inputs.get("workspace") if _names_workspaces(call) and isinstance(inputs, Mapping) else None
    if not isinstance(wanted, str) or "workspace" in _list_names(package):
        return None
    return wanted


def accept_execution(api: Api, call: Call, process_id: str, request: Mapping[str, Any]) -> Job:
    """Create the job of an execute request; nothing has run when this returns.

    Raises `ProcessNotFoundError`, and `InputError` for inputs that do not fit; a data hub gets a failed job instead.
    """
    placed = place_execution(api, call, process_id, request)
    engine, workspace = placed.configuration.settings.engine, placed.configuration.workspace
    priority = api.find_profile(placed.call.workspace).priority
    origin = Origin(
        call.caller, priority=priority, deployed_in=placed.deployed_in, trace=read_context(), title=placed.title
    )
    try:
        draft = prepare_execution(api, placed, process_id, request)
    except InputError as error:
        if not call.hub:
            raise
        draft = draft_execution(api, placed.configuration, process_id, placed.package, {})
        keep_callback(api, placed.call, draft.id, request)
        # what is wrong with the inputs may be that they are secret
        origin = replace(origin, request=keep_request({**request, "inputs": {}}, {}))
        return accept_failed(api.context, draft, engine, workspace, error, origin)
    keep_callback(api, placed.call, draft.id, request)
    origin = replace(origin, request=keep_request(request, draft.order))
    draft = add_step_token(api, placed, draft)
    with trace_part("accept"):
        job = accept(api.context, draft, engine, workspace, origin)
    logger.info("job accepted", extra=about(job))
    api.wake(job.id)
    return job


def repeat_job(api: Api, call: Call, job_id: str) -> Job:
    """Create a job with the inputs of another one; raises as `accept_execution`, and `JobNotFoundError`.

    Whoever has the new job can read its inputs. Nobody is called back about it.
    """
    job = get_repeated(api, call, job_id, "job.inputs")
    request = {name: value for name, value in show_request(job).items() if name != "subscriber"}
    return accept_execution(api, call, job.process_id, request)


def get_repeated(api: Api, call: Call, job_id: str, *actions: str) -> Job:
    """Return a job whose process is to be executed once more, by a caller who may do all of `actions` with it.

    Raises `JobNotFoundError`, `InputError` for who may not, and for a job of a process of another workspace.
    """
    job = get_job(api, call, job_id)
    for action in actions:
        if not call.may(action):
            raise InputError(
                f"{_READ_AGAIN[action]} of job {job_id} may not be read by this caller, and so not be used again",
                "Execute the process with inputs of your own.",
                code="policy.denied",
            )
    if job.deployed_in not in (None, call.workspace):
        raise build_invalid(
            f"job {job_id} ran a process of the workspace {job.deployed_in}",
            "Execute the process there, with the inputs of the job.",
        )
    return job


def keep_callback(api: Api, call: Call, job_id: str, request: Mapping[str, Any]) -> None:
    """Keep that somebody is to be called back about a job, before it is accepted; whom, its request says.

    What is kept of a job that does not come to be is removed later.
    """
    if read_subscriber(request, find_reach(api.settings)):
        api.store.callbacks.add(job_id, call.base, call.hub)


def prepare_execution(
    api: Api, placed: Placement, process_id: str, request: Mapping[str, Any], job_id: str | None = None
) -> JobSpec:
    """Check an execute request and draft its job; nothing is stored. Raises `InputError`."""
    read_subscriber(request, find_reach(api.settings))
    configuration, call = placed.configuration, placed.call
    order = locate_files(api, call, _read_inputs(placed.package, request, configuration, call))
    draft = draft_execution(api, configuration, process_id, placed.package, order, job_id)
    ensure_storable(draft, configuration.workspace)
    ensure_within(api, draft, configuration.workspace)
    return draft


def add_step_token(api: Api, placed: Placement, draft: JobSpec) -> JobSpec:
    """Return a job with a token for its steps, if its package asks for one that its workspace may have.

    It is kept until it is revoked. Only a job whose process is of its own workspace gets one, in exchange for a token
    of the provider: members answer for their packages. Raises `EngineError` (`token.exchange`, `identity.provider`),
    `SettingsError` (`secret.off`).
    """
    is_own = placed.deployed_in is None and placed.configuration.workspace.storage_of is None
    wanted, exchange = api.find_profile(placed.call.workspace).step_token, placed.call.exchange
    if not (is_own and wanted and exchange and asks_for_token(draft.package)):
        return draft
    issued = exchange(wanted)
    api.step_tokens.keep(draft.id, issued)
    return replace(draft, order={**draft.order, TOKEN_INPUT: issued.text})


def ensure_storable(draft: JobSpec, workspace: Workspace) -> None:
    """Refuse a job with secret inputs; raises `InputError`."""
    if secret := sorted(find_secret_values(draft, workspace)):
        raise InputError(
            f"input {secret[0]!r} is secret, and this server stores the inputs of jobs",
            "Leave it out: only a run from the command line takes values that are secret.",
            code="inputs.secret-stored",
        )


def load_package(api: Api, call: Call, process_id: str) -> Package:
    """Return the package of a deployed process; raises `ProcessNotFoundError`."""
    return api.store.processes.load_package(api.store.processes.get(call.workspace, process_id).package)


def draft_execution(
    api: Api,
    configuration: Configuration,
    process_id: str,
    package: Package,
    order: Mapping[str, Any],
    job_id: str | None = None,
) -> JobSpec:
    """Draft a job of a process; nothing is stored. Raises `InputError` for a local file without its
    secondary files."""
    workspace = configuration.workspace

    def choose(paths: JobPaths) -> str:
        return build_destination(api.settings, workspace, paths.job_id)

    draft = draft_job(package, order, choose, workspace, job_id, place=("inputs",))
    return replace(draft, paths=JobPaths.build(workspace.folders, process_id, draft.id))


@dataclass(frozen=True)
class FoundJobs:
    """A page of the jobs that a query selects, and how many it selects in all."""

    page: JobPage
    total: int


def find_jobs(api: Api, call: Call, query: JobQuery) -> FoundJobs:
    """Find the jobs of a workspace, newest first; raises `InputError` for an invalid cursor."""
    narrowed = narrow_query(query, call)
    return FoundJobs(*api.store.jobs.find_counted(narrowed)) if narrowed else FoundJobs(JobPage(()), 0)


def describe_jobs(found: FoundJobs, call: Call) -> JobList:
    """Build the list of jobs that were found."""
    # a status by itself has no caller: to ask a policy for each is for lists and pages only
    with_caller = any(job.caller for job in found.page.jobs) and may_see_callers(call)
    jobs = [describe_job(job, call, logs=False, with_caller=with_caller) for job in found.page.jobs]
    return {"jobs": jobs, "numberTotal": found.total, "links": call.link_pages("jobs", found.page.next)}


def export_jobs(api: Api, call: Call, query: JobQuery) -> Iterator[str]:
    """Return the status of every job that a query selects, one a line, many lines at once, as they are needed.

    The first one is read at once, so that an invalid cursor is an error of the request: raises `InputError`.
    """
    narrowed = narrow_query(query, call)
    rest = iterate_jobs(api.store.jobs, replace(narrowed, limit=_READ_AT_ONCE)) if narrowed else iter(())
    first = list(islice(rest, 1))
    return _write_lines(chain(first, rest), call)


def _write_lines(jobs: Iterator[Job], call: Call) -> Iterator[str]:
    describe = partial(describe_job, call=call, logs=False, with_caller=may_see_callers(call))
    # what sends them changes threads for each text
    while some := list(islice(jobs, _LINES_AT_ONCE)):
        yield "".join(json.dumps(describe(job)) + "\n" for job in some)


def narrow_query(query: JobQuery, call: Call) -> JobQuery | None:
    """Narrow a query to the workspace, and to what the caller may see of it; None where that is nothing.

    Who sees some processes only is shown the jobs of these that have ended. Raises `InputError` for who may not know
    who asked for jobs.
    """
    query = replace(query, workspace=call.workspace)
    if query.text is not None:
        # who may not read inputs does not find out by searching what they are
        query = replace(query, in_inputs=call.may("job.inputs"))
    if query.caller is not None and not may_see_callers(call):
        raise InputError(
            f"whose jobs there are in the workspace {call.workspace} may not be read by this caller (job.callers)",
            "Leave the parameter caller out, or ask the owner of the workspace.",
            code="policy.denied",
        )
    if call.visible is None:
        return query
    shown = call.visible.intersection(query.process_ids) if query.process_ids else call.visible
    statuses = FINAL.intersection(query.statuses) if query.statuses else FINAL
    if not (shown and statuses):
        return None
    # processes of other workspaces may have the same ids
    return replace(
        query, process_ids=tuple(sorted(shown)), statuses=tuple(sorted(statuses)), deployed_in=call.workspace
    )


def may_see_callers(call: Call) -> bool:
    """Whether a client may know who asked for the jobs of a workspace; not one that sees public processes only."""
    return call.visible is None and call.may("job.callers")


def get_job(api: Api, call: Call, job_id: str) -> Job:
    """Return a job of the workspace; raises `JobNotFoundError`, in the same words for one of another workspace."""
    job = api.store.jobs.get(job_id)
    if job.workspace != call.workspace:
        raise build_not_found(job_id)
    return job


def dismiss_job(api: Api, call: Call, job_id: str) -> Job:
    """Stop a job in whatever state it is; one that has ended is removed from the list.

    A job that waits is dismissed at once, one that runs by its worker soon after. Raises `JobNotFoundError`.
    """
    job = get_job(api, call, job_id)
    logger.info("job dismissed", extra=about(job, {"status": job.status.value}))
    if job.status in FINAL:
        remove_ended_job(api.store.jobs, job, api.find_workspace_of(job))
        return replace(job, status=Status.DISMISSED, message="the job was removed")
    store = api.store.jobs
    lease = store.lease(job_id, f"dismissal-{new_job_id()}", _LEASE_TO_DISMISS_SECONDS)
    if lease and job.status in (Status.CREATED, Status.ACCEPTED) and job.handle is None:
        job = end_job(store, job, _build_dismissed())
    else:
        job = request_cancel(store, job)
    if lease:
        # of a job whose worker was lost something may still run: the next one stops it
        store.release(lease)
    api.wake(job_id)
    return job


def remove_ended_job(store: JobStore, job: Job, workspace: Workspace) -> None:
    """Remove a job and its logs, but not its results; a log that cannot be removed does not keep the job."""
    with suppress(OSError):
        remove_logs(job, [Path(job.destination)])
    shutil.rmtree(workspace.folders.state / job.id, ignore_errors=True)
    store.delete(job.id)


def _build_dismissed() -> Outcome:
    error = DismissedError("the job was dismissed before it ran", "Run it again if its results are needed.")
    return Outcome(Status.DISMISSED, diagnosis=error.diagnosis, exit_code=error.exit_code)


def describe_job(job: Job, call: Call, *, logs: bool = True, with_caller: bool = False) -> StatusInfo:
    """Build the status of a job; what is not known yet is left out. In lists there are no links to logs.

    Who asked for it is in it for those who may know (`may_see_callers`).
    """
    texts = {"message": job.message, "started": job.started, "finished": job.finished}
    texts |= {"caller": job.caller} if with_caller else {}
    diagnosis = job.outcome.diagnosis if job.outcome else None
    info: dict[str, Any] = {
        "jobID": job.id,
        "id": job.id,
        "type": "process",
        "processingEntityType": "process",
        "processID": job.process_id,
        "status": job.status.value,
        **{name: value for name, value in texts.items() if value is not None},
        "created": job.created,
        "updated": job.updated,
        "progress": 100 if job.status is Status.SUCCESSFUL else job.progress,
        "links": [*_build_links(job, call), *(list_links(job, call) if logs else ())],
    }
    if diagnosis:
        info |= {"diagnosis": describe_diagnosis(diagnosis), "exception": describe_failure(job)}
        info.setdefault("message", diagnosis.cause)
    return cast(StatusInfo, info)


def _build_links(job: Job, call: Call) -> list[Link]:
    href = call.link("jobs", job.id)
    links: list[Link] = [
        {"href": href, "rel": "self", "type": "application/json", "title": "Job status"},
        {"href": href, "rel": "monitor", "type": "application/json", "title": "Job status"},
    ]
    # a process of another workspace has no address where workspaces have no API of their own
    with suppress(InputError):
        process = call.at(job.deployed_in).link("processes", job.process_id)
        links.append({"href": process, "rel": "up", "type": "application/json"})
    if job.status is Status.SUCCESSFUL:
        links.append({"href": f"{href}/results", "rel": RESULTS_REL, "type": "application/json", "title": "Results"})
    return links


def _read_inputs(
    package: Package, request: Mapping[str, Any], configuration: Configuration, call: Call
) -> Mapping[str, Any]:
    inputs = request.get("inputs") if isinstance(request, Mapping) else None
    if isinstance(inputs, Mapping):
        added = {*configuration.settings.platform_inputs, *(["workspace"] if _names_workspaces(call) else [])}
        own = _list_names(package)
        request = {**request, "inputs": {k: v for k, v in inputs.items() if k in own or k not in added}}
    return read_execute_request(package, request, max_values=configuration.settings.max_input_values).values


def _names_workspaces(call: Call) -> bool:
    """Whether clients may name a workspace beside the inputs: at a data hub, and where it is known who calls."""
    return call.hub or call.member_of is not None


def _list_names(package: Package) -> frozenset[str]:
    return frozenset(parameter.name for parameter in parse_parameters(package))
