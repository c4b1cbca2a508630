"""Checks format and secondary files of inputs, without I/O."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo_runner.inputs.formats import IANA, media_type_of
from zoo_runner.inputs.values import Checker
from zoo_runner.model.problems import ValuePath, show
from zoo_runner.package.cwltypes import Array, CwlType, Field, Parameter, Record, Union, list_options
from zoo_runner.package.secondary import SecondaryFile, apply_pattern


@dataclass(frozen=True)
class Declared:
    """What an input, or a member of a record, declares for each of its files."""

    formats: tuple[str, ...]
    secondary_files: tuple[SecondaryFile, ...]


def list_files(parameter: Parameter, value: Any) -> Iterator[tuple[dict[str, Any], Declared, ValuePath]]:
    """List the files in a value of an input, in arrays and records too, each with what is declared for it."""
    return _walk(parameter.type, _read_declared(parameter), value, (parameter.name,))


def fit_files(checker: Checker, parameter: Parameter, value: Any) -> None:
    """Complete the files of a checked value in place, and add a problem for each that does not fit.

    A file gets the declared format when it has none, because engines ask for one; a remote file gets its
    required secondary files, because they cannot be searched beside it once it is staged in.
    """
    for file, declared, path in list_files(parameter, value):
        formats = [uri for uri in declared.formats if not is_expression(uri)]
        if formats:
            _fit_format(checker, formats, file, path)
        _fit_secondary_files(checker, declared.secondary_files, file, path)


def _read_declared(owner: Parameter | Field) -> Declared:
    return Declared(owner.formats, owner.secondary_files)


def _walk(
    cwl_type: CwlType, declared: Declared, value: Any, path: ValuePath
) -> Iterator[tuple[dict[str, Any], Declared, ValuePath]]:
    if isinstance(value, list):
        arrays = [one for one in list_options(cwl_type) if isinstance(one, Array)]
        items = Union(tuple(array.items for array in arrays))
        for index, item in enumerate(value):
            yield from _walk(items, declared, item, (*path, index))
    elif isinstance(value, dict) and value.get("class") == "File":
        yield value, declared, path
    elif isinstance(value, dict):
        records = (one for one in list_options(cwl_type) if isinstance(one, Record))
        # of a union, the record that the value was checked against
        fitting = (one for one in records if value.keys() <= {field.name for field in one.fields})
        for field in next(fitting, Record(())).fields:
            yield from _walk(field.type, _read_declared(field), value.get(field.name), (*path, field.name))


def _fit_format(checker: Checker, formats: list[str], file: dict[str, Any], path: ValuePath) -> None:
    given = file.get("format")
    if given in formats:
        return
    media_type = media_type_of(given) if given else None
    wanted = {uri: media_type_of(uri) for uri in formats}
    same = next((uri for uri, kind in wanted.items() if kind and kind == media_type), None)
    if media_type and same is None and all(wanted.values()):
        accepted = " or ".join(sorted({str(kind) for kind in wanted.values()}))
        checker.refuse((*path, "format"), "inputs.format", f"expected {accepted}, got {media_type}")
    elif given is None or given.startswith(IANA):
        file["format"] = same or formats[0]


def _fit_secondary_files(
    checker: Checker, declared: tuple[SecondaryFile, ...], file: dict[str, Any], path: ValuePath
) -> None:
    wanted = [one.pattern for one in declared if one.required and not is_expression(one.pattern)]
    location = str(file.get("location", ""))
    given = file.get("secondaryFiles")
    if not wanted or (not given and location.startswith("file:")):
        return  # those of local files are searched beside them when the job is staged in
    names = [apply_pattern(pattern, read_name(file)) for pattern in wanted]
    parts = urlsplit(location)
    if given or parts.scheme in ("", "data") or parts.query:
        found = {read_name(other) for other in given or ()}
        for name in (name for name in names if name not in found):
            message = f"required secondary file is missing: {show(name)}"
            checker.refuse((*path, "secondaryFiles"), "inputs.missing", message)
        return
    folder = location.rpartition("/")[0]
    file["secondaryFiles"] = [{"class": "File", "location": f"{folder}/{quote(name)}"} for name in names]


def read_name(file: Mapping[str, Any]) -> str:
    """Read the name of a file: its `basename`, or the last part of its location."""
    own = file.get("basename")
    return str(own) if own else unquote(urlsplit(str(file.get("location", ""))).path).rpartition("/")[2]


def is_expression(text: str) -> bool:
    """Whether a text has a CWL expression or parameter reference."""
    return re.search(r"\$[({]", text) is not None
