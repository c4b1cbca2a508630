"""Reads the YAML files of an operator: which names they have, and the files that they name."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_origin

from ruamel.yaml.error import YAMLError

from zoo_runner.model.errors import SettingsError
from zoo_runner.package.parsing import ShapeError, parse_document

_Kind = TypeVar("_Kind")


def read_document(path: Path, what: str) -> Mapping[str, Any]:
    """Read the object in a file; `what` says what is expected in it. Raises `SettingsError`."""
    try:
        document = parse_document(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ShapeError, YAMLError) as error:
        raise build_invalid(path, f"it cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, Mapping):
        raise build_invalid(path, f"it is not an object with {what}")
    return document


def parse_fields(path: Path, kind: type[_Kind], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Read the members of an object as the fields of a class of texts, numbers and lists of texts."""
    kinds = {one.name.replace("_", "-"): one for one in fields(kind)}  # type: ignore[arg-type] # it is a dataclass
    check_names(path, given, set(kinds), place)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if kinds[name].type is int:
            values[kinds[name].name] = _check_number(path, value, f"{place}{name}")
            continue
        is_list = get_origin(kinds[name].type) is tuple
        texts = value if is_list and isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in texts):
            expected = "a list of texts" if is_list else "a text"
            raise build_invalid(path, f"{place}{name} is {value!r}; expected {expected}")
        values[kinds[name].name] = tuple(texts) if is_list else value
    return values


def _check_number(path: Path, value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise build_invalid(path, f"{place} is {value!r}; expected a number of at least 1")
    return value


def find_file(path: Path, name: str) -> str:
    """Return the path of a file that is named in another, relative to that; empty for no name."""
    return str(path.parent / name) if name else ""


def check_names(path: Path, given: Mapping[str, Any], known: set[str], place: str) -> None:
    """Raise `SettingsError` for a member that is unknown."""
    unknown = sorted(str(name) for name in given if name not in known)
    if unknown:
        raise build_invalid(path, f"{place}{unknown[0]} is unknown; known are {', '.join(sorted(known))}")


def build_invalid(path: Path, why: str) -> SettingsError:
    """Build the error of a file that cannot be followed."""
    return SettingsError(f"{path}: {why}", "Correct the file; docs/harvest.md has an example.", code="harvest.sources")
