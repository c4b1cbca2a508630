"""Translate an execute request into the inputs that a kernel gives to a service, as recorded from a real kernel."""

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import (
    Array,
    Community,
    DirectoryType,
    Enum,
    FileType,
    Parameter,
    Primitive,
    accepts_null,
    parse_parameters,
    without_null,
)

Entry = dict[str, Any]

_LITERALS = {
    "int": ("integer", "int32"),
    "long": ("integer", "int64"),
    "float": ("float", "float"),
    "double": ("double", "double"),
    "boolean": ("boolean", None),
    "string": ("string", None),
}
_TIMEOUT_SECONDS = 30


class KernelCrash(Exception):
    """The real kernel ends with a segmentation fault on this request."""


class MissingInput(Exception):
    """The kernel refuses the request: MissingParameterValue."""


class RefusedPackage(Exception):
    """The kernel refuses the package with 400: its deploy service cannot describe a type."""


@dataclass(frozen=True)
class Surroundings:
    """Where a kernel stores downloads and values."""

    temp: Path
    temp_url: str
    cache: Path
    job_id: str


def build_kernel_inputs(package: Package, request: Mapping[str, Any], place: Surroundings) -> dict[str, Entry]:
    """Build the dict `inputs` of a service for an asynchronous request; downloads links, as a kernel does.

    Raises `KernelCrash` and `MissingInput` if no service would be called.
    """
    sent = request.get("inputs", {})
    parameters = {parameter.name: parameter for parameter in parse_parameters(package)}
    inputs = {name: _build_entry(parameter, sent, place) for name, parameter in parameters.items()}
    for name, value in sent.items():
        if name not in parameters:
            inputs[name] = {"value": _text(value), "inRequest": "true"}
    return inputs


def _build_entry(parameter: Parameter, sent: Mapping[str, Any], place: Surroundings) -> Entry:
    described = _describe(parameter)
    name = parameter.name
    if name not in sent:
        if described["minOccurs"] == "1":
            raise MissingInput(name)
        return {**described, "inRequest": "false", "value": "NULL"}
    value = sent[name]
    if value is None or (isinstance(value, list) and None in value):
        raise KernelCrash("null in a request")
    if value == []:
        return {key: described[key] for key in ("dataType", "mimeType") if key in described} | {"inRequest": "true"}
    if isinstance(value, list) and len(value) > 1:
        return _build_array(name, value, described, place)
    return described | {"inRequest": "true"} | _build_item(name, _only(value), described, place, 0)


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _build_array(name: str, values: list[Any], described: Entry, place: Surroundings) -> Entry:
    items = [_build_item(name, value, described, place, index) for index, value in enumerate(values)]
    links = any("Reference" in item for item in items)
    entry: Entry = {**described, "inRequest": "true", "isArray": "true", "length": str(len(items))}
    for key in ("value", "cache_file", "dataType", "mimeType"):
        column = [item.get(key, described.get(key)) for item in items]
        # with links among them the kernel counts wrongly, and its list ends after the first
        entry[key] = column[:1] if links else column
    entry |= {key: value for key, value in items[0].items() if key not in entry}
    for index, item in enumerate(items[1:], start=1):
        entry |= {f"{key}_{index}": value for key, value in item.items()}
    return entry


def _build_item(name: str, value: Any, described: Entry, place: Surroundings, index: int) -> Entry:
    if isinstance(value, Mapping):
        return _build_object(name, value, described, place, index)
    item: Entry = {"value": _text(value)}
    return item | _dump(name, item["value"], place, index) if "mimeType" in described else item


def _build_object(name: str, value: Mapping[str, Any], described: Entry, place: Surroundings, index: int) -> Entry:
    if "href" in value:
        return _download(value, place)
    if "bbox" in value:
        return {"value": f"[ {', '.join(map(str, value['bbox']))} ]"} | (
            {"crs": value["crs"]} if "crs" in value else {"CRS": "urn:ogc:def:crs:OGC:1.3:CRS84"}
        )
    if "value" not in value:
        return {}  # lost without a word
    inner = value["value"]
    item: Entry = {"value": inner if isinstance(inner, str) else _text(inner)}
    media = (value.get("format") or {}).get("mediaType") if isinstance(value.get("format"), Mapping) else None
    if media:
        item |= {"mediaType": media, "mimeType": media}
    return item | _dump(name, item["value"], place, index) if "mimeType" in described else item


def _dump(name: str, text: str, place: Surroundings, index: int) -> Entry:
    path = place.temp / f"Input_{name}_{place.job_id}_{index}.json"
    path.write_text(text)
    url = f"{place.temp_url}/{path.name}"
    return {"cache_file": str(path), "cache_url": url, "byValue": url}


def _download(value: Mapping[str, Any], place: Surroundings) -> Entry:
    url = value["href"]
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        body, media = response.read(), response.headers.get("Content-Type", "text/plain")
    path = place.cache / f"{hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()}.zca"
    path.write_bytes(body)
    return {
        "xlink:href": url,
        "Reference": url,
        "mimeType": media,
        "value": body.decode("utf-8", "replace"),
        "cache_file": str(path),
        "size": str(len(body)),
        "Order": "1",
        "origin": "OTHER",
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _describe(parameter: Parameter) -> Entry:
    """Build the entry as the metadata database describes the input, with its meaningless keys."""
    wanted = without_null(parameter.type)
    is_array = isinstance(wanted, Array)
    kind = wanted.items if isinstance(wanted, Array) else wanted
    optional = accepts_null(parameter.type)
    entry = {"minOccurs": "0" if optional else "1", "maxOccurs": "999" if is_array else "1"}
    match kind:
        case Primitive(name):
            data_type, form = _LITERALS[name]
            return entry | {"dataType": data_type} | ({"format": form} if form and not is_array else {})
        case Enum(symbols):
            return entry | {"dataType": "string", "AllowedValues": ",".join(symbols)}
        case Community("ogc", "BBox"):
            return entry
        case Community("string_format", name):
            return entry | {"dataType": "string", "format": name.lower()}
        case FileType() | DirectoryType():
            form = "stac-item" if isinstance(kind, FileType) else "stac-collection"
            return entry | {"mimeType": "application/json", "dataFormat": form, "ecoding": "utf-8", "": "1"}
    return entry | {"mimeType": "application/json", "ecoding": "utf-8", "": "1"}
