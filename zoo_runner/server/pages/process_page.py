"""What the page of a process shows beside its description: the form that executes it, and calls that do the same."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pprint import pformat
from typing import Any

from zoo_runner.server.api import Call
from zoo_runner.server.documents import Preflight, ProblemAt
from zoo_runner.server.pages.process_form import Field, build_example, build_fields, fill_in, find_input

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
    filled in. `calls` are ways to do the same without the page, by their titles.
    """

    fields: tuple[Field, ...]
    address: str
    problems: tuple[ProblemAt, ...] = ()
    remedy: str = ""
    checked: Preflight | None = None
    of_job: str | None = None
    may_execute: bool = True
    calls: Mapping[str, str] = field(default_factory=dict)


def build_process_page(
    process: Mapping[str, Any], call: Call, inputs: Mapping[str, Any] | None = None, of_job: str | None = None
) -> ProcessPage:
    """Build the page of a process, with the inputs of a job where these are given."""
    address = f"{call.link('processes', process['id'])}/execution"
    filled = fill_in(process["inputs"], inputs) if inputs else {}
    calls = build_calls(address, process["id"], inputs or build_example(process["inputs"]))
    fields = build_fields(process["inputs"], filled)
    return ProcessPage(fields, address, of_job=of_job, may_execute=call.may("process.execute"), calls=calls)


def build_refused_page(
    process: Mapping[str, Any],
    call: Call,
    filled: Mapping[str, str],
    problems: tuple[ProblemAt, ...],
    remedy: str = "",
    checked: Preflight | None = None,
) -> ProcessPage:
    """Build the page of a process whose form was filled in and did not fit, or was only to be checked."""
    address = f"{call.link('processes', process['id'])}/execution"
    fields = build_fields(process["inputs"], filled, problems)
    own = {one.name for one in fields}
    others = tuple(problem for problem in problems if find_input(problem["pointer"]) not in own)
    calls = build_calls(address, process["id"], build_example(process["inputs"]))
    return ProcessPage(fields, address, others, remedy, checked, calls=calls)


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
    return {"curl": curl, "Python": python, "On your machine": job_file}
