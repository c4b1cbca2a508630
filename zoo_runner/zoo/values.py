"""Turn the inputs of a kernel into a checked job order.

A kernel passes on text only, and checks nothing but presence. Each text is converted and checked by the package's own
types.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.inputs.joborder import JobOrder, read_execute_request
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.model.written import read_json
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    Community,
    CwlType,
    DirectoryType,
    FileType,
    Parameter,
    Primitive,
    Record,
    Union,
    parse_parameters,
    without_null,
)

Entry = Mapping[str, Any]

_EXTENSIONS = {
    "application/json": ".json",
    "application/geo+json": ".geojson",
    "image/tiff": ".tif",
    "text/plain": ".txt",
    "text/csv": ".csv",
}
_MISSING = object()


@dataclass(frozen=True)
class Item:
    """One occurrence of an input: its text (None: the kernel lost it) and the file that a link was downloaded to."""

    text: str | None
    href: str | None = None
    cache_file: str | None = None
    media_type: str | None = None
    described: bool = False
    crs: str | None = None


@dataclass
class InputReader:
    """Turns the kernel's inputs into a job order; `local_files` are the files in the kernel's cache that it uses.

    `sent` are the inputs as the client wrote them, for what the kernel lost. Files of the kernel are in `folders`; an
    entry with a file elsewhere was forged by a client. `withheld` are inputs without a value for which the handler has
    one that the package may not receive. `max_values` bounds what a client may give.
    """

    sent: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    platform_inputs: tuple[str, ...] = ()
    max_values: int | None = None
    local_files: list[Path] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)

    def read(self, package: Package, inputs: Mapping[str, Entry], extra: Mapping[str, Any]) -> JobOrder:
        """Return the checked job order; `extra` are the handler's values for inputs that the client did not give.

        They reach the package only where the operator lists their names (`platform_inputs`): among them are the
        credentials of the platform, and a package may declare an input of any name. Raises `InputError` with all
        problems.
        """
        parameters = {parameter.name: parameter for parameter in parse_parameters(package)}
        values = {name: extra[name] for name in self.platform_inputs if name in parameters and name in extra}
        for name, entry in inputs.items():
            if name not in parameters and name in self.platform_inputs:
                continue
            value = self._read_entry(parameters.get(name), name, entry)
            if value is not _MISSING:
                values[name] = value
        self.withheld += [name for name in parameters if name in extra and name not in values]
        try:
            return read_execute_request(package, {"inputs": values}, max_values=self.max_values)
        except InputError as error:
            raise _with_setting(error, self.withheld) from None

    def _read_entry(self, parameter: Parameter | None, name: str, entry: Entry) -> Any:
        # not in the request: the kernel's "NULL" or its copy of a default; the package's own default is right
        if not isinstance(entry, Mapping) or entry.get("inRequest") == "false":
            return _MISSING
        if parameter is None:
            return entry.get("value")
        items = read_items(entry)
        if not items or any(item.text is None and item.href is None for item in items):
            return self.sent.get(name, [] if _is_array(parameter.type) else None)
        values = [self._read_item(_item_type(parameter.type), item, name) for item in items]
        return values if entry.get("isArray") == "true" else values[0]

    def _read_item(self, cwl_type: CwlType, item: Item, name: str) -> Any:
        wanted = without_null(cwl_type)
        if isinstance(wanted, FileType | DirectoryType):
            return self._read_reference(wanted, item, name)
        if item.href is not None and isinstance(wanted, Community) and wanted.name == "URI":
            return item.href
        value = convert_text(wanted, item.text or "")
        return {**value, "crs": item.crs} if item.crs and isinstance(value, dict) and "bbox" in value else value

    def _read_reference(self, wanted: FileType | DirectoryType, item: Item, name: str) -> Any:
        """A link stays a link, except for a file that the kernel has downloaded already."""
        if item.href is not None:
            local = self._find_local(item.cache_file)
            if local is None or isinstance(wanted, DirectoryType):
                return {"href": item.href}
            basename = _read_basename(item.href) or local.name
            return {"class": "File", "location": local.as_uri(), "basename": basename}
        text = (item.text or "").strip()
        document = _parse_json(text)
        if isinstance(document, dict) and ("class" in document or "href" in document):
            return document
        if isinstance(wanted, DirectoryType) and isinstance(document, dict):
            local = self._find_local(item.cache_file)
            return {"class": "Directory", "location": local.as_uri()} if local else document
        if isinstance(wanted, FileType) and (item.described or "\n" in text or isinstance(document, dict | list)):
            extension = _EXTENSIONS.get(item.media_type or "", "")
            return {"class": "File", "basename": f"{name}{extension}", "contents": item.text}
        return text

    def _find_local(self, cache_file: str | None) -> Path | None:
        if not cache_file:
            return None
        path = Path(cache_file)
        if path.parent not in self.folders or not path.is_file():
            return None
        self.local_files.append(path)
        return path


def build_withheld_note(names: Collection[str]) -> str:
    """Say which of the handler's values the package did not receive, and which setting allows it."""
    return (
        f"The handler's values for the inputs {', '.join(names)} are not passed to the package. If packages may receive"
        " them, the platform's operator adds these names to ZOO_RUNNER_PLATFORM_INPUTS."
    )


def _with_setting(error: InputError, withheld: Collection[str]) -> InputError:
    """Add the setting to the remedy where a required input is missing of which the handler has the value."""
    found = error.diagnosis
    missing = [problem.path for problem in found.problems if problem.code == "inputs.missing"]
    names = [name for name in withheld if name in missing]
    if not names:
        return error
    return InputError.restore(replace(found, remedy=f"{found.remedy} {build_withheld_note(names)}"))


def _read_basename(href: str) -> str:
    try:
        return unquote(urlsplit(href).path.rpartition("/")[2])
    except ValueError:  # not an address at all, as in http://[
        return ""


def read_items(entry: Entry) -> list[Item]:
    """Read the occurrences of an input from `length` and the numbered keys: the kernel's lists may be too short."""
    if entry.get("isArray") != "true":
        return [_read_single(entry, 0)] if "value" in entry or _pick(entry, "Reference", 0) else []
    return [_read_single(entry, index) for index in range(_read_length(entry))]


def _read_length(entry: Entry) -> int:
    """How many occurrences there are: what the kernel says, but no more than it has keys for."""
    length = str(entry.get("length", "0"))
    return min(int(length), len(entry)) if re.fullmatch(r"[0-9]{1,9}", length) else 0


def _read_single(entry: Entry, index: int) -> Item:
    return Item(
        text=_pick(entry, "value", index),
        href=_pick(entry, "Reference", index) or _pick(entry, "xlink:href", index),
        cache_file=_pick(entry, "cache_file", index),
        media_type=_pick(entry, "mediaType", index) or _pick(entry, "mimeType", index),
        described=_pick(entry, "mediaType", index) is not None,
        crs=_pick(entry, "crs", index),
    )


def _pick(entry: Entry, key: str, index: int) -> str | None:
    value = entry.get(f"{key}_{index}") if index else entry.get(key)
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) else None


def _is_array(cwl_type: CwlType) -> bool:
    wanted = without_null(cwl_type)
    options = wanted.options if isinstance(wanted, Union) else (wanted,)
    return any(isinstance(option, Array) for option in options)


def _item_type(cwl_type: CwlType) -> CwlType:
    """The type of one occurrence: of an array its items, because the kernel takes arrays apart."""
    wanted = without_null(cwl_type)
    if isinstance(wanted, Array):
        return wanted.items
    if isinstance(wanted, Union):
        return Union(tuple(option.items if isinstance(option, Array) else option for option in wanted.options))
    return wanted


def convert_text(wanted: CwlType, text: str) -> Any:
    """Convert a text by a type; return the text itself, which is refused later, if it does not fit.

    A bounding box arrives as its four or six numbers.
    """
    match wanted:
        case Primitive("boolean"):
            return {"true": True, "false": False}.get(text.strip().lower(), text)
        case Primitive("int" | "long" | "float" | "double"):
            number = _parse_json(text.strip())
            return number if isinstance(number, int | float) and not isinstance(number, bool) else text
        case Union():
            return _convert_union(wanted, text)
        case Community(family, _) if family != "string_format":
            value = _parse_json(text)
            return {"bbox": value} if isinstance(value, list) else value or text
        case Record() | Array() | AnyType():
            value = _parse_json(text)
            return text if value is None else value
    return text


def _convert_union(wanted: Union, text: str) -> Any:
    """The first option that makes something else of the text; a text stays where nothing else fits."""
    converted = (convert_text(option, text) for option in wanted.options)
    return next((value for value in converted if not isinstance(value, str)), text)


def _parse_json(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return None


_KINDS: Mapping[str, CwlType] = {
    "integer": Primitive("long"),
    "float": Primitive("double"),
    "double": Primitive("double"),
    "boolean": Primitive("boolean"),
}


def convert_value_by_kind(entry: Entry, text: str | None) -> Any:
    """Convert a text by the kernel's `dataType` (`DataType` where a zcfg file describes the input)."""
    kind = _pick(entry, "dataType", 0) or _pick(entry, "DataType", 0) or "string"
    return convert_text(_KINDS.get(kind, Primitive("string")), text or "")
