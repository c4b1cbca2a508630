"""The form of a process that was sent: a job, or the same page with what is wrong beside each field."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import InputError
from zoo_runner.model.remedies import fit_remedy
from zoo_runner.server import jobs, preflight, processes
from zoo_runner.server.answers import lead_to_job
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import find_media_type, read_body
from zoo_runner.server.documents import Preflight, ProblemAt, ProcessDescription
from zoo_runner.server.pages.document import Document, prefers_html
from zoo_runner.server.pages.form_shapes import build_shapes
from zoo_runner.server.pages.form_values import add_item, remove_item
from zoo_runner.server.pages.job_file_call import add_job_file
from zoo_runner.server.pages.process_form import read_form
from zoo_runner.server.pages.process_page import ProcessPage, build_pasted_page, build_refused_page

Examine = Callable[[Api, Call, str, Mapping[str, Any]], Preflight]
"""Finds what would fail, for a process and an execute request."""
# the header of a check while the form is filled in: of inputs alone
_WHILE_FILLED_IN = "zoo-runner-check"
URLENCODED_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 10_000
# the buttons that change the form: no input has such a name
_ADD, _REMOVE, _SHOW = "[add]", "[remove]", "[show]"
_CHANGES = {_ADD, _REMOVE, _SHOW}


def is_form(request: Request) -> bool:
    """Whether a request is the form of a page; programs that send JSON as a form learn that it is none."""
    return find_media_type(request) == URLENCODED_FORM and prefers_html(request.scope)


async def submit_form(api: Api, call: Call, process_id: str, request: Request, *, dry_run: bool) -> Response:
    """Execute a process with what was filled in, and lead to its job; raises `ProcessNotFoundError`."""
    body = await read_body(request, api)
    sent = await run_in_threadpool(_read_form, body)
    given = (api, call, process_id, sent, request)
    if not dry_run:
        return await run_in_threadpool(_submit, *given, None)
    if _WHILE_FILLED_IN in request.headers:
        return await run_in_threadpool(_submit, *given, preflight.examine_inputs)
    # it waits for sources and engines of others, as every dry run does
    return await api.resolving.run(call.workspace, _submit, *given, preflight.examine_execution)


async def fill_form(api: Api, call: Call, process_id: str, request: Request) -> Response:
    """Show the form of a process with the inputs of a JSON document filled in, or with other fields than it had.

    An item is added or removed, or the fields of a type are shown, of what was filled in. Raises
    `ProcessNotFoundError`, and `InputError` for more fields than a form has.
    """
    body = await read_body(request, api)

    def show() -> Response:
        process, sent = processes.describe_process(api, call, process_id), dict(_read_form(body))
        if sent.keys() & _CHANGES:
            page = build_refused_page(process, call, _change(process, sent), ())
        else:
            page = build_pasted_page(process, call, sent.get("inputs", ""))
        page = add_job_file(page, jobs.load_package(api, call, process_id))
        return Document(process, "process", call.base, view=lambda: page)

    return await run_in_threadpool(show)


def _change(process: ProcessDescription, sent: Mapping[str, str]) -> Mapping[str, str]:
    """Add or remove what a button of the form asks for."""
    shapes = build_shapes(process["inputs"])
    filled = {key: text for key, text in sent.items() if key not in _CHANGES}
    if _ADD in sent:
        return add_item(shapes, sent[_ADD], filled)
    return remove_item(sent[_REMOVE], filled) if _REMOVE in sent else filled


def _read_form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InputError(
            f"the form has more than {_MOST_FIELDS} fields", "Send JSON instead.", code="request.too-large"
        ) from error


def _submit(
    api: Api, call: Call, process_id: str, sent: list[tuple[str, str]], request: Request, check: Examine | None
) -> Response:
    process, package = processes.describe_process(api, call, process_id), jobs.load_package(api, call, process_id)
    try:
        given = read_form(process["inputs"], sent, package)
        if check:
            page = _build_checked(call, process, check(api, call, process_id, given), given, dict(sent))
            return Document(process, "process", call.base, view=lambda: add_job_file(page, package))
        job = jobs.accept_execution(api, call, process_id, given)
    except InputError as error:
        found = error.diagnosis
        if found.level is not Level.USER:
            raise
        problems: tuple[ProblemAt, ...] = tuple(
            {"code": one.code, "pointer": one.pointer, "message": one.message} for one in found.problems
        )
        other: ProblemAt = {"code": found.code, "pointer": "", "message": found.cause}
        page = build_refused_page(process, call, dict(sent), problems or (other,), fit_remedy(found.remedy))
        return Document(process, "process", call.base, view=lambda: page, status_code=error.http_status)
    return lead_to_job(request, call, job)


def _build_checked(
    call: Call, process: ProcessDescription, found: Preflight, given: Mapping[str, Any], filled: Mapping[str, str]
) -> ProcessPage:
    problems: tuple[ProblemAt, ...] = tuple(
        {"code": one["code"], "pointer": one["pointer"], "message": one["message"]} for one in found["problems"]
    )
    return build_refused_page(process, call, filled, problems, checked=found, inputs=given.get("inputs"))
