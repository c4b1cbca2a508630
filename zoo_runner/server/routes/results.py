"""Paths of what a job leaves: results, links to them, pictures, logs and events."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from zoo_runner.model.job import FINAL, Job
from zoo_runner.server import (
    catalog_search,
    jobs,
    logs,
    quicklook,
    requests,
    results,
    shared_results,
    stored_results,
    streams,
    unstarted,
    uses,
)
from zoo_runner.server.answers import (
    SANDBOXED,
    Downloads,
    answer_any_file,
    answer_content,
    answer_file,
    note_job,
    wait_for_end,
)
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import read_body, read_document
from zoo_runner.server.documents import CatalogItems, InputUses, LogList, SharedLink, StatusInfo
from zoo_runner.server.pages.document import Document, describe_document
from zoo_runner.server.pages.results_page import ResultsPage, build_results_page
from zoo_runner.server.pages.search_page import build_search_page
from zoo_runner.server.pages.share_form import read_share_form
from zoo_runner.server.pages.submitting import is_form
from zoo_runner.server.parameters import (
    After,
    BoxText,
    BoxWanted,
    Catalog,
    Collections,
    FewItems,
    Follow,
    Href,
    Interval,
    LogName,
    MediaType,
    Number,
)
from zoo_runner.server.preconditions import ensure_condition
from zoo_runner.server.result_bucket import StoredFile, is_stored
from zoo_runner.server.result_files import open_files
from zoo_runner.server.routes.described import AT_ONCE, DOCUMENT, EVENTS, HAS_IT, ONE_FILE, PICTURE, RESULTS, TEXT


def add_results(router: APIRouter, api: Api, of: Any) -> None:
    """Add the paths of results, pictures and logs."""
    _add_results(router, api, of)
    _add_passing_on(router, api, of)
    _add_pictures(router, api, of)
    _add_logs(router, api, of)


def _add_results(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/results", tags=["jobs"], **RESULTS)
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
            view=lambda: _build_page(api, call, job, document),
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

    @router.get("/jobs/{job_id}/results/{output}", tags=["jobs"], responses=ONE_FILE)
    def get_result(call: of, request: Request, job_id: str, output: str) -> Response:
        """Get the value of one output, with ranges; a file that lies elsewhere is a link in the header."""
        return answer_content(request, results.get_result(jobs.get_job(api, call, job_id), call, output))

    @router.get("/jobs/{job_id}/results/{output}/{number}", tags=["jobs"], responses=ONE_FILE)
    def get_result_item(call: of, request: Request, job_id: str, output: str, number: Number) -> Response:
        """Get one value of an output that has several; the first has the number 0."""
        return answer_content(request, results.get_result(jobs.get_job(api, call, job_id), call, output, number))

    @router.get("/jobs/{job_id}/files/{path:path}", tags=["jobs"], responses=ONE_FILE)
    def get_result_file(call: of, request: Request, job_id: str, path: str) -> Response:
        """Get a file of the results, on the server or in a bucket, with ranges."""
        job = jobs.get_job(api, call, job_id)
        content = results.read_any_file(job, call, path, lambda: api.find_workspace_of(job).storage)
        return answer_any_file(request, content, Downloads(api.downloading, call.workspace))


def _may_share(api: Api, call: Call) -> bool:
    return bool(api.settings.link_secret) and call.may("link.create")


def _build_page(api: Api, call: Call, job: Job, document: Mapping[str, Any]) -> ResultsPage:
    """Build the page of results; what lies in a bucket is read with the credentials of its workspace."""
    return build_results_page(document, job, call, open_files(api, job), may_share=_may_share(api, call))


def _add_passing_on(router: APIRouter, api: Api, of: Any) -> None:
    """Add what hands results on: to people without a login, and to other processes."""

    @router.post(
        "/jobs/{job_id}/links", status_code=201, tags=["jobs"], **describe_document(SharedLink, 201), **DOCUMENT
    )
    async def share_result(call: of, job_id: str, request: Request) -> Response:
        """Make a link that gives everyone one file of the results: `{"path": "text/message.txt", "days": 7}`.

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
    @router.get(f"/jobs/{{job_id}}/{quicklook.PATH}/{{path:path}}", tags=["jobs"], responses=PICTURE)
    async def get_quicklook(call: of, request: Request, job_id: str, path: str, bbox: BoxText = None) -> Response:
        """Draw a raster of the results as a small picture of the whole or of a box."""
        box, job = quicklook.read_box(bbox), await run_in_threadpool(jobs.get_job, api, call, job_id)
        file: Path | StoredFile
        if is_stored(job):
            find = quicklook.find_stored_raster
            storage = (await run_in_threadpool(api.find_workspace_of, job)).storage
            file, tag = await api.drawing.run(call.workspace, find, job, path, box, storage)
        else:
            file, tag = await run_in_threadpool(quicklook.find_raster, job, path, box)
        ensure_condition(request, tag)
        kept = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if requests.has_tag(request.headers.get("if-none-match", ""), kept["ETag"]):
            return Response(status_code=304, headers=kept)
        drawn = await api.drawing.run(call.workspace, quicklook.draw_quicklook, job, path, file, box)
        return Response(drawn, media_type=quicklook.MEDIA_TYPE, headers={**SANDBOXED, **kept})


def _add_logs(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/jobs/{job_id}/logs", tags=["jobs"], **describe_document(LogList))
    def list_logs(call: of, job_id: str) -> Response:
        """List the logs of a job."""
        return Document(logs.list_logs(jobs.get_job(api, call, job_id), call), "logs", call.base)

    text: dict[str, Any] = {"content": {"text/plain": {}}}
    parts: dict[int | str, dict[str, Any]] = {
        200: text,
        206: {**text, "description": "The range asked for."},
        304: HAS_IT,
    }

    @router.get("/jobs/{job_id}/logs/{name}", tags=["jobs"], responses=parts)
    def get_log(call: of, request: Request, job_id: str, name: str, follow: Follow = False) -> Response:
        """Get a log as it is now, with ranges; with `follow`, as it grows until the job has ended."""
        job = jobs.get_job(api, call, job_id)
        if follow:
            content = streams.follow_log(api, job, logs.locate_log(job, name))
            return StreamingResponse(content, media_type=TEXT, headers=AT_ONCE)
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
        return StreamingResponse(stream, media_type=EVENTS, headers=AT_ONCE)
