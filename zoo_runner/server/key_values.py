"""Reads an execute request from the parameters of an address (OGC API - Processes, Part 1, draft of 2.0: kvp-execute).

`name=value` is an input, `name=a,b` several values of one, `name[href]=address` one by reference, `name[value]=…` one
with its `mediaType`, `box[crs]=…` belongs to a bounding box. `output[include]=true` asks for an output, of which alone
the answer is the value; `response[f]` and `response[prefer]` stand for the headers Accept and Prefer. Names may be in
upper or lower case.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from zoo_runner.inputs.job_file import read_words
from zoo_runner.model.package import Package
from zoo_runner.model.written import read_json
from zoo_runner.package.cwltypes import (
    Array,
    Community,
    CwlType,
    Enum,
    Parameter,
    Primitive,
    Record,
    Union,
    parse_outputs,
    parse_parameters,
    without_null,
)
from zoo_runner.server.parameters import DRY_RUNS
from zoo_runner.server.requests import accepts, check_execute, ensure_portable

_MEMBER = re.compile(r"(.+)\[(\w+)\]", re.DOTALL)
_NUMBERS = re.compile(r"[-+\d.eE]+(,[-+\d.eE]+)+")
_DOCUMENTS = ("application/json", "text/html", "multipart/related")
_HEADERS = {"f": "accept", "prefer": "prefer"}


@dataclass(frozen=True)
class KeyValues:
    """An execute request, and the headers that its address has in their place."""

    request: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Found:
    """What was read so far: inputs as words, or by their members; outputs; members of the request and its answer."""

    words: list[str] = field(default_factory=list)
    values: dict[str, list[Any]] = field(default_factory=dict)
    members: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    response: dict[str, str] = field(default_factory=dict)


def read_key_values(query: str, package: Package) -> KeyValues:
    """Build an execute request from a query as it was sent; raises `InputError`.

    A repeated name makes an array. `response` is that of the request, unless an input has this name.
    """
    inputs = {parameter.name: parameter for parameter in parse_parameters(package)}
    outputs = {parameter.name: parameter for parameter in parse_outputs(package)}
    found, more = _Found(), dict[str, Any]()
    for name, values in _split(query):
        if name in DRY_RUNS and name not in inputs:
            # it is no part of the request
            continue
        if name == "response" and name not in inputs:
            more[name] = ",".join(values)
        elif member := _MEMBER.fullmatch(name):
            _add_member(found, member[1], member[2], ",".join(values), inputs, outputs)
        else:
            _add_value(found, _find_name(name, inputs), values, inputs)
    if wanted := {name: one for name, one in found.outputs.items() if one.pop("include", "true") == "true"}:
        more["outputs"] = wanted
    whole = {**more, "inputs": {**read_words(found.words, package), **_join(found)}}
    ensure_portable(whole, "the address")
    headers = {header: found.response[name] for name, header in _HEADERS.items() if name in found.response}
    return KeyValues(check_execute(whole), headers)


def choose_form(request: Mapping[str, Any], package: Package, accept: str) -> Mapping[str, Any]:
    """Return a request whose answer is the value of its one output, unless the client asks for another form.

    Source: draft of Part 1, 2.0, /req/core/process-execute-sync-one. A request with several outputs stays as it is.
    """
    wanted = request.get("outputs") or parse_outputs(package)
    if "response" in request or len(wanted) != 1 or any(accepts(accept, form) for form in _DOCUMENTS):
        return request
    return {**request, "response": "raw"}


def _split(query: str) -> Iterator[tuple[str, list[str]]]:
    """Split a query into names and values: at the commas that are written as such, before anything is decoded."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name:
            yield _decode(name), [_decode(part) for part in value.split(",")]


def _decode(text: str) -> str:
    return unquote_plus(text, errors="replace")


def _find_name(name: str, known: Mapping[str, Parameter]) -> str:
    """Return the name as the package writes it; itself where there is none, or more than one."""
    same = [one for one in known if one.lower() == name.lower()]
    return same[0] if name not in known and len(same) == 1 else name


def _add_member(
    found: _Found, name: str, member: str, text: str, inputs: Mapping[str, Parameter], outputs: Mapping[str, Parameter]
) -> None:
    own, output = _find_name(name, inputs), _find_name(name, outputs)
    if name == "response" and own not in inputs:
        found.response[member] = text
    elif output in outputs and (own not in inputs or member == "include"):
        found.outputs.setdefault(output, {})[member] = text
    else:
        _put(found, own, member, text)


def _put(found: _Found, name: str, member: str, text: str) -> None:
    """Add a member of an input's value; one that comes again begins the next value."""
    known = found.members.setdefault(name, [])
    if not known or member in known[-1]:
        known.append({})
    known[-1][member] = text


def _add_value(found: _Found, name: str, values: list[str], inputs: Mapping[str, Parameter]) -> None:
    wanted = without_null(inputs[name].type) if name in inputs else None
    text = ",".join(values)
    if isinstance(wanted, Array):
        found.values.setdefault(name, []).extend(_read_items(wanted.items, text, values))
    elif _has_bbox(wanted) and _NUMBERS.fullmatch(text):
        _put(found, name, "bbox", text)
    else:
        found.words.append(f"{name}={text}")


def _read_items(items: CwlType, text: str, values: list[str]) -> list[Any]:
    """Read values of an array: the array as JSON, several arrays or objects side by side, or texts."""
    if text.startswith(("[", "{")):
        whole = _read_json(f"[{text}]")
        if isinstance(whole, list):
            return whole[0] if len(whole) == 1 and isinstance(whole[0], list) else whole
    options = items.options if isinstance(items, Union) else (items,)
    is_text = any(option == Primitive("string") or isinstance(option, Enum) for option in options)
    return [value if is_text else _read_json(value) for value in values]


def _read_json(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text


def _has_bbox(wanted: CwlType | None) -> bool:
    shape = wanted.shape if isinstance(wanted, Community) else wanted
    return isinstance(shape, Record) and "bbox" in {member.name for member in shape.fields}


def _join(found: _Found) -> dict[str, Any]:
    """Return the inputs that are not words: several values, links, boxes, and values with their media type."""
    joined: dict[str, Any] = dict(found.values)
    for name, members in found.members.items():
        values = [
            {member: _read_json(f"[{text}]") if member == "bbox" else text for member, text in one.items()}
            for one in members
        ]
        joined[name] = values[0] if len(values) == 1 else values
    return joined
