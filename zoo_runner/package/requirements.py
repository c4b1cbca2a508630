"""Requirements and hints of a package: the only walk through them; pure.

Source: CWL v1.2, Workflow Description, "Requirements and hints": both are inherited, a requirement wins over a hint,
and the innermost over what it inherits. They may be written as a list, or as a mapping by class.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from zoo_runner.model.package import Document, Package

REQUIREMENT_CLASSES = (
    *("DockerRequirement", "EnvVarRequirement", "InitialWorkDirRequirement", "InlineJavascriptRequirement"),
    *("InplaceUpdateRequirement", "LoadListingRequirement", "MultipleInputFeatureRequirement", "NetworkAccess"),
    *("ResourceRequirement", "ScatterFeatureRequirement", "SchemaDefRequirement", "ShellCommandRequirement"),
    *("SoftwareRequirement", "StepInputExpressionRequirement", "SubworkflowFeatureRequirement"),
    *("ToolTimeLimit", "WorkReuse"),
)
"""The classes of CWL v1.0 to v1.2."""


@dataclass(frozen=True)
class Requirement:
    """A requirement with its members, `class` among them; a hint if `is_hint`."""

    body: Document
    is_hint: bool = False

    @property
    def name(self) -> str:
        """The class, such as `ResourceRequirement`."""
        return str(self.body.get("class"))


@dataclass(frozen=True)
class ToolUse:
    """A tool where a step runs it; `holders` are the tool, its step, the workflow of the step and so on, outwards."""

    step: str
    tool: Document
    holders: tuple[Document, ...]


def list_requirements(holder: Document) -> Iterator[Requirement]:
    """List the requirements of a process or step, then its hints."""
    for part in ("requirements", "hints"):
        entries = holder.get(part) or ()
        if isinstance(entries, Mapping):
            entries = [{"class": name, **(body or {})} for name, body in entries.items()]
        for entry in entries:
            yield Requirement(entry, is_hint=part == "hints")


def find_effective(holders: Iterable[Document], name: str) -> Requirement | None:
    """Find the requirement of a class that applies; `holders` from the inside out, of several of one the last."""
    found = (one for holder in holders for one in reversed([*list_requirements(holder)]) if one.name == name)
    return min(found, key=lambda one: one.is_hint, default=None)


def find_all(package: Package, name: str) -> Iterator[Requirement]:
    """Find every requirement of a class, wherever it is in the package."""
    for process in package.processes.values():
        for holder in walk_holders(process):
            yield from (one for one in list_requirements(holder) if one.name == name)


def walk_holders(process: Document) -> Iterator[Document]:
    """Walk what may have requirements: the process, its steps, and the processes that are written inside these."""
    yield process
    for step in process.get("steps") or ():
        yield step
        if isinstance(run := step.get("run"), Mapping):
            yield from walk_holders(run)


def walk_tools(package: Package) -> Iterator[ToolUse]:
    """Walk the command line tools in the order of the steps; a lone tool has the workflow's id as step."""
    yield from _walk_tools(package, package.process, package.workflow_id, ())


def _walk_tools(package: Package, process: Document, step_name: str, outer: tuple[Document, ...]) -> Iterator[ToolUse]:
    holders = (process, *outer)
    if process.get("class") == "CommandLineTool":
        yield ToolUse(step_name, process, holders)
    for step in process.get("steps") or ():
        name = str(step["id"]).rpartition("/")[2].lstrip("#")
        yield from _walk_tools(package, find_run(package, step), name, (step, *holders))


def find_run(package: Package, step: Document) -> Document:
    """Find the process that a step runs, written inside it or elsewhere in the package."""
    run = step["run"]
    return run if isinstance(run, Mapping) else package.processes[str(run).lstrip("#")]
