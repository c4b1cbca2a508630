"""Finds what is not of its declared type in the plain data of a dataclass: data that others could have written.

`codec.from_plain` takes the types of texts and numbers as they come, because it reads what this program has written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_hints = cache(get_type_hints)


def find_type_fault(kind: type[Any], data: Any) -> str | None:
    """Return where data does not fit a dataclass, such as `outcome.exit_code`; None where all of it fits.

    Members that are unknown are passed over; `.` is the whole.
    """
    return next((path.lstrip(".") or "." for path in _find(kind, data, "")), None)


def _find(hint: Any, value: Any, path: str) -> Iterator[str]:
    """Yield the paths of values that do not fit a type."""
    origin = get_origin(hint)
    if hint is Any:
        return
    if origin in (Union, UnionType):
        if all(next(_find(one, value, path), None) is not None for one in get_args(hint)):
            # of a member that may be null, the path inside of it says more
            options = [one for one in get_args(hint) if one is not type(None)]
            yield from _find(options[0], value, path) if len(options) == 1 else (path,)
    elif origin is tuple:
        yield from _find_in_list(get_args(hint)[0], value, path)
    elif origin is not None:
        yield from _find_in_mapping(get_args(hint)[-1], value, path)
    elif is_dataclass(hint):
        yield from _find_in_members(hint, value, path)
    elif not _fits(hint, value):
        yield path


def _find_in_list(hint: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield path
        return
    for number, item in enumerate(value):
        yield from _find(hint, item, f"{path}[{number}]")


def _find_in_mapping(hint: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield path
    elif hint is not Any:
        for name, item in value.items():
            yield from _find(hint, item, f"{path}.{name}")


def _find_in_members(kind: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield path
        return
    hints = _hints(kind)
    for member in fields(kind):
        if member.name in value:
            yield from _find(hints[member.name], value[member.name], f"{path}.{member.name}")
        elif member.default is MISSING and member.default_factory is MISSING:
            yield f"{path}.{member.name}"


def _fits(hint: Any, value: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return isinstance(value, str) and value in {one.value for one in hint}
    if hint in (int, float):
        # a truth value is a number in Python
        return isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
    return isinstance(value, hint)
