"""Things of the same name in a package: which packing may take for each other, and which nobody can tell apart."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from zoo_runner.model.errors import PackageError

PROCESS_CLASSES = ("Workflow", "CommandLineTool", "ExpressionTool")


def write_once(node: Any, seen: set[str]) -> None:
    """Write each process and named type once and import it elsewhere, in place of cwltool's `import_embed`.

    That one goes by id alone, and so makes an input of an output or step of the same name. A type is what has a
    `type`: people of the same name are none.
    """
    if isinstance(node, dict):
        name = node.get("id") if node.get("class") in PROCESS_CLASSES else "type" in node and node.get("name")
        if isinstance(name, str) and name in seen:
            node.clear()
            node["$import"] = name
        elif isinstance(name, str):
            seen.add(name)
    for part in [node[key] for key in sorted(node)] if isinstance(node, dict) else node:
        if isinstance(part, dict | list):
            write_once(part, seen)


def check_ids(process: Mapping[str, Any], uri: str) -> None:
    """Refuse a process that has two inputs, outputs or steps of the same name: engines would take the last."""
    for section in ("inputs", "outputs", "steps"):
        parts = process.get(section, ())
        for name, count in Counter(str(part["id"]).rpartition("/")[2] for part in parts).items():
            if count > 1:
                cause = f"{uri}: {count} {section} have the same id {name!r}"
                raise PackageError(cause, "Rename or remove all but one of them.", code="package.duplicate-id")
        for part in parts:
            if isinstance(part.get("run"), Mapping):
                check_ids(part["run"], uri)
