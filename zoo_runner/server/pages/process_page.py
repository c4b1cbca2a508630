"""What the page of a process shows beside its description: the form that executes it, and calls that do the same."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pprint import pformat
from typing import Any

from zoo_runner.server.api import Call
from zoo_runner.server.documents import Preflight, ProblemAt
from zoo_runner.server.pages.process_form import (
    Field,
    build_example,
    build_fields,
    fill_in,
    find_input,
    has_boxes,
    start_form,
)
from zoo_runner.server.requests import is_deeper

LOCAL_CALL = "On your machine"
"""The title of the call that runs a process without a server."""
_MOST_LEVELS = 100
_PYTHON = """import requests

inputs = {inputs}
answer = requests.post(
    {address},
    json={{"inputs": inputs}},
    headers={{"Prefer": "respond-async"}},
)
answer.raise_for_status()
print(answer.headers["Location"])"""


@dataclass(frozen=True)
class ProcessPage:
    """The form of a process; `address` is that of its execution, `problems` are those of no field.

    `checked` says what a dry run of the form found, None where there was none; `of_job` is the job whose inputs are
    filled in. `calls` are ways to do the same without the page, by their titles; `request` are the inputs as JSON,
    `pasted` is what was to be filled in from JSON. `files` is the address to which files are sent, None: none may be.
    `has_boxes`: a box can be drawn into a field, or into one that can be added.
    """

    fields: tuple[Field, ...]
    address: str
    problems: tuple[ProblemAt, ...] = ()
    remedy: str = ""
    checked: Preflight | None = None
    of_job: str | None = None
    may_execute: bool = True
    calls: Mapping[str, str] = field(default_factory=dict)
    request: str = ""
    pasted: str = ""
    files: str | None = None
    has_boxes: bool = False


def build_process_page(
    process: Mapping[str, Any], call: Call, inputs: Mapping[str, Any] | None = None, of_job: str | None = None
) -> ProcessPage:
    """Build the page of a process, with inputs that are filled in, such as those of a job, where these are given."""
    shown = _leave_out_deep(inputs or {})
    filled = start_form(process["inputs"], shown) | fill_in(process["inputs"], shown)
    page = _build_page(process, call, build_fields(process["inputs"], filled), shown)
    problems: tuple[ProblemAt, ...] = tuple(
        {
            "code": "request.invalid",
            "pointer": "",
            "message": f"input {name[:100]!r} has more than {_MOST_LEVELS} levels: it was left out",
        }
        for name in inputs or {}
        if name not in shown
    )
    return replace(page, problems=problems, of_job=of_job)


def build_refused_page(
    process: Mapping[str, Any],
    call: Call,
    filled: Mapping[str, str],
    problems: tuple[ProblemAt, ...],
    remedy: str = "",
    checked: Preflight | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> ProcessPage:
    """Build the page of a process whose form was filled in and did not fit, or was only to be checked.

    `inputs` is what was read of the form, None where that failed.
    """
    fields = build_fields(process["inputs"], filled, problems)
    own = {one.name for one in fields}
    others = tuple(problem for problem in problems if find_input(problem["pointer"]) not in own)
    page = _build_page(process, call, fields, _leave_out_deep(inputs or {}))
    return replace(page, problems=others, remedy=remedy, checked=checked)


def build_pasted_page(process: Mapping[str, Any], call: Call, pasted: str) -> ProcessPage:
    """Build the page of a process with the inputs of a JSON document filled in; what is wrong with it is shown."""
    try:
        inputs = read_inputs(pasted)
    except ValueError as error:
        problem: ProblemAt = {
            "code": "request.invalid",
            "pointer": "",
            "message": f"the inputs cannot be read: {error}",
        }
        page = build_refused_page(process, call, {}, (problem,), 'Paste JSON such as {"inputs": {"name": "value"}}.')
        return replace(page, pasted=pasted)
    unknown: tuple[ProblemAt, ...] = tuple(
        {"code": "inputs.unknown", "pointer": "", "message": f"unknown input {name[:100]!r}: it was left out"}
        for name in inputs
        if name not in process["inputs"]
    )
    page = build_process_page(process, call, inputs)
    return replace(page, problems=(*page.problems, *unknown))


def read_inputs(pasted: str) -> Mapping[str, Any]:
    """Read inputs from an execute request, or from a document of inputs alone; raises `ValueError`."""
    try:
        document = json.loads(pasted)
    except RecursionError as error:
        raise ValueError("it has too many levels") from error
    inputs = document.get("inputs", document) if isinstance(document, Mapping) else None
    if isinstance(inputs, Mapping):
        return inputs
    raise ValueError("inputs are an object, with a value for each name")


def _leave_out_deep(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out inputs that cannot be written as Python and as JSON with indents."""
    return {name: value for name, value in inputs.items() if not is_deeper(value, _MOST_LEVELS)}


def _build_page(
    process: Mapping[str, Any], call: Call, fields: tuple[Field, ...], inputs: Mapping[str, Any]
) -> ProcessPage:
    address = f"{call.link('processes', process['id'])}/execution"
    given = inputs or build_example(process["inputs"])
    return ProcessPage(
        fields,
        address,
        may_execute=call.may("process.execute"),
        calls=build_calls(address, process["id"], given),
        request=json.dumps({"inputs": given}, indent=2, ensure_ascii=False),
        files=call.link("files") if call.may("file.send") else None,
        has_boxes=has_boxes(process["inputs"]),
    )


def build_calls(address: str, process_id: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Build what executes a process without the page."""
    body = json.dumps({"inputs": inputs}, ensure_ascii=False)
    curl = (
        f"curl -X POST {shlex.quote(address)} \\\n"
        "  -H 'Content-Type: application/json' -H 'Prefer: respond-async' \\\n"
        f"  -d {shlex.quote(body)}"
    )
    package = shlex.quote(address.removesuffix("/execution") + "/package")
    shown = json.dumps(inputs, indent=2, ensure_ascii=False)
    job_file = (
        f"curl -s {package} -o {shlex.quote(f'{process_id}.cwl')}\n"
        f"cat > inputs.json <<'END'\n{shown}\nEND\n"
        f"zoo-runner run {shlex.quote(f'{process_id}.cwl')} inputs.json"
    )
    python = _PYTHON.format(address=repr(address), inputs=pformat(dict(inputs), sort_dicts=False))
    return {"curl": curl, "Python": python, LOCAL_CALL: job_file}
