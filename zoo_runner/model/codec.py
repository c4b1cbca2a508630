"""The one JSON codec of the model: frozen dataclasses to plain data and back, by their type hints.

An unknown member is ignored and a missing one takes its default, so that two releases can share a store.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo_runner.model.events import Event

Value = TypeVar("Value")

_PLAIN = frozenset({str, int, float, bool, type(None)})
_EVENTS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def to_plain(value: Any) -> Any:
    """Return a value of the model as JSON-serialisable data."""
    if type(value) in _PLAIN:  # first: a job may have a million of them
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {member.name: to_plain(getattr(value, member.name)) for member in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[Value], data: Any) -> Value:
    """Return the value of a dataclass from the output of `to_plain`; raises `ValueError` for invalid data."""
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object for {kind.__name__}, got {type(data).__name__}")  # noqa: TRY004 one error for bad data
    values, missing = {}, []
    known: Any = kind
    for name, read, is_required in _plan(known):
        if name in data:
            value = data[name]
            values[name] = value if read is None or value is None else read(value)
        elif is_required:
            missing.append(name)
    if missing:
        raise ValueError(f"{kind.__name__} lacks {', '.join(missing)}")
    return kind(**values)


def event_to_plain(event: Event) -> dict[str, Any]:
    """Return an event of any kind as JSON-serialisable data."""
    return {"event": type(event).__name__, **to_plain(event)}


def event_from_plain(data: Mapping[str, Any]) -> Event:
    """Return the event from the output of `event_to_plain`; raises `ValueError` for invalid data."""
    kind = _EVENTS.get(str(data.get("event")))
    if kind is None:
        raise ValueError(f"unknown event {data.get('event')!r}")
    event: Event = from_plain(kind, data)
    return event


_Read = Callable[[Any], Any]


@cache
def _plan(kind: type[Any]) -> tuple[tuple[str, _Read | None, bool], ...]:
    """Return for each member what reads it, None for what is taken as it is, and whether it has to be there."""
    hints = get_type_hints(kind)
    return tuple((one.name, _find_reader(hints[one.name]), _is_required(one)) for one in fields(kind))


def _is_required(member: Any) -> bool:
    return member.default is MISSING and member.default_factory is MISSING


def _find_reader(hint: Any) -> _Read | None:
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return _find_reader(options[0]) if len(options) == 1 else None
    if get_origin(hint) is tuple:
        read = _find_reader(get_args(hint)[0])
        return tuple if read is None else partial(_read_items, read)
    if not isinstance(hint, type):
        return None
    if is_dataclass(hint):
        return partial(from_plain, hint)
    return hint if issubclass(hint, Enum | Path) else None


def _read_items(read: _Read, data: Any) -> tuple[Any, ...]:
    return tuple(one if one is None else read(one) for one in data)
