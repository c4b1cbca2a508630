"""Defaults of a package are inputs like any other: checked by the same rules, and staged where they are files; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.inputs.checking import build_checker
from zoo_runner.inputs.files import fit_files
from zoo_runner.inputs.selection import add_selection
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Document, Package
from zoo_runner.model.problems import Problem
from zoo_runner.package.cwltypes import FileType, Parameter, holds, parse_inputs, short_name
from zoo_runner.package.documents import is_remote
from zoo_runner.package.findings import Finding, Severity
from zoo_runner.package.processes import Located, build_view
from zoo_runner.package.requirements import find_run

_STEP_REMEDY = "Correct the default, or the type of the input of what the step runs."
_REMEDY = "Correct the default in the package; `zoo-runner validate` shows its line."


def read_default(package: Package, parameter: Parameter) -> Any:
    """Return a default in job-order form where it has to be in the job order, else None: the engine applies it.

    Files are to be staged, and values of the community's types may be written in a form that engines do not know.
    Raises `PackageError` for a default that does not fit its type, or is a local file in a package from the
    web.
    """
    value, problems = _check(package, parameter)
    if problems:
        problem = problems[0]
        raise PackageError(
            f"the default of input {problem.path!r} is invalid: {problem.message}",
            _REMEDY,
            code="package.default",
            problems=tuple(problems),
        )
    value = add_selection(parameter, value)
    locations = list(_find_locations(value))
    if is_remote(_origin(package)) and any(location.startswith("file:") for location in locations):
        raise PackageError(
            f"the default of input {parameter.name!r} is a file of this machine, but the package is from the web",
            "Give the file as input, or put it beside the package and refer to it by a relative address.",
            code="package.refused",
        )
    return value if locations or _has_files(value) or value != parameter.default else None


def check_defaults(package: Package) -> Iterator[Finding]:
    """Find the defaults that do not fit their types; those of inner processes may never be used."""
    view = build_view(package)
    for workflow in view.of_class("Workflow"):
        yield from _check_step_defaults(package, workflow)
    for located in view.processes:
        severity = Severity.ERROR if located == view.entry else Severity.WARNING
        for parameter in parse_inputs(package, located.process):
            for problem in _check(package, parameter)[1] if parameter.default is not None else ():
                place = f"{located.place}/inputs/{parameter.position}/default"
                message = f"the default is invalid: {problem.message}"
                remedy = "Correct the default, or the type of the input."
                yield Finding("package.default", severity, place, f"input '{problem.path}'", message, remedy)


def _check_step_defaults(package: Package, workflow: Located) -> Iterator[Finding]:
    """Find the defaults of steps that do not fit the process that the step runs."""
    for number, step in enumerate(workflow.process.get("steps", ())):
        wanted = {one.name: one for one in parse_inputs(package, find_run(package, step))}
        for index, entry in enumerate(step.get("in", ())):
            parameter = wanted.get(short_name(str(entry["id"])))
            if parameter is None or entry.get("default") is None or _is_changed(step, entry):
                continue
            for problem in _check(package, replace(parameter, default=entry["default"]))[1]:
                # with a source, the default may never be used
                severity = Severity.WARNING if entry.get("source") else Severity.ERROR
                place = f"{workflow.place}/steps/{number}/in/{index}/default"
                message = f"the default is invalid: {problem.message}"
                subject = f"input '{problem.path}' of step '{short_name(str(step['id']))}'"
                yield Finding("package.default", severity, place, subject, message, _STEP_REMEDY)


def _is_changed(step: Document, entry: Document) -> bool:
    """Whether the process gets something else than the value of an input of a step: an expression's, or an item."""
    scattered = step.get("scatter", ())
    return "valueFrom" in entry or entry["id"] in ([scattered] if isinstance(scattered, str) else scattered)


def _check(package: Package, parameter: Parameter) -> tuple[Any, list[Problem]]:
    checker = build_checker(package, _origin(package) or None)
    value = checker.check(parameter.type, parameter.default, (parameter.name,))
    if holds(parameter.type, FileType):
        fit_files(checker, parameter, value)
    return value, checker.problems


def _origin(package: Package) -> str:
    return package.origins.get(package.entry, "")


def _has_files(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get("class") in ("File", "Directory") or any(map(_has_files, value.values()))
    return isinstance(value, list) and any(map(_has_files, value))


def _find_locations(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value.get("class") in ("File", "Directory") and "location" in value:
        yield str(value["location"])
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for member in members:
        yield from _find_locations(member)
