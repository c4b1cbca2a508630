"""What would fail, found before anything is created: the dry run of a deployment and of an execution."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines import choose_engine
from zoo_runner.engines.cwl_process.script_faults import find_script_faults
from zoo_runner.engines.pipeline import list_sources, load_stage_in_options
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.inputs.inspection import check_package
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import InvalidPackageError, NotReachedError, ProcessNotFoundError, RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.model.problems import format_pointer
from zoo_runner.model.remedies import fit_remedy
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.package.findings import Finding, Severity
from zoo_runner.package.sent_documents import name_document
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import show_request
from zoo_runner.server.deploying import Deployment, locate_findings
from zoo_runner.server.documents import Preflight, PreflightProblem
from zoo_runner.server.jobs import Placement, place_execution, place_job, prepare_execution
from zoo_runner.server.processes import ensure_mutable, prepare_process
from zoo_runner.store.errors import build_process_exists
from zoo_staging.errors import StagingError


def examine_deployment(api: Api, call: Call, deployment: Deployment, replaced: str | None = None) -> Preflight:
    """Find why a deployment would be refused, or the replacement of the process `replaced`, and what else is wrong.

    Pointers lead into the packed CWL, lines into the author's. What other platforms refuse is a warning here. Raises
    `ProcessNotFoundError`.
    """
    try:
        process, package = prepare_process(api, call, deployment, replaced)
        ensure_mutable(api, call, process.id)
        if replaced is None:
            _ensure_free(api, call, process.id)
        configuration = api.find_configuration(call.workspace)
        checked = [one for one in check_package(package, find_script_faults) if one.severity is not Severity.INFO]
        findings = locate_findings(deployment, package, checked, configuration, api.resolver)
        failing = _examine_package(api, package, configuration)
    except RunnerError as error:
        return _build(_list_problems(error))
    return _build([*failing, *map(_describe_finding, findings)])


def examine_execution(api: Api, call: Call, process_id: str, request: Mapping[str, Any]) -> Preflight:
    """Find why an execution would fail: inputs, the engine's checks, sources that do not answer, too much data.

    Pointers lead into the execute request. Raises `ProcessNotFoundError`.
    """
    return _examine(api, place_execution(api, call, process_id, request), process_id, request)


def examine_inputs(api: Api, call: Call, process_id: str, request: Mapping[str, Any]) -> Preflight:
    """Find what is wrong with the inputs of an execution alone, which asks no engine and no source.

    Raises `ProcessNotFoundError`.
    """
    try:
        prepare_execution(api, place_execution(api, call, process_id, request), process_id, request)
    except RunnerError as error:
        return _build(_list_problems(error))
    return _build([])


def examine_job(api: Api, call: Call, job: Job) -> Preflight:
    """Find why a job would fail if it ran as it is now; raises `ProcessNotFoundError`."""
    return _examine(api, place_job(api, call, job), job.process_id, show_request(job))


def _examine(api: Api, placed: Placement, process_id: str, request: Mapping[str, Any]) -> Preflight:
    configuration = placed.configuration
    try:
        draft = prepare_execution(api, placed, process_id, request)
        engine = choose_engine(draft.package, configuration.settings.engine)
        api.context.find_engine(engine, configuration.workspace).plan(draft)
    except RunnerError as error:
        return _build(_list_problems(error))
    failing = _examine_package(api, draft.package, configuration)
    surveyed = _survey(draft, configuration.workspace.storage)
    return {**surveyed, **_build([*failing, *surveyed["problems"]])}


def _examine_package(api: Api, package: Package, configuration: Configuration) -> list[PreflightProblem]:
    """Find what the engine cannot give the package, such as images; of these, nothing in the request is the place.

    Where the engine does not answer, that is a warning: jobs wait for it.
    """
    name = choose_engine(package, configuration.settings.engine)
    found: list[PreflightProblem] = []
    try:
        for error in api.context.find_engine(name, configuration.workspace).examine(package):
            found.append(_describe_error(error))
    except NotReachedError as away:
        found.append({**_describe_error(away), "level": "warning"})
    except RunnerError as error:
        found.append(_describe_error(error))
    return found


def describe_refusal(error: RunnerError) -> Preflight:
    """Describe why a request was refused; raises the error where it is no fault of the request."""
    return _build(_list_problems(error))


def _ensure_free(api: Api, call: Call, process_id: str) -> None:
    try:
        api.store.processes.get(call.workspace, process_id)
    except ProcessNotFoundError:
        return
    raise build_process_exists(process_id)


def _survey(draft: JobSpec, storage: StorageProfile) -> Preflight:
    # the libraries of HTTP and S3 are needed here only
    from stagein.survey import survey

    try:
        found = survey(list_sources(draft), load_stage_in_options(storage))
    except StagingError as error:
        return _build([_describe_source((), error)])
    problems = [_describe_source(where, error) for where, error in found.errors]
    return {**_build(problems), "inputs": {"files": found.files, "knownBytes": found.known_bytes}}


def _build(problems: Iterator[PreflightProblem] | list[PreflightProblem]) -> Preflight:
    listed = list(problems)
    return {"valid": all(problem["level"] != "error" for problem in listed), "problems": listed}


def _list_problems(error: RunnerError) -> Iterator[PreflightProblem]:
    """List what is wrong with a request; a process that is not there, or a fault of the platform, is an error."""
    diagnosis = error.diagnosis
    if diagnosis.level is Level.PLATFORM or isinstance(error, ProcessNotFoundError):
        raise error
    faults = error.faults if isinstance(error, InvalidPackageError) else ()
    for fault in faults:
        described = _describe(diagnosis.code, "", fault.message, diagnosis.remedy)
        yield _add_place(described, fault.uri, fault.line, fault.column)
    if not diagnosis.problems and not faults:
        yield _describe_error(error)
    for problem in diagnosis.problems:
        yield _describe(problem.code, problem.pointer, problem.message, diagnosis.remedy)


def _describe(code: str, pointer: str, message: str, remedy: str) -> PreflightProblem:
    remedy = fit_remedy(remedy)
    return {"code": code, "level": "error", "pointer": pointer, "message": message, "remedy": remedy}


def _describe_error(error: RunnerError) -> PreflightProblem:
    return _describe(error.diagnosis.code, "", error.diagnosis.cause, error.diagnosis.remedy)


def _describe_source(where: tuple[str | int, ...], error: StagingError) -> PreflightProblem:
    place = str(where[0]) if where else ""
    if place.startswith("/"):
        return _describe(error.code, "", f"{error} (the package refers to it at {place})", error.remedy)
    return _describe(error.code, format_pointer(("inputs", *where)), str(error), error.remedy)


def _describe_finding(finding: Finding) -> PreflightProblem:
    message = f"{finding.subject}: {finding.message}"
    described = {**_describe(finding.rule, finding.place, message, finding.remedy), "level": "warning"}
    return _add_place(cast(PreflightProblem, described), finding.uri, finding.line, finding.column)


def _add_place(problem: PreflightProblem, uri: str | None, line: int | None, column: int | None) -> PreflightProblem:
    if not uri:
        return problem
    place: dict[str, Any] = {"document": name_document(uri)}
    place |= {name: number for name, number in (("line", line), ("column", column)) if number is not None}
    return cast(PreflightProblem, {**problem, **place})
