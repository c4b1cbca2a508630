"""What changed in the nodes of a workflow, as lines for people."""

from zoo_runner.hera.argo_server import Workflow, read_phase


class Progress:
    """Turns each state of a workflow into lines: one for each node whose phase or message is new."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def read(self, workflow: Workflow) -> list[str]:
        """Return the lines for what is new in the workflow."""
        status = workflow.get("status") or {}
        nodes = sorted((status.get("nodes") or {}).items(), key=lambda one: str(one[1].get("startedAt", "")))
        lines = [self._describe(node_id, node, 2) for node_id, node in nodes]
        whole = {
            **status,
            "phase": read_phase(workflow),
            "displayName": workflow["metadata"]["name"],
            "type": "Workflow",
        }
        return [line for line in (self._describe("", whole, 0), *lines) if line]

    def _describe(self, node_id: str, node: Workflow, indent: int) -> str:
        phase, message = str(node.get("phase", "Pending")), str(node.get("message", ""))
        if self._known.get(node_id) == (phase, message):
            return ""
        self._known[node_id] = (phase, message)
        about = f"{node.get('type', '')} {node.get('displayName', node_id)}: {phase}"
        return " " * indent + about + (f" ({message})" if message else "")


def list_outputs(workflow: Workflow) -> dict[str, str]:
    """Return the output parameters of a workflow, by `node.parameter`."""
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
    return {
        f"{node.get('displayName')}.{one['name']}": str(one["value"])
        for node in nodes
        for one in (node.get("outputs") or {}).get("parameters") or []
        if "value" in one
    }
