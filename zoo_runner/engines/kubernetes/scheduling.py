"""Whether a pod that has no node will ever get one; pure. Source: Kubernetes API v1, PodCondition `PodScheduled`."""

import re
from collections.abc import Collection, Iterable

from zoo_runner.config.kubernetes import parse_quantity
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import Owner, find_owner, find_step
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError

_AFFINITY = re.compile(r"(\d+) node\(s\) didn't match Pod's node affinity")
# set by Kubernetes, clouds, network plug-ins and autoscalers until something is over
_PASSING = re.compile(
    r"node\.kubernetes\.io/|cloudprovider|ToBeDeleted|DeletionCandidate|not-?ready|uninitialized|startup|karpenter",
    re.I,
)
_CLOSING = ("NoSchedule", "NoExecute")


def find_unschedulable(pod: Manifest) -> str | None:
    """The scheduler's reason why a pod has no node; None where it has one or nobody has looked yet."""
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return None


def judge_unschedulable(
    pod: Manifest, message: str, nodes: Collection[Manifest], staying: Collection[Manifest] = ()
) -> RunnerError | None:
    """Return why no node will ever take the pod; None if waiting may help.

    `staying` are pods that keep their places as long as this one waits, such as the job's own while its steps run.
    """
    sizes = {_find_room(node, staying): node for node in nodes if _fits_selector(pod, node)}
    owner = find_owner(pod)
    if not sizes:
        selector = pod["spec"].get("nodeSelector")
        return _build_unschedulable(
            owner,
            f"no node of the cluster has the labels {selector} that the pod of {owner.name} asks for",
            f"Correct {owner.selector}, or label a node.",
            message,
        )
    if _excludes_all(pod, message, nodes):
        return _build_unschedulable(
            owner,
            f"no node of the cluster takes the pod of {owner.name}: {message.partition(': ')[2] or message}",
            f"Correct {owner.selector}, tolerations and affinity, or ask the operator to open a node to it.",
            message,
        )
    cores, memory = _requests(pod)
    if any(cores <= there_cores and memory <= there_memory for there_cores, there_memory in sizes):
        return None
    return _build_unschedulable(
        owner,
        f"{owner.name} asks for {cores:g} cores and {memory / 2**20:.0f} MiB of memory; the largest node has"
        f" {_describe_room(sizes[max(sizes)], staying, (cores, memory))}",
        f"Lower {owner.requests}, or add a larger node.",
        message,
    )


def judge_beside(pod: Manifest, own: Manifest, nodes: Collection[Manifest]) -> RunnerError | None:
    """Return why no node will take the pod of a step, wherever the job's `own` stays meanwhile; None if one may."""
    if failure := judge_unschedulable(own, "", nodes):
        return failure
    failures = []
    for node in nodes:
        if judge_unschedulable(own, "", [node]) is None:
            placed = {**own, "spec": {**own["spec"], "nodeName": node["metadata"]["name"]}}
            failures.append(judge_unschedulable(pod, "", nodes, [placed]))
    return failures[0] if all(failures) else None


def describe_largest(nodes: Iterable[Manifest]) -> str:
    """Describe the size of the largest node, for messages."""
    return _describe(max(map(_allocatable, nodes), default=(0.0, 0.0)))


def _find_room(node: Manifest, staying: Iterable[Manifest]) -> tuple[float, float]:
    """Find how many cores and bytes of memory a node has beside what pods on it keep."""
    kept = [_requests(pod) for pod in staying if pod["spec"].get("nodeName") == node["metadata"]["name"]]
    cores, memory = _allocatable(node)
    return cores - sum(one for one, _ in kept), memory - sum(one for _, one in kept)


def _describe_room(node: Manifest, staying: Iterable[Manifest], asked: tuple[float, float]) -> str:
    """Describe the size of a node, with what is kept of it where the pod would have fitted without."""
    there, left = _allocatable(node), _find_room(node, staying)
    if asked[0] > there[0] or asked[1] > there[1]:
        return _describe(there)
    taken = there[0] - left[0], there[1] - left[1]
    return f"{_describe(there)}, of which the pod of the job itself keeps {_describe(taken)}"


def _describe(size: tuple[float, float]) -> str:
    return f"{size[0]:g} cores and {size[1] / 2**20:.0f} MiB"


def _build_unschedulable(owner: Owner, cause: str, remedy: str, message: str) -> RunnerError:
    return EngineError(
        cause, remedy, evidence=(message,), level=owner.level, step=owner.step, code="cluster.unschedulable"
    )


def _excludes_all(pod: Manifest, message: str, nodes: Iterable[Manifest]) -> bool:
    """Whether each node is excluded for a reason that does not pass, such as a taint of the operator."""
    every = re.match(r"0/(\d+) nodes are available", message)
    excluded = sum(map(int, _AFFINITY.findall(message))) + sum(_is_closed(pod, node) for node in nodes)
    return every is not None and excluded >= int(every[1]) > 0


def _is_closed(pod: Manifest, node: Manifest) -> bool:
    """Whether a node has a taint that stays and that the pod does not tolerate."""
    tolerations = pod["spec"].get("tolerations") or []
    return any(
        taint.get("effect") in _CLOSING
        and not _PASSING.search(taint["key"])
        and not any(_tolerates(toleration, taint) for toleration in tolerations)
        for taint in node.get("spec", {}).get("taints") or []
    )


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    """Whether a toleration is for a taint (Kubernetes documentation, "Taints and Tolerations")."""
    has_key = toleration.get("key") in (None, "", taint["key"])
    has_value = toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")
    return has_key and has_value and toleration.get("effect") in (None, "", taint["effect"])


def build_pending_too_long(pod: Manifest, message: str, seconds: float) -> RunnerError:
    """Build the error of a pod that was not scheduled for as long as the settings allow."""
    return EngineError(
        f"the pod of {find_owner(pod).name} was not scheduled within {seconds:g} s: {message}",
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
    """Return the error of a PVC that does not exist; the own one of a job may be too new for the scheduler."""
    owner = find_owner(pod)
    for volume in pod["spec"].get("volumes") or []:
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        of_site = owner.is_foreign or volume["name"].startswith("extra-")
        if of_site and f'persistentvolumeclaim "{claim}" not found' in message:
            return EngineError(
                f"the pod of {owner.name} mounts the PVC {claim!r}, which does not exist in the namespace",
                f"Correct {owner.volumes}, or create the PVC in the namespace of the workspace.",
                evidence=(message,),
                level=owner.level if owner.is_foreign else Level.ENGINE,
                step=owner.step,
                code="cluster.volume",
            )
    return None
