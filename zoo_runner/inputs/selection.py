"""What is staged in for a Directory input: its package and its caller select items, assets and their addresses; pure.

A package writes it at the input (`zr:select`, with `$namespaces: {zr: "urn:zoo-runner:"}`), a caller as member `select`
of the Directory; members that the caller gives replace those of the package.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stagein.selection import SELECT, SelectionError, read_selection
from zoo_runner.inputs.values import Checker
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.model.problems import ValuePath
from zoo_runner.package.cwltypes import DirectoryType, Parameter, holds, parse_inputs
from zoo_runner.package.findings import Finding, Severity
from zoo_runner.package.processes import build_view

_REMEDY = "Correct the selection; docs/staging.md has its members."


def check_selection(checker: Checker, value: Any, path: ValuePath) -> Any:
    """Check what a caller selects; adds what is wrong with it to the problems."""
    try:
        read_selection(value)
    except SelectionError as error:
        member = (error.member,) if error.member else ()
        checker.expect((*path, *member), error.expected, error.found, "inputs.value")
        return {}
    return value


def add_selection(parameter: Parameter, value: Any) -> Any:
    """Return a checked value with what the package selects in each of its Directories.

    Raises `PackageError` where the package selects with unknown or invalid members.
    """
    if parameter.select is None:
        return value
    if problem := _find_problem(parameter):
        raise PackageError(
            f"the selection of input {parameter.name!r} is invalid: {problem}", _REMEDY, code="package.selection"
        )
    return _add(parameter.select, value)


def check_selections(package: Package) -> Iterator[Finding]:
    """Find selections that stage-in would refuse, or never use."""
    entry = build_view(package).entry
    for parameter in parse_inputs(package, entry.process):
        if parameter.select is None:
            continue
        place, subject = f"{entry.place}/inputs/{parameter.position}", f"input {parameter.name!r}"
        if problem := _find_problem(parameter):
            message = f"the selection is invalid: {problem}"
            yield Finding("package.selection", Severity.ERROR, place, subject, message, _REMEDY)
        elif not holds(parameter.type, DirectoryType):
            message, remedy = "selects assets, but is no Directory", "Remove the selection, or make it a Directory."
            yield Finding("package.selection", Severity.WARNING, place, subject, message, remedy)


def _find_problem(parameter: Parameter) -> str:
    try:
        read_selection(parameter.select)
    except SelectionError as error:
        return f"{error.member}: {error}" if error.member else str(error)
    return ""


def _add(selection: Mapping[str, Any], value: Any) -> Any:
    match value:
        case list():
            return [_add(selection, entry) for entry in value]
        case {"class": "Directory", "location": _}:
            return {**value, SELECT: {**selection, **value.get(SELECT, {})}}
        case {"class": "File" | "Directory"}:
            return value
        case dict():
            return {key: _add(selection, entry) for key, entry in value.items()}
    return value
