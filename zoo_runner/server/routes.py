"""The paths of the API: read the request, call one operation, answer. Once for each place where an API lies."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from zoo_runner.model.errors import InputError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.server import (
    catalog_search,
    comparison,
    deploying,
    failures,
    jobs,
    logs,
    operations,
    preflight,
    processes,
    quicklook,
    quotas,
    requests,
    results,
    retries,
    several_jobs,
    shared_results,
    stored_results,
    streams,
    unstarted,
    uploads,
    uses,
    workspace_secrets,
)
from zoo_runner.server.access import audit, personal_tokens
from zoo_runner.server.answers import (
    SANDBOXED,
    answer_content,
    answer_execution,
    answer_file,
    lead_to_job,
    note_job,
    replace_headers,
    see_other,
    wait_for_end,
)
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import read_body, read_deployment, read_document, read_execute, read_job
from zoo_runner.server.cross_site import ensure_own_page
from zoo_runner.server.descriptions import Descriptions, answer_description
from zoo_runner.server.documents import (
    CatalogItems,
    Comparison,
    Definition,
    EngineChecks,
    FailureList,
    InputUses,
    JobList,
    JobOutcomes,
    LogList,
    MadeToken,
    Operations,
    Preflight,
    ProcessDescription,
    ProcessList,
    ProcessSummary,
    SecretList,
    SharedLink,
    StatusInfo,
    TokenList,
    UploadInfo,
    Usage,
)
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.key_values import choose_form, read_key_values
from zoo_runner.server.pages.addresses import read_format
from zoo_runner.server.pages.deploy_form import DeployPage, is_deploy_form, submit_deployment
from zoo_runner.server.pages.document import Document, describe_document, prefers_html
from zoo_runner.server.pages.job_file_call import add_job_file
from zoo_runner.server.pages.job_list_page import JobListPage, build_filters
from zoo_runner.server.pages.job_page import JobPage, read_job_page
from zoo_runner.server.pages.limit_form import read_limit_form
from zoo_runner.server.pages.maps import MapView, build_job_shapes
from zoo_runner.server.pages.process_page import ProcessPage, build_process_page
from zoo_runner.server.pages.results_page import build_results_page
from zoo_runner.server.pages.search_page import build_search_page
from zoo_runner.server.pages.selection_form import read_selection_form
from zoo_runner.server.pages.share_form import read_share_form
from zoo_runner.server.pages.submitting import fill_form, is_form, submit_form
from zoo_runner.server.pages.tokens_page import TokensPage, read_token_form
from zoo_runner.server.pages.workspace_page import build_workspace_page
from zoo_runner.server.parameters import (
    After,
    BoxText,
    BoxWanted,
    Catalog,
    Collections,
    Cursor,
    DryRun,
    FewItems,
    Follow,
    Href,
    Interval,
    JobParameters,
    Limit,
    LogName,
    MediaType,
    Number,
    Since,
    TwoJobs,
    Workflow,
)
from zoo_runner.server.quick_reads import FindCall, build_quick_route

CWL_JSON = "application/cwl+json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
TEXT = "text/plain; charset=utf-8"

ReadCall = Callable[..., Awaitable[Call]]
"""Reads of a request its workspace and its addresses; a dependency of FastAPI, whose parameters are the path's."""


def build_router(api: Api, read_call: ReadCall, find_call: FindCall) -> APIRouter:
    """Build the routes of one API; `read_call` and `find_call` read the workspace and addresses of a request."""
    router = APIRouter(route_class=build_quick_route(find_call))
    of = Annotated[Call, Depends(read_call)]
    _add_processes(router, api, of)
    _add_deployment(router, api, of)
    _add_execution(router, api, of)
    _add_jobs(router, api, of)
    _add_job_groups(router, api, of)
    _add_management(router, api, of)
    _add_forms(router, api, of)
    _add_validation(router, api, of)
    _add_results(router, api, of)
    _add_passing_on(router, api, of)
    _add_pictures(router, api, of)
    _add_logs(router, api, of)
    _add_files(router, api, of)
    _add_workspace(router, api, of)
    _add_operations(router, api, of)
    _add_tokens(router, api, of)
    _add_secrets(router, api, of)
    return router


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
            return _show_process(api, call, process)
        return answer_description(request, await api.read(kept.find, call, process_id))

    @router.delete("/processes/{process_id}", tags=["processes"], status_code=204)
    def undeploy_process(call: of, process_id: str) -> Response:
        """Undeploy a process; its jobs stay."""
        processes.undeploy_process(api, call, process_id)
        return Response(status_code=204)

    @router.get("/processes/{process_id}/package", tags=["processes"], responses={200: {"content": {CWL_JSON: {}}}})
    def get_package(call: of, process_id: str) -> Response:
        """Get the package back, resolved and packed into one CWL document."""
        return JsonAnswer(processes.get_package(api, call, process_id), media_type=CWL_JSON)


def _show_process(
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
    deployed, run = _answer(ProcessSummary, 201) | _answer(Preflight), api.resolving.run

    @router.post("/processes", tags=["processes"], status_code=201, responses=deployed, **_DEPLOY)
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

    @router.put("/processes/{process_id}", tags=["processes"], status_code=204, responses=_answer(Preflight), **_DEPLOY)
    async def replace_process(
        call: of, process_id: str, request: Request, dry_run: DryRun, workflow: Workflow = None
    ) -> Response:
        """Put another package in the place of a process; with `dryRun`, report what would be refused."""
        deployment = await read_deployment(request, api, workflow)
        if dry_run:
            found = await run(call.workspace, preflight.examine_deployment, api, call, deployment, process_id)
            return JsonAnswer(found)
        await run(call.workspace, processes.replace_process, api, call, process_id, deployment)
        return Response(status_code=204)


def _add_execution(router: APIRouter, api: Api, of: Any) -> None:
    run = api.resolving.run

    @router.post("/processes/{process_id}/execution", tags=["jobs"], status_code=201, responses=_EXECUTED, **_EXECUTE)
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

    @router.get("/processes/{process_id}/execution", tags=["jobs"], status_code=201, responses=_EXECUTED)
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


def _add_jobs(router: APIRouter, api: Api, of: Any) -> None:
    listed = describe_document(JobList)
    listed["responses"][200]["content"][NDJSON] = {}

    @router.get("/jobs", tags=["jobs"], **listed)
    def list_jobs(call: of, request: Request, parameters: Annotated[JobParameters, Depends()]) -> Response:
        """List the jobs, newest first; all of them, one a line, where `application/x-ndjson` is accepted."""
        query = requests.build_query(parameters)
        if requests.accepts(request.headers.get("accept", ""), NDJSON):
            return StreamingResponse(jobs.export_jobs(api, call, query), media_type=NDJSON)
        found = jobs.find_jobs(api, call, query)
        view = partial(_show_jobs, call, found.page.jobs)
        return Document(jobs.describe_jobs(found, call), "jobs", call.base, view=view)

    @router.get("/jobs/{job_id}", tags=["jobs"], **describe_document(StatusInfo))
    def get_job(call: of, job_id: str, request: Request) -> Response:
        """Show the status of a job."""
        job = jobs.get_job(api, call, job_id)
        view = partial(_show_job, api, call, job, request)
        job = replace(job, message=quotas.explain_waiting(api, call, job) or job.message)
        return Document(jobs.describe_job(job, call), "job", call.base, view=view)

    @router.delete("/jobs/{job_id}", tags=["jobs"], **describe_document(StatusInfo))
    async def dismiss_job(call: of, job_id: str) -> Response:
        """Stop a job, or remove one that has ended."""
        job = await run_in_threadpool(jobs.dismiss_job, api, call, job_id)
        if job.status not in FINAL:
            job = await api.endings.wait_aside(api.store, call.workspace, job_id, api.settings.dismiss_seconds)
        return Document(jobs.describe_job(job, call), "job", call.base)


def _add_job_groups(router: APIRouter, api: Api, of: Any) -> None:
    """Add what is asked of many jobs at once."""

    @router.get("/failures", tags=["jobs"], **describe_document(FailureList))
    def list_failures(call: of, request: Request, parameters: Annotated[JobParameters, Depends()]) -> Response:
        """Count the jobs that failed by cause: code of the diagnosis and step. Parameters narrow them, as in lists."""
        query = requests.build_query(parameters)
        return Document(failures.list_failures(api, call, query), "failures", call.base)

    @router.get("/comparison", tags=["jobs"], **describe_document(Comparison))
    def compare_jobs(call: of, request: Request, job: TwoJobs) -> Response:
        """Compare two jobs: package, inputs, times, steps, outcome, and the files of their results."""
        first, second = job
        compared = comparison.compare_jobs(api, call, first, second, audit.find_note(request))
        return Document(compared, "comparison", call.base)

    @router.post("/selection", tags=["jobs"], **describe_document(JobOutcomes), **_DOCUMENT)
    async def act_on_jobs(call: of, request: Request) -> Response:
        """Do the same with up to 100 jobs: `{"action": "dismiss", "jobs": ["id", "id"]}`, or `run-again`.

        Each is checked and recorded as a request of its own; the answer has what came of each.
        """
        by_form, note = is_form(request), audit.find_note(request)
        form = read_selection_form(await read_body(request, api)) if by_form else None
        document = form.document if form else await read_document(request, api)
        selection = several_jobs.read_selection(document)
        done = await run_in_threadpool(several_jobs.act_on_jobs, api, call, selection, note)
        if form and not done["numberRefused"]:
            return see_other(f"{call.link('jobs')}?{form.back}")
        return Document(done, "selection", call.base)


def _show_jobs(call: Call, found: Sequence[Job]) -> JobListPage:
    """Build the page of jobs: places are shown to clients that may see the results, or the inputs, that have them."""
    may_see = {"with_results": call.may("job.results"), "with_inputs": call.may("job.inputs")}
    shapes = MapView(build_job_shapes(found, call.base, **may_see))
    return JobListPage(build_filters(call.query), shapes, may_choose=call.may("job.several"))


def _show_job(api: Api, call: Call, job: Job, request: Request) -> JobPage:
    """Read the page of a job; the audit log has what it shows beside the status."""
    page = read_job_page(api, call, job)
    audit.find_note(request).shown |= page.list_shown()
    return page


def _add_management(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/jobs", tags=["jobs"], status_code=201, responses=_answer(StatusInfo, 201), **_JOB)
    async def create_job(call: of, request: Request) -> Response:
        """Create a job without starting it: an execute request with the member `process`, its address."""
        body = await read_job(request, api)
        job = note_job(request, call, await run_in_threadpool(unstarted.create_job, api, call, body))
        headers = {"Location": call.link("jobs", job.id)}
        return JsonAnswer(jobs.describe_job(job, call), 201, headers=headers)

    @router.patch("/jobs/{job_id}", tags=["jobs"], responses=_answer(StatusInfo), **_JOB)
    async def edit_job(call: of, job_id: str, request: Request) -> Response:
        """Change the request of a job that was not started."""
        body = await read_job(request, api)
        job = await run_in_threadpool(unstarted.edit_job, api, call, job_id, body)
        return JsonAnswer(jobs.describe_job(job, call))

    @router.post("/jobs/{job_id}/retry", tags=["jobs"], status_code=201, responses=_answer(StatusInfo, 201), **_JOB)
    async def retry_job(call: of, job_id: str, request: Request) -> Response:
        """Continue a failed job, as a new job: only what failed, was not run yet, or is changed is run.

        The body may have `inputs` that change, `memory` and `disk` of steps, such as `{"mosaic": "8Gi"}`, `timeLimits`
        of steps in seconds, and an edited `package`: `{"unit": {…CWL…}}` or `{"href": "https://…"}`. All steps are run
        again with `"restart": "always"`, and with `"if-needed"` where nothing was kept of what they did.
        """
        by_form = is_form(request)
        body = read_limit_form(await read_body(request, api)) if by_form else await read_job(request, api)
        job = await api.resolving.run(call.workspace, retries.retry_job, api, call, job_id, body)
        if by_form:
            return lead_to_job(request, call, job)
        note_job(request, call, job)
        return JsonAnswer(jobs.describe_job(job, call), 201, headers={"Location": call.link("jobs", job.id)})

    @router.get("/jobs/{job_id}/definition", tags=["jobs"], **describe_document(Definition))
    def get_definition(call: of, job_id: str) -> Response:
        """Get what a job runs, as it could be sent to create another one."""
        return Document(unstarted.get_definition(api, call, job_id), base=call.base)

    @router.get("/jobs/{job_id}/inputs", tags=["jobs"], **describe_document(dict[str, Any]))
    def get_inputs(call: of, job_id: str) -> Response:
        """Get the inputs of a job."""
        return Document(unstarted.get_inputs(api, call, job_id), base=call.base)


def _add_forms(router: APIRouter, api: Api, of: Any) -> None:
    """Add what the buttons of pages send: a form has no DELETE, and its answer is the page to go on with."""

    @router.post("/jobs/{job_id}/dismiss", include_in_schema=False)
    async def dismiss_by_form(call: of, job_id: str) -> Response:
        """Stop a job, or remove one that has ended."""
        before = await run_in_threadpool(jobs.get_job, api, call, job_id)
        job = await run_in_threadpool(jobs.dismiss_job, api, call, job_id)
        if job.status not in FINAL:
            await api.endings.wait_aside(api.store, call.workspace, job_id, api.settings.dismiss_seconds)
        return see_other(call.link("jobs") if before.status in FINAL else call.link("jobs", job_id))

    @router.post("/jobs/{job_id}/start", include_in_schema=False)
    def start_by_form(call: of, job_id: str, request: Request) -> Response:
        """Start a job that was created before."""
        return lead_to_job(request, call, unstarted.start_job(api, call, job_id))

    @router.post("/jobs/{job_id}/again", include_in_schema=False)
    def repeat_job(call: of, job_id: str, request: Request) -> Response:
        """Execute a process once more with the inputs of a job."""
        return lead_to_job(request, call, jobs.repeat_job(api, call, job_id))

    @router.post("/processes/{process_id}/form", include_in_schema=False)
    async def fill_form_by_json(call: of, process_id: str, request: Request) -> Response:
        """Show the form of a process, with inputs from JSON filled in."""
        return await fill_form(api, call, process_id, request)

    @router.get("/jobs/{job_id}/edit", include_in_schema=False)
    def edit_by_form(call: of, job_id: str) -> Response:
        """Show the form of the process of a job, with the inputs of the job filled in."""
        job = jobs.get_repeated(api, call, job_id, "job.inputs", "process.read")
        inputs = unstarted.get_inputs(api, call, job_id)
        process = processes.describe_process(api, call, job.process_id)
        return _show_process(api, call, process, inputs, job_id)


def _add_validation(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/validation", tags=["jobs"], **describe_document(Preflight))
    async def validate_job(call: of, job_id: str) -> Response:
        """Report what would fail if a job ran as it is now, such as one that was created and not started."""
        job = await run_in_threadpool(jobs.get_job, api, call, job_id)
        return Document(await api.resolving.run(call.workspace, preflight.examine_job, api, call, job), base=call.base)


def _add_results(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/results", tags=["jobs"], **_RESULTS)
    def get_results(call: of, job_id: str, request: Request) -> Response:
        """Get the results document of a job; with `Accept: multipart/related` each output as one part."""
        job = jobs.get_job(api, call, job_id)
        if requests.accepts(request.headers.get("accept", ""), results.MULTIPART):
            return answer_content(request, results.get_multipart(job, call))
        document = results.get_results(job, call, as_collection=api.shows_collection(call))
        return Document(
            document,
            "results",
            call.base,
            view=lambda: build_results_page(document, job, call, may_share=_may_share(api, call)),
        )

    @router.delete("/jobs/{job_id}/results", tags=["jobs"], status_code=204)
    async def remove_results(call: of, job_id: str) -> Response:
        """Remove the results of a job, also of one that was removed, with the logs that were stored beside them."""
        # a bucket may take long
        await api.resolving.run(call.workspace, stored_results.remove_results, api, call, job_id)
        return Response(status_code=204)

    @router.post("/jobs/{job_id}/results", tags=["jobs"], **describe_document(StatusInfo))
    async def start_job(call: of, job_id: str, request: Request) -> Response:
        """Start a job that was created before; the answer is its status, at its end unless the client does not wait."""
        job = note_job(request, call, await run_in_threadpool(unstarted.start_job, api, call, job_id))
        job = await wait_for_end(api, call, job, request.headers.get("prefer", ""))
        return Document(jobs.describe_job(job, call), "job", call.base)

    @router.get("/jobs/{job_id}/results/{output}", tags=["jobs"], responses=_ONE_FILE)
    def get_result(call: of, request: Request, job_id: str, output: str) -> Response:
        """Get the value of one output, with ranges; a file that lies elsewhere is a link in the header."""
        return answer_content(request, results.get_result(jobs.get_job(api, call, job_id), call, output))

    @router.get("/jobs/{job_id}/results/{output}/{number}", tags=["jobs"], responses=_ONE_FILE)
    def get_result_item(call: of, request: Request, job_id: str, output: str, number: Number) -> Response:
        """Get one value of an output that has several; the first has the number 0."""
        return answer_content(request, results.get_result(jobs.get_job(api, call, job_id), call, output, number))

    @router.get("/jobs/{job_id}/files/{path:path}", tags=["jobs"], responses=_ONE_FILE)
    def get_result_file(call: of, request: Request, job_id: str, path: str) -> Response:
        """Get a file of the results, where these lie on the server, with ranges."""
        return answer_content(request, results.read_result_file(jobs.get_job(api, call, job_id), call, path))


def _may_share(api: Api, call: Call) -> bool:
    return bool(api.settings.link_secret) and call.may("link.create")


def _add_passing_on(router: APIRouter, api: Api, of: Any) -> None:
    """Add what hands results on: to people without a login, and to other processes."""

    @router.post(
        "/jobs/{job_id}/links", status_code=201, tags=["jobs"], **describe_document(SharedLink, 201), **_DOCUMENT
    )
    async def share_result(call: of, job_id: str, request: Request) -> Response:
        """Make a link by which anybody reads one file of the results: `{"path": "text/message.txt", "days": 7}`.

        It expires then; nothing else can be read by it.
        """
        by_form = is_form(request)
        wanted = read_share_form(await read_body(request, api)) if by_form else await read_document(request, api)
        made = await run_in_threadpool(shared_results.share_result, api, call, job_id, wanted)
        return Document(made, "shared", call.base, status_code=201, headers={"Cache-Control": "no-store"})

    @router.get("/items", tags=["processes"], **describe_document(CatalogItems))
    async def search_items(
        call: of,
        request: Request,
        catalog: Catalog = "",
        bbox: BoxWanted = "",
        interval: Interval = "",
        collections: Collections = "",
        limit: FewItems = 20,
    ) -> Response:
        """Search a STAC catalog for Items to be inputs, by place and time; the server asks it as stage-in does."""
        wanted = catalog_search.read_wanted(bbox, interval, collections, limit)
        found = await api.resolving.run(call.workspace, catalog_search.search_catalog, api, call, catalog, wanted)
        view = partial(build_search_page, found, call, api.settings.catalogs)
        return Document(found, "items", call.base, view=view)

    @router.get("/uses", tags=["processes"], **describe_document(InputUses))
    def list_uses(call: of, request: Request, href: Href, media_type: MediaType = "") -> Response:
        """List the inputs of deployed processes that take a file of a media type, such as that of a result."""
        return Document(uses.list_uses(api, call, href, media_type), "uses", call.base)


def _add_pictures(router: APIRouter, api: Api, of: Any) -> None:
    @router.get(f"/jobs/{{job_id}}/{quicklook.PATH}/{{path:path}}", tags=["jobs"], responses=_PICTURE)
    async def get_quicklook(call: of, request: Request, job_id: str, path: str, bbox: BoxText = None) -> Response:
        """Draw a raster of the results, where these lie on the server, as a small picture of the whole or of a box."""
        box, job = quicklook.read_box(bbox), await run_in_threadpool(jobs.get_job, api, call, job_id)
        file, tag = await run_in_threadpool(quicklook.find_raster, job, path, box)
        kept = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if requests.has_tag(request.headers.get("if-none-match", ""), kept["ETag"]):
            return Response(status_code=304, headers=kept)
        drawn = await api.drawing.run(call.workspace, quicklook.draw_quicklook, job, path, file, box)
        return Response(drawn, media_type=quicklook.MEDIA_TYPE, headers={**SANDBOXED, **kept})


def _add_logs(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/logs", tags=["jobs"], **describe_document(LogList))
    def list_logs(call: of, job_id: str) -> Response:
        """List the logs of a job."""
        return Document(logs.list_logs(jobs.get_job(api, call, job_id), call), base=call.base)

    text: dict[str, Any] = {"content": {"text/plain": {}}}
    parts: dict[int | str, dict[str, Any]] = {
        200: text,
        206: {**text, "description": "The range asked for."},
        304: _HAS_IT,
    }

    @router.get("/jobs/{job_id}/logs/{name}", tags=["jobs"], responses=parts)
    def get_log(call: of, request: Request, job_id: str, name: str, follow: Follow = False) -> Response:
        """Get a log as it is now, with ranges; with `follow`, as it grows until the job has ended."""
        job = jobs.get_job(api, call, job_id)
        if follow:
            content = streams.follow_log(api, job, logs.locate_log(job, name))
            return StreamingResponse(content, media_type=TEXT, headers=_AT_ONCE)
        return answer_file(request, logs.find_log(job, name), TEXT)

    streamed: dict[int | str, dict[str, Any]] = {
        200: {"content": {EVENTS: {}}, "description": "Events and states of the job, until it has ended."},
        204: {"description": "The job has ended, and the client had its last status."},
    }

    @router.get("/jobs/{job_id}/events", tags=["jobs"], responses=streamed)
    def stream_events(call: of, request: Request, job_id: str, after: After = 0, log: LogName = None) -> Response:
        """Follow a job by server-sent events; `Last-Event-ID`, or `after`, is the number of the last event known."""
        job, last = jobs.get_job(api, call, job_id), requests.read_last_event(request.headers.get("last-event-id"))
        known = after if last is None else last
        # the number behind the last event is that of the last status
        if last is not None and job.status in FINAL and not any(api.store.events.read(job.id, known - 1, 1)):
            # this is what has a browser not reconnect
            return Response(status_code=204)
        path = logs.locate_log(job, log) if log else None
        stream = streams.stream_events(api, call, job, known, path)
        return StreamingResponse(stream, media_type=EVENTS, headers=_AT_ONCE)


def _add_files(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/files", tags=["files"], status_code=201, responses=_answer(UploadInfo, 201), **_UPLOAD)
    async def send_files(call: of, request: Request) -> Response:
        """Send files to be inputs of jobs, as a form; the answer has the addresses by which inputs refer to them."""
        upload = await uploads.receive_upload(api, call, request)
        audit.find_note(request).ids["upload_id"] = upload.id
        headers = {"Location": call.link(uploads.PATH, upload.id)}
        return JsonAnswer(uploads.describe_upload(upload, call), 201, headers=headers)

    @router.get("/files/{upload_id}", tags=["files"], **describe_document(UploadInfo))
    def describe_files(call: of, upload_id: str) -> Response:
        """List the files that were sent at once, until they expire."""
        return Document(uploads.describe_upload(uploads.get_upload(api, call, upload_id), call), base=call.base)

    @router.delete("/files/{upload_id}", tags=["files"], status_code=204)
    async def delete_files(call: of, upload_id: str) -> Response:
        """Delete the files that were sent at once."""
        await uploads.remove_upload(api, await run_in_threadpool(uploads.get_upload, api, call, upload_id))
        return Response(status_code=204)

    @router.get("/files/{upload_id}/{path:path}", tags=["files"], responses=_ONE_FILE)
    def get_file(call: of, request: Request, upload_id: str, path: str) -> Response:
        """Get a file that was sent; one that lies elsewhere is a link in the header."""
        place = uploads.find_file(uploads.get_upload(api, call, upload_id), path)
        if isinstance(place, str):
            return answer_content(request, results.Content(link=place))
        return answer_file(request, place)


def _add_workspace(router: APIRouter, api: Api, of: Any) -> None:
    lines: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {}}}}

    @router.get("/usage", tags=["workspace"], **describe_document(Usage))
    def get_usage(call: of) -> Response:
        """Show what the workspace uses, and what it may use."""
        usage = quotas.describe_usage(api, call)
        return Document(usage, "usage", call.base, view=lambda: build_workspace_page(usage, call))

    @router.get("/audit", tags=["workspace"], responses=lines)
    def get_audit(call: of, since: Since = None) -> Response:
        """Export the audit log of the workspace, one entry a line, oldest first; for operators."""
        return StreamingResponse(audit.export_entries(api, call.workspace, since), media_type=NDJSON)


def _add_operations(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/operations", tags=["workspace"], **describe_document(Operations))
    def get_operations(call: of) -> Response:
        """Show the queue, the workers and the workspaces of the installation; for operators."""
        return Document(operations.describe_operations(api, call), "operations", call.base)

    @router.get("/operations/engine", tags=["workspace"], **describe_document(EngineChecks))
    async def check_engine(call: of) -> Response:
        """Check the engine and the protections of the installation, as `zoo-runner doctor` does; for operators."""
        found = await api.resolving.run(call.workspace, operations.check_engine, api, call)
        return Document(found, "engine", call.base)


def _add_tokens(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/tokens", status_code=201, tags=["workspace"], **describe_document(MadeToken, 201), **_DOCUMENT)
    async def create_token(call: of, request: Request) -> Response:
        """Make a personal token for this workspace: `title`, `scopes`, `days`. Its text is in this answer only."""
        by_form = is_form(request)
        body = read_token_form(await read_body(request, api)) if by_form else await read_document(request, api)
        made = await run_in_threadpool(personal_tokens.create_token, api, call, body)
        audit.find_note(request).ids["token_id"] = made["id"]
        headers = {"Location": call.link("tokens", made["id"]), "Cache-Control": "no-store"}
        return Document(made, "token", call.base, status_code=201, headers=headers)

    @router.get("/tokens", tags=["workspace"], **describe_document(TokenList))
    def list_tokens(call: of) -> Response:
        """List the personal tokens of the caller in this workspace."""
        listed = personal_tokens.list_tokens(api, call)
        return Document(listed, "tokens", call.base, view=lambda: TokensPage(api.identity.token_days))

    @router.delete("/tokens/{token_id}", tags=["workspace"], status_code=204)
    def revoke_token(call: of, token_id: str) -> Response:
        """Revoke a personal token of the caller: no request is let in by it any more."""
        personal_tokens.revoke_token(api, call, token_id)
        return Response(status_code=204)

    @router.post("/tokens/{token_id}/revoke", include_in_schema=False)
    def revoke_by_form(call: of, token_id: str) -> Response:
        """Revoke a personal token of the caller."""
        personal_tokens.revoke_token(api, call, token_id)
        return see_other(call.link("tokens"))


def _add_secrets(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/secrets", tags=["workspace"], **describe_document(SecretList))
    def list_secrets(call: of) -> Response:
        """List the names of the secrets of this workspace; their values are in no answer."""
        return Document(workspace_secrets.list_secrets(api, call), base=call.base)

    @router.put("/secrets/{secret_name}", tags=["workspace"], status_code=204, **_DOCUMENT)
    async def put_secret(call: of, secret_name: str, request: Request) -> Response:
        """Set a secret of this workspace, `{"value": "…"}`, which its jobs use from then on."""
        body = await read_document(request, api)
        await run_in_threadpool(workspace_secrets.put_secret, api, call, secret_name, body)
        return Response(status_code=204)

    @router.delete("/secrets/{secret_name}", tags=["workspace"], status_code=204)
    def remove_secret(call: of, secret_name: str) -> Response:
        """Remove a secret of this workspace."""
        api.vault.remove(call.workspace, secret_name)
        return Response(status_code=204)


async def ensure_acceptable(request: Request) -> None:
    """Refuse a request whose client takes no media type that its path has, before it does anything.

    A dependency of every path; raises `InputError`.
    """
    offered = list(_list_media_types(request.scope["route"]))
    # what the address asks for comes before what the client accepts
    accept = "*/*" if read_format(request.scope) else request.headers.get("accept", "")
    if offered and not requests.accepts_any(accept, offered):
        raise InputError(
            f"the answer would be {' or '.join(offered)}, which the Accept header does not have",
            "Accept one of these, or send no Accept header.",
            code="request.not-acceptable",
        )


def _list_media_types(route: APIRoute) -> Iterator[str]:
    """List the media types in which a path answers a request that it fulfils, as its description has them."""
    for status, described in route.responses.items():
        if isinstance(status, int) and status < 300:
            yield from described.get("content", ())
            if "model" in described:
                yield "application/json"


def _answer(model: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": model}}


def _describe_body(*media_types: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "object"}} for media_type in media_types}
    return {"openapi_extra": {"requestBody": {"required": True, "content": content}}}


# whatever is in between shall not wait for more
_AT_ONCE = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_RESULTS = describe_document(dict[str, Any])
_RESULTS["responses"][200]["content"][results.MULTIPART] = {}
_VALUES = {"description": "The results of a synchronous execution.", "content": {"*/*": {}}}
_EXECUTED: dict[int | str, dict[str, Any]] = _answer(StatusInfo, 201) | {
    200: _VALUES,
    204: {"description": "The result, as a link in the header."},
}
_DEPLOY = _describe_body(*deploying.PACKAGE_TYPES, *deploying.CWL_TYPES, deploying.MULTIPART_FORM)
_EXECUTE = _describe_body("application/json")
_DOCUMENT = _describe_body("application/json")
_JOB = _describe_body(*requests.JOB_TYPES)
_UPLOAD = _describe_body(deploying.MULTIPART_FORM)
_HAS_IT: dict[str, Any] = {"description": "The client has it, by its entity tag or its time."}
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {quicklook.MEDIA_TYPE: {}}}, 304: _HAS_IT}
_ONE_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}},
    206: {"content": {"*/*": {}}, "description": "The range asked for."},
    204: {"description": "It lies at the link."},
    304: _HAS_IT,
}
