"""Whether a value or package has File or Directory objects at all, which most packages have not; pure.

A program that only needs the answer loads nothing of what reads such objects.
"""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.package import Package
from zoo_runner.model.scalars import are_scalars


def refers_to_files(node: Any) -> bool:
    """Whether a value of a job order or output object, or a document, has a File or Directory in it."""
    if isinstance(node, Mapping):
        return node.get("class") in ("File", "Directory") or any(map(refers_to_files, node.values()))
    return isinstance(node, list | tuple) and not are_scalars(node) and any(map(refers_to_files, node))


def find_remote_files(package: Package) -> dict[str, Any]:
    """Find the files and folders of a package with an address on another machine (`package_files`)."""
    if not refers_to_files(package.document):
        return {}
    from zoo_runner.inputs import package_files

    return package_files.find_remote_files(package)
