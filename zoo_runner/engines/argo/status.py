"""What the status of a Workflow means for a job; pure. Source: Argo Workflows v1alpha1, `WorkflowStatus`.

Which container of a pod failed is only in the nodes of the containers: the node of the pod repeats the end of the last
of them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from zoo_runner.engines.argo.nodes import KEEP_LOGS
from zoo_runner.engines.kubernetes.errors import find_advice, find_code
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError

_FINAL = ("Succeeded", "Failed", "Error")
_WAITS = re.compile(r"Waiting for .* lock|too many workflows are already running|Waiting for a PVC")


def has_ended(workflow: Manifest) -> bool:
    """Whether the Workflow has ended, its exit handler included."""
    return workflow.get("status", {}).get("phase") in _FINAL


def has_succeeded(workflow: Manifest) -> bool:
    """Whether the Workflow has ended without a failure."""
    return bool(workflow.get("status", {}).get("phase") == "Succeeded")


def has_failed(workflow: Manifest) -> bool:
    """Whether the job has failed for good; the exit handler may still run."""
    retried = [node.get("phase") for node in _nodes(workflow) if node.get("type") == "Retry"]
    return has_ended(workflow) or "Failed" in retried or "Error" in retried


def is_seen(workflow: Manifest) -> bool:
    """Whether a controller has looked at the Workflow."""
    return bool(workflow.get("status", {}).get("phase"))


def find_waiting(workflow: Manifest) -> str | None:
    """Return the message of a wait that ends by itself, for a lock or a slot; None if there is none."""
    status = workflow.get("status", {})
    for message in (status.get("message"), *(node.get("message") for node in _nodes(workflow))):
        if message and _WAITS.search(message):
            return str(message)
    return None


def find_refused(workflow: Manifest) -> RunnerError | None:
    """Return why the pod of the job is not created, where Argo tries again for ever; None if nothing prevents it."""
    pending = [node.get("message") or "" for node in _nodes(workflow) if node.get("phase") == "Pending"]
    return next((_diagnose(message) for message in pending if "exceeded quota" in message), None)


def find_failure(workflow: Manifest) -> RunnerError | None:
    """Return why a job failed, from Argo's messages; None while it has not, or if its nodes have none."""
    if not has_failed(workflow):
        return None
    status = workflow.get("status", {})
    failed = [node for node in _nodes(workflow) if node.get("phase") in ("Failed", "Error")]
    # a container before its pod, what failed before what depended on it
    ordered = sorted(failed, key=lambda node: (node.get("type") != "Container", _is_dependent(node)))
    messages = [node.get("message") for node in ordered if node.get("displayName") != KEEP_LOGS]
    if status.get("phase") in ("Failed", "Error"):
        messages.append(status.get("message"))
    found = [message for message in messages if message]
    known = next(filter(None, map(_diagnose, found)), None)
    return known or (_build_unknown(found[0]) if found else None)


def _diagnose(message: str) -> RunnerError | None:
    for pattern, build in _DIAGNOSES:
        if match := re.search(pattern, message):
            return build(match, message)
    return None


def _nodes(workflow: Manifest) -> list[Mapping[str, Any]]:
    return list((workflow.get("status", {}).get("nodes") or {}).values())


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


def _build_refused(why: str, message: str) -> RunnerError:
    """Build the error of a job pod that Kubernetes refuses, with its own words."""
    return EngineError(
        f"the cluster refuses the pod of the job: {why}",
        find_advice(message) or "Change the settings that the message names, or ask the operator to change the rule.",
        evidence=(message,),
        level=Level.PLATFORM if "quota" in why else Level.ENGINE,
        code=find_code(message) or "cluster.refused",
    )


def _build_unknown(message: str) -> RunnerError:
    return EngineError(
        f"the Workflow failed: {message}",
        "See `argo get` for its nodes; ask the operator of Argo Workflows.",
        evidence=(message,),
        code="engine.failed",
    )


def _build(code: str, cause: str, remedy: str, level: Level) -> Callable[["re.Match[str]", str], RunnerError]:
    def build(match: "re.Match[str]", message: str) -> RunnerError:
        named = {name: text or "" for name, text in match.groupdict().items()}
        return EngineError(cause.format(**named), remedy.format(**named), evidence=(message,), level=level, code=code)

    return build


# patterns of Argo's and Kubernetes' own messages; the first match counts

_DIAGNOSES: tuple[tuple[str, Callable[["re.Match[str]", str], RunnerError]], ...] = (
    (
        r"workflowtaskresults.* is forbidden: User \"(?P<user>[^\"]+)\"",
        _build(
            "engine.executor-permission",
            "the executor may not report results: {user} lacks create and patch of workflowtaskresults",
            "Apply deploy/argo/access.yaml in the namespace, or bind such a role to the service account.",
            Level.ENGINE,
        ),
    ),
    (
        r"pods .* is forbidden: (?P<why>.+)|(?P<webhook>admission webhook .* denied the request.*)",
        lambda match, message: _build_refused(match["why"] or match["webhook"], message),
    ),
    (
        r"(?P<container>wait|init): OOMKilled",
        _build(
            "engine.executor-memory",
            "Argo's own container {container} ran out of memory",
            "Raise the memory in `executor.resources` of the controller's ConfigMap.",
            Level.ENGINE,
        ),
    ),
    (
        r"(?P<node>stage-in|run|cwl|stage-out): OOMKilled",
        _build(
            "engine.memory",
            "the node {node} ran out of memory",
            "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
            Level.ENGINE,
        ),
    ),
    (
        r"dial tcp|no such host|connection refused|i/o timeout",
        _build(
            "engine.executor-network",
            "the executor could not reach the Kubernetes API or its DNS",
            "Check DNS, egress and network policies of the namespace.",
            Level.PLATFORM,
        ),
    ),
    (
        r"pod deleted|low on resource|imminent node shutdown|Evicted|NodeLost",
        _build(
            "job.lost",
            "the pod of the job was deleted or evicted while it ran",
            "Run the job again; check the cluster's audit log for who deleted it, and the nodes.",
            Level.PLATFORM,
        ),
    ),
    (
        r"exceeded its deadline|active on the node longer than the specified deadline",
        _build(
            "job.time-limit",
            "the Workflow took longer than its deadline",
            "Raise the time limit (ZOO_RUNNER_TIME_LIMIT).",
            Level.USER,
        ),
    ),
    (
        r"invalid spec|failed to resolve \{\{",
        _build(
            "engine.argo-invalid",
            "Argo refuses the Workflow as invalid",
            "Check that the controller is Argo Workflows 4.0 or newer; `zoo-runner plan` prints the Workflow.",
            Level.ENGINE,
        ),
    ),
)
