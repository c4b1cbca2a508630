"""The one JSON codec of the model: frozen dataclasses to plain data and back, by their type hints.

An unknown member is ignored and a missing one takes its default, so that two releases can share a store.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo_runner.model.events import Event
from zoo_runner.model.scalars import are_scalars
from zoo_runner.model.text_lines import TextLines
from zoo_runner.model.written import WrittenNumber

Value = TypeVar("Value")

_PLAIN = frozenset({str, int, float, bool, type(None), WrittenNumber})
_EVENTS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def to_plain(value: Any, *, sparse: bool = False) -> Any:
    """Return a value of the model as JSON-serialisable data; `sparse`: without members that have their default."""
    if type(value) in _PLAIN:  # first: a job may have a million of them
        return value
    if is_dataclass(value) and not isinstance(value, type):
        members = ((member, getattr(value, member.name)) for member in fields(value))
        return {
            member.name: to_plain(one, sparse=sparse)
            for member, one in members
            if not sparse or one is not member.default
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item, sparse=sparse) for key, item in value.items()}
    if isinstance(value, list | tuple | TextLines):
        return list(value) if are_scalars(value) else [to_plain(item, sparse=sparse) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[Value], data: Any) -> Value:
    """Return the value of a dataclass from the output of `to_plain`; raises `ValueError` for invalid data."""
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object for {kind.__name__}, got {type(data).__name__}")  # noqa: TRY004 one error for bad data
    known: Any = kind
    plan = _plan(known)
    values = {**plan.defaults, **data}
    if not plan.names.issuperset(data):
        values = {name: value for name, value in values.items() if name in plan.names}
    for name, read in plan.readers:
        if data.get(name) is not None:
            values[name] = read(data[name])
    if missing := [name for name in plan.required if name not in data]:
        raise ValueError(f"{kind.__name__} lacks {', '.join(missing)}")
    if plan.has_to_be_called:
        return kind(**values)
    # a constructor of a frozen dataclass sets its members one by one: of a job that takes ten times as long
    made = object.__new__(kind)
    vars(made).update(values)
    return made


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


@dataclass(frozen=True)
class _Plan:
    """How a dataclass is read: its members, what reads some of them, and those that have to be there.

    `defaults` are the values of the others, except those of a factory. A class that does more than to set its members
    has to be called.
    """

    names: frozenset[str]
    readers: tuple[tuple[str, _Read], ...]
    required: tuple[str, ...]
    defaults: Mapping[str, Any]
    has_to_be_called: bool


@cache
def _plan(kind: type[Any]) -> _Plan:
    hints, members = get_type_hints(kind), fields(kind)
    readers = [(one.name, _find_reader(hints[one.name])) for one in members]
    return _Plan(
        names=frozenset(one.name for one in members),
        readers=tuple((name, read) for name, read in readers if read is not None),
        required=tuple(one.name for one in members if one.default is MISSING and one.default_factory is MISSING),
        defaults={one.name: one.default for one in members if one.default is not MISSING},
        has_to_be_called=_has_to_be_called(kind),
    )


def _has_to_be_called(kind: type[Any]) -> bool:
    """Whether a dataclass does more than to set members: it has code of its own, or makes defaults anew."""
    has_code = any(hasattr(kind, name) for name in ("__post_init__", "__slots__"))
    return has_code or any(one.default_factory is not MISSING for one in fields(kind))


def _find_reader(hint: Any) -> _Read | None:
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return _find_reader(options[0]) if len(options) == 1 else None
    if get_origin(hint) in (tuple, Sequence):
        read = _find_reader(get_args(hint)[0])
        return tuple if read is None else partial(_read_items, read)
    # Python 3.10 takes `dict[str, str]` for a type
    if get_origin(hint) is not None or not isinstance(hint, type):
        return None
    if is_dataclass(hint):
        return partial(from_plain, hint)
    return hint if issubclass(hint, Enum | Path) else None


def _read_items(read: _Read, data: Any) -> tuple[Any, ...]:
    return tuple(one if one is None else read(one) for one in data)
