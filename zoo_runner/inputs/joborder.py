"""Converts the inputs of a job to a checked job order, or reports all problems at once.

`build_job_order` takes CWL's own form (a YAML or JSON job file), `read_execute_request` an execute request of
OGC API - Processes, Part 1 (OGC 18-062r2, section 7.11).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo_runner.inputs.checking import build_checker
from zoo_runner.inputs.defaults import read_default
from zoo_runner.inputs.extent import check_extent
from zoo_runner.inputs.files import fit_files
from zoo_runner.inputs.inline import TEXT_ENCODINGS, is_binary
from zoo_runner.inputs.overrides import OVERRIDES, REQUIREMENTS, apply_overrides
from zoo_runner.inputs.package_files import ensure_reachable
from zoo_runner.inputs.references import is_type_uri
from zoo_runner.inputs.selection import add_selection
from zoo_runner.inputs.values import Checker
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.model.problems import Problem, ValuePath, build_problem, show, suggest
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    CwlType,
    DirectoryType,
    FileType,
    Parameter,
    Record,
    Union,
    holds,
    list_options,
    parse_outputs,
    parse_parameters,
    without_null,
)
from zoo_runner.package.extensions import find_secret_inputs

DOCUMENT_KEYS = frozenset({"$namespaces", "$schemas", "cwlVersion", *REQUIREMENTS, *OVERRIDES})
TRANSMISSION_MODES = ("value", "reference")
QUALIFIED_KEYS = frozenset({"value", "mediaType", "encoding", "schema", "format"})
# of process descriptions, which clients copy into their requests
DESCRIPTIVE_KEYS = frozenset(
    {
        *("id", "title", "description", "keywords", "metadata", "additionalParameters"),
        *("minOccurs", "maxOccurs", "valuePassing"),
    }
)


@dataclass(frozen=True)
class JobOrder:
    """The inputs of one job in CWL's form, ready for stage-in; JSON-serialisable.

    `values` has the client's values and the defaults that are files (the engine applies the others). Every File and
    Directory has an absolute `location`, unless it is a literal with `contents` or `listing`. `package` is the one to
    run: with the requirements that the job file adds. `warnings` are unknown inputs that were ignored.
    """

    values: Mapping[str, Any]
    package: Package
    warnings: tuple[Problem, ...] = ()


def build_job_order(
    package: Package, values: Mapping[str, Any], *, base: str | None = None, ignored: Collection[str] = ()
) -> JobOrder:
    """Build a job order from `{input: value}` as in a CWL job file.

    A File or Directory may also be a plain path or URL. Relative ones are resolved against `base`, the folder
    or the URL of the job file; without it they are refused. `$namespaces` of the job file and of the package define
    prefixes for formats, its `cwl:requirements` and `cwltool:overrides` change the package. Unknown inputs among
    `ignored` become warnings. Raises InputError with every problem, `PackageError` for a default that is invalid, or
    a file of this machine in a package from the web.
    """
    checker = build_checker(package, base, document=values)
    changed = apply_overrides(checker, package, values, base)
    return _build(changed, _drop_document_keys(package, values), checker, ignored)


def read_execute_request(
    package: Package, request: Mapping[str, Any], *, base: str | None = None, max_values: int | None = None
) -> JobOrder:
    """Build a job order from an execute request: `{"inputs": {...}, "outputs": {...}}`.

    Takes inline values, values qualified as `{"value": ...}`, links `{"href": ...}` for files and folders, file
    content by value (text, JSON, base64), and one value in place of an array of one; at most `max_values` of them.
    Raises InputError with one line of evidence per problem.
    """
    if max_values is not None:
        check_extent(request, max_values)
    checker = build_checker(package, base, from_request=True)
    if not isinstance(request, Mapping):
        raise build_misfit(package, [_not_an_object(request)])
    outputs, whole = request.get("outputs") or {}, replace(checker, root=())
    if isinstance(outputs, Mapping):
        _refuse_unknown(whole, outputs, parse_outputs(package), "output")
        for name, wanted in outputs.items():
            _check_output(whole, str(name), wanted)
    else:
        whole.expect(("outputs",), "an object with one member per output", outputs)
    inputs = request.get("inputs")
    return _build(package, {} if inputs is None else inputs, checker)


def _drop_document_keys(package: Package, values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    known = {parameter.name for parameter in parse_parameters(package)}
    return {name: value for name, value in values.items() if name in known or name not in DOCUMENT_KEYS}


def _build(package: Package, values: Any, checker: Checker, ignored: Collection[str] = ()) -> JobOrder:
    if not isinstance(values, Mapping):
        replace(checker, root=()).expect(("inputs",), "an object with one member per input", values)
        raise build_misfit(package, checker.problems)
    parameters = parse_parameters(package)
    checked = {
        parameter.name: _check_parameter(checker, parameter, values[parameter.name])
        for parameter in parameters
        if parameter.name in values
    }
    for parameter in parameters:
        if parameter.name not in values and not parameter.optional:
            checker.miss((parameter.name,), parameter.type, "input")
    hints = replace(checker, problems=[])
    _refuse_unknown(hints, [name for name in values if name in ignored], parameters, "input")
    _refuse_unknown(checker, [name for name in values if name not in ignored], parameters, "input")
    _refuse_secrets(package, checker, checked)
    if checker.problems:
        checker.problems.extend(hints.problems)
        raise build_misfit(package, checker.problems)
    ensure_reachable(package)
    defaults = {
        parameter.name: read_default(package, parameter)
        for parameter in parameters
        if parameter.default is not None and checked.get(parameter.name) is None
    }
    applied = {name: value for name, value in defaults.items() if value is not None}
    return JobOrder({**checked, **applied}, package, tuple(hints.problems))


def _refuse_secrets(package: Package, checker: Checker, values: Mapping[str, Any]) -> None:
    """Refuse secret inputs that are not strings: engines hide strings only. Their values are not shown."""
    for name in sorted(find_secret_inputs(package) & values.keys()):
        if not isinstance(values[name], str | None):
            message = "this input is secret (cwltool:Secrets), so it must be a string"
            checker.refuse((name,), "inputs.secret", message)


def _check_parameter(checker: Checker, parameter: Parameter, value: Any) -> Any:
    if value is None and parameter.optional:
        return None
    path = (parameter.name,)
    if checker.from_request:
        value = _read_occurrences(checker, parameter.type, value, path)
    checked = checker.check(parameter.type, value, path)
    if holds(parameter.type, FileType):
        fit_files(checker, parameter, checked)
    return add_selection(parameter, checked)


def _read_occurrences(checker: Checker, cwl_type: CwlType, value: Any, path: ValuePath) -> Any:
    """Read the value of an input in an execute request: a list of occurrences, or a single one without a list."""
    value = _unqualify(checker, cwl_type, value, path)
    wanted = without_null(cwl_type)
    options = wanted.options if isinstance(wanted, Union) else (wanted,)
    array = next((option for option in options if isinstance(option, Array)), None)
    if array is None:
        return value
    if isinstance(value, list):
        return [_unqualify(checker, array.items, item, (*path, i)) for i, item in enumerate(value)]
    return [value] if wanted is array and value is not None else value


def _unqualify(checker: Checker, cwl_type: CwlType, value: Any, path: ValuePath) -> Any:
    """Return the inner value of `{"value": ...}`, unless `value` is a member of the type itself, or file content."""
    if not isinstance(value, Mapping) or "value" not in value:
        return value
    wanted = without_null(cwl_type)
    if isinstance(wanted, Record) and "value" in (own := {member.name for member in wanted.fields}):
        is_record = not isinstance(value["value"], Mapping) or value.keys() & own - {"value", *QUALIFIED_KEYS}
        return _drop_descriptive(value, wanted) if is_record else value["value"]
    unknown = _find_unknown_members(value)
    if unknown and holds(wanted, AnyType, Record, Union):
        return value
    for key in unknown:
        known = (*sorted(QUALIFIED_KEYS), *sorted(DESCRIPTIVE_KEYS))
        checker.refuse((*path, str(key)), "inputs.unknown", f"unknown member beside value; {suggest(str(key), known)}")
    value = _drop_descriptive(value)
    if _takes_content(checker, wanted, value, path) and not _is_reference(value):
        return value
    if str(value.get("encoding", "utf-8")).lower() not in TEXT_ENCODINGS:
        checker.expect((*path, "encoding"), "no encoding, or utf-8", value["encoding"], "inputs.value")
    return value["value"]


def _drop_descriptive(value: Mapping[str, Any], record: Record | None = None) -> dict[str, Any]:
    """Leave out what clients copy from process descriptions, unless the type has a member of that name."""
    own = {member.name for member in record.fields} if record else set()
    return {key: member for key, member in value.items() if key in own or key not in DESCRIPTIVE_KEYS}


def _takes_content(checker: Checker, wanted: CwlType, value: Mapping[str, Any], path: ValuePath) -> bool:
    """Whether a qualified value is the content of a file: in a union only what no other option takes is."""
    if not isinstance(wanted, Union):
        return isinstance(wanted, FileType | DirectoryType)
    others = tuple(option for option in wanted.options if not isinstance(option, FileType | DirectoryType))
    return others != wanted.options and _is_left_to_files(checker, others, value, path)


def _is_left_to_files(checker: Checker, others: tuple[CwlType, ...], value: Mapping[str, Any], path: ValuePath) -> bool:
    """Whether content can only be that of a file; lists and objects are of the options of their kind, right or not."""
    match value["value"]:
        case str() as text:
            return is_binary(value) or bool(checker.attempt(Union(others), text, path)[1])
        case list():
            return not _has_option(others, Array)
        case Mapping() as members:
            return not (_is_link(members) or _has_option(others, Record))
    return False


def _is_link(members: Mapping[str, Any]) -> bool:
    return "href" in members or members.get("class") in ("File", "Directory")


def _has_option(options: tuple[CwlType, ...], kind: type) -> bool:
    return any(isinstance(one, kind | AnyType) for one in list_options(Union(options)))


def _is_reference(value: Mapping[str, Any]) -> bool:
    """Whether the `value` of a file is a reference and not its content."""
    return isinstance(value["value"], str) and value.keys() <= {"value", "schema"}


def _find_unknown_members(value: Mapping[str, Any]) -> list[Any]:
    """Find members that are neither part of a qualified value nor descriptive; the URI of a type is."""
    kind = value.get("class")
    known = QUALIFIED_KEYS | DESCRIPTIVE_KEYS | ({"class"} if isinstance(kind, str) and is_type_uri(kind) else set())
    return [key for key in value if key not in known]


def _refuse_unknown(checker: Checker, names: Iterable[Any], parameters: tuple[Parameter, ...], kind: str) -> None:
    known = tuple(parameter.name for parameter in parameters)
    for name in names:
        if name not in known:
            path = ("outputs", str(name)) if kind == "output" else (str(name),)
            checker.refuse(path, "inputs.unknown", f"unknown {kind}; {suggest(str(name), known)}")


def _check_output(checker: Checker, name: str, wanted: Any) -> None:
    """Check how an output is asked for (OGC 18-062r2, output.yaml)."""
    if wanted is not None and not isinstance(wanted, Mapping):
        checker.expect(("outputs", name), "an object", wanted)
    elif wanted and wanted.get("transmissionMode", "value") not in TRANSMISSION_MODES:
        place = ("outputs", name, "transmissionMode")
        checker.expect(place, " or ".join(TRANSMISSION_MODES), wanted["transmissionMode"], "inputs.value")


def _not_an_object(request: Any) -> Problem:
    message = f"expected an object with the member inputs, got {show(request)}"
    return replace(build_problem("inputs.type", (), (), message), path="request")


def build_misfit(package: Package, problems: list[Problem]) -> InputError:
    """Build the error of inputs that do not fit a package, with a line of evidence for each problem."""
    lines = tuple(str(problem) for problem in problems)
    count = "one problem" if len(lines) == 1 else f"{len(lines)} problems"
    codes = {problem.code for problem in problems}
    return InputError(
        f"the inputs do not fit the package {package.workflow_id!r} ({count}): {lines[0]}",
        "Correct each input listed; `zoo-runner describe` shows what the package accepts.",
        evidence=lines,
        code=codes.pop() if len(codes) == 1 else "inputs.invalid",
        problems=tuple(problems),
    )
