"""The files and folders that a package itself refers to, such as the default of a step's tool; pure.

Those on other machines are staged like inputs, by the same rules, and the document that runs names their local
copies: an engine fetches nothing. Those on this machine go with a job to where it runs. Defaults of the package's own
inputs are not among them, because they are part of the job order where they apply (`defaults`), nor are those that no
run can use (`used_defaults`).
"""

from collections.abc import Callable, Iterator, Mapping, Set
from copy import deepcopy
from typing import Any

from zoo_runner.inputs.checking import build_checker
from zoo_runner.inputs.files import fit_files
from zoo_runner.inputs.selection import add_selection
from zoo_runner.inputs.used_defaults import find_unused_defaults
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import Parameter, parse_inputs
from zoo_runner.package.documents import is_remote
from zoo_runner.package.processes import Located, PackageView, build_view
from zoo_runner.package.requirements import find_run
from zoo_staging import hrefs

Files = Mapping[str, Any]
"""File and Directory objects, each by its JSON pointer (RFC 6901) in the packed document."""

_FILE_URI = "file:"


Complete = Callable[[Parameter, Any], Any]
"""Adds to the default of an input what belongs to it, and returns it."""


def find_remote_files(package: Package) -> dict[str, Any]:
    """Find the files and folders with an address on another machine, with all that belongs to them.

    A default gets what its input requires, such as secondary files: once it is staged, nothing lies beside it.
    """
    return find_files(package, hrefs.is_remote, add_selection)


def find_files(package: Package, is_wanted: Callable[[str], bool], complete: Complete) -> dict[str, Any]:
    """Find the files and folders of which an address is wanted, by their places in the document, completed."""
    view = build_view(package)
    if not _list_wanted(view, package.document, is_wanted):
        return {}
    document = place_files(package.document, dict(_complete_defaults(view, complete)))
    return _list_wanted(view, document, is_wanted)


def place_files(document: Document, files: Files) -> dict[str, Any]:
    """Return the document with these files and folders in their places."""
    placed: dict[str, Any] = _replace(document, "", files)
    return placed


def ensure_reachable(package: Package) -> None:
    """Refuse a package from the web that refers to files of this machine; raises `PackageError`."""
    if not is_remote(package.origins.get(package.entry, "")):
        return
    for place, value in _walk(package.document, "", _list_own_defaults(build_view(package))):
        for address in _list_addresses(value):
            if is_file_uri(address):
                raise PackageError(
                    f"the package is from the web, but refers to a file of this machine: {address} (at {place})",
                    "Put the file beside the package and refer to it by a relative address, or make it an input.",
                    code="package.refused",
                )


def is_file_uri(address: str) -> bool:
    """Whether an address is that of a file of this machine, as packed documents have them."""
    return address.lower().startswith(_FILE_URI)


def _list_own_defaults(view: PackageView) -> frozenset[str]:
    return frozenset(_name_default(view.entry, index) for index in range(len(view.inputs)))


def _name_default(located: Located, index: int) -> str:
    return f"{located.place}/inputs/{index}/default"


def _walk(node: Any, place: str, left_out: Set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through the outermost File and Directory objects below a node, each with its pointer."""
    if place in left_out:
        return
    if isinstance(node, Mapping) and node.get("class") in ("File", "Directory"):
        yield place, node
        return
    for key, member in _list_members(node):
        yield from _walk(member, _point(place, key), left_out)


def _list_members(node: Any) -> Iterator[tuple[Any, Any]]:
    yield from node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()


def _point(place: str, key: Any) -> str:
    return f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _list_addresses(value: Mapping[str, Any]) -> Iterator[str]:
    """List the addresses of a file or folder, its secondary files and its listing."""
    address = value.get("location", value.get("path"))
    if isinstance(address, str):
        yield address
    for key in ("secondaryFiles", "listing"):
        for _, inner in _walk(value.get(key), "", frozenset()):
            yield from _list_addresses(inner)


def _list_wanted(view: PackageView, document: Document, is_wanted: Callable[[str], bool]) -> dict[str, Any]:
    own = _list_own_defaults(view)

    def choose(left_out: Set[str]) -> dict[str, Any]:
        found = _walk(document, "", left_out)
        return {place: value for place, value in found if any(map(is_wanted, _list_addresses(value)))}

    # most packages have none, and whether a default is used takes a look at the whole package
    return choose(own | find_unused_defaults(view)) if choose(own) else {}


def _complete_defaults(view: PackageView, complete: Complete) -> Iterator[tuple[str, Any]]:
    """Complete each default as a value of its input. The engine reports what does not fit, where it is used."""
    checker = build_checker(view.package, None)
    for place, parameter, default in _list_defaults(view):
        value, (_, problems) = deepcopy(default), checker.attempt(parameter.type, default, (parameter.name,))
        if problems:
            continue
        fit_files(checker, parameter, value)
        yield place, complete(parameter, value)


def _list_defaults(view: PackageView) -> Iterator[tuple[str, Parameter, Any]]:
    """List the places of defaults, of inputs and of the inputs of steps, each with the input that it is for."""
    for located in view.processes:
        for parameter in parse_inputs(view.package, located.process):
            if parameter.default is not None:
                yield _name_default(located, parameter.position), parameter, parameter.default
        for number, step in enumerate(located.process.get("steps", ())):
            inputs = {one.name: one for one in parse_inputs(view.package, find_run(view.package, step))}
            for index, entry in enumerate(step.get("in", ())):
                wanted = inputs.get(str(entry["id"]).rpartition("/")[2])
                if wanted and entry.get("default") is not None:
                    yield f"{located.place}/steps/{number}/in/{index}/default", wanted, entry["default"]


def _replace(node: Any, place: str, files: Files) -> Any:
    if place in files:
        return files[place]
    if isinstance(node, Mapping):
        return {key: _replace(member, _point(place, key), files) for key, member in node.items()}
    return [_replace(one, _point(place, i), files) for i, one in enumerate(node)] if isinstance(node, list) else node
