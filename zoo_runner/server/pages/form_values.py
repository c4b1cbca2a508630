"""What is written into the fields of a form, and the values that it stands for; pure.

A field in a group is sent under the JSON pointer (RFC 6901) to its place in the inputs, such as `/points/0/x`: no name
of an input begins with a slash. An item of a list that is a group sends its pointer too, so that it is there when
nothing is filled in, and the choice of a type its number under the pointer with `#type`. A group whose value does not
fit its fields is one field with JSON, under the name of the input or the pointer with `#json`: no name has a `#`.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.model.errors import InputError
from zoo_runner.model.written import read_json
from zoo_runner.server.pages.form_shapes import (
    BOX,
    CHOICE,
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
)

Texts = Mapping[str, str]
"""What is written into fields, by the keys under which they are sent."""
MOST_ITEMS = 100
_TYPE, _JSON = "#type", "#json"
_TEXTS = frozenset({CHOICE, TEXT, DATE, TIME})


def point(pointer: str, name: str | int) -> str:
    """Return the pointer to a member or an item."""
    return f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"


def get_type_key(pointer: str) -> str:
    """Return the key under which the choice of a type is sent."""
    return f"{pointer}{_TYPE}"


def get_json_key(shape: Shape, pointer: str) -> str:
    """Return the key under which a group is sent as JSON: the name of an input, a pointer for what is inside one."""
    return shape.name if pointer.count("/") == 1 else f"{pointer}{_JSON}"


def is_written_as_json(shape: Shape, pointer: str, texts: Texts) -> bool:
    """Whether a group is one field with JSON."""
    return bool(texts.get(get_json_key(shape, pointer), "").strip())


def count_items(pointer: str, texts: Texts) -> int:
    """Return how many items a list has."""
    start, most = f"{pointer}/", -1
    for key in texts:
        if key.startswith(start) and (found := re.match(r"\d{1,4}(?![^/#])", key[len(start) :])):
            most = max(most, int(found[0]))
    if most >= MOST_ITEMS:
        raise build_too_large()
    return most + 1


def build_too_large() -> InputError:
    """Build the refusal of a form with more fields than one may have."""
    return InputError(
        f"the form has more than {MOST_FIELDS} fields, or {MOST_ITEMS} items in a list",
        "Fill the values in from JSON, or send the request as JSON.",
        code="request.too-large",
    )


def find_type(shape: Shape, pointer: str, texts: Texts) -> Shape | None:
    """Return the type that was chosen; the first where one is needed, else none."""
    chosen = texts.get(get_type_key(pointer), "")
    if re.fullmatch(r"\d{1,3}", chosen) and int(chosen) < len(shape.parts):
        return shape.parts[int(chosen)]
    return shape.parts[0] if shape.is_required else None


def read_group(shape: Shape, pointer: str, texts: Texts) -> Any:
    """Read the value of a group, or of a field in one; None where none was given. Raises `InputError`."""
    if shape.is_group and is_written_as_json(shape, pointer, texts):
        return _read_json(texts[get_json_key(shape, pointer)])
    if shape.kind == RECORD:
        if not shape.is_required and not _is_given(shape, pointer, texts):
            return None
        members = {one.name: read_group(one, point(pointer, one.name), texts) for one in shape.parts}
        return {name: value for name, value in members.items() if value is not None}
    if shape.kind == SEVERAL:
        number = count_items(pointer, texts)
        items = [read_group(shape.parts[0], point(pointer, index), texts) for index in range(number)]
        return items if items or shape.is_required else None
    if shape.kind == TYPES:
        chosen = find_type(shape, pointer, texts)
        return read_group(chosen, pointer, texts) if chosen else None
    return _read_field(shape, texts.get(pointer, ""))


def _is_given(shape: Shape, pointer: str, texts: Texts) -> bool:
    """Whether anything was filled in in a group; items that were added are."""
    if shape.is_group and is_written_as_json(shape, pointer, texts):
        return True
    if shape.kind == RECORD:
        return any(_is_given(one, point(pointer, one.name), texts) for one in shape.parts)
    if shape.kind == SEVERAL:
        return count_items(pointer, texts) > 0
    if shape.kind == TYPES:
        chosen = find_type(shape, pointer, texts)
        return chosen is not None and _is_given(chosen, pointer, texts)
    return bool(texts.get(pointer, "").strip())


def _read_field(shape: Shape, text: str) -> Any:
    if shape.is_list:
        return [_read_text(shape.kind, line) for line in text.splitlines() if line.strip()] or None
    return _read_text(shape.kind, text) if text.strip() else None


def _read_text(kind: str, text: str) -> Any:
    if kind in _TEXTS:
        return text
    if kind == LINK:
        return _read_json(text) if text.lstrip().startswith("{") else {"href": text.strip()}
    if kind == BOX:
        return {"bbox": _read_json(f"[{text}]")} if re.fullmatch(r"[-+\d.eE,\s]+", text) else text
    return _read_json(text)


def _read_json(text: str) -> Any:
    try:
        return read_json(text)
    except (ValueError, RecursionError):
        return text


def write_group(shape: Shape, value: Any, pointer: str) -> dict[str, str]:
    """Write a value into the fields of its group; into one as JSON where it does not fit them."""
    texts = _write(shape, value, pointer)
    if texts is None or len(texts) > MOST_FIELDS:
        return {get_json_key(shape, pointer): json.dumps(value, ensure_ascii=False)}
    return texts


def _write(shape: Shape, value: Any, pointer: str) -> dict[str, str] | None:
    """Write a value into fields; None where it does not fit them."""
    if value is None:
        return {}
    if shape.kind == RECORD:
        return _write_record(shape, value, pointer)
    if shape.kind == SEVERAL:
        return _write_items(shape, value, pointer)
    if shape.kind == TYPES:
        fitting = [number for number, option in enumerate(shape.parts) if _fits(option, value)][:1]
        chosen = {get_type_key(pointer): str(number) for number in fitting}
        return {**chosen, **write_group(shape.parts[fitting[0]], value, pointer)} if chosen else None
    return {pointer: write_field(shape, value)}


def _write_items(shape: Shape, value: Any, pointer: str) -> dict[str, str] | None:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        return None
    texts: dict[str, str] = {}
    for index, item in enumerate(value):
        place = point(pointer, index)
        texts.update({place: ""} | write_group(shape.parts[0], item, place))
    return texts


def _write_record(shape: Shape, value: Any, pointer: str) -> dict[str, str] | None:
    if not isinstance(value, Mapping) or not value.keys() <= {one.name for one in shape.parts}:
        return None
    texts: dict[str, str] = {}
    for one in shape.parts:
        if one.name in value:
            texts.update(write_group(one, value[one.name], point(pointer, one.name)))
    # a record whose members are all left out is one, and no field would say so
    return texts if shape.is_required or any(text.strip() for text in texts.values()) else None


def write_field(shape: Shape, value: Any) -> str:
    """Write a value as its field has it."""
    if shape.is_list and isinstance(value, list):
        return "\n".join(_write_text(shape.kind, one) for one in value)
    return _write_text(shape.kind, value)


def _write_text(kind: str, value: Any) -> str:
    if kind == LINK and isinstance(value, Mapping) and value.keys() != {"href"}:
        return json.dumps(value, ensure_ascii=False)
    return show_value(value)


def show_value(value: Any) -> str:
    """Show a value as it is written into its field."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        return str(value["href"])
    if isinstance(value, Mapping) and set(value) <= {"bbox", "crs"} and isinstance(value.get("bbox"), list):
        return ", ".join(map(str, value["bbox"]))
    return json.dumps(value, ensure_ascii=False)


def _fits(shape: Shape, value: Any) -> bool:
    """Whether a value can be of a type, as far as its form says."""
    if shape.kind == SEVERAL or shape.is_list:
        item = shape.parts[0] if shape.kind == SEVERAL else replace(shape, is_list=False)
        return isinstance(value, list) and all(_fits(item, one) for one in value)
    if shape.kind == RECORD:
        needed = {one.name for one in shape.parts if one.is_required}
        return isinstance(value, Mapping) and needed <= value.keys() <= {one.name for one in shape.parts}
    if shape.kind == CHOICE:
        return value in shape.choices
    return _KINDS.get(shape.kind, _is_text)(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    YES_NO: lambda value: isinstance(value, bool),
    NUMBER: _is_number,
    WHOLE: lambda value: _is_number(value) and value % 1 == 0,
    LINK: lambda value: isinstance(value, Mapping) and "href" in value,
    BOX: lambda value: isinstance(value, Mapping) and "bbox" in value,
    OTHER: lambda value: True,
}


def start_group(shape: Shape, pointer: str) -> dict[str, str]:
    """Write what a new group has: one item in each list that needs one."""
    texts: dict[str, str] = {}
    if not shape.is_required:
        return texts
    if shape.kind == RECORD:
        for one in shape.parts:
            texts.update(start_group(one, point(pointer, one.name)))
    elif shape.kind == SEVERAL:
        texts.update(start_item(shape, pointer, 0))
    elif shape.kind == TYPES:
        texts.update(start_group(shape.parts[0], pointer))
    return texts


def start_item(shape: Shape, pointer: str, index: int) -> dict[str, str]:
    """Write what a new item of a list has."""
    place = point(pointer, index)
    return {place: "", **start_group(shape.parts[0], place)}


def add_item(shapes: Mapping[str, Shape], pointer: str, texts: Texts) -> dict[str, str]:
    """Add an item to the list at a pointer, if there is one; raises `InputError`."""
    shape = find_shape(shapes, pointer, texts)
    if shape is None or shape.kind != SEVERAL:
        return dict(texts)
    number = count_items(pointer, texts)
    if number >= MOST_ITEMS:
        raise build_too_large()
    return {**texts, **start_item(shape, pointer, number)}


def remove_item(pointer: str, texts: Texts) -> dict[str, str]:
    """Remove the item at a pointer, and move those after it up."""
    parent, _, last = pointer.rpartition("/")
    if not re.fullmatch(r"\d{1,4}", last):
        return dict(texts)
    left, start = {}, f"{parent}/"
    for key, text in texts.items():
        found = re.match(r"\d{1,4}(?![^/#])", key[len(start) :]) if key.startswith(start) else None
        index = int(found[0]) if found else -1
        if found and index > int(last):
            left[f"{start}{index - 1}{key[len(start) + len(found[0]) :]}"] = text
        elif index != int(last):
            left[key] = text
    return left


def find_shape(shapes: Mapping[str, Shape], pointer: str, texts: Texts) -> Shape | None:
    """Find the shape that a pointer leads to, by the types that were chosen."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    shape, place = shapes.get(parts[0] if parts else ""), point("", parts[0] if parts else "")
    for part in parts[1:]:
        shape = _skip_types(shape, place, texts)
        if shape is None or not shape.is_group:
            return None
        if shape.kind == SEVERAL:
            shape = shape.parts[0] if part.isdecimal() else None
        else:
            shape = next((one for one in shape.parts if one.name == part), None)
        place = point(place, part)
    return _skip_types(shape, place, texts)


def _skip_types(shape: Shape | None, place: str, texts: Texts) -> Shape | None:
    while shape is not None and shape.kind == TYPES:
        shape = find_type(shape, place, texts)
    return shape
