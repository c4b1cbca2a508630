"""Every process of a package as the rules need it: its place, the author's name of it, what it inherits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import Parameter, parse_outputs, parse_parameters
from zoo_runner.package.requirements import Requirement, find_effective


@dataclass(frozen=True)
class Located:
    """A process of the package, its place, and the author's name of it."""

    process: Document
    place: str
    name: str

    @property
    def subject(self) -> str:
        """The process in words: its class and name."""
        return f"{self.process.get('class', 'process')} '{self.name}'"


@dataclass(frozen=True)
class PackageView:
    """The package as the rules see it."""

    package: Package
    entry: Located
    processes: tuple[Located, ...]
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]

    def has_own_id(self, located: Located) -> bool:
        """Whether the author gave the process an id; true if its origin is unknown."""
        if "id" not in located.process:
            return False
        origin = self.package.origins.get(str(located.process["id"]), "#")
        if "#" in origin:
            return True
        # packing drops the fragment of a tool that is referenced by its file; the ids of its parameters keep it
        parameters = [*located.process.get("inputs", ()), *located.process.get("outputs", ())]
        return any("/" in self.package.origins.get(str(one["id"]), "").partition("#")[2] for one in parameters)

    def of_class(self, name: str) -> tuple[Located, ...]:
        """The processes of a class, such as `CommandLineTool`."""
        return tuple(located for located in self.processes if located.process.get("class") == name)


def build_view(package: Package) -> PackageView:
    """Look through a package; raises PackageError when it has no such entry, or a type that cannot be read."""
    roots = package.document.get("$graph")
    places = [("", package.document)] if roots is None else [(f"/$graph/{i}", p) for i, p in enumerate(roots)]
    processes = tuple(located for place, process in places for located in _walk(package, process, place, package.entry))
    entry = next(located for located in processes if located.process is package.process)
    return PackageView(package, entry, processes, parse_parameters(package), parse_outputs(package))


def _walk(package: Package, process: Document, place: str, packed_id: str) -> Iterator[Located]:
    """The process and those written inside its steps, where packing leaves them, some without id."""
    own_id = str(process.get("id", packed_id))
    is_entry = own_id.lstrip("#") == package.entry.lstrip("#")
    yield Located(process, place, package.workflow_id if is_entry else own_id.lstrip("#").removeprefix("main/"))
    for index, step in enumerate(process.get("steps", ())):
        if isinstance(step["run"], Mapping):
            yield from _walk(package, step["run"], f"{place}/steps/{index}/run", str(step["id"]))


def find_inherited(view: PackageView, process: Document, name: str) -> Requirement | None:
    """Find the requirement of a class that applies to a tool: its own, or of a step or workflow that runs it."""
    return find_effective((process, *_find_callers(view, process, [])), name)


def _find_callers(view: PackageView, process: Document, seen: list[Document]) -> Iterator[Document]:
    """The steps that run a process and their workflows, from the inside out."""
    if any(process is one for one in seen):
        return
    own_id = str(process.get("id", "")).lstrip("#")
    for workflow in view.of_class("Workflow"):
        for step in workflow.process.get("steps", ()):
            run = step["run"]
            if run is process or (isinstance(run, str) and run.lstrip("#") == own_id):
                yield step
                yield workflow.process
                yield from _find_callers(view, workflow.process, [*seen, process])


def find_runs(node: Any) -> Iterator[str]:
    """Find the names in `run` of the steps of a document as its author wrote it."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from find_runs(part)
    if isinstance(node, dict) and isinstance(node.get("run"), str):
        yield node["run"]
