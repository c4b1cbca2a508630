"""What holds a workflow up, or made it fail: joins what Argo, its pods, their events and nodes show; pure.

Whatever an engine reports while it follows a job, and `doctor` of its smoke test, is judged by the same functions of
`status`, `messages` and `kubernetes.pods`; what is added here is what shows only when they are compared, such as a pod
that Argo knows nothing of. What waits for its turn, its image or its volume is healthy, and raises nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from zoo_runner.engines.argo.evidence import Evidence
from zoo_runner.engines.argo.messages import build_unknown, read_message
from zoo_runner.engines.argo.pods import find_container_failure, is_job_pod
from zoo_runner.engines.argo.status import (
    build_not_seen,
    find_failure,
    find_node_owner,
    find_refused,
    find_waiting,
    has_ended,
    has_succeeded,
    is_seen,
    list_nodes,
)
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.engines.kubernetes.owners import find_owner
from zoo_runner.engines.kubernetes.pod_judgement import describe_wait, judge_pod
from zoo_runner.engines.kubernetes.pod_judgement import has_ended as has_pod_ended
from zoo_runner.model.diagnosis import Diagnosis, Level
from zoo_runner.model.errors import EngineError, RunnerError

CONTROLLER_SECONDS = 30.0
"""An idle controller looks at a new Workflow within a second."""
_RECONCILED_SECONDS = 60.0
_NODE_ID = "workflows.argoproj.io/node-id"
_INSTANCE = "workflows.argoproj.io/controller-instanceid"
_RUNNING = ("Running", "Pending")
_STOPPED = (137, 143)


class State(str, Enum):
    """What a workflow does; while Argo has yet to read how a pod has ended, it runs."""

    __str__ = str.__str__

    RUNNING = "running"
    WAITING = "waiting"
    STUCK = "stuck"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Judgement:
    """What was found of a workflow: the diagnoses, most telling first, and what it waits for that is healthy.

    `unread` says what the account may not read, so that it was not judged.
    """

    about: str
    state: State
    diagnoses: tuple[Diagnosis, ...] = ()
    waits: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def judge(seen: Evidence) -> Judgement:
    """Judge what was found."""
    held = (*_judge_itself(seen), *_judge_pods(seen, ended=False))
    found: dict[tuple[str, str], Diagnosis] = {}
    for error in (*held, *_judge_pods(seen, ended=True)):
        found.setdefault((error.diagnosis.code, error.diagnosis.cause), error.diagnosis)
    diagnoses = tuple(_add_log(one, seen.log) for one in found.values())
    waits = () if diagnoses and seen.workflow is None else tuple(_list_waits(seen))
    subject = seen.subject
    about = f"{'Pod' if subject.is_pod else 'Workflow'} {subject.namespace}/{subject.name}"
    return Judgement(about, _find_state(seen, diagnoses, waits, bool(held)), diagnoses, waits, tuple(seen.unread))


def read_progress(seen: Evidence) -> frozenset[tuple[str, str]]:
    """Return the phases of the workflow, its nodes and its pods: as long as they are equal, nothing has moved."""
    workflow = seen.workflow or {}
    nodes = {(str(node.get("id")), str(node.get("phase"))) for node in list_nodes(workflow)}
    pods = {(pod["metadata"]["uid"], str(pod.get("status", {}).get("phase"))) for pod in seen.pods}
    return frozenset({("", str(workflow.get("status", {}).get("phase"))), *nodes, *pods})


def _find_state(seen: Evidence, diagnoses: Sequence[Diagnosis], waits: Sequence[str], is_held: bool) -> State:
    workflow = seen.workflow
    if workflow is not None and has_ended(workflow):
        return State.SUCCEEDED if has_succeeded(workflow) else State.FAILED
    if workflow is None and all(map(has_pod_ended, seen.pods)):
        ended = State.FAILED if diagnoses else State.SUCCEEDED
        return ended if seen.pods else State.NOT_FOUND
    if is_held:
        return State.STUCK
    return State.WAITING if waits else State.RUNNING


def _judge_itself(seen: Evidence) -> Iterator[RunnerError]:
    """Yield what is wrong with a workflow, or that there is none."""
    if seen.workflow is not None:
        yield from _judge_workflow(seen.workflow, seen)
    elif missing := _build_missing(seen):
        yield missing


def _judge_pods(seen: Evidence, *, ended: bool) -> Iterator[RunnerError]:
    """Yield what is wrong with the pods that have ended, which hold nothing up, or with the others."""
    workflow = seen.workflow
    if workflow is not None and has_succeeded(workflow):
        return
    for pod in seen.pods:
        if has_pod_ended(pod) is not ended or _is_retried(pod, workflow):
            continue
        error = _judge_deadline(pod) or judge_pod(pod, seen.around) or _judge_containers(pod)
        # whoever stopped a pod knows why, and Argo writes it to the node
        if error and not (workflow and _was_stopped(pod)):
            yield error


def _judge_workflow(workflow: Manifest, seen: Evidence) -> Iterator[RunnerError]:
    """Yield what Argo itself shows, and where its pods contradict it."""
    if has_succeeded(workflow):
        return
    age = seen.around.count_seconds(workflow["metadata"].get("creationTimestamp"))
    if not is_seen(workflow):
        if age > CONTROLLER_SECONDS:
            yield _build_silent(workflow, age)
        return
    if error := find_failure(workflow) or find_refused(workflow):
        yield error
    elif has_ended(workflow):
        yield build_unknown(f"phase {workflow['status']['phase']} without a message", find_node_owner(workflow))
    if not has_ended(workflow):
        yield from _compare(workflow, seen)


def _build_silent(workflow: Manifest, age: float) -> RunnerError:
    """Build the error of a workflow that no controller has looked at, with what the controller looks for."""
    instance = (workflow["metadata"].get("labels") or {}).get(_INSTANCE)
    error = build_not_seen(workflow["metadata"]["name"], round(age))
    shown = f"its label {_INSTANCE} is {instance!r}" if instance else f"it has no label {_INSTANCE}"
    error.diagnosis = replace(error.diagnosis, evidence=("status.phase is empty", shown))
    return error


def _build_missing(seen: Evidence) -> RunnerError | None:
    """Build the error of pods without a workflow (cause B), or of nothing at all; None where that is not known."""
    subject, pods = seen.subject, seen.pods
    if subject.is_pod or any(one.startswith("workflows:") for one in seen.unread):
        return None
    if not pods:
        return EngineError(
            f"there is no Workflow, job or pod {subject.name} in namespace {subject.namespace}, nor pods of it",
            "Check name and namespace (--namespace); with ARGO_SERVER set, archived workflows are found too.",
            code="cluster.not-found",
        )
    if all(_is_of_a_job(pod) for pod in pods):
        return None
    shown = ", ".join(f"{pod['metadata']['name']} in {_read_phase(pod)}" for pod in pods[:5])
    return EngineError(
        f"Argo does not show the Workflow {subject.name}: it was deleted, or is in no list of this server, and left"
        f" {len(pods)} pods: {shown}",
        "Find out who deleted the Workflow (audit log, `ttlStrategy`, a clean-up job); what its pods show follows."
        " Delete the pods and submit it again.",
        evidence=tuple(f"{pod['metadata']['name']}: {_read_phase(pod)}" for pod in pods[:5]),
        code="engine.argo-gone",
    )


def _is_of_a_job(pod: Manifest) -> bool:
    """Whether a pod is of a job on Kubernetes without Argo."""
    labels = pod["metadata"].get("labels") or {}
    return JOB_LABEL in labels and _NODE_ID not in (pod["metadata"].get("annotations") or {})


def _read_phase(pod: Manifest) -> str:
    return "Error" if (phase := pod.get("status", {}).get("phase")) == "Failed" else str(phase)


def _compare(workflow: Manifest, seen: Evidence) -> Iterator[RunnerError]:
    """Yield what Argo shows otherwise than its pods do: it does not look at them any more."""
    pods = {(pod["metadata"].get("annotations") or {}).get(_NODE_ID): pod for pod in seen.pods}
    for node in list_nodes(workflow):
        if node.get("type") != "Pod" or node.get("phase") not in _RUNNING:
            continue
        pod = pods.get(node.get("id"))
        if pod is not None and has_pod_ended(pod) and _count_ended_seconds(pod, seen) > _RECONCILED_SECONDS:
            yield _build_stale(workflow, node, f"its pod {pod['metadata']['name']} is in {_read_phase(pod)}")
        if pod is None and node["phase"] == "Running" and _count_node_seconds(node, seen) > _RECONCILED_SECONDS:
            yield _build_stale(workflow, node, "no pod is left for it")
    if workflow["spec"].get("shutdown") and all(map(has_pod_ended, seen.pods)) and _is_idle(workflow, seen):
        yield _build_stopping(workflow)


def _build_stale(workflow: Manifest, node: Mapping[str, Any], found: str) -> RunnerError:
    name = workflow["metadata"]["name"]
    return EngineError(
        f"Argo shows node {node.get('displayName')!r} of the Workflow {name} as {node['phase']}, but {found}",
        "Check that the workflow controller runs and reads its log; if it does, `argo stop` and `argo retry` the"
        " Workflow.",
        evidence=(f"node {node.get('id')}: {node['phase']} {node.get('message') or ''}".strip(), found),
        code="engine.argo-stale",
    )


def _build_stopping(workflow: Manifest) -> RunnerError:
    name, how = workflow["metadata"]["name"], workflow["spec"]["shutdown"]
    return EngineError(
        f"the Workflow {name} was stopped ({how}), none of its pods runs, and it does not end",
        "Terminate it (`argo terminate`) or delete it; an exit handler that is a DAG may wait for ever (argo#13412).",
        evidence=(f"spec.shutdown: {how}", f"status.phase: {workflow['status']['phase']}"),
        code="engine.argo-stopping",
    )


def _count_node_seconds(node: Mapping[str, Any], seen: Evidence) -> float:
    return seen.around.count_seconds(node.get("startedAt"))


def _is_idle(workflow: Manifest, seen: Evidence) -> bool:
    """Whether nothing of a workflow has ended or begun for a while."""
    times = [node.get(name) for node in list_nodes(workflow) for name in ("startedAt", "finishedAt")]
    return all(seen.around.count_seconds(time) > _RECONCILED_SECONDS for time in times if time)


def _count_ended_seconds(pod: Manifest, seen: Evidence) -> float:
    ended = [one["finishedAt"] for one in _list_terminated(pod) if one.get("finishedAt")]
    return seen.around.count_seconds(max(ended, default=None))


def _list_terminated(pod: Manifest) -> list[Mapping[str, Any]]:
    """List how containers of a pod ended; each has the `name` of its container."""
    status = pod.get("status", {})
    every = (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or []))
    return [{"name": one["name"], **one["state"]["terminated"]} for one in every if "terminated" in one["state"]]


def _judge_deadline(pod: Manifest) -> RunnerError | None:
    """Return that a pod was active for longer than Argo allows it, which Kubernetes itself enforces."""
    status = pod.get("status", {})
    over = status.get("reason") == "DeadlineExceeded"
    return read_message(str(status.get("message")), find_owner(pod)) if over else None


def _judge_containers(pod: Manifest) -> RunnerError | None:
    """Return why a container of a pod failed, in the words in which Argo shows it."""
    owner = find_owner(pod)
    if is_job_pod(pod) and (failure := find_container_failure(pod)):
        return failure
    # what was stopped because another container failed comes last
    failed = [one for one in _list_terminated(pod) if one["exitCode"]]
    for one in sorted(failed, key=lambda one: (one["exitCode"] in _STOPPED, one["name"] != "main")):
        said = f": {one['message'].strip()}" if one.get("message") else ""
        message = f"{one['name']}: {one.get('reason', 'Error')} (exit code {one['exitCode']}){said}"
        return read_message(message, owner) or build_unknown(message, owner)
    return None


def _was_stopped(pod: Manifest) -> bool:
    """Whether the containers of a pod that failed were only ended by a signal from outside."""
    codes = {one["exitCode"] for one in _list_terminated(pod) if one["exitCode"]}
    reasons = {one.get("reason") for one in _list_terminated(pod)}
    return bool(codes) and codes <= set(_STOPPED) and "OOMKilled" not in reasons


def _is_retried(pod: Manifest, workflow: Manifest | None) -> bool:
    """Whether Argo runs, or has run, the node of a failed pod again."""
    node_id = (pod["metadata"].get("annotations") or {}).get(_NODE_ID)
    nodes = list_nodes(workflow) if workflow else []
    parents = [node for node in nodes if node.get("type") == "Retry" and node_id in (node.get("children") or [])]
    return has_pod_ended(pod) and any(node.get("phase") in ("Running", "Succeeded") for node in parents)


def _list_waits(seen: Evidence) -> Iterator[str]:
    """Yield what a workflow waits for that is healthy."""
    workflow = seen.workflow
    if workflow is not None and not has_ended(workflow):
        yield from _list_workflow_waits(workflow)
    for pod in seen.pods:
        if judge_pod(pod, seen.around) is None and (wait := describe_wait(pod, seen.around)):
            yield wait


def _list_workflow_waits(workflow: Manifest) -> Iterator[str]:
    if not is_seen(workflow):
        yield "it waits for the workflow controller"
    if workflow["spec"].get("suspend"):
        yield "it is suspended: `argo resume` continues it"
    for node in list_nodes(workflow):
        if node.get("type") == "Suspend" and node.get("phase") == "Running":
            yield f"node {node.get('displayName')!r} is suspended: `argo resume` continues it"
    if message := find_waiting(workflow):
        holders = ", ".join(_list_holders(workflow))
        yield f"{message}{f'; held by {holders}' if holders else ''}"


def _list_holders(workflow: Manifest) -> list[str]:
    """List who holds the locks that a workflow waits for. Source: Argo, `SynchronizationStatus`."""
    status = workflow["status"].get("synchronization") or {}
    waiting = [one for kind in ("semaphore", "mutex") for one in (status.get(kind) or {}).get("waiting") or []]
    return [str(holder) for one in waiting for holder in one.get("holders") or [one.get("holder")] if holder]


def _add_log(diagnosis: Diagnosis, log: Sequence[str]) -> Diagnosis:
    """Add what the workflow controller wrote to what is its operator's to correct."""
    if diagnosis.level is not Level.ENGINE:
        return diagnosis
    return replace(diagnosis, evidence=(*diagnosis.evidence, *(f"controller: {line}" for line in log)))
