"""Operations on processes: list, describe, deploy, replace, undeploy, get the package back."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from zoo_runner.model import clock
from zoo_runner.model.errors import InputError, PackageError, ProcessNotFoundError
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.package.cwltypes import parse_parameters
from zoo_runner.package.describe import EXECUTE_REL, build_description
from zoo_runner.package.validate import RESERVED_INPUT, ensure_names
from zoo_runner.server.api import Api, Call
from zoo_runner.server.deploying import Deployment, load_deployment
from zoo_runner.server.documents import ProcessDescription, ProcessList, ProcessSummary
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.package_source import show_source
from zoo_runner.store.cursors import write_cursor
from zoo_runner.store.protocol import ProcessPage

MOST_PER_PAGE = 1000
_PROCESS_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


def list_processes(api: Api, call: Call, limit: int, cursor: str | None) -> ProcessList:
    """List the deployed processes of a workspace that the caller may see."""
    page = find_processes(api, call, limit, cursor)
    summaries = [summarize(process, call) for process in page.processes]
    return {"processes": summaries, "links": call.link_pages("processes", page.next)}


def find_processes(api: Api, call: Call, limit: int, cursor: str | None) -> ProcessPage:
    """Find the deployed processes of a workspace that the caller may see."""
    if call.visible is None:
        return api.store.processes.find(call.workspace, limit, cursor)
    return _find_visible(api, call.workspace, call.visible, limit, cursor)


def _find_visible(api: Api, workspace: str, visible: frozenset[str], limit: int, cursor: str | None) -> ProcessPage:
    """Return a page of what may be seen, which may be little of what there is."""
    found: list[Process] = []
    while True:
        page = api.store.processes.find(workspace, MOST_PER_PAGE, cursor)
        found += [process for process in page.processes if process.id in visible]
        cursor = page.next
        if cursor is None or len(found) > limit:
            break
    following = write_cursor(found[limit - 1].id) if len(found) > limit else None
    return ProcessPage(tuple(found[:limit]), following)


def describe_process(api: Api, call: Call, process_id: str) -> ProcessDescription:
    """Describe a process; raises `ProcessNotFoundError`."""
    return build_process_description(api.store.processes.get(call.workspace, process_id), call)


def build_process_description(process: Process, call: Call) -> ProcessDescription:
    """Build the description of a process with its inputs and outputs."""
    summary = summarize(process, call)
    parts = {name: process.description[name] for name in ("inputs", "outputs")}
    return cast(ProcessDescription, {**summary, **parts, "source": show_source(process)})


def prepare_process(
    api: Api, call: Call, deployment: Deployment, replaced: str | None = None
) -> tuple[Process, Package]:
    """Load the package of a deployment and describe its process, which may take the place of `replaced`.

    Nothing is stored. Raises `PackageError`, `InputError`; `ProcessNotFoundError` where nothing can be replaced.
    """
    if replaced is not None:
        api.store.processes.get(call.workspace, replaced)
    package = load_package(api, call, deployment)
    process_id = replaced or deployment.process_id or package.workflow_id
    process = build_process(process_id, package, deployment.texts, call.workspace, call.caller)
    return replace(process, description={**process.description, "source": deployment.source}), package


def load_package(api: Api, call: Call, deployment: Deployment) -> Package:
    """Load the package of a deployment with the checks of a process; raises `PackageError`."""
    package = load_deployment(deployment, api.find_configuration(call.workspace), api.resolver)
    ensure_names(package)
    if api.identity.asks:
        ensure_names_no_workspace(package)
    return package


def ensure_mutable(api: Api, call: Call, process_id: str) -> None:
    """Refuse to change a process that is part of the server (OGC 20-044, section 6); raises `InputError`."""
    with suppress(ProcessNotFoundError):
        if not is_mutable(api.store.processes.get(call.workspace, process_id)):
            raise InputError(
                f"the process {process_id!r} is part of this server",
                "Deploy another process under an id of its own.",
                code="process.immutable",
            )


def is_mutable(process: Process) -> bool:
    """Whether clients may replace and undeploy a process."""
    return bool(process.description.get("mutable", True))


def ensure_names_no_workspace(package: Package) -> None:
    """Refuse a package with an input by whose name callers choose the workspace of a job; raises `PackageError`."""
    if any(parameter.name == "workspace" for parameter in parse_parameters(package)):
        raise PackageError(
            "input 'workspace': this name is reserved at servers with callers, who name the workspace of a job by it",
            "Rename the input.",
            code=RESERVED_INPUT,
        )


def deploy_process(api: Api, call: Call, deployment: Deployment) -> ProcessSummary:
    """Deploy a package; raises `PackageError`, `ProcessExistsError`, `InputError`."""
    process, package = prepare_process(api, call, deployment)
    ensure_mutable(api, call, process.id)
    return summarize(api.store.processes.deploy(process, package), call)


def replace_process(api: Api, call: Call, process_id: str, deployment: Deployment, number: int | None = None) -> None:
    """Put another package in the place of a process, or of its version `number` only, if that is still deployed.

    Raises `PackageError`, `ProcessNotFoundError`, `InputError`.
    """
    ensure_mutable(api, call, process_id)
    api.store.processes.replace(*prepare_process(api, call, deployment, process_id), number)


def undeploy_process(api: Api, call: Call, process_id: str, number: int | None = None) -> None:
    """Undeploy a process, or its version `number` only; its jobs stay. Raises `ProcessNotFoundError`, `InputError`."""
    ensure_mutable(api, call, process_id)
    api.store.processes.undeploy(call.workspace, process_id, number)


def get_package(api: Api, call: Call, process_id: str) -> Mapping[str, Any]:
    """Return the packed CWL of a process; raises `ProcessNotFoundError`."""
    process = api.store.processes.get(call.workspace, process_id)
    return api.store.processes.load_package(process.package).document


def summarize(process: Process, call: Call) -> ProcessSummary:
    """Describe a process in a list."""
    href = call.link("processes", process.id)
    texts = {
        name: process.description[name]
        for name in ("version", "title", "description", "keywords", "metadata")
        if name in process.description
    }
    summary = {
        "id": process.id,
        **texts,
        "jobControlOptions": ["async-execute", "dismiss"] if call.hub else ["sync-execute", "async-execute", "dismiss"],
        "outputTransmission": ["value", "reference"],
        "mutable": is_mutable(process),
        "links": [
            {"href": href, "rel": "self", "type": "application/json"},
            {"href": f"{href}/execution", "rel": EXECUTE_REL, "title": "Execute the process"},
            {"href": f"{href}/package", "rel": "related", "type": "application/cwl+json", "title": "Package"},
        ],
    }
    return cast(ProcessSummary, summary)


def build_process(
    process_id: str, package: Package, texts: Mapping[str, str], workspace: str, caller: str | None
) -> Process:
    """Describe the process that a package becomes under an id; raises `InputError` for an id that none can have."""
    if not _PROCESS_ID.fullmatch(process_id):
        raise build_invalid(
            f"{process_id!r} cannot be the id of a process",
            "Use letters, digits, '-', '_', '.' and ':', at most 128, in processDescription.id or the workflow's id.",
        )
    description = {**build_description(package), **texts, "id": process_id}
    now = clock.now()
    return Process(workspace, process_id, package.digest, description, now, now, caller)
