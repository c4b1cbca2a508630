"""The steps of a package as a graph, each node one step that runs a program; pure.

Nested workflows are flattened: a node depends on all steps whose outputs its inputs, or those of the workflows around
it, come from. Expressions are not evaluated here: how many jobs a scattered or conditional step has is known when it is
its turn. An ExpressionTool is no node; whoever needs its outputs evaluates it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from zoo_runner.engines.cwl_process.reuse import identify_tool
from zoo_runner.engines.kubernetes.names import dns_name
from zoo_runner.model.package import Document, Package
from zoo_runner.package.extensions import find_secret_inputs
from zoo_runner.package.images import is_image_name
from zoo_runner.package.requirements import find_effective, find_run

MOST_NODES = 200
"""Argo stores the state of all nodes in one object of at most 1.5 MiB."""
_NAME_LENGTH = 40
# it is in the Workflow, where Argo replaces `{{…}}`
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
# JavaScript that gives another value each time; the package is evaluated once for each step
_CHANGING = re.compile(r"\bnew\s+Date\b(?!\s*\(\s*[^)\s])|\bDate\s*\(\s*\)|\bDate\.now\b|\bMath\.random\b")
_DEFAULT_CORES, _DEFAULT_RAM_MIB = 1.0, 256.0


@dataclass(frozen=True)
class StepNode:
    """A step: `path` names it in the package, `needs` are the names of the nodes before it.

    `is_open`: it is scattered or conditional, or within such a step, so that it may have no job or many. Cores and
    memory (MiB) as requested and as the upper limit; `image` is None where the package names none.
    """

    name: str
    path: str
    needs: tuple[str, ...]
    is_open: bool
    image: str | None
    cores: tuple[float, float]
    ram: tuple[float, float]
    network: bool


@dataclass(frozen=True)
class _Leaf:
    path: str
    tool: Document
    holders: tuple[Document, ...]
    needs: frozenset[str]
    is_open: bool


class _Walk:
    """Collects the leaves of a workflow, in the order of its steps, and what its outputs come from."""

    def __init__(self, package: Package) -> None:
        self._package, self.leaves = package, list[_Leaf]()

    def enter(
        self, process: Document, path: str, holders: tuple[Document, ...], needs: frozenset[str], is_open: bool
    ) -> Mapping[str, frozenset[str]]:
        """Add the leaves of a process that starts after `needs`; return on which leaves each output depends."""
        inner = (process, *holders)
        if process["class"] == "CommandLineTool":
            self.leaves.append(_Leaf(path, process, inner, needs, is_open))
            return {_name(one["id"]): frozenset({path}) for one in process["outputs"]}
        if process["class"] != "Workflow":
            return {_name(one["id"]): needs for one in process["outputs"]}
        found: dict[str, frozenset[str]] = {}
        for step in _sort_steps(process):
            wanted = needs.union(*(found.get(source, needs) for source in _list_sources(step)))
            opened = is_open or bool(step.get("scatter")) or "when" in step
            name = _name(step["id"])
            outputs = self.enter(
                find_run(self._package, step), f"{path}/{name}".lstrip("/"), (step, *inner), wanted, opened
            )
            # an output of a skipped step is there once its inputs are
            found.update({_id(out): outputs.get(_name(_id(out)), wanted) | wanted for out in step["out"]})
        return {
            _name(one["id"]): needs.union(*(found.get(source, needs) for source in _as_list(one.get("outputSource"))))
            for one in process["outputs"]
        }


def build_dag(package: Package) -> tuple[StepNode, ...]:
    """Build the nodes, each after those that it needs."""
    walk = _Walk(package)
    walk.enter(package.process, "", (), frozenset(), False)
    leaves = [leaf if leaf.path else replace(leaf, path=package.workflow_id) for leaf in walk.leaves]
    names = {leaf.path: _name_node(leaf.path) for leaf in leaves}
    before = {leaf.path: leaf.needs for leaf in leaves}
    # tools of CWL v1.0 cannot ask for the network, and have it (CWL v1.1, changelog)
    always = package.document.get("cwlVersion") == "v1.0"
    nodes = (_build_node(leaf, names, _reduce(leaf.needs, before)) for leaf in leaves)
    return tuple(replace(node, network=always or node.network) for node in nodes)


def list_first(steps: Iterable[StepNode]) -> list[str]:
    """List the open steps whose jobs are known once the inputs are there: they need no other step."""
    return [step.name for step in steps if step.is_open and not step.needs]


def identify_tools(
    package: Package,
    image: str | None,
    variables: Mapping[str, str] = MappingProxyType({}),
    marks: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Compute the digest of the tool of each node, by path.

    `image` is that of tools that name none, `variables` what the site gives all of them, `marks` those of names that
    stand for another image than before.
    """

    def name_image(leaf: _Leaf) -> str | None:
        name = _find_image(leaf) or image
        return name and name + marks.get(name, "")

    walk = _Walk(package)
    walk.enter(package.process, "", (), frozenset(), False)
    return {
        leaf.path or package.workflow_id: identify_tool(leaf.tool, leaf.holders, name_image(leaf), variables)
        for leaf in walk.leaves
    }


def list_obstacles(package: Package) -> list[str]:
    """List why a package cannot be run with one pod for each step; empty where it can."""
    walk = _Walk(package)
    walk.enter(package.process, "", (), frozenset(), False)
    found = [why for leaf in walk.leaves for why in _list_obstacles(leaf)]
    if find_secret_inputs(package):
        found.append("it has secret inputs, which only pods without a record of their command may get")
    if changing := next(_list_changing(package.document), None):
        found.append(f"its expression {changing!r} has another value each time, and every pod evaluates the package")
    if not walk.leaves:
        found.append("none of its steps runs a program")
    if len(walk.leaves) > MOST_NODES:
        found.append(f"it has {len(walk.leaves)} steps; a Workflow has at most {MOST_NODES}")
    names = [_name_node(leaf.path) for leaf in walk.leaves]
    if len(set(names)) < len(names):
        found.append("two of its steps have the same name")
    if not _PLAIN_PATH.fullmatch(package.workflow_id):
        found.append(f"its name {package.workflow_id!r} has other characters than letters, digits, '_', '-' and '.'")
    return found


def _list_changing(node: Any) -> Iterator[str]:
    """List what a package takes of the clock and of random numbers; words for people do not count."""
    if isinstance(node, Mapping):
        node = [one for name, one in node.items() if name not in ("label", "doc")]
    if isinstance(node, list):
        for one in node:
            yield from _list_changing(one)
    elif isinstance(node, str) and (found := _CHANGING.search(node)):
        yield found[0]


def _name_node(path: str) -> str:
    return f"step-{dns_name(path.replace('/', '-'), _NAME_LENGTH)}"


def _list_obstacles(leaf: _Leaf) -> Iterator[str]:
    yield from _list_expressions(leaf)
    yield from _list_requirements(leaf)
    yield from _list_names(leaf)


def _list_expressions(leaf: _Leaf) -> Iterator[str]:
    wanted = _body(leaf, "ResourceRequirement")
    for kind in ("ramMin", "ramMax", "coresMin", "coresMax"):
        if isinstance(wanted.get(kind), str):
            yield f"step {leaf.path!r}: {kind} is an expression, and a pod is planned before its inputs are known"
    if isinstance(_body(leaf, "NetworkAccess").get("networkAccess"), str):
        yield f"step {leaf.path!r}: networkAccess is an expression"


def _list_requirements(leaf: _Leaf) -> Iterator[str]:
    for name in ("InplaceUpdateRequirement", "CUDARequirement", "MPIRequirement", "ToolTimeLimit"):
        if _body(leaf, name) or _body(leaf, f"http://commonwl.org/cwltool#{name}"):
            yield f"step {leaf.path!r} has {name}"
    docker = _body(leaf, "DockerRequirement")
    for name in ("dockerFile", "dockerLoad", "dockerImport", "dockerOutputDirectory"):
        if name in docker:
            yield f"step {leaf.path!r}: its DockerRequirement has {name}"
    listing = _body(leaf, "InitialWorkDirRequirement").get("listing")
    names = [str(one.get("entryname", "")) for one in _as_list(listing) if isinstance(one, Mapping)]
    if any(name.startswith("/") for name in names):
        yield f"step {leaf.path!r} places files at absolute paths"
    if any("Loop" in one for holder in leaf.holders for one in _list_classes(holder)):
        yield f"step {leaf.path!r} is in a loop"


def _list_names(leaf: _Leaf) -> Iterator[str]:
    image = _find_image(leaf)
    if image is not None and not is_image_name(image):
        yield f"step {leaf.path!r}: {image!r} is no name of an image"
    if leaf.path and not _PLAIN_PATH.fullmatch(leaf.path):
        yield f"the name of step {leaf.path!r} has other characters than letters, digits, '_', '-' and '.'"


def _find_image(leaf: _Leaf) -> str | None:
    docker = _body(leaf, "DockerRequirement")
    return docker.get("dockerPull") or docker.get("dockerImageId")


def _list_classes(holder: Document) -> list[str]:
    entries = holder.get("requirements") or ()
    return [str(one if isinstance(entries, Mapping) else one.get("class")) for one in entries]


def _build_node(leaf: _Leaf, names: Mapping[str, str], needs: frozenset[str]) -> StepNode:
    wanted = _body(leaf, "ResourceRequirement")
    return StepNode(
        names[leaf.path],
        leaf.path,
        tuple(sorted(names[path] for path in needs)),
        leaf.is_open,
        _find_image(leaf),
        _read_range(wanted, "cores", _DEFAULT_CORES),
        _read_range(wanted, "ram", _DEFAULT_RAM_MIB),
        _body(leaf, "NetworkAccess").get("networkAccess") is True,
    )


def _read_range(wanted: Mapping[str, Any], kind: str, default: float) -> tuple[float, float]:
    """Read minimum and maximum (CWL v1.2, ResourceRequirement): each is the other where one is missing."""
    least, most = wanted.get(f"{kind}Min"), wanted.get(f"{kind}Max")
    low = least if least is not None else most if most is not None else default
    return float(low), float(max(low, most if most is not None else low))


def _reduce(needs: frozenset[str], before: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Leave out what is needed by others that are needed."""
    return needs - frozenset().union(*(before[path] for path in needs))


def _sort_steps(workflow: Document) -> list[Document]:
    """Sort steps so that each comes after those whose outputs it takes."""
    steps = list(workflow["steps"])
    made = {_id(out): number for number, step in enumerate(steps) for out in step["out"]}
    ordered: dict[int, Document] = {}

    def add(number: int) -> None:
        if number in ordered:
            return
        for source in _list_sources(steps[number]):
            if source in made and made[source] != number:
                add(made[source])
        ordered[number] = steps[number]

    for number in range(len(steps)):
        add(number)
    return list(ordered.values())


def _list_sources(step: Document) -> list[str]:
    return [source for one in step["in"] for source in _as_list(one.get("source"))]


def _body(leaf: _Leaf, name: str) -> Document:
    found = find_effective(leaf.holders, name)
    return found.body if found else {}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _id(out: Any) -> str:
    return str(out["id"] if isinstance(out, Mapping) else out)


def _name(text: Any) -> str:
    return str(text).rpartition("#")[2].rpartition("/")[2]
