"""What a pod's status, its events, its volumes and its node show together, as they are at one moment; pure.

A follower reads the same functions of `pods` and `scheduling` as things change; here they are read once, of any pod.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import find_owner
from zoo_runner.engines.kubernetes.pods import (
    Ending,
    explain_ending,
    explain_event,
    find_start_failure,
    has_started,
    warns,
)
from zoo_runner.engines.kubernetes.scheduling import find_missing_claim, find_unschedulable, judge_unschedulable
from zoo_runner.engines.kubernetes.volumes import awaits_pod, is_bound
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Surroundings:
    """What was read around some pods: events of the namespace, nodes and volume claims by name, and the time."""

    events: Sequence[Manifest] = ()
    nodes: Sequence[Manifest] = ()
    claims: Mapping[str, Manifest] = field(default_factory=dict)
    now: float = 0.0

    def find_events(self, kind: str, name: str) -> list[Manifest]:
        """Return the events about an object, oldest first."""
        wanted = {"kind": kind, "name": name}.items()
        return sorted(
            (event for event in self.events if wanted <= event["involvedObject"].items()), key=read_event_time
        )

    def count_seconds(self, time: str | None) -> float:
        """Return how long ago a time of Kubernetes was; 0 where there is none."""
        return max(0.0, self.now - clock.to_seconds(time)) if time else 0.0


def read_event_time(event: Manifest) -> str:
    """Return when an event was last reported; empty if it does not say."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def has_ended(pod: Manifest) -> bool:
    """Whether a pod has ended, with or without success."""
    return pod.get("status", {}).get("phase") in _ENDED


def judge_pod(pod: Manifest, around: Surroundings) -> RunnerError | None:
    """Return why a pod cannot go on, or has ended for another reason than its program; None if it is healthy."""
    if has_ended(pod):
        status = pod["status"]
        reason = Ending(1, status["reason"], status.get("message", "").strip()) if status.get("reason") else None
        return explain_ending(pod, reason) if reason else None
    if message := find_unschedulable(pod):
        return _judge_place(pod, message, around)
    return find_start_failure(pod) or _judge_events(pod, around) or _judge_node(pod, around)


def describe_wait(pod: Manifest, around: Surroundings) -> str | None:
    """Say what a healthy pod that has not started waits for; None if it has."""
    if has_started(pod) or has_ended(pod):
        return None
    who = f"the pod {pod['metadata']['name']}"
    if message := find_unschedulable(pod):
        return f"{who} waits for a place: {message}"
    for name in list_claims(pod):
        if name in around.claims and not is_bound(around.claims[name]):
            said = [event.get("message", "") for event in around.find_events("PersistentVolumeClaim", name)]
            return f"{who} waits for its volume {name}{f': {said[-1]}' if said else ''}"
    events = around.find_events("Pod", pod["metadata"]["name"])
    pulling = [event for event in events if event.get("reason") in ("Pulling", "Pulled")]
    if pulling and pulling[-1]["reason"] == "Pulling":
        seconds = around.count_seconds(read_event_time(pulling[-1]))
        return f"{who}: {pulling[-1].get('message', 'pulling its image')} since {seconds:.0f} s"
    seconds = around.count_seconds(pod["metadata"].get("creationTimestamp"))
    return f"{who} is being started since {seconds:.0f} s"


def list_claims(pod: Manifest) -> list[str]:
    """List the names of the volume claims that a pod mounts."""
    volumes = pod["spec"].get("volumes") or []
    return [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]


def _judge_place(pod: Manifest, message: str, around: Surroundings) -> RunnerError | None:
    """Return why a pod without a node will get none: its volume, or its size and selectors."""
    if missing := find_missing_claim(pod, message):
        return missing
    for name in list_claims(pod):
        if failure := judge_claim(name, around):
            return failure
    return judge_unschedulable(pod, message, around.nodes) if around.nodes else None


def judge_claim(name: str, around: Surroundings) -> RunnerError | None:
    """Return why a volume claim gets no volume; None while it may: one that waits for its pod is healthy."""
    if is_bound(around.claims.get(name)):
        return None
    events = around.find_events("PersistentVolumeClaim", name)
    if not events or awaits_pod(events[-1]) or not warns(events[-1]):
        return None
    return explain_event(events[-1])


def _judge_events(pod: Manifest, around: Surroundings) -> RunnerError | None:
    """Return what keeps a pod from starting that only its events show."""
    if has_started(pod):
        return None
    warnings = [event for event in around.find_events("Pod", pod["metadata"]["name"]) if warns(event)]
    explained = (explain_event(event) for event in reversed(warnings))
    return next(filter(None, explained), None)


def _judge_node(pod: Manifest, around: Surroundings) -> RunnerError | None:
    """Return that the node of a pod does not report; None where it does, or is not known."""
    name = pod["spec"].get("nodeName")
    for condition in _find_conditions(name, around.nodes):
        if condition["type"] == "Ready" and condition["status"] != "True":
            seconds = around.count_seconds(condition.get("lastTransitionTime"))
            return EngineError(
                f"the node {name}, on which the pod of {find_owner(pod).name} runs, is not ready since {seconds:.0f} s",
                "Ask the cluster's operator to look at the node; its pods are started elsewhere once it is given up.",
                evidence=(f"{condition.get('reason')}: {condition.get('message')}",),
                level=Level.PLATFORM,
                step=find_owner(pod).step,
                code="cluster.node",
            )
    return None


def _find_conditions(name: str | None, nodes: Sequence[Manifest]) -> Iterator[Manifest]:
    for node in nodes:
        if node["metadata"]["name"] == name:
            yield from node.get("status", {}).get("conditions") or []
