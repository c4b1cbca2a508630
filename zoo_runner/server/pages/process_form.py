"""The form of a process, built from its description, and what was filled in as an execute request; pure.

Fields of inputs are sent as the parameters of an address are (`key_values`), so that both are read and checked alike. A
field with several values has one on each line. Inputs with members have groups of fields (`form_values`).
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus

from zoo_runner.model.package import Package
from zoo_runner.server.documents import ProblemAt
from zoo_runner.server.key_values import read_key_values
from zoo_runner.server.pages.form_shapes import (
    BOX,
    DATE,
    LINK,
    MOST_FIELDS,
    NUMBER,
    OTHER,
    RECORD,
    SEVERAL,
    TEXT,
    TIME,
    TYPES,
    WHOLE,
    YES_NO,
    Shape,
    build_shapes,
)
from zoo_runner.server.pages.form_values import (
    Texts,
    build_too_large,
    count_items,
    find_type,
    get_json_key,
    get_type_key,
    is_written_as_json,
    point,
    read_group,
    show_value,
    start_group,
    write_field,
    write_group,
)
from zoo_runner.server.requests import ensure_portable

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
_MAY_BE_EMPTY = "Leave all of it empty, or fill in what it requires."


@dataclass(frozen=True)
class Field:
    """A field of a form, or a group of them: what it is for, what was filled in, and what is wrong with it.

    `name` is that of the input or member, `key` the one under which the field is sent, `pointer` leads to its value in
    the inputs; `default` is empty where there is none. `must_fill`: the form cannot be sent without it. `parts` are the
    members of a record, the items of a list, or what the chosen type has, of which `choices` are the words.
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
    pointer: str = ""
    must_fill: bool = False
    parts: tuple["Field", ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with it or one of its parts."""
        return bool(self.problems) or any(part.is_wrong for part in self.parts)

    def walk(self) -> Iterator["Field"]:
        """Go through it and all its parts."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass
class _Builder:
    """Builds the fields of a form; `count` are those built so far."""

    texts: Texts
    count: int = 0

    def build(self, shape: Shape, pointer: str, *, must_fill: bool) -> Field:
        """Build the field or the group of a shape; raises `InputError` where there are too many."""
        self.count += 1
        if self.count > MOST_FIELDS:
            raise build_too_large()
        must_fill = must_fill and shape.is_required
        kind, key, is_list = shape.kind, _get_key(shape, pointer), shape.is_list
        if shape.is_group and is_written_as_json(shape, pointer, self.texts):
            kind, key = OTHER, get_json_key(shape, pointer)
        parts = tuple(self._build_parts(shape, pointer, must_fill=must_fill)) if kind == shape.kind else ()
        value = self.texts.get(key, "")
        if kind == TYPES:
            chosen = find_type(shape, pointer, self.texts)
            value = str(shape.parts.index(chosen)) if chosen else ""
        return Field(
            shape.name,
            key,
            kind,
            shape.title or shape.word,
            shape.about,
            _build_hint(shape, kind),
            shape.is_required,
            is_list,
            tuple(part.title for part in shape.parts) if kind == TYPES else shape.choices,
            "" if shape.default is None else show_value(shape.default),
            value,
            pointer=pointer,
            must_fill=must_fill,
            parts=parts,
        )

    def _build_parts(self, shape: Shape, pointer: str, *, must_fill: bool) -> Iterator[Field]:
        if shape.kind == RECORD:
            for one in shape.parts:
                yield self.build(one, point(pointer, one.name), must_fill=must_fill)
        elif shape.kind == SEVERAL:
            for index in range(count_items(pointer, self.texts)):
                item = replace(shape.parts[0], title=f"{shape.title or shape.word} {index + 1}")
                yield self.build(item, point(pointer, index), must_fill=True)
        elif shape.kind == TYPES and (chosen := find_type(shape, pointer, self.texts)):
            # a field is called as what the value is for, members as their type
            is_record = chosen.kind == RECORD
            title = chosen.title if is_record else shape.title or chosen.title
            named = replace(chosen, title=title, is_required=shape.is_required or is_record)
            yield self.build(named, pointer, must_fill=must_fill)


def build_fields(inputs: Mapping[str, Any], filled: Texts, problems: Iterable[ProblemAt] = ()) -> tuple[Field, ...]:
    """Build a field or a group for each input of a description; `filled` are texts by key. Raises `InputError`."""
    builder = _Builder(filled)
    built = [builder.build(one, point("", name), must_fill=True) for name, one in build_shapes(inputs).items()]
    places = {part.pointer for one in built for part in one.walk()}
    wrong: dict[str, list[str]] = {}
    for problem in problems:
        place, inside = _find_place(problem["pointer"], places)
        wrong.setdefault(place, []).append(f"{inside}{problem['message']}")
    return tuple(_add_problems(one, wrong) for one in built)


def _find_place(pointer: str, places: set[str]) -> tuple[str, str]:
    """Find the field that a pointer into a request leads to, and what is said of where in it the problem is."""
    if not pointer.startswith("/inputs/"):
        return "", ""
    place, inside = pointer.removeprefix("/inputs"), list[str]()
    while place and place not in places:
        place, _, last = place.rpartition("/")
        inside.insert(0, last.replace("~1", "/").replace("~0", "~"))
    if inside in ([], ["href"], ["bbox"]):
        return place, ""
    if len(inside) == 1 and inside[0].isdecimal():
        return place, f"value {int(inside[0]) + 1}: "
    return place, f"{'/'.join(inside)[:200]}: "


def _add_problems(one: Field, wrong: Mapping[str, list[str]]) -> Field:
    """Add to each field what is wrong with it; of a value of several types, to the type that was chosen."""
    parts = tuple(_add_problems(part, wrong) for part in one.parts)
    has_own = any(part.pointer == one.pointer for part in parts)
    return replace(one, problems=() if has_own else tuple(wrong.get(one.pointer, ())), parts=parts)


def _get_key(shape: Shape, pointer: str) -> str:
    """Return the key under which a field is sent: that of an address for an input without a group, else its pointer."""
    if shape.kind == TYPES:
        return get_type_key(pointer)
    if shape.is_group or pointer.count("/") > 1 or not shape.name:
        return pointer
    return f"{shape.name}{_HREF}" if shape.kind == LINK else shape.name


def _build_hint(shape: Shape, kind: str) -> str:
    if kind == RECORD:
        return "" if shape.is_required else _MAY_BE_EMPTY
    if kind == OTHER and shape.shows:
        shown = {name: one.get("type", "…") for name, one in shape.shows.items()}
        return f"JSON: {json.dumps(shown, ensure_ascii=False)}"
    return " ".join(part for part in (_HINTS.get(kind, ""), "One value on each line." if shape.is_list else "") if part)


def fill_in(inputs: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the inputs of a request by the keys of their fields, as `read_form` reads them."""
    filled: dict[str, str] = {}
    for name, shape in build_shapes(inputs).items():
        pointer = point("", name)
        if name in request and shape.is_group:
            filled.update(write_group(shape, request[name], pointer))
        elif name in request:
            filled[_get_key(shape, pointer)] = write_field(shape, request[name])
    return filled


def start_form(inputs: Mapping[str, Any], given: Container[str] = ()) -> dict[str, str]:
    """Return what a form has of inputs that are not given: members of defaults, an item in each list that needs one."""
    filled: dict[str, str] = {}
    for name, shape in build_shapes(inputs).items():
        pointer = point("", name)
        if name in given:
            continue
        if shape.is_group and shape.default is not None:
            filled.update(write_group(shape, shape.default, pointer))
        elif shape.is_group:
            filled.update(start_group(shape, pointer))
    return filled


def read_form(inputs: Mapping[str, Any], sent: Iterable[tuple[str, str]], package: Package) -> Mapping[str, Any]:
    """Read what was filled in as an execute request; a field that was left empty is none. Raises `InputError`."""
    sent = list(sent)
    shapes = {name: shape for name, shape in build_shapes(inputs).items() if shape.is_group}
    request = read_key_values(build_query(inputs, [pair for pair in sent if pair[0] not in shapes]), package).request
    texts = dict(sent)
    groups = {name: read_group(shape, point("", name), texts) for name, shape in shapes.items()}
    given = {**request["inputs"], **{name: value for name, value in groups.items() if value is not None}}
    ensure_portable(given, "the form")
    return {**request, "inputs": {name: given[name] for name in (*inputs, *given) if name in given}}


def build_query(inputs: Mapping[str, Any], sent: Iterable[tuple[str, str]]) -> str:
    """Write what was filled in as the parameters of an address, but for what groups have."""
    fields = {_get_key(shape, point("", name)): shape for name, shape in build_shapes(inputs).items()}
    pairs = []
    for key, value in sent:
        if key.startswith(("/", "[")):
            continue
        shape = fields.get(key)
        values = value.splitlines() if shape and shape.is_list else [value]
        if shape and shape.kind == BOX:
            values = ["".join(value.split())]
        pairs += [(key, one) for one in values if one.strip()]
    return "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)


def build_example(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Build inputs that show the form of a request: a value for each input that needs one."""
    return {name: _build_value(shape) for name, shape in build_shapes(inputs).items() if shape.is_required}


def _build_value(shape: Shape) -> Any:
    if shape.kind == RECORD:
        return {one.name: _build_value(one) for one in shape.parts if one.is_required}
    if shape.kind == SEVERAL:
        return [_build_value(shape.parts[0])]
    if shape.kind == TYPES:
        return _build_value(shape.parts[0])
    value = shape.choices[0] if shape.choices else _EXAMPLES.get(shape.kind, {})
    return [value] if shape.is_list else value


def has_boxes(inputs: Mapping[str, Any]) -> bool:
    """Whether a box can be drawn into a field of the form, or into one that can be added."""
    return any(part.kind == BOX for shape in build_shapes(inputs).values() for part in shape.walk())


def find_input(pointer: str) -> str:
    """Find the input that a JSON pointer (RFC 6901) into an execute request leads to; empty for any other place."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return parts[1] if len(parts) > 1 and parts[0] == "inputs" else ""
