"""What the pod of a job shows of its nodes, which are its containers; pure. Source: Kubernetes API v1."""

from collections.abc import Mapping
from typing import Any

from zoo_runner.engines.argo.nodes import SEQUENCE, STAGE_IN
from zoo_runner.engines.kubernetes.manifests import CWL
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.errors import EngineError, RunnerError

# of Argo's executor, and by a signal from outside: SIGKILL, SIGTERM
_NOT_OWN = (64, 137, 143)


def is_job_pod(pod: Manifest) -> bool:
    """Whether a pod has the nodes of a job, and is no step and no exit handler."""
    return any(container["name"] == STAGE_IN for container in pod["spec"]["containers"])


def has_container_started(pod: Manifest, name: str) -> bool:
    """Whether a container runs or ran, so that it has a log."""
    return bool({"running", "terminated"} & _find_state(pod, name).keys())


def has_container_ended(pod: Manifest, name: str) -> bool:
    """Whether a container has ended."""
    return "terminated" in _find_state(pod, name)


def find_own_exit_code(pod: Manifest, name: str) -> int | None:
    """Return the exit code of a program that ended by itself; None if it runs, was stopped or never started."""
    ended = _find_state(pod, name).get("terminated") or {}
    code = ended.get("exitCode")
    if code is None or code in _NOT_OWN or "deletionTimestamp" in pod["metadata"]:
        return None
    return int(code)


def find_container_failure(pod: Manifest) -> RunnerError | None:
    """Return why a node ended that could not report it; None if its log does, or its pod was deleted."""
    for name in (*SEQUENCE, CWL):
        ended = _find_state(pod, name).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            limit = _find_limit(pod, name)
            return EngineError(
                f"the node {name} of the job ran out of memory: it was killed at its limit of {limit}",
                "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
                evidence=(f"{name}: OOMKilled, exit code {ended['exitCode']}, memory limit {limit}",),
                code="engine.memory",
            )
    return None


def _find_state(pod: Manifest, name: str) -> Mapping[str, Any]:
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status["name"] == name:
            state: Mapping[str, Any] = status.get("state", {})
            return state
    return {}


def _find_limit(pod: Manifest, name: str) -> str:
    container = next(one for one in pod["spec"]["containers"] if one["name"] == name)
    return str(container.get("resources", {}).get("limits", {}).get("memory", "none"))
