"""What a list has by the types of its members, all at once: a job order may have a list with a million numbers."""

from collections.abc import Iterable
from typing import Any

from zoo_runner.model.written import WrittenNumber

_NUMBERS = frozenset({int, float, WrittenNumber, bool, type(None)})
_SCALARS = _NUMBERS | {str}


def are_numbers(members: Iterable[Any]) -> bool:
    """Whether all are numbers, truth values or nothing, of Python's own types or as written."""
    return _NUMBERS.issuperset(map(type, members))


def are_scalars(members: Iterable[Any]) -> bool:
    """Whether all are texts, numbers, truth values or nothing, of Python's own types."""
    return _SCALARS.issuperset(map(type, members))
