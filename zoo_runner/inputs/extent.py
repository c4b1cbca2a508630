"""Bounds the inputs of a job before they are checked, so that a check takes a bounded time; pure."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.errors import InputError


def check_extent(request: Any, max_values: int) -> None:
    """Refuse inputs of more values than allowed, those in lists and objects included. Raises `InputError`."""
    count, level = 0, [request]
    while level:
        count += len(level)
        if count > max_values:
            raise InputError(
                f"the inputs have more than {max_values} values",
                "Give a file or an address instead, or ask the operator to raise ZOO_RUNNER_MAX_INPUT_VALUES.",
                code="inputs.too-large",
            )
        level = [member for value in level for member in _list_members(value)]


def _list_members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
