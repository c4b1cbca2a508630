"""Builds the checker of values for a package: all types, and references relative to a base."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.inputs.community import check_community
from zoo_runner.inputs.references import ReferenceReader
from zoo_runner.inputs.values import BASIC_HANDLERS, Checker, Handler
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import Community, DirectoryType, FileType


def build_checker(package: Package, base: str | None, *, document: Any = None, from_request: bool = False) -> Checker:
    """Build a checker; `base` as in `ReferenceReader`, `document` is what the client sent.

    Prefixes for formats are those of `$namespaces` in the package and in the document.
    """
    files = ReferenceReader(base, _read_prefixes(package.document) | _read_prefixes(document))
    handlers: Mapping[type, Handler] = {
        FileType: files.check,
        DirectoryType: files.check,
        Community: check_community,
    }
    root = ("inputs",) if from_request else ()
    return Checker({**BASIC_HANDLERS, **handlers}, from_request, files.refers, files.is_folder, root)


def _read_prefixes(document: Any) -> dict[str, str]:
    namespaces = document.get("$namespaces") if isinstance(document, Mapping) else None
    return {str(key): str(uri) for key, uri in namespaces.items()} if isinstance(namespaces, Mapping) else {}
