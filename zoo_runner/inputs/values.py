"""Checks a value against a CWL type and converts it to job-order form; collects every problem."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from zoo_runner.model.portable import find_text_fault
from zoo_runner.model.problems import Problem, ValuePath, build_problem, format_path, show, suggest
from zoo_runner.model.written import WrittenNumber
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    CwlType,
    DirectoryType,
    Enum,
    FileType,
    NullType,
    Primitive,
    Record,
    Union,
    accepts_null,
    describe_type,
    without_null,
)

DEEPEST = 64
DIRECTIVES = frozenset({"$import", "$include", "$mixin", "$graph"})
INTEGER_BITS = {"int": 31, "long": 63}

Handler = Callable[["Checker", Any, Any, ValuePath], Any]


@dataclass(frozen=True)
class Checker:
    """Checks values; the values returned are valid only if `problems` stays empty.

    `handlers` has a function for each kind of type. `from_request` reads the forms of an OGC API - Processes
    execute request besides CWL's own: links by `href` for files, and whole numbers written as 3.0. `root` leads to
    the inputs in the client's document; `refers` decides whether a text that could be a string refers to a file, and
    `is_folder` whether a text is the path of a folder.
    """

    handlers: Mapping[type, Handler]
    from_request: bool = False
    refers: Callable[[str], bool] = bool
    is_folder: Callable[[str], bool] = lambda _: False
    root: ValuePath = ()
    problems: list[Problem] = field(default_factory=list)
    depth: int = 0

    def check(self, cwl_type: CwlType, value: Any, path: ValuePath) -> Any:
        """Return the value in job-order form; adds what is wrong with it to `problems`."""
        if self.depth > DEEPEST:
            return self.refuse(path, "inputs.value", f"nested deeper than {DEEPEST} levels")
        if value is None:
            return None if accepts_null(cwl_type) else self.mismatch(cwl_type, value, path)
        handler = self.handlers[type(cwl_type)]
        return handler(replace(self, depth=self.depth + 1), cwl_type, value, path)

    def refuse(self, path: ValuePath, code: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(build_problem(code, self.root, path, message))

    def expect(self, path: ValuePath, expected: str, value: Any, code: str = "inputs.type") -> None:
        """Add the problem that a value is not what is expected."""
        self.refuse(path, code, f"expected {expected}, got {show(value)}")

    def mismatch(self, cwl_type: CwlType, value: Any, path: ValuePath) -> None:
        """Add the problem that a value does not have the type."""
        self.expect(path, describe_type(cwl_type), value)

    def miss(self, path: ValuePath, cwl_type: CwlType, what: str) -> None:
        """Add the problem that a required input or member (`what`) is missing."""
        self.refuse(path, "inputs.missing", f"required {what} is missing (type {describe_type(cwl_type)})")

    def attempt(self, cwl_type: CwlType, value: Any, path: ValuePath) -> tuple[Any, list[Problem]]:
        """Check without adding to `problems`; return the value and its problems."""
        trial = replace(self, problems=[])
        return trial.check(cwl_type, value, path), trial.problems


def _check_primitive(checker: Checker, wanted: Primitive, value: Any, path: ValuePath) -> Any:
    match wanted.name:
        case "int" | "long":
            return _check_integer(checker, wanted, value, path)
        case "float" | "double":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
        case "boolean":
            fits = isinstance(value, bool)
        case _:
            return _check_string(checker, wanted, value, path)
    return value if fits else checker.mismatch(wanted, value, path)


def _check_string(checker: Checker, wanted: Primitive, value: Any, path: ValuePath) -> Any:
    if isinstance(value, str):
        return _check_text(checker, value, path)
    if isinstance(value, date):
        return checker.expect(path, "string (quote a date, or YAML does not read it as text)", value)
    if isinstance(value, Mapping) and "href" in value:
        return checker.refuse(path, "inputs.type", "expected string, got a link (href); give the value itself")
    return checker.mismatch(wanted, value, path)


def _check_text(checker: Checker, text: str, path: ValuePath) -> str | None:
    """Refuse a text that no file and no command line can have."""
    if fault := find_text_fault(text):
        checker.refuse(path, "inputs.value", f"{show(text)} has {fault}")
        return None
    return text


def _check_integer(checker: Checker, wanted: Primitive, value: Any, path: ValuePath) -> Any:
    if checker.from_request and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return checker.mismatch(wanted, value, path)
    limit = 2 ** INTEGER_BITS[wanted.name]
    if not -limit <= value < limit:
        return checker.expect(path, f"{wanted.name} from {-limit} to {limit - 1}", value, "inputs.value")
    return value


def _is_finite(value: float | str) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _check_any(checker: Checker, wanted: AnyType, value: Any, path: ValuePath) -> Any:
    match value:
        case {"class": "File" | "Directory" as name}:
            return checker.check(FileType() if name == "File" else DirectoryType(), value, path)
        case Mapping():
            return check_members(checker, value, path)
        case list():
            return [_check_free(checker, item, (*path, index)) for index, item in enumerate(value)]
        case str():
            return _check_text(checker, value, path)
        case bool() | int() | float() if _is_finite(value):
            return value
    return checker.expect(path, "a JSON value", value)


def _check_free(checker: Checker, value: Any, path: ValuePath) -> Any:
    """Check a value of any type; inside one, null is allowed."""
    return None if value is None else checker.check(AnyType(), value, path)


def check_members(checker: Checker, value: Mapping[Any, Any], path: ValuePath) -> dict[str, Any]:
    """Check the members of a free object.

    An engine's loader follows the directives `$import`, `$include` and `$mixin` in a job order too, and would
    read any file that they name on its own machine, so they are refused.
    """
    members = {}
    for key, member in value.items():
        if not isinstance(key, str) or key in DIRECTIVES:
            checker.refuse(path, "inputs.unknown", f"member {key!r} is not allowed: not text, or a CWL directive")
            continue
        members[key] = _check_free(checker, member, (*path, key))
    return members


def _check_array(checker: Checker, wanted: Array, value: Any, path: ValuePath) -> Any:
    if not isinstance(value, list):
        return checker.mismatch(wanted, value, path)
    # what is right is known at once: an array may have a million items
    if isinstance(wanted.items, Primitive) and _fit(wanted.items, value):
        return list(value)
    return [checker.check(wanted.items, item, (*path, index)) for index, item in enumerate(value)]


def _fit(wanted: Primitive, items: list[Any]) -> bool:
    """Whether all items have a type for certain; those of which this is not known are checked one by one."""
    kinds = set(map(type, items))
    match wanted.name:
        case "int" | "long":
            limit = 2 ** INTEGER_BITS[wanted.name]
            return kinds == {int} and -limit <= min(items) and max(items) < limit
        case "float" | "double":
            return kinds <= {int, float, WrittenNumber} and all(map(_is_finite, items))
        case "boolean":
            return kinds <= {bool}
        case "string":
            return kinds <= {str} and find_text_fault("".join(items)) is None
    return False


def _check_enum(checker: Checker, wanted: Enum, value: Any, path: ValuePath) -> Any:
    word = wanted.uris.get(value, value) if isinstance(value, str) else value
    if word in wanted.symbols:
        return word
    return checker.mismatch(wanted, value, path)


def _check_union(checker: Checker, wanted: Union, value: Any, path: ValuePath) -> Any:
    rest = without_null(wanted)
    if not isinstance(rest, Union):
        return checker.check(rest, value, path)
    nearest: list[Problem] = []
    for option in _sort_options(checker, rest, value):
        checked, problems = checker.attempt(option, value, path)
        if not problems:
            return checked
        if problems[0].path != format_path(path) and (not nearest or len(problems) < len(nearest)):
            nearest = problems
    if nearest:
        checker.problems.extend(nearest)
        return None
    return checker.mismatch(rest, value, path)


def _sort_options(checker: Checker, union: Union, value: Any) -> tuple[CwlType, ...]:
    """Decide what comes first, whatever the union's order.

    By the text, between a file and a string, and between a file and a folder; by the members, between content and a
    record.
    """
    files = tuple(option for option in union.options if isinstance(option, FileType | DirectoryType))
    others = tuple(option for option in union.options if option not in files)
    if isinstance(value, Mapping) and "value" in value and any(_has_members(one, value) for one in others):
        return (*others, *files)
    if not isinstance(value, str) or not files:
        return union.options
    if checker.is_folder(value):
        files = tuple(sorted(files, key=lambda option: isinstance(option, FileType)))
        return (*files, *others)
    if Primitive("string") not in union.options:
        return union.options
    return (*files, *others) if checker.refers(value) else others


def _has_members(option: CwlType, value: Mapping[str, Any]) -> bool:
    return isinstance(option, Record) and value.keys() <= {member.name for member in option.fields}


def check_record(checker: Checker, wanted: Record, value: Any, path: ValuePath) -> Any:
    """Check an object whose members are all known; `class`, which names the record's type, is left out."""
    if not isinstance(value, Mapping):
        return checker.mismatch(wanted, value, path)
    names = tuple(member.name for member in wanted.fields)
    for key in value:
        if key not in names and key != "class":
            checker.refuse((*path, str(key)), "inputs.unknown", f"unknown member; {suggest(str(key), names)}")
    return check_fields(checker, wanted, value, path)


def check_fields(checker: Checker, wanted: Record, value: Mapping[str, Any], path: ValuePath) -> dict[str, Any]:
    """Check the members that the type declares, and that no required one is missing."""
    members = {}
    for member in wanted.fields:
        if member.name in value:
            members[member.name] = checker.check(member.type, value[member.name], (*path, member.name))
        elif not accepts_null(member.type):
            checker.miss((*path, member.name), member.type, "member")
    return members


def _refuse_null(checker: Checker, wanted: NullType, value: Any, path: ValuePath) -> None:
    checker.mismatch(wanted, value, path)


BASIC_HANDLERS: Mapping[type, Handler] = {
    Primitive: _check_primitive,
    AnyType: _check_any,
    NullType: _refuse_null,
    Array: _check_array,
    Enum: _check_enum,
    Union: _check_union,
    Record: check_record,
}
