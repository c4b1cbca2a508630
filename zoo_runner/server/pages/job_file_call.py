"""The CWL job file of what is filled in: other CWL runners take it too; pure."""

import json
import shlex
from dataclasses import replace
from typing import Any

from zoo_runner.inputs.joborder import read_execute_request
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.server.pages.process_page import LOCAL_CALL, ProcessPage

_TITLE = "CWL job file"


def add_job_file(page: ProcessPage, package: Package) -> ProcessPage:
    """Have a page show the CWL job file of its inputs in place of JSON; where they do not fit, it stays as it is."""
    try:
        order = read_execute_request(package, json.loads(page.request)).values
    except InputError:
        return page
    calls = {title: call for title, call in page.calls.items() if title != LOCAL_CALL}
    return replace(page, calls={**calls, _TITLE: _write_call(page.address, order)})


def _write_call(address: str, order: Any) -> str:
    process = address.removesuffix("/execution")
    name = process.rpartition("/")[2]
    package, job = shlex.quote(f"{name}.cwl"), shlex.quote(f"{name}-job.json")
    shown = json.dumps(order, indent=2, ensure_ascii=False)
    return (
        f"curl -s {shlex.quote(f'{process}/package')} -o {package}\n"
        f"cat > {job} <<'END'\n{shown}\nEND\n"
        f"zoo-runner run {package} {job}  # or: cwltool {package} {job}"
    )
