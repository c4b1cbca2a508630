"""The form that deploys a package: files, an address or a text; what is wrong with it is shown beside its lines."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fastapi import Request, Response

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import RunnerError
from zoo_runner.server import preflight, processes
from zoo_runner.server.access.audit import Note, find_note
from zoo_runner.server.answers import see_other
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import find_media_type, read_body
from zoo_runner.server.deploying import MULTIPART_FORM, Deployment, read_form, read_text
from zoo_runner.server.documents import Preflight
from zoo_runner.server.forms import read_parts
from zoo_runner.server.pages.document import Document, prefers_html
from zoo_runner.server.pages.source_lines import LONGEST_BYTES, Findings, place_findings
from zoo_runner.server.problems import build_problem

PASTED, ADDRESS = "package", "href"
"""The fields of a package that is pasted, and of one by its address."""
_NAME = "package.cwl"
_SHOWN = 100
Part = tuple[str, str | None, bytes]


@dataclass(frozen=True)
class DeployPage:
    """The form below the list of processes: what was filled in, and what was found in the package, if it was read.

    `findings` are those of `found` beside the lines of what was sent. A browser does not keep which files were chosen.
    """

    may_deploy: bool = True
    filled: Mapping[str, str] = field(default_factory=dict)
    found: Preflight | None = None
    findings: Findings = field(default_factory=Findings)
    has_files: bool = False

    @property
    def counts(self) -> Counter[str]:
        """How many errors and warnings were found."""
        return Counter(one["level"] for one in self.found["problems"]) if self.found else Counter()


def is_deploy_form(request: Request) -> bool:
    """Whether a request is the form of the page; programs send forms as well."""
    return find_media_type(request) == MULTIPART_FORM and prefers_html(request.scope)


async def submit_deployment(api: Api, call: Call, request: Request, *, dry_run: bool) -> Response:
    """Deploy what was filled in, and lead to the process; raises `InputError` for a form that cannot be read."""
    body = await read_body(request, api)
    return await api.resolving.run(
        call.workspace, lambda: _submit(api, call, read_parts(request.headers, body), find_note(request), dry_run)
    )


def _submit(api: Api, call: Call, parts: list[Part], note: Note, dry_run: bool) -> Response:
    filled = {name: content.decode("utf-8", "replace") for name, file_name, content in parts if file_name is None}
    status, deployment = 200, Deployment()
    try:
        deployment = read_deploy_form(parts)
        if not dry_run:
            if deployment.process_id:
                note.ids["process_id"] = deployment.process_id
            note.ids["process_id"] = processes.deploy_process(api, call, deployment)["id"]
            return see_other(call.link("processes", note.ids["process_id"]))
        found = preflight.examine_deployment(api, call, deployment)
    except RunnerError as error:
        if error.diagnosis.level is not Level.USER:
            raise
        status, found = build_problem(error)["status"], preflight.describe_refusal(error)
    settings = api.find_configuration(call.workspace).settings
    findings = place_findings(found["problems"], lambda name: read_text(deployment, name, settings, LONGEST_BYTES))
    has_files = any(file_name for _, file_name, _ in parts)
    page = DeployPage(filled=filled, found=found, findings=findings, has_files=has_files)
    listed = processes.list_processes(api, call, _SHOWN, None)
    return Document(listed, "processes", call.base, view=lambda: page, status_code=status)


def read_deploy_form(parts: Iterable[Part]) -> Deployment:
    """Read what was filled in: files before a text, a text before an address; raises `InputError` where there is none.

    A browser sends the field of files without a name, if none was chosen.
    """
    given = [part for part in parts if part[1] or (part[1] is None and part[2].strip())]
    fields = {name: content for name, file_name, content in given if file_name is None}
    if PASTED in fields and not any(file_name for _, file_name, _ in given):
        given.append((PASTED, _NAME, fields[PASTED]))
    elif ADDRESS in fields and not any(file_name for _, file_name, _ in given):
        texts = {name: content.decode("utf-8", "replace").strip() for name, content in fields.items()}
        return Deployment(href=texts[ADDRESS], workflow=texts.get("w"), process_id=texts.get("id"))
    return read_form(given, None)
