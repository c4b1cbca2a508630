"""The form of a process, built from its description, and what was filled in as an execute request; pure.

A form is sent as the parameters of an address are (`key_values`), so that both are read and checked alike. A field with
several values has one on each line.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from zoo_runner.server.documents import ProblemAt

CHOICE, YES_NO, NUMBER, WHOLE, TEXT, DATE, TIME, LINK, BOX, OTHER = (
    *("choice", "yes-no", "number", "whole", "text", "date", "time"),
    *("link", "box", "json"),
)
_HREF = "[href]"
_EXAMPLES: Mapping[str, Any] = {
    YES_NO: True,
    NUMBER: 0.5,
    WHOLE: 1,
    TEXT: "text",
    DATE: "2026-01-31",
    TIME: "2026-01-31T12:00:00Z",
    LINK: {"href": "https://example.org/data"},
    BOX: {"bbox": [5.8, 47.2, 15.1, 55.1]},
}
_HINTS = {
    LINK: "The address of a file, or of a STAC Item, Collection or Catalog.",
    BOX: "West, south, east, north in degrees, separated by commas.",
    OTHER: "JSON.",
}


@dataclass(frozen=True)
class Field:
    """A field of a form: what it is for, what was filled in, and what is wrong with it.

    `name` is that of the input, `key` the one under which the field is sent; `default` is empty where there is none.
    """

    name: str
    key: str
    kind: str
    title: str
    about: str
    hint: str
    is_required: bool
    is_list: bool
    choices: tuple[str, ...]
    default: str
    value: str
    problems: tuple[str, ...] = ()


def build_fields(
    inputs: Mapping[str, Any], filled: Mapping[str, str], problems: Iterable[ProblemAt] = ()
) -> tuple[Field, ...]:
    """Build a field for each input of a description; `filled` are values by key."""
    wrong: dict[str, list[str]] = {}
    for problem in problems:
        wrong.setdefault(find_input(problem["pointer"]), []).append(problem["message"])
    return tuple(_build_field(name, one, filled, wrong.get(name, ())) for name, one in inputs.items())


def _build_field(name: str, described: Mapping[str, Any], filled: Mapping[str, str], wrong: Sequence[str]) -> Field:
    schema = described.get("schema") or {}
    is_list = described.get("maxOccurs", 1) != 1 or schema.get("type") == "array"
    kind = find_kind(schema.get("items") or {}) if schema.get("type") == "array" else find_kind(schema)
    if is_list and kind in (OTHER, BOX):
        # values of several lines each
        kind, is_list = OTHER, False
    key = f"{name}{_HREF}" if kind == LINK else name
    choices = schema.get("enum") or (schema.get("items") or {}).get("enum") or ()
    return Field(
        name,
        key,
        kind,
        str(described.get("title") or name),
        str(described.get("description") or ""),
        _build_hint(kind, schema, is_list=is_list),
        described.get("minOccurs", 1) != 0,
        is_list,
        tuple(map(str, choices)),
        show_value(schema["default"]) if "default" in schema else "",
        filled.get(key, ""),
        tuple(wrong),
    )


def _build_hint(kind: str, schema: Mapping[str, Any], *, is_list: bool) -> str:
    if kind == OTHER and schema.get("properties"):
        shape = {name: one.get("type", "…") for name, one in schema["properties"].items()}
        return f"JSON: {json.dumps(shape, ensure_ascii=False)}"
    return " ".join(part for part in (_HINTS.get(kind, ""), "One value on each line." if is_list else "") if part)


def find_kind(schema: Mapping[str, Any]) -> str:
    """Find the kind of field that fits a schema."""
    kind, form = schema.get("type"), schema.get("format")
    options = [*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())]
    if schema.get("enum"):
        return CHOICE
    if any("href" in option.get("properties", ()) for option in options):
        return LINK
    if form == "ogc-bbox" or "bbox" in (schema.get("properties") or ()):
        return BOX
    if kind == "string":
        return {"date": DATE, "date-time": TIME}.get(str(form), TEXT)
    return {"boolean": YES_NO, "number": NUMBER, "integer": WHOLE}.get(str(kind), OTHER)


def fill_in(inputs: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the inputs of a request by the keys of their fields, as `build_query` reads them."""
    filled = {}
    for field in build_fields(inputs, {}):
        if field.name in request:
            given = request[field.name]
            several = isinstance(given, list) and field.is_list
            filled[field.key] = "\n".join(map(show_value, given)) if several else show_value(given)
    return filled


def show_value(value: Any) -> str:
    """Show a value as it is written into its field."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        return str(value["href"])
    if isinstance(value, Mapping) and set(value) <= {"bbox", "crs"} and isinstance(value.get("bbox"), list):
        return ", ".join(map(str, value["bbox"]))
    return json.dumps(value, ensure_ascii=False)


def build_query(inputs: Mapping[str, Any], sent: Iterable[tuple[str, str]]) -> str:
    """Write what was filled in as the parameters of an address; a field that was left empty is none."""
    fields = {field.key: field for field in build_fields(inputs, {})}
    pairs = []
    for key, value in sent:
        field = fields.get(key)
        values = value.splitlines() if field and field.is_list else [value]
        if field and field.kind == BOX:
            values = ["".join(value.split())]
        pairs += [(key, one) for one in values if one.strip()]
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)


def build_example(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Build inputs that show the form of a request: a value for each input that needs one."""
    example = {}
    for field in build_fields(inputs, {}):
        if field.is_required:
            value = field.choices[0] if field.choices else _EXAMPLES.get(field.kind, {})
            example[field.name] = [value] if field.is_list else value
    return example


def find_input(pointer: str) -> str:
    """Find the input that a JSON pointer (RFC 6901) into an execute request leads to; empty for any other place."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return parts[1] if len(parts) > 1 and parts[0] == "inputs" else ""
