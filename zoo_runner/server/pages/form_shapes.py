"""What kind of field or group of fields each input of a description has; pure.

Records have a field for each member, lists of such a group for each item, and a value of several types a choice of the
type. What would have too many fields, or too many levels, is one field with JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

CHOICE, YES_NO, NUMBER, WHOLE, TEXT, DATE, TIME, LINK, BOX, OTHER = (
    *("choice", "yes-no", "number", "whole", "text", "date", "time"),
    *("link", "box", "json"),
)
RECORD, SEVERAL, TYPES = "record", "several", "types"
GROUPS = frozenset({RECORD, SEVERAL, TYPES})
MOST_FIELDS = 2000
"""The most fields of a form, of which those that are filled in are part."""
_MOST_OF_INPUT = 200
_MOST_LEVELS = 6
_WORDS = {
    **{YES_NO: "yes or no", NUMBER: "a number", WHOLE: "a whole number", TEXT: "a text", DATE: "a date"},
    **{TIME: "a time", LINK: "a file or STAC", BOX: "a bounding box", OTHER: "JSON", RECORD: "members"},
}


@dataclass(frozen=True)
class Shape:
    """A field, or a group of them: the members of a record, the item of a list, or the types of a value.

    `name` is that of the input or member, empty for items and types; `word` says what a value is. `default` is None
    where there is none. `is_list`: the field takes a value on each line. `shows` are the types of the members as JSON
    has them, of a record that is one field.
    """

    kind: str
    name: str = ""
    title: str = ""
    about: str = ""
    word: str = ""
    is_required: bool = True
    is_list: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    parts: tuple["Shape", ...] = ()
    shows: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        """Whether it has fields of its own."""
        return self.kind in GROUPS

    def walk(self) -> Iterator["Shape"]:
        """Go through it and all its parts."""
        yield self
        for part in self.parts:
            yield from part.walk()


def build_shapes(inputs: Mapping[str, Any]) -> dict[str, Shape]:
    """Build the shape of each input of a description, by its name."""
    shapes, fields = {}, 0
    for name, described in inputs.items():
        shape = _build_input(name, described, _MOST_LEVELS)
        size = sum(1 for _ in shape.walk())
        if shape.is_group and (size > _MOST_OF_INPUT or fields + size > MOST_FIELDS):
            shape, size = _build_input(name, described, 0), 1
        shapes[name], fields = shape, fields + size
    return shapes


def _build_input(name: str, described: Mapping[str, Any], levels: int) -> Shape:
    schema = described.get("schema") or {}
    whole = {"type": "array", "items": schema} if described.get("maxOccurs", 1) != 1 else schema
    return replace(
        _build(whole, levels),
        name=name,
        title=str(described.get("title") or name),
        about=str(described.get("description") or ""),
        is_required=described.get("minOccurs", 1) != 0,
        default=schema.get("default"),
    )


def _build(schema: Mapping[str, Any], levels: int) -> Shape:
    """Build the shape of a value; what has more levels than are left is one field."""
    if len(options := _list_types(schema)) == 1:
        schema = options[0]
    kind = find_kind(schema)
    shows = schema.get("properties") or {} if kind == OTHER else {}
    if levels > 0 and kind == OTHER:
        if len(options) > 1:
            parts = tuple(_name_type(_build(option, levels - 1), option) for option in options)
            return Shape(TYPES, word="one of several types", parts=parts)
        if shows:
            return Shape(RECORD, word=_name_record(schema), parts=tuple(_build_members(schema, levels - 1)))
        if schema.get("type") == "array":
            return _build_list(schema, levels)
    if schema.get("type") == "array" and find_kind(schema.get("items") or {}) not in (OTHER, BOX):
        return _build_list(schema, levels)
    choices = tuple(map(str, schema.get("enum") or ()))
    return Shape(kind, word=_WORDS.get(kind, ", ".join(choices[:3])), choices=choices, shows=shows)


def _build_list(schema: Mapping[str, Any], levels: int) -> Shape:
    """Build the shape of a list: a line for each value, a group for each that has none, JSON for what may be all."""
    items = schema.get("items") or {}
    item = replace(_build(items, levels - 1), is_required=not items.get("nullable"))
    if item.is_group or item.is_list or item.kind == BOX:
        return Shape(SEVERAL, word=f"several: {item.word}", parts=(item,))
    if item.kind == OTHER:
        return Shape(OTHER, word="a list", shows={})
    return replace(item, word=f"several: {item.word}", is_list=True, is_required=True)


def _build_members(schema: Mapping[str, Any], levels: int) -> Iterator[Shape]:
    required = schema.get("required") or ()
    for name, one in schema["properties"].items():
        title, about = str(one.get("title") or name), str(one.get("description") or "")
        yield replace(_build(one, levels), name=name, is_required=name in required, title=title, about=about)


def _list_types(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the types of a value that may have several, each once."""
    options: list[Mapping[str, Any]] = []
    for option in schema.get("anyOf") or ():
        options += [one for one in _list_types(option) or [option] if one not in options]
    return options


def _name_type(shape: Shape, schema: Mapping[str, Any]) -> Shape:
    return replace(shape, title=_name_record(schema) if shape.kind == RECORD else shape.word)


def _name_record(schema: Mapping[str, Any]) -> str:
    if schema.get("title"):
        return str(schema["title"])
    names = list(schema.get("properties") or ())
    return f"with {', '.join(names[:4])}{', …' if len(names) > 4 else ''}"


def find_kind(schema: Mapping[str, Any]) -> str:
    """Find the kind of field that fits a schema; `OTHER` for what has none of its own."""
    kind, form = schema.get("type"), schema.get("format")
    if schema.get("enum"):
        return CHOICE
    if any("href" in option.get("properties", ()) for option in schema.get("oneOf") or ()):
        return LINK
    options = _list_types(schema)
    if options and {find_kind(option) for option in options} <= {NUMBER, WHOLE}:
        return NUMBER
    if form == "ogc-bbox" or {"bbox"} <= set(schema.get("properties") or ()) <= {"bbox", "crs"}:
        return BOX
    texts = {"date": DATE, "date-time": TIME}
    kinds = {"string": texts.get(str(form), TEXT), "boolean": YES_NO, "number": NUMBER, "integer": WHOLE}
    return kinds.get(str(kind), OTHER)
