"""Finds the secondary files of local inputs, which lie beside their files; needs the file system."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.inputs.files import is_expression, list_files, read_name
from zoo_runner.inputs.package_files import find_files, is_file_uri
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import Parameter, parse_parameters
from zoo_runner.package.secondary import SecondaryFile, apply_pattern


def add_secondary_files(package: Package, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order with the declared secondary files of its local files, where the client gave none.

    Required and optional ones that exist are added, so that they are checked and staged as every input. Patterns that
    are expressions are left to the engine.
    """
    changed: dict[str, Any] = _copy(order)
    for parameter in parse_parameters(package):
        _add(parameter, changed.get(parameter.name))
    return changed


def find_local_files(package: Package) -> dict[str, Any]:
    """Find the files and folders of this machine that a package refers to itself, with their secondary files.

    By their places in the document (`package_files`).
    """
    return find_files(package, is_file_uri, _add)


def _add(parameter: Parameter, value: Any) -> Any:
    for file, declared, _ in list_files(parameter, value):
        if not file.get("secondaryFiles") and (found := list(_find(file, declared.secondary_files))):
            file["secondaryFiles"] = found
    return value


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(member) for key, member in value.items()}
    return [_copy(member) for member in value] if isinstance(value, list | tuple) else value


def _find(file: Mapping[str, Any], declared: tuple[SecondaryFile, ...]) -> Iterator[dict[str, str]]:
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
