"""What a job was asked for, in the form of an execute request; pure."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.model.job import Job

MEMBERS = ("outputs", "response", "subscriber")
"""The members of an execute request beside its inputs."""


def keep_request(request: Mapping[str, Any], order: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is kept of a request beside the job order: its inputs only where the order does not say the same."""
    kept = {name: request[name] for name in MEMBERS if name in request}
    inputs = dict(request.get("inputs") or {})
    if inputs != _show_order(order):
        kept["inputs"] = inputs
    return kept or None


def show_request(job: Job) -> dict[str, Any]:
    """Return the execute request of a job, as it was sent; files of the server, such as defaults, are left out."""
    return {"inputs": _show_order(job.inputs), **(job.request or {})}


def _show_order(order: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _show(value) for name, value in order.items() if not _lies_here(value)}


def _lies_here(value: Any) -> bool:
    if isinstance(value, Mapping):
        return str(value.get("location", "")).startswith("file:") or any(map(_lies_here, value.values()))
    return isinstance(value, list | tuple) and any(map(_lies_here, value))


def _show(value: Any) -> Any:
    """Show a File or Directory as a link, or by its content."""
    if isinstance(value, Mapping) and value.get("class") in ("File", "Directory"):
        if "contents" in value:
            return {"value": value["contents"]}
        return {"href": value["location"]} if "location" in value else dict(value)
    if isinstance(value, Mapping):
        return {name: _show(member) for name, member in value.items()}
    return [_show(member) for member in value] if isinstance(value, list | tuple) else value
