"""What the status of a Workflow means for a job; pure. Source: Argo Workflows v1alpha1, `WorkflowStatus`.

Which container of a pod failed is only in the nodes of the containers: the node of the pod repeats the end of the last
of them.
"""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

from zoo_runner.engines.argo.messages import build_unknown, read_message
from zoo_runner.engines.argo.nodes import KEEP_LOGS
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.engines.kubernetes.owners import JOB, TEMPLATE_LABEL, Owner, build_foreign, build_of_template
from zoo_runner.model.errors import EngineError, RunnerError

_FAILED = ("Failed", "Error")
_FINAL = ("Succeeded", *_FAILED)
_WAITS = re.compile(r"Waiting for .* lock|too many workflows are already running|Waiting for a PVC")


def has_ended(workflow: Manifest) -> bool:
    """Whether the Workflow has ended, its exit handler included."""
    return workflow.get("status", {}).get("phase") in _FINAL


def has_succeeded(workflow: Manifest) -> bool:
    """Whether the Workflow has ended without a failure."""
    return bool(workflow.get("status", {}).get("phase") == "Succeeded")


def has_failed(workflow: Manifest) -> bool:
    """Whether the job has failed for good; the exit handler may still run."""
    retried = [node.get("phase") for node in list_nodes(workflow) if node.get("type") == "Retry"]
    return has_ended(workflow) or "Failed" in retried or "Error" in retried


def is_seen(workflow: Manifest) -> bool:
    """Whether a controller has looked at the Workflow."""
    return bool(workflow.get("status", {}).get("phase"))


def find_waiting(workflow: Manifest) -> str | None:
    """Return the message of a wait that ends by itself, for a lock or a slot; None if there is none."""
    status = workflow.get("status", {})
    for message in (status.get("message"), *(node.get("message") for node in list_nodes(workflow))):
        if message and _WAITS.search(message):
            return str(message)
    return None


def find_refused(workflow: Manifest) -> RunnerError | None:
    """Return why the pod of a node is not created, where Argo tries again for ever; None if nothing prevents it."""
    for node in list_nodes(workflow):
        message = node.get("message") or ""
        if node.get("phase") == "Pending" and "exceeded quota" in message:
            return read_message(message, find_node_owner(workflow, node))
    return None


def find_failure(workflow: Manifest) -> RunnerError | None:
    """Return why a workflow failed, from Argo's messages; None while it has not, or if its nodes have none."""
    if not has_failed(workflow):
        return None
    failed = [node for node in list_nodes(workflow) if node.get("phase") in _FAILED]
    # a container before its pod, what failed before what depended on it
    ordered = sorted(failed, key=lambda node: (node.get("type") != "Container", _is_dependent(node)))
    found = [
        (str(node["message"]), find_node_owner(workflow, node))
        for node in ordered
        if node.get("message") and node.get("displayName") != KEEP_LOGS
    ]
    status = workflow.get("status", {})
    if status.get("phase") in _FAILED and status.get("message"):
        found.append((str(status["message"]), find_node_owner(workflow)))
    known = next(filter(None, (read_message(*one) for one in found)), None)
    return known or (build_unknown(*found[0]) if found else None)


def list_nodes(workflow: Manifest) -> list[Mapping[str, Any]]:
    """List the nodes, also those that Argo has compressed; none where it keeps them in its database."""
    status = workflow.get("status", {})
    nodes = status.get("nodes") or {}
    if packed := status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(packed)))
    return list(nodes.values())


def find_node_owner(workflow: Manifest, node: Mapping[str, Any] | None = None) -> Owner:
    """Return who asked for the pod of a node, or for the whole workflow."""
    meta, shown = workflow["metadata"], node.get("displayName") if node else None
    labels = meta.get("labels") or {}
    if TEMPLATE_LABEL in labels:
        return build_of_template(labels[TEMPLATE_LABEL], meta["name"], shown)
    return JOB if JOB_LABEL in labels else build_foreign(meta["name"], shown)


def _is_dependent(node: Mapping[str, Any]) -> bool:
    return "dependency" in (node.get("message") or "") or "exit code 143" in (node.get("message") or "")


def build_not_seen(workflow: str, seconds: float) -> RunnerError:
    """Build the error of a namespace that no controller manages."""
    return EngineError(
        f"no Argo controller has looked at the Workflow {workflow} for {seconds:g} s",
        "Check that the workflow controller runs, that it manages this namespace (not --namespaced elsewhere), and"
        " that its instance id is that of ARGO_INSTANCE_ID.",
        code="engine.argo-controller",
    )
