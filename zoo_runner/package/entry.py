"""Which process of a document runs; pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urldefrag

from zoo_runner.model.errors import PackageError
from zoo_runner.package.documents import join_uri
from zoo_runner.package.processes import find_runs


def choose_entry(root: Mapping[str, Any], uri: str) -> str:
    """Name the process to run, as a URI with fragment where the document has a graph.

    That is the one named, else `main`, else the only workflow that is no step of another one.
    Raises `PackageError` that lists the candidates where several workflows stand there and no id was given.
    """
    base, fragment = urldefrag(uri)
    if "$graph" not in root:
        own = str(root.get("id", "")).lstrip("#")
        if fragment and fragment != own:
            raise PackageError(
                f"{base} has no process {fragment!r}: it is one {root.get('class')} with the id {root.get('id')!r}",
                "Remove the #id.",
                code="package.entry",
            )
        # under this address, if it has an id, cwltool will know it
        return join_uri(base, f"#{own}") if own else base
    graph = root["$graph"] if isinstance(root["$graph"], list) else []
    kinds = {str(p["id"]).lstrip("#"): p.get("class") for p in graph if isinstance(p, dict) and "id" in p}
    if not kinds:
        raise PackageError(
            f"{base} has no process to run",
            "List processes under `$graph`, each with an `id`.",
            code="package.entry",
        )
    if fragment:
        if fragment not in kinds:
            remedy = f"Choose one of: {', '.join(kinds)}."
            raise PackageError(f"{base} has no process {fragment!r}", remedy, code="package.entry")
        return uri
    steps = {reference.rpartition("#")[2] for reference in find_runs(graph)}
    workflows = [name for name, kind in kinds.items() if kind == "Workflow"]
    candidates = [name for name in workflows if name not in steps] or workflows or list(kinds)
    if "main" in kinds:
        candidates = ["main"]
    if len(candidates) != 1:
        listed = ", ".join(f"#{name}" for name in candidates)
        raise PackageError(
            f"{base} has several processes to choose from: {listed}",
            f"Choose one, for example {base.rpartition('/')[2]}#{candidates[0]}.",
            code="package.entry",
        )
    return f"{base}#{candidates[0]}"
