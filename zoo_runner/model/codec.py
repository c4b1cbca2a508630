"""The one JSON codec of the model: frozen dataclasses to plain data and back, by their type hints.

An unknown member is ignored and a missing one takes its default, so that two releases can share a store.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo_runner.model.events import (
    EngineLine,
    Event,
    Published,
    StageStarted,
    StepEnded,
    StepLines,
    StepStarted,
)
from zoo_staging.progress import Transferred

Value = TypeVar("Value")

_PLAIN = frozenset({str, int, float, bool, type(None)})
_EVENTS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (EngineLine, Published, StageStarted, StepEnded, StepLines, StepStarted, Transferred)
}


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
    known: Any = kind
    hints = _read_hints(known)
    missing = [one.name for one in fields(known) if _is_required(one) and one.name not in data]
    if missing:
        raise ValueError(f"{kind.__name__} lacks {', '.join(missing)}")
    return kind(**{name: _read(hint, data[name]) for name, hint in hints.items() if name in data})


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


@cache
def _read_hints(kind: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {member.name: hints[member.name] for member in fields(kind)}


def _is_required(member: Any) -> bool:
    return member.default is MISSING and member.default_factory is MISSING


def _read(hint: Any, data: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return data if data is None or len(options) > 1 else _read(options[0], data)
    if get_origin(hint) is tuple and data is not None:
        item = get_args(hint)[0]
        return tuple(_read(item, one) for one in data)
    if isinstance(hint, type) and data is not None:
        if is_dataclass(hint):
            return from_plain(hint, data)
        if issubclass(hint, Enum | Path):
            return hint(data)
    return data
