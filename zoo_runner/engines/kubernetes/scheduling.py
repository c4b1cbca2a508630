"""Whether a pod that has no node will ever get one; pure. Source: Kubernetes API v1, PodCondition `PodScheduled`."""

from collections.abc import Iterable

from zoo_runner.config.kubernetes import parse_quantity
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pods import find_step, name_owner
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError

_JOB_NEEDS = "ZOO_RUNNER_JOB_CPU and ZOO_RUNNER_JOB_RAM"


def find_unschedulable(pod: Manifest) -> str | None:
    """The scheduler's reason why a pod has no node; None where it has one or nobody has looked yet."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return None


def judge_unschedulable(pod: Manifest, message: str, nodes: Iterable[Manifest]) -> RunnerError | None:
    """Return why no node will ever take the pod; None if waiting may help."""
    sizes = [_allocatable(node) for node in nodes if _fits_selector(pod, node)]
    who, step = name_owner(pod), find_step(pod)
    if not sizes:
        selector = pod["spec"].get("nodeSelector")
        return EngineError(
            f"no node of the cluster has the labels {selector} that the pod of {who} asks for",
            "Correct POD_NODE_SELECTOR, or label a node.",
            evidence=(message,),
            level=Level.USER if step else Level.ENGINE,
            step=step,
            code="cluster.unschedulable",
        )
    cores, memory = _requests(pod)
    if any(cores <= there_cores and memory <= there_memory for there_cores, there_memory in sizes):
        return None
    top_cores, top_memory = max(sizes)
    return EngineError(
        f"{who} asks for {cores:g} cores and {memory / 2**20:.0f} MiB of memory; the largest node has"
        f" {top_cores:g} cores and {top_memory / 2**20:.0f} MiB",
        f"Lower {'coresMin and ramMin in the ResourceRequirement' if step else _JOB_NEEDS}, or add a larger node.",
        evidence=(message,),
        level=Level.USER if step else Level.ENGINE,
        step=step,
        code="cluster.unschedulable",
    )


def build_pending_too_long(pod: Manifest, message: str, seconds: float) -> RunnerError:
    """Build the error of a pod that was not scheduled for as long as the settings allow."""
    return EngineError(
        f"the pod of {name_owner(pod)} was not scheduled within {seconds:g} s: {message}",
        "Wait until the cluster is less busy, add nodes, or raise ZOO_RUNNER_PENDING_SECONDS.",
        evidence=(message,),
        level=Level.PLATFORM,
        step=find_step(pod),
        code="cluster.pending",
    )


def _fits_selector(pod: Manifest, node: Manifest) -> bool:
    labels = node["metadata"].get("labels") or {}
    return (pod["spec"].get("nodeSelector") or {}).items() <= labels.items()


def _allocatable(node: Manifest) -> tuple[float, float]:
    there = node["status"]["allocatable"]
    return parse_quantity(there["cpu"]), parse_quantity(there["memory"])


def _requests(pod: Manifest) -> tuple[float, float]:
    asked = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    return (
        sum(parse_quantity(one.get("cpu", "0")) for one in asked),
        sum(parse_quantity(one.get("memory", "0")) for one in asked),
    )


def find_missing_claim(pod: Manifest, message: str) -> RunnerError | None:
    """Return the error of a missing PVC of the site; the job's own may be too new for the scheduler."""
    for volume in pod["spec"].get("volumes") or []:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if volume["name"].startswith("extra-") and f'persistentvolumeclaim "{claim}" not found' in message:
            return EngineError(
                f"the pod of {name_owner(pod)} mounts the PVC {claim!r}, which does not exist in the namespace",
                "Correct POD_VOLUMES, or create the PVC in the namespace of the workspace.",
                evidence=(message,),
                step=find_step(pod),
                code="cluster.volume",
            )
    return None
