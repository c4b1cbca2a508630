"""Reads the body of a deployment: a CWL document, or an application package of OGC API - Processes, Part 2."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.settings import Settings
from zoo_runner.engines.argo.template.source import load_template
from zoo_runner.model.errors import InputError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.model.via import Via
from zoo_runner.package.findings import Finding
from zoo_runner.package.prepare import (
    LONGEST_REQUEST_SECONDS,
    locate_parts,
    prepare_public,
    prepare_upload,
    read_public_text,
)
from zoo_runner.package.resolver import Resolve
from zoo_runner.package.sent_documents import refer_to_upload
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.package_source import describe_source
from zoo_runner.server.requests import read_json

CWL_TYPES = ("application/cwl", "application/cwl+yaml", "application/cwl+json")
PACKAGE_TYPES = ("application/ogcapppkg+json", "application/json")
TEMPLATE_UNIT = "argo-workflow-template"
MULTIPART_FORM = "multipart/form-data"
_NAME = "package.cwl"
_LONGEST_NAME = 255
# neither `.` nor `..`, nor what an address could mean otherwise
_PART = re.compile(r"(?!\.{1,2}$)[\w.+@ -]+", re.ASCII)
_TEXTS = ("title", "description", "version")


@dataclass(frozen=True)
class Deployment:
    """What a client wants deployed: documents by value or one by address, and what it says of the process itself.

    `files` are documents by name; that of the first has the workflow. `template` is the name of a WorkflowTemplate,
    `via` what the client says of where it has the documents from.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    href: str | None = None
    template: str | None = None
    workflow: str | None = None
    process_id: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    via: Via | None = None

    @property
    def source(self) -> Mapping[str, Any]:
        """Where its documents are from, as a process keeps it."""
        return describe_source(self.files, self.href, self.template, self.via, _NAME)


def read_deployment(body: bytes, media_type: str, workflow: str | None) -> Deployment:
    """Read a request; raises `InputError`."""
    if media_type in CWL_TYPES:
        return Deployment({_NAME: _decode(body, "the body")}, workflow=workflow)
    if media_type in PACKAGE_TYPES:
        return _read_package(body, workflow)
    raise InputError(
        f"the body is {media_type or 'of no declared type'}",
        f"Send one of: {', '.join((*CWL_TYPES, *PACKAGE_TYPES, MULTIPART_FORM))}.",
        code="request.media-type",
    )


def read_form(parts: Iterable[tuple[str, str | None, bytes]], workflow: str | None) -> Deployment:
    """Read the parts of a form: name, file name, content. Parts with a file name are documents, the first the main one.

    `w` chooses the workflow, `id` is that of the process. Raises `InputError`.
    """
    files: dict[str, str] = {}
    fields: dict[str, str] = {}
    for name, file_name, content in parts:
        if file_name is None:
            fields[name] = _decode(content, f"the part {name}")
            continue
        if not is_plain_path(file_name) or file_name in files:
            raise build_invalid(
                f"{file_name!r} is not the name of one document", "Give each a name of its own, such as lib/tool.cwl."
            )
        files[file_name] = _decode(content, f"the document {file_name}")
    if not files:
        raise build_invalid(
            "the form has no part with a file name", "Send each document as a file; the first is the package."
        )
    return Deployment(files, workflow=workflow or fields.get("w"), process_id=fields.get("id"))


def read_unit(unit: Any, member: str) -> Deployment:
    """Read CWL that is a member of another request, in the form of an execution unit; raises `InputError`."""
    return Deployment(*_read_unit(unit, member))


def is_plain_path(name: str) -> bool:
    """Whether a name is that of a file in a folder or below it, as it is written in an address."""
    return len(name) <= _LONGEST_NAME and all(_PART.fullmatch(part) for part in name.split("/"))


def load_deployment(deployment: Deployment, configuration: Configuration, run: Resolve) -> Package:
    """Load the package of a deployment; raises `PackageError`, `EngineError` where Argo Workflows is asked for it."""
    if deployment.template is not None:
        files = {_NAME: load_template(configuration, deployment.template)}
        return prepare_upload(files, _NAME, None, configuration.settings, run, LONGEST_REQUEST_SECONDS)
    try:
        return _load(deployment, configuration.settings, run)
    except PackageError as error:
        # the id of a workflow that was asked for is all that can be wrong with the entry
        if deployment.workflow is None or error.diagnosis.code != "package.entry":
            raise
        cause = f"the document has no workflow {deployment.workflow!r}: {error.diagnosis.cause}"
        raise PackageError(cause, "Correct w, or leave it out.", code="package.workflow") from error


def _load(deployment: Deployment, settings: Settings, run: Resolve) -> Package:
    if deployment.files:
        main = next(iter(deployment.files))
        return prepare_upload(deployment.files, main, deployment.workflow, settings, run, LONGEST_REQUEST_SECONDS)
    href = _refer(deployment)
    if not href.lower().startswith(("http://", "https://")):
        raise PackageError(f"{href!r} is not a web address", "Give an http or https address.", code="package.reference")
    return prepare_public(href, settings, run, LONGEST_REQUEST_SECONDS)


def _refer(deployment: Deployment) -> str:
    if deployment.files:
        return refer_to_upload(deployment.files, next(iter(deployment.files)), deployment.workflow)
    href = str(deployment.href)
    return f"{href.partition('#')[0]}#{deployment.workflow}" if deployment.workflow else href


def locate_findings(
    deployment: Deployment, package: Package, findings: Sequence[Finding], configuration: Configuration, run: Resolve
) -> Sequence[Finding]:
    """Add to the findings of a package their lines in the documents of its deployment; a template has none."""
    if not findings or deployment.template is not None:
        return findings
    pointers, settings = [finding.place for finding in findings], configuration.settings
    places = locate_parts(package, pointers, _refer(deployment), settings, deployment.files, run)
    return [
        replace(finding, uri=place.uri or None, line=place.line, column=place.column)
        for finding, place in zip(findings, places, strict=True)
    ]


def read_text(deployment: Deployment, name: str, settings: Settings, max_bytes: int) -> str | None:
    """Return the text of a document that findings are in; None where it cannot be read, or is too large to be shown."""
    if name in deployment.files:
        return deployment.files[name] if len(deployment.files[name]) <= max_bytes else None
    try:
        return read_public_text(name, settings, max_bytes)
    except PackageError:
        return None


def _decode(body: bytes, what: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise build_invalid(f"{what} is not UTF-8", "Send the document in UTF-8.") from error


def _read_package(body: bytes, workflow: str | None) -> Deployment:
    document = read_json(body)
    if not isinstance(document, dict) or "executionUnit" not in document:
        raise build_invalid("the body lacks executionUnit", "Send an object with the member executionUnit.")
    described = document.get("processDescription", {})
    described = described.get("process", described) if isinstance(described, dict) else {}
    described = described if isinstance(described, dict) else {}
    unit, process_id, chosen = document["executionUnit"], described.get("id"), workflow or document.get("w")
    texts = {name: described[name] for name in _TEXTS if isinstance(described.get(name), str)}
    unit = unit[0] if isinstance(unit, list) and len(unit) == 1 else unit
    template = _read_template(unit)
    files, href = ({}, None) if template else _read_unit(unit)
    for name, value in (("processDescription.id", process_id), ("w", chosen)):
        if value is not None and not isinstance(value, str):
            raise build_invalid(f"{name} is not a string", "Give a string, or leave it out.")
    return Deployment(files, href, template, chosen, process_id, texts)


def _read_template(unit: Any) -> str | None:
    """Return the name of a WorkflowTemplate, where an execution unit is one."""
    if not isinstance(unit, dict) or unit.get("type") != TEMPLATE_UNIT:
        return None
    if not isinstance(unit.get("name"), str) or not unit["name"]:
        remedy = f'Write {{"type": "{TEMPLATE_UNIT}", "name": "…"}}.'
        raise build_invalid("the execution unit does not name its WorkflowTemplate", remedy)
    return str(unit["name"])


def _read_unit(unit: Any, member: str = "executionUnit") -> tuple[Mapping[str, str], str | None]:
    """The document or the address of an execution unit."""
    if isinstance(unit, dict) and isinstance(unit.get("href"), str):
        return {}, unit["href"]
    inline = next((unit[name] for name in ("unit", "value") if name in unit), None) if isinstance(unit, dict) else None
    if isinstance(inline, str):
        return {_NAME: inline}, None
    if isinstance(inline, dict):
        return {_NAME: json.dumps(inline)}, None
    raise build_invalid(
        f"{member} has neither an href nor CWL in unit or value",
        'Write {"href": "https://…"} or {"unit": {…}, "type": "application/cwl"}, once.',
    )
