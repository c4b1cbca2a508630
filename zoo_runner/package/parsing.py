"""Parses YAML and JSON within bounds: the parsers recurse in native code and expand YAML's aliases without limit."""

import json
import re
from typing import Any

from zoo_runner.model.written import read_number

DEEPEST_LEVELS = 64
MOST_VALUES = 500_000
MOST_BRACKETS = 500


class ShapeError(Exception):
    """A document is too deep, contains itself, or is too large with its aliases written out."""

    code = "package.too-large"
    remedy = "Write it flatter and without aliases that multiply."


class InvalidValueError(ShapeError):
    """YAML gives a value a type that it cannot have."""

    code = "package.syntax"
    remedy = "Correct the value, or put it into quotes."


def parse_document(text: str) -> Any:
    """Parse YAML or JSON to plain data; raises ShapeError, and YAMLError where the syntax is wrong."""
    _check_brackets(text)
    try:
        document = _parse_json(text) if text.lstrip()[:1] in ("{", "[") else None
        if document is None:
            # 2 MiB, which a run with a resolved package and inputs in JSON does not need
            from zoo_runner.package.yaml_values import load_yaml

            document = load_yaml(text)
    except RecursionError as error:
        raise _too_deep() from error
    except (ValueError, TypeError) as error:
        raise InvalidValueError(f"invalid value: {error}") from error
    check_shape(document)
    return document


def _parse_json(text: str) -> Any:
    """Parse JSON, many times faster than as YAML; None where the text is not JSON."""
    try:
        return json.loads(text, object_pairs_hook=read_members, parse_float=read_number)
    except (json.JSONDecodeError, DuplicateMemberError):
        return None


class DuplicateMemberError(ValueError):
    """A JSON object has a name twice; as YAML, the same text is refused with the place."""


def read_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Collect the members of a JSON object, a hook for `json`; raises DuplicateMemberError."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise DuplicateMemberError
    return members


def _check_brackets(text: str) -> None:
    """Refuse thousands of open brackets before the parser, whose time grows with the square of them."""
    level = 0
    for bracket in re.findall(r"[\[{\]}]", text):
        level = level + 1 if bracket in "[{" else max(level - 1, 0)
        if level > MOST_BRACKETS:
            raise _too_deep()


def check_shape(document: Any) -> None:
    """Raise ShapeError unless the document has a bounded depth and, aliases written out, a bounded size."""
    if _weigh(document, 0, {})[0] > MOST_VALUES:
        raise ShapeError(f"with its aliases it has more than {MOST_VALUES} values")


def _weigh(node: Any, level: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return number of values and height of a node; each shared node is visited once."""
    if not isinstance(node, dict | list):
        return 1, 0
    if id(node) in known:
        size, height = known[id(node)]
    else:
        if level > DEEPEST_LEVELS:
            raise _too_deep()
        parts = [_weigh(part, level + 1, known) for part in (node.values() if isinstance(node, dict) else node)]
        size, height = 1 + sum(part[0] for part in parts), 1 + max((part[1] for part in parts), default=0)
        known[id(node)] = size, height
    if level + height > DEEPEST_LEVELS:
        raise _too_deep()
    return size, height


def _too_deep() -> ShapeError:
    return ShapeError(f"nested deeper than {DEEPEST_LEVELS} levels, or contains itself")
