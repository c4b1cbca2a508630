"""Finds the secondary files of local inputs, which lie beside their files; needs the file system."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.inputs.files import is_expression, list_files, read_name
from zoo_runner.inputs.joborder import build_misfit
from zoo_runner.inputs.package_files import find_files, is_file_uri
from zoo_runner.model.package import Package
from zoo_runner.model.problems import ValuePath, build_problem, show
from zoo_runner.package.cwltypes import FileType, Parameter, holds, parse_parameters
from zoo_runner.package.secondary import SecondaryFile, apply_pattern

_NAME_PART = re.compile(r"\$\(self\.(basename|nameroot|nameext)\)")


def add_secondary_files(package: Package, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the order with the declared secondary files of its local files, where the client gave none.

    Required and optional ones that exist are added, so that they are checked and staged as every input. Expressions
    that are more than parts of the file's name are left to the engine.
    """
    changed: dict[str, Any] = _copy(order)
    for parameter in parse_parameters(package):
        _add(parameter, changed.get(parameter.name))
    return changed


def ensure_secondary_files(
    package: Package, order: Mapping[str, Any], roots: tuple[Path, ...] | None, place: ValuePath = ()
) -> None:
    """Refuse local files without a secondary file that the package requires; raises `InputError` with all of them.

    Only files that are there, below one of `roots` (None: anywhere), are looked at: stage-in refuses the others, and
    nobody learns what lies elsewhere. `place` leads to the inputs in the document of the client. Those of remote files
    are inputs too, which stage-in does not find.
    """
    problems = [
        build_problem("inputs.missing", place, (*path, "secondaryFiles"), _describe_missing(name, folder))
        for parameter in parse_parameters(package)
        if holds(parameter.type, FileType)  # an array of other values may be long
        for file, declared, path in list_files(parameter, order.get(parameter.name))
        if not file.get("secondaryFiles") and (folder := _find_folder(file, roots))
        for name in _list_names(file, (one for one in declared.secondary_files if one.required))
        if not _exists(folder / name)
    ]
    if problems:
        raise build_misfit(package, problems)


def _describe_missing(name: str, folder: Path) -> str:
    return f"required secondary file is missing: {show(name)}; put it into {folder}, or list it under secondaryFiles"


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
    if folder := _read_folder(file):
        for name in _list_names(file, declared):
            if _exists(folder / name):
                kind = "Directory" if (folder / name).is_dir() else "File"
                yield {"class": kind, "location": (folder / name).as_uri(), "basename": name}


def _read_folder(file: Mapping[str, Any]) -> Path | None:
    """Read the folder of a file of this machine; None for any other."""
    parts = urlsplit(str(file.get("location", "")))
    return Path(unquote(parts.path)).parent if parts.scheme == "file" else None


def _find_folder(file: Mapping[str, Any], roots: tuple[Path, ...] | None) -> Path | None:
    """Return the folder of a file that is there, and that this client may reach."""
    folder = _read_folder(file)
    path = Path(unquote(urlsplit(str(file.get("location", ""))).path))
    if folder is None or not _exists(path):
        return None
    reached = roots is None or any(path.resolve().is_relative_to(root.resolve()) for root in roots)
    return folder if reached else None


def _list_names(file: Mapping[str, Any], declared: Iterable[SecondaryFile]) -> list[str]:
    """List the names that patterns give; of expressions, those that name parts of the file's own name."""
    own = read_name(file)
    names = dict.fromkeys(_build_name(one.pattern, own) for one in declared)
    # a name with a slash would lead out of the folder
    return [name for name in names if name and "/" not in name and "\0" not in name and name not in (".", "..", own)]


def _build_name(pattern: str, own: str) -> str | None:
    """Build a name; None where only the engine can evaluate the expression."""
    if not is_expression(pattern):
        return apply_pattern(pattern, own)
    stem, dot, extension = own.rpartition(".")
    # CWL v1.2, File: a leading dot begins no extension
    root, end = (stem, dot + extension) if stem else (own, "")
    parts = {"basename": own, "nameroot": root, "nameext": end}
    name = _NAME_PART.sub(lambda found: parts[found[1]], pattern)
    return None if is_expression(_NAME_PART.sub("", pattern)) else name


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a folder that this user may not search
        return False
