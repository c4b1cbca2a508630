"""Rules that a package should follow: findings with rule, place and remedy; nothing is run.

`best-practice.req-N` are the requirements of the OGC Best Practice for Earth Observation Application Package
(20-089r1) that can be checked from the CWL alone; `package.…` are ours, among them what platforms
refuse when deploying.
"""

import keyword
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Document, Package
from zoo_runner.model.problems import suggest
from zoo_runner.package.cwltypes import (
    DirectoryType,
    accepts_null,
    describe_type,
    holds,
    is_text,
    join_text,
    parse_outputs_of,
    short_name,
)
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.package.findings import Finding, Severity, sort_findings
from zoo_runner.package.images import is_image_name, read_image_names
from zoo_runner.package.metadata import read_software_version
from zoo_runner.package.processes import Located, PackageView, build_view, find_inherited
from zoo_runner.package.requirements import REQUIREMENT_CLASSES, Requirement, find_effective, list_requirements
from zoo_runner.package.scripts import FindFaults, find_expressions, find_libraries, find_scripts

NAMESPACED = re.compile(r"[:/#]")
CWL_VERSIONS = ("v1.0", "v1.1", "v1.2")
KERNEL_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
FIXED_IMAGE = re.compile(r"@sha256:[0-9a-f]{64}$|:(?!latest$)[^:/@]+$")
RESERVED_STEP_PREFIXES = ("node_stage_in", "node_stage_out")
AWS_INPUTS = frozenset(f"STAGE_AWS_{part}" for part in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"))
RESERVED_INPUT = "package.input-name"
RESERVED_INPUTS = AWS_INPUTS | {"CALLING_WORKSPACE_ACCESS_TOKEN"}
OUR_MODULES = frozenset({"zoo", "zoo_runner", "zoo_staging", "stagein", "stageout"})


Rule = Callable[[PackageView], Iterator[Finding]]


def validate_package(package: Package) -> tuple[Finding, ...]:
    """Check a package; return every finding, errors first, then in the order of the rules.

    Raises PackageError when the package has no such entry, or a type that cannot be read.
    """
    view = build_view(package)
    return sort_findings(finding for rule in RULES for finding in rule(view))


def ensure_names(package: Package) -> None:
    """Refuse a package whose steps or inputs have names that platforms use; raises `PackageError` with the first."""
    view = build_view(package)
    for finding in (*_check_step_names(view), *_check_input_names(view)):
        raise PackageError(f"{finding.subject}: {finding.message}", finding.remedy, code=finding.rule)


def _check_cwl_version(view: PackageView) -> Iterator[Finding]:
    version = str(view.package.document.get("cwlVersion"))
    if version not in CWL_VERSIONS:
        message, remedy = f"cwlVersion is {version}, not one of {', '.join(CWL_VERSIONS)}", "Write v1.2."
        yield Finding("package.cwl-version", Severity.ERROR, "/cwlVersion", "package", message, remedy)


def _check_classes(view: PackageView) -> Iterator[Finding]:
    entry = view.entry
    rule = "best-practice.req-7"
    if not view.of_class("CommandLineTool"):
        message = "the package has no CommandLineTool, so it runs no program"
        remedy = "Describe each program as a CommandLineTool."
        yield Finding(rule, Severity.WARNING, entry.place, entry.subject, message, remedy)
    if entry.process.get("class") != "Workflow":
        message = f"the process to run is a {entry.process.get('class')}; platforms expect a Workflow"
        remedy = "Wrap it in a Workflow with one step before deploying it to a platform."
        severity = Severity.WARNING if view.of_class("CommandLineTool") else Severity.ERROR
        yield Finding(rule, severity, entry.place, entry.subject, message, remedy)


def _check_ids(view: PackageView) -> Iterator[Finding]:
    for located in view.processes:
        if not view.has_own_id(located):
            rule = "best-practice.req-9" if located.process.get("class") == "Workflow" else "best-practice.req-8"
            message, remedy = "has no id; the name of the file or step is used", "Add an id."
            yield Finding(rule, Severity.WARNING, located.place, located.subject, message, remedy)


def _check_tools(view: PackageView) -> Iterator[Finding]:
    for tool in view.of_class("CommandLineTool"):
        if not tool.process.get("baseCommand") and not tool.process.get("arguments"):
            message = "has neither baseCommand nor arguments, so the default command of the image would run"
            remedy = "Name the program in baseCommand."
            yield Finding("best-practice.req-8", Severity.WARNING, tool.place, tool.subject, message, remedy)
        if find_inherited(view, tool.process, "ResourceRequirement") is None:
            message = "has no ResourceRequirement, so the platform's default decides CPU and memory"
            remedy = "Add a ResourceRequirement with coresMax and ramMax (MiB)."
            yield Finding("package.resources", Severity.INFO, tool.place, tool.subject, message, remedy)


def _check_images(view: PackageView) -> Iterator[Finding]:
    for tool in view.of_class("CommandLineTool"):
        yield from _check_image(tool, find_inherited(view, tool.process, "DockerRequirement"))


def _check_image(tool: Located, found: Requirement | None) -> Iterator[Finding]:
    rule, pull = "best-practice.req-8", "Add a DockerRequirement with dockerPull."
    if found is None:
        message = "has no DockerRequirement, so it can only run where its program is installed"
        yield Finding(rule, Severity.WARNING, tool.place, tool.subject, message, pull)
        return
    docker = found.body
    if found.is_hint:
        message = "the DockerRequirement is a hint: platforms use it, but the tool may also run without a container"
        remedy = "Nothing to do; move it to requirements if the tool needs the container."
        yield Finding(rule, Severity.INFO, tool.place, tool.subject, message, remedy)
    for name in read_image_names(docker):
        if not is_image_name(name):
            message = (
                f"the image {name!r} is not of the form [registry/]name[:tag][@digest], so that no engine takes it"
            )
            yield Finding("package.image", Severity.ERROR, tool.place, tool.subject, message, "Correct the name.")
    if not docker.get("dockerPull"):
        message = "the DockerRequirement has no dockerPull; platforms can only pull images, not build or load them"
        yield Finding(rule, Severity.WARNING, tool.place, tool.subject, message, pull)
    elif not FIXED_IMAGE.search(str(docker["dockerPull"])):
        message = f"the image {docker['dockerPull']} has no fixed tag, so it may change"
        remedy = "Use a version tag, or a digest as in name@sha256:..."
        yield Finding("package.image-tag", Severity.INFO, tool.place, tool.subject, message, remedy)
    if docker.get("dockerOutputDirectory"):
        message = "dockerOutputDirectory is not supported by engines on Kubernetes"
        remedy = "Remove it and write results to the working directory."
        yield Finding("package.docker-output", Severity.WARNING, tool.place, tool.subject, message, remedy)


def _check_texts(view: PackageView) -> Iterator[Finding]:
    entry = view.entry
    texts = {part: join_text(entry.process.get(part)) for part in ("label", "doc")}
    yield from _missing_texts("best-practice.req-9", entry.place, entry.subject, texts)
    interfaces = (("best-practice.req-10", "input", view.inputs), ("package.output-text", "output", view.outputs))
    for rule, part, parameters in interfaces:
        for parameter in parameters:
            place = f"{entry.place}/{part}s/{parameter.position}"
            texts = {"label": parameter.label, "doc": parameter.doc}
            yield from _missing_texts(rule, place, f"{part} '{parameter.name}'", texts)


def _missing_texts(rule: str, place: str, subject: str, texts: Mapping[str, Any]) -> Iterator[Finding]:
    missing = [part for part, text in texts.items() if not text]
    if missing:
        message = f"has no {' and no '.join(missing)}; clients show label as title and doc as description"
        remedy = f"Add {' and '.join(missing)}."
        yield Finding(rule, Severity.WARNING, place, subject, message, remedy)


def _check_version(view: PackageView) -> Iterator[Finding]:
    if read_software_version(view.package) is None:
        message = "the package does not state the version of its software"
        remedy = "Add s:softwareVersion, with $namespaces: {s: https://schema.org/}."
        yield Finding("best-practice.req-11", Severity.WARNING, "", "package", message, remedy)


def _check_directories(view: PackageView) -> Iterator[Finding]:
    entry = view.entry
    if not any(holds(parameter.type, DirectoryType) for parameter in view.inputs):
        rule = "best-practice.req-13" if entry.process.get("class") == "Workflow" else "best-practice.req-12"
        message = "no input is a Directory, so no STAC item or catalog is staged in"
        remedy = "Give inputs that are EO products the type Directory or Directory[]."
        yield Finding(rule, Severity.INFO, entry.place, entry.subject, message, remedy)
    if not any(holds(parameter.type, DirectoryType) for parameter in view.outputs):
        message = "no output is a Directory, so the results are not staged out as a STAC catalog"
        remedy = "Write the results to a Directory with a STAC catalog.json."
        yield Finding("best-practice.req-14", Severity.INFO, entry.place, entry.subject, message, remedy)


def _check_identifier(view: PackageView) -> Iterator[Finding]:
    name, entry = view.package.workflow_id, view.entry
    function = name.replace("-", "_")
    modules = sys.stdlib_module_names | OUR_MODULES
    if not KERNEL_IDENTIFIER.fullmatch(name):
        reason = "it must start with a letter or underscore, followed by letters, digits, underscores and hyphens"
    elif keyword.iskeyword(function) or function in modules:
        reason = "Python uses this name"
    else:
        return
    message = f"a ZOO-Project platform cannot run a process with the id {name!r}: {reason}"
    remedy = "Rename the process before deploying it there; it runs here as it is."
    yield Finding("package.identifier", Severity.WARNING, entry.place, entry.subject, message, remedy)


def ensure_runs(package: Package) -> None:
    """Refuse a package whose own steps fail for certain when they are reached; raises `PackageError` with the first."""
    view = build_view(package)
    for finding in _check_step_expressions(view):
        if finding.place.startswith(f"{view.entry.place}/steps/") and "/run/" not in finding.place:
            raise PackageError(f"{finding.subject}: {finding.message}", finding.remedy, code=finding.rule)


def _check_step_names(view: PackageView) -> Iterator[Finding]:
    for workflow in view.of_class("Workflow"):
        for index, step in enumerate(workflow.process.get("steps", ())):
            name = short_name(str(step["id"]))
            if name.startswith(RESERVED_STEP_PREFIXES):
                message = f"step names that begin with {' or '.join(RESERVED_STEP_PREFIXES)} are reserved for platforms"
                place = f"{workflow.place}/steps/{index}"
                yield Finding("package.step-name", Severity.ERROR, place, f"step '{name}'", message, "Rename the step.")


def _check_step_expressions(view: PackageView) -> Iterator[Finding]:
    """Find expressions in steps that engines refuse when the step is reached."""
    for workflow in view.of_class("Workflow"):
        steps = enumerate(workflow.process.get("steps", ()))
        using = [(index, step) for index, step in steps if any("valueFrom" in given for given in step.get("in", ()))]
        # once: it looks through all steps of all workflows
        if using and find_inherited(view, workflow.process, "StepInputExpressionRequirement") is None:
            for index, step in using:
                name, place = short_name(str(step["id"])), f"{workflow.place}/steps/{index}"
                message = "valueFrom is used without StepInputExpressionRequirement, so that engines refuse the step"
                remedy = "Add StepInputExpressionRequirement to the requirements of the workflow."
                yield Finding("package.step-expression", Severity.ERROR, place, f"step '{name}'", message, remedy)


def _check_output_sources(view: PackageView) -> Iterator[Finding]:
    """Find outputs that no step gives and that have to have a value."""
    for workflow in view.of_class("Workflow"):
        for parameter in parse_outputs_of(view.package, workflow.process):
            entry = workflow.process["outputs"][parameter.position]
            if not entry.get("outputSource") and not accepts_null(parameter.type):
                place, subject = f"{workflow.place}/outputs/{parameter.position}", f"output '{parameter.name}'"
                message = f"has no outputSource, so that it is null, which is not {describe_type(parameter.type)}"
                remedy = "Name the step and output that it comes from, as in outputSource: step/output."
                yield Finding("package.output-source", Severity.ERROR, place, subject, message, remedy)


def _check_unique_ids(view: PackageView) -> Iterator[Finding]:
    for workflow in view.of_class("Workflow"):
        known: set[str] = set()
        for section in ("inputs", "outputs", "steps"):
            for index, part in enumerate(workflow.process.get(section, ())):
                name = short_name(str(part["id"]))
                if name in known:
                    message = "another input, output or step of the workflow has the same id; some engines confuse them"
                    place, subject = f"{workflow.place}/{section}/{index}", f"{section[:-1]} '{name}'"
                    yield Finding("package.same-id", Severity.WARNING, place, subject, message, "Rename one of them.")
                known.add(name)


def _check_input_names(view: PackageView) -> Iterator[Finding]:
    for parameter in view.inputs:
        place, subject = f"{view.entry.place}/inputs/{parameter.position}", f"input '{parameter.name}'"
        if parameter.name in RESERVED_INPUTS:
            message = "this name is reserved for credentials of platforms"
            yield Finding(RESERVED_INPUT, Severity.ERROR, place, subject, message, "Rename the input.")


def _check_secrets(view: PackageView) -> Iterator[Finding]:
    secret = find_secret_inputs(view.package)
    for parameter in view.inputs:
        if parameter.name in secret and not is_text(parameter.type):
            place, subject = f"{view.entry.place}/inputs/{parameter.position}", f"input '{parameter.name}'"
            message = f"named by cwltool:Secrets, but its type is {describe_type(parameter.type)}, not string"
            remedy = "Give it the type string, or take it out of cwltool:Secrets."
            yield Finding("package.secret-input", Severity.ERROR, place, subject, message, remedy)


def _check_javascript(view: PackageView) -> Iterator[Finding]:
    for located in view.processes:
        own = find_effective((located.process,), "InlineJavascriptRequirement")
        if own is not None and not own.is_hint:
            message = "JavaScript expressions need an engine for them, which not every platform has"
            remedy = "Nothing here: zoo-runner has one. Parameter references such as $(inputs.a.path) work everywhere."
            yield Finding("package.javascript", Severity.INFO, located.place, located.subject, message, remedy)


@dataclass(frozen=True)
class _Part:
    """A process or a step, which have expressions, and whether these may be JavaScript."""

    owner: Located
    place: str
    body: Document
    has_javascript: bool


def _walk_parts(view: PackageView) -> Iterator[_Part]:
    name = "InlineJavascriptRequirement"
    for located in view.processes:
        inherited = find_inherited(view, located.process, name)
        steps = [(f"{located.place}/steps/{i}", one) for i, one in enumerate(located.process.get("steps", ()))]
        for place, body in ((located.place, located.process), *steps):
            own = find_effective((body,), name) or inherited
            yield _Part(located, place, body, own is not None and not own.is_hint)


def _check_scripts(view: PackageView) -> Iterator[Finding]:
    """Find expressions that engines refuse to evaluate when they are reached."""
    for part in _walk_parts(view):
        for where in () if part.has_javascript else find_scripts(part.body, part.place):
            message = "is JavaScript, and the process does not declare it, so that engines refuse to evaluate it"
            remedy = "Add InlineJavascriptRequirement to the requirements, or correct the parameter reference."
            subject = f"expression in {part.owner.subject}"
            yield Finding("package.undeclared-script", Severity.ERROR, where, subject, message, remedy)


def check_syntax(package: Package, find_faults: FindFaults) -> Iterator[Finding]:
    """Find JavaScript with syntax errors, by what evaluates it; `validate_package` finds what is not declared."""
    declared = [part for part in _walk_parts(build_view(package)) if part.has_javascript]
    expressions = {one: part.owner for part in declared for one in find_expressions(part.body, part.place)}
    libraries = {one: part.owner for part in declared for one in find_libraries(part.body, part.place)}
    owners = {**expressions, **libraries}
    for script, why in find_faults([*owners]) if owners else ():
        subject = f"{'expressionLib' if script.is_library else 'expression'} in {owners[script].subject}"
        message = f"is no valid JavaScript: {why}"
        yield Finding("package.script", Severity.ERROR, script.place, subject, message, "Correct the expression.")


def _check_twice(view: PackageView) -> Iterator[Finding]:
    """Find requirements of one class that a process or step has twice in a section."""
    for part in _walk_parts(view):
        for section in ("requirements", "hints"):
            classes = [str(one.get("class")) for one in part.body.get(section) or () if isinstance(one, Mapping)]
            for name, count in Counter(classes).items():
                if count > 1:
                    message = f"has {count} entries of {name} in its {section}, of which engines use the last one"
                    place, remedy = f"{part.place}/{section}", "Remove the others, or write one entry with all members."
                    subject = part.owner.subject if part.body is part.owner.process else _name_step(part.body)
                    yield Finding("package.same-requirement", Severity.WARNING, place, subject, message, remedy)


def _name_step(step: Document) -> str:
    return f"step '{short_name(str(step['id']))}'"


def _hint_name(view: PackageView, name: str) -> str:
    """Return a hint's name as its author wrote it: the loader resolves an unknown one as a file."""
    folder = view.package.origins.get(view.package.entry, "").partition("#")[0].rpartition("/")[0]
    return short_name(name) if folder and name.startswith(f"{folder}/") else name


def _check_engine_features(view: PackageView) -> Iterator[Finding]:
    for located in view.processes:
        in_place = find_effective((located.process,), "InplaceUpdateRequirement")
        if in_place is not None and in_place.body.get("inplaceUpdate"):
            message = "InplaceUpdateRequirement lets a tool change its inputs; here it gets copies, elsewhere maybe not"
            remedy = "Remove it: InitialWorkDirRequirement with `writable: true` is enough to change a copy."
            yield Finding("package.in-place", Severity.WARNING, located.place, located.subject, message, remedy)
        for hint in (one for one in list_requirements(located.process) if one.is_hint):
            name = _hint_name(view, hint.name)
            if name not in REQUIREMENT_CLASSES and not NAMESPACED.search(name):
                near = suggest(name, REQUIREMENT_CLASSES)
                message = f"engines do not know the hint {name!r} and ignore it"
                remedy = f"Correct the name; {near}"
                yield Finding("package.unknown-hint", Severity.WARNING, located.place, located.subject, message, remedy)


RULES: tuple[Rule, ...] = (
    _check_cwl_version,
    _check_classes,
    _check_ids,
    _check_tools,
    _check_images,
    _check_texts,
    _check_version,
    _check_directories,
    _check_identifier,
    _check_step_names,
    _check_step_expressions,
    _check_output_sources,
    _check_unique_ids,
    _check_input_names,
    _check_secrets,
    _check_javascript,
    _check_scripts,
    _check_twice,
    _check_engine_features,
)
