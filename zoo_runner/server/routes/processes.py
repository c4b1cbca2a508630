"""Paths of processes: list, describe, deploy, replace, undeploy, execute."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from zoo_runner.server import jobs, preflight, processes
from zoo_runner.server.access import audit
from zoo_runner.server.answers import answer_execution, note_job, replace_headers
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import read_deployment, read_execute
from zoo_runner.server.cross_site import ensure_own_page
from zoo_runner.server.descriptions import Descriptions, answer_description, find_condition
from zoo_runner.server.documents import Preflight, ProcessDescription, ProcessList, ProcessSummary
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.key_values import choose_form, read_key_values
from zoo_runner.server.pages.deploy_form import DeployPage, is_deploy_form, submit_deployment
from zoo_runner.server.pages.document import Document, describe_document, prefers_html
from zoo_runner.server.pages.job_file_call import add_job_file
from zoo_runner.server.pages.process_page import ProcessPage, build_process_page
from zoo_runner.server.pages.submitting import is_form, submit_form
from zoo_runner.server.parameters import Cursor, DryRun, Limit, Workflow
from zoo_runner.server.routes.described import (
    CONDITIONAL,
    CWL_JSON,
    DEPLOY,
    DEPLOY_CONDITIONAL,
    EXECUTE,
    EXECUTED,
    describe_answer,
)


def add_processes(router: APIRouter, api: Api, of: Any) -> None:
    """Add the paths of processes."""
    _add_processes(router, api, of)
    _add_deployment(router, api, of)
    _add_execution(router, api, of)


def _add_processes(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/processes", tags=["processes"], **describe_document(ProcessList))
    async def list_processes(call: of, request: Request, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """List the deployed processes, by id."""
        listed = await api.read(processes.list_processes, call, limit, cursor)
        return Document(listed, "processes", call.base, view=lambda: DeployPage(call.may("process.deploy")))

    kept, described = Descriptions(), describe_document(ProcessDescription)
    described["responses"][304] = {"description": "The client has it: `If-None-Match` names its entity tag."}

    @router.get("/processes/{process_id}", tags=["processes"], **described)
    async def describe_process(call: of, request: Request, process_id: str) -> Response:
        """Describe a process with its inputs and outputs."""
        if prefers_html(request.scope):
            process = await api.read(processes.describe_process, call, process_id)
            return show_process(api, call, process)
        return answer_description(request, await api.read(kept.find, call, process_id))

    @router.delete("/processes/{process_id}", tags=["processes"], status_code=204, **CONDITIONAL)
    def undeploy_process(call: of, request: Request, process_id: str) -> Response:
        """Undeploy a process; its jobs stay. With `If-Match`, only in the version of that entity tag."""
        processes.undeploy_process(api, call, process_id, find_condition(api, call, process_id, request))
        return Response(status_code=204)

    @router.get("/processes/{process_id}/package", tags=["processes"], responses={200: {"content": {CWL_JSON: {}}}})
    def get_package(call: of, process_id: str) -> Response:
        """Get the package back, resolved and packed into one CWL document."""
        return JsonAnswer(processes.get_package(api, call, process_id), media_type=CWL_JSON)


def show_process(
    api: Api,
    call: Call,
    process: ProcessDescription,
    inputs: Mapping[str, Any] | None = None,
    of_job: str | None = None,
) -> Document:
    """Answer with the page of a process, with the inputs of a job filled in where these are given."""

    def build() -> ProcessPage:
        package = jobs.load_package(api, call, process["id"])
        return add_job_file(build_process_page(process, call, inputs, of_job), package)

    return Document(process, "process", call.base, view=build)


def _add_deployment(router: APIRouter, api: Api, of: Any) -> None:
    deployed, run = describe_answer(ProcessSummary, 201) | describe_answer(Preflight), api.resolving.run

    @router.post("/processes", tags=["processes"], status_code=201, responses=deployed, **DEPLOY)
    async def deploy_process(call: of, request: Request, dry_run: DryRun, workflow: Workflow = None) -> Response:
        """Deploy an application package; with `dryRun`, report what would be refused and what is wrong with it."""
        if is_deploy_form(request):
            return await submit_deployment(api, call, request, dry_run=dry_run)
        deployment = await read_deployment(request, api, workflow)
        if dry_run:
            return JsonAnswer(await run(call.workspace, preflight.examine_deployment, api, call, deployment))
        if deployment.process_id:
            audit.find_note(request).ids["process_id"] = deployment.process_id
        summary = await run(call.workspace, processes.deploy_process, api, call, deployment)
        audit.find_note(request).ids["process_id"] = summary["id"]
        return JsonAnswer(summary, 201, headers={"Location": call.link("processes", summary["id"])})

    @router.put("/processes/{process_id}", tags=["processes"], status_code=204, **DEPLOY_CONDITIONAL)
    async def replace_process(
        call: of, process_id: str, request: Request, dry_run: DryRun, workflow: Workflow = None
    ) -> Response:
        """Put another package in the place of a process; with `dryRun`, report what would be refused.

        With `If-Match`, only in the place of the version of that entity tag.
        """
        number = await run_in_threadpool(find_condition, api, call, process_id, request)
        deployment = await read_deployment(request, api, workflow)
        if dry_run:
            found = await run(call.workspace, preflight.examine_deployment, api, call, deployment, process_id)
            return JsonAnswer(found)
        await run(call.workspace, processes.replace_process, api, call, process_id, deployment, number)
        return Response(status_code=204)


def _add_execution(router: APIRouter, api: Api, of: Any) -> None:
    run = api.resolving.run

    @router.post("/processes/{process_id}/execution", tags=["jobs"], status_code=201, responses=EXECUTED, **EXECUTE)
    async def execute_process(call: of, process_id: str, request: Request, dry_run: DryRun) -> Response:
        """Execute a process; with `Prefer: respond-async` the answer is the job, else its results.

        With `dryRun` nothing runs, and the answer lists what would fail: inputs, sources that do not answer, sizes.
        """
        if is_form(request):
            return await submit_form(api, call, process_id, request, dry_run=dry_run)
        body = await read_execute(request, api)
        if dry_run:
            return JsonAnswer(await run(call.workspace, preflight.examine_execution, api, call, process_id, body))
        job = note_job(request, call, await run_in_threadpool(jobs.accept_execution, api, call, process_id, body))
        return await answer_execution(api, call.at(job.workspace), job, request, body)

    @router.get("/processes/{process_id}/execution", tags=["jobs"], status_code=201, responses=EXECUTED)
    async def execute_by_address(call: of, process_id: str, request: Request, dry_run: DryRun) -> Response:
        """Execute a process with inputs as parameters: `name=value`, `name=a,b`, or `name[href]=address`.

        `output[include]=true` asks for an output, and the answer for one is its value; `response[f]` and
        `response[prefer]` stand for the headers Accept and Prefer.
        """
        ensure_own_page(request, api.settings)
        package = await run_in_threadpool(jobs.load_package, api, call, process_id)
        given = await run_in_threadpool(read_key_values, request.scope["query_string"].decode("latin-1"), package)
        request = replace_headers(request, given.headers)
        body = choose_form(given.request, package, request.headers.get("accept", ""))
        if dry_run:
            return JsonAnswer(await run(call.workspace, preflight.examine_execution, api, call, process_id, body))
        job = note_job(request, call, await run_in_threadpool(jobs.accept_execution, api, call, process_id, body))
        return await answer_execution(api, call.at(job.workspace), job, request, body)
