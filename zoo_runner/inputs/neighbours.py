"""Finds the secondary files of local inputs, which lie beside their files; needs the file system."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.inputs.files import is_expression, read_name
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import Array, Community, CwlType, Record, Union, parse_parameters
from zoo_runner.package.secondary import SecondaryFile, apply_pattern

Declared = tuple[SecondaryFile, ...]


def add_secondary_files(package: Package, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order with the declared secondary files of its local files, where the client gave none.

    Required and optional ones that exist are added, so that they are checked and staged as every input. Patterns that
    are expressions are left to the engine.
    """
    changed: dict[str, Any] = _copy(order)
    for parameter in parse_parameters(package):
        for file, declared in _walk(parameter.type, parameter.secondary_files, changed.get(parameter.name)):
            if not file.get("secondaryFiles") and (found := list(_find(file, declared))):
                file["secondaryFiles"] = found
    return changed


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(member) for member in value] if isinstance(value, list | tuple) else value


def _walk(cwl_type: CwlType, declared: Declared, value: Any) -> Iterator[tuple[dict[str, Any], Declared]]:
    """List the files in a value, each with the patterns that are declared for it."""
    if isinstance(value, list):
        for array in (one for one in _list_options(cwl_type) if isinstance(one, Array)):
            for item in value:
                yield from _walk(array.items, declared, item)
    elif isinstance(value, dict) and value.get("class") == "File":
        yield value, declared
    elif isinstance(value, dict):
        for record in (one for one in _list_options(cwl_type) if isinstance(one, Record)):
            for field in record.fields:
                yield from _walk(field.type, field.secondary_files, value.get(field.name))


def _list_options(cwl_type: CwlType) -> Iterator[CwlType]:
    match cwl_type:
        case Union():
            for option in cwl_type.options:
                yield from _list_options(option)
        case Community():
            yield from _list_options(cwl_type.shape)
        case _:
            yield cwl_type


def _find(file: Mapping[str, Any], declared: Declared) -> Iterator[dict[str, str]]:
    parts = urlsplit(str(file.get("location", "")))
    if parts.scheme != "file":
        return
    own, folder = read_name(file), Path(unquote(parts.path)).parent
    names = dict.fromkeys(apply_pattern(one.pattern, own) for one in declared if not is_expression(one.pattern))
    for name in names:
        # a name with a slash would lead out of the folder
        if "/" not in name and "\0" not in name and name not in ("", ".", "..", own) and (folder / name).exists():
            kind = "Directory" if (folder / name).is_dir() else "File"
            yield {"class": kind, "location": (folder / name).as_uri(), "basename": name}
