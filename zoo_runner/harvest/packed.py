"""The document of a workflow that a server gets: as its author wrote it, or several packed into one; pure."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.files import encode_json
from zoo_runner.harvest.workflows import Workflow

# the fields of CWL that name a process, a step or a parameter; values of other fields are the author's
_NAMING = frozenset({"id", "source", "outputSource", "scatter", "run", "out"})


def encode_workflow(workflow: Workflow) -> bytes:
    """Encode the document of a workflow."""
    if workflow.text:
        return workflow.text.encode()
    package = workflow.package
    named = rename_process(package.document, package.entry.lstrip("#"), package.workflow_id)
    return encode_json(shorten_ids(named))


def rename_process(document: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Give a process of a packed document another id: packing calls the one that runs `main`, whatever its author did.

    Servers name what they deploy by it.
    """

    def rename(reference: str) -> str:
        first, slash, rest = reference.removeprefix("#").partition("/")
        return f"#{new}{slash}{rest}" if reference.startswith("#") and first == old else reference

    def change(node: Any, naming: bool) -> Any:
        if isinstance(node, str):
            return rename(node) if naming else node
        if isinstance(node, list):
            return [change(one, naming) for one in node]
        if isinstance(node, Mapping):
            return {
                name: change(value, name in _NAMING) if name != "default" else value for name, value in node.items()
            }
        return node

    changed: dict[str, Any] = change(document, False)
    return changed


def shorten_ids(node: Any, scope: str = "") -> Any:
    """Write ids relative to what they stand in, as authors do: `greet`, and not `#main/greet`.

    They mean the same, and the loader of ZOO takes the address of a step for that of its `run`. References stay whole.
    """
    if isinstance(node, list):
        return [shorten_ids(one, scope) for one in node]
    if not isinstance(node, Mapping):
        return node
    whole = node.get("id")
    is_named = isinstance(whole, str) and whole.startswith(f"{scope}/" if scope else "#")
    inner = str(whole) if is_named else scope
    changed = {name: shorten_ids(value, inner) if name != "default" else value for name, value in node.items()}
    return {**changed, "id": inner.removeprefix(f"{scope}/" if scope else "#")} if is_named else changed
