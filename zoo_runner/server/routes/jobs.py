"""Paths of jobs: list, status, several at once, create and edit, forms of pages, validation."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from zoo_runner.model.job import FINAL, Job
from zoo_runner.server import (
    comparison,
    failures,
    jobs,
    preflight,
    processes,
    quotas,
    requests,
    retries,
    several_jobs,
    unstarted,
)
from zoo_runner.server.access import audit
from zoo_runner.server.answers import lead_to_job, note_job, see_other
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import read_body, read_document, read_job
from zoo_runner.server.documents import Comparison, Definition, FailureList, JobList, JobOutcomes, Preflight, StatusInfo
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.pages.document import Document, describe_document
from zoo_runner.server.pages.job_list_page import JobListPage, build_filters
from zoo_runner.server.pages.job_page import JobPage, read_job_page
from zoo_runner.server.pages.limit_form import read_limit_form
from zoo_runner.server.pages.maps import MapView, build_job_shapes
from zoo_runner.server.pages.selection_form import read_selection_form
from zoo_runner.server.pages.submitting import fill_form, is_form
from zoo_runner.server.parameters import JobParameters, TwoJobs
from zoo_runner.server.routes.described import DOCUMENT, JOB, NDJSON, describe_answer
from zoo_runner.server.routes.processes import show_process


def add_jobs(router: APIRouter, api: Api, of: Any) -> None:
    """Add the paths of jobs."""
    _add_jobs(router, api, of)
    _add_job_groups(router, api, of)
    _add_management(router, api, of)
    _add_forms(router, api, of)
    _add_validation(router, api, of)


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

    @router.post("/selection", tags=["jobs"], **describe_document(JobOutcomes), **DOCUMENT)
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
    callers = any(job.caller for job in found) and jobs.may_see_callers(call)
    return JobListPage(build_filters(call.query), shapes, may_choose=call.may("job.several"), shows_callers=callers)


def _show_job(api: Api, call: Call, job: Job, request: Request) -> JobPage:
    """Read the page of a job; the audit log has what it shows beside the status."""
    page = read_job_page(api, call, job)
    audit.find_note(request).shown |= page.list_shown()
    return page


def _add_management(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/jobs", tags=["jobs"], status_code=201, responses=describe_answer(StatusInfo, 201), **JOB)
    async def create_job(call: of, request: Request) -> Response:
        """Create a job without starting it: an execute request with the member `process`, its address."""
        body = await read_job(request, api)
        job = note_job(request, call, await run_in_threadpool(unstarted.create_job, api, call, body))
        headers = {"Location": call.link("jobs", job.id)}
        return JsonAnswer(jobs.describe_job(job, call), 201, headers=headers)

    @router.patch("/jobs/{job_id}", tags=["jobs"], responses=describe_answer(StatusInfo), **JOB)
    async def edit_job(call: of, job_id: str, request: Request) -> Response:
        """Change the request of a job that was not started."""
        body = await read_job(request, api)
        job = await run_in_threadpool(unstarted.edit_job, api, call, job_id, body)
        return JsonAnswer(jobs.describe_job(job, call))

    @router.post(
        "/jobs/{job_id}/retry", tags=["jobs"], status_code=201, responses=describe_answer(StatusInfo, 201), **JOB
    )
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
        return show_process(api, call, process, inputs, job_id)


def _add_validation(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/validation", tags=["jobs"], **describe_document(Preflight))
    async def validate_job(call: of, job_id: str) -> Response:
        """Report what would fail if a job ran as it is now, such as one that was created and not started."""
        job = await run_in_threadpool(jobs.get_job, api, call, job_id)
        return Document(await api.resolving.run(call.workspace, preflight.examine_job, api, call, job), base=call.base)
