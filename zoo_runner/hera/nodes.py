"""The nodes of a workflow, as lines for people; pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from zoo_runner.hera.argo_server import Workflow, read_phase

_UNSHOWN = ("StepGroup", "TaskGroup")


@dataclass(frozen=True)
class NodeLine:
    """A node and how deep it lies; the workflow itself has depth 0 and the id ''."""

    depth: int
    node_id: str
    name: str
    phase: str
    message: str

    def __str__(self) -> str:
        return "  " * self.depth + f"{self.name}: {self.phase}" + (f" ({self.message})" if self.message else "")


def list_tree(workflow: Workflow) -> list[NodeLine]:
    """List the workflow and its nodes, each below the node that it belongs to, in the order in which they began."""
    status = workflow.get("status") or {}
    progress = f" {status['progress']}" if status.get("progress") else ""
    whole = f"Workflow {workflow['metadata']['name']}"
    first = NodeLine(0, "", whole, f"{read_phase(workflow)}{progress}", str(status.get("message", "")))
    nodes = sorted((status.get("nodes") or {}).items(), key=lambda one: str(one[1].get("startedAt") or "~"))
    below: dict[str, list[tuple[str, Workflow]]] = {}
    for node_id, node in nodes:
        below.setdefault(str(node.get("boundaryID", "")), []).append((node_id, node))
    return [first, *_list_below(below, "", 1)]


def _list_below(below: dict[str, list[tuple[str, Workflow]]], parent: str, depth: int) -> Iterator[NodeLine]:
    for node_id, node in below.get(parent, ()):
        if node.get("type") not in _UNSHOWN:
            name = f"{node.get('type', '')} {node.get('displayName', node_id)}"
            message = str(node.get("message", ""))
            yield NodeLine(depth, node_id, name, str(node.get("phase", "Pending")), message)
        yield from _list_below(below, node_id, depth + 1)


class Progress:
    """Turns each state of a workflow into lines: one for each node whose phase or message is new."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def read(self, workflow: Workflow) -> list[str]:
        """Return the lines for what is new in the workflow."""
        new = [line for line in list_tree(workflow) if self._known.get(line.node_id) != (line.phase, line.message)]
        self._known |= {line.node_id: (line.phase, line.message) for line in new}
        return [str(line) for line in new]


def list_outputs(workflow: Workflow) -> dict[str, str]:
    """Return the output parameters of a workflow, by `node.parameter`."""
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
    return {
        f"{node.get('displayName')}.{one['name']}": str(one["value"])
        for node in nodes
        for one in (node.get("outputs") or {}).get("parameters") or []
        if "value" in one
    }


def find_node(workflow: Workflow, pod: str) -> str:
    """Return the name of the node that a pod runs; both end in the same number. Without one, that of the pod."""
    number = pod.rpartition("-")[2]
    for node_id, node in ((workflow.get("status") or {}).get("nodes") or {}).items():
        if node.get("type") == "Pod" and (node_id == pod or node_id.rpartition("-")[2] == number):
            return str(node.get("displayName") or pod)
    return pod
