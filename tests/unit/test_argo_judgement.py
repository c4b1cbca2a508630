"""What is judged of a workflow from what Argo and its pods show together, with shapes as Argo 4.0.5 wrote them."""

import base64
import gzip
import json
from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.argo.evidence import Evidence, Subject
from zoo_runner.engines.argo.judgement import Judgement, State, judge, read_progress
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pod_judgement import Surroundings
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

BEGUN = "2026-01-31T12:00:00Z"
NAME = "coin-flip"
RESTART = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": BEGUN}


def build_workflow(phase: str = "Running", *nodes: dict[str, Any], **spec: Any) -> Manifest:
    status = {"phase": phase, "nodes": {node["id"]: node for node in nodes}} if phase else {}
    return {"metadata": {"name": NAME, "creationTimestamp": BEGUN}, "spec": spec, "status": status}


def build_node(phase: str, **more: Any) -> dict[str, Any]:
    return {"id": "n1", "type": "Pod", "displayName": "flip", "phase": phase, "startedAt": BEGUN, **more}


def build_pod(phase: str, *states: tuple[str, dict[str, Any]], **spec: Any) -> Manifest:
    return {
        "metadata": {
            "name": f"{NAME}-1",
            "uid": "1",
            "creationTimestamp": BEGUN,
            "labels": {"workflows.argoproj.io/workflow": NAME},
            "annotations": {"workflows.argoproj.io/node-id": "n1", "workflows.argoproj.io/node-name": f"{NAME}.flip"},
        },
        "spec": {"containers": [{"name": "main"}, {"name": "wait"}], **spec},
        "status": {
            "phase": phase,
            "containerStatuses": [{"name": name, "image": "x:1", "state": state} for name, state in states],
        },
    }


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": BEGUN}}


def look(workflow: Manifest | None, *pods: Manifest, seconds: float = 600, **around: Any) -> Judgement:
    now = clock.to_seconds(BEGUN) + seconds
    return judge(Evidence(Subject("science", NAME), workflow, pods, Surroundings(now=now, **around)))


def event(reason: str, message: str, kind: str = "Pod", name: str = f"{NAME}-1") -> Manifest:
    about = {"kind": kind, "name": name}
    return {"reason": reason, "message": message, "type": "Warning", "involvedObject": about, "lastTimestamp": BEGUN}


RUNNING = ("main", {"running": {"startedAt": BEGUN}})


def test_a_long_run_is_healthy() -> None:
    found = look(build_workflow("Running", build_node("Running")), build_pod("Running", RUNNING), seconds=90000)
    assert (found.state, found.diagnoses, found.waits) == (State.RUNNING, (), ())


def test_a_pod_in_error_without_its_workflow_is_reported_with_what_it_shows(check: Check) -> None:
    found = look(None, build_pod("Failed", ("main", ended(3)), ("wait", ended(0))))
    assert found.state is State.FAILED
    gone, failed = map(EngineError.restore, found.diagnoses)
    check(gone, "engine.argo-gone", f"{NAME}-1 in Error", level=Level.ENGINE)
    check(failed, "step.exit-code", "node 'coin-flip.flip'", "exit code 3")


def test_a_pod_that_has_ended_under_a_node_that_runs_is_reported_after_a_while(check: Check) -> None:
    workflow, pod = build_workflow("Running", build_node("Running")), build_pod("Failed", ("main", ended(3)))
    found = look(workflow, pod, seconds=5)
    assert (found.state, [one.code for one in found.diagnoses]) == (State.RUNNING, ["step.exit-code"])
    after = look(workflow, pod)
    assert after.state is State.STUCK
    stale, _ = after.diagnoses
    check(EngineError.restore(stale), "engine.argo-stale", "'flip'", "in Error")


def test_a_node_that_runs_without_a_pod_is_reported_after_a_while(check: Check) -> None:
    workflow = build_workflow("Running", build_node("Running"))
    assert look(workflow, seconds=5).diagnoses == ()
    check(EngineError.restore(look(workflow).diagnoses[0]), "engine.argo-stale", "no pod")


def test_a_workflow_that_was_stopped_and_does_not_end_is_reported(check: Check) -> None:
    workflow = build_workflow("Running", build_node("Failed", finishedAt=BEGUN), shutdown="Stop")
    found = look(workflow, build_pod("Failed", ("main", ended(143))))
    check(EngineError.restore(found.diagnoses[0]), "engine.argo-stopping", "Stop")
    assert look(workflow, seconds=5).diagnoses == ()


def test_a_controller_that_does_not_look_is_reported_with_the_instance_id(check: Check) -> None:
    assert look(build_workflow(""), seconds=5).state is State.WAITING
    found = EngineError.restore(look(build_workflow("")).diagnoses[0])
    diagnosis = check(found, "engine.argo-controller", NAME)
    assert any("controller-instanceid" in line for line in diagnosis.evidence)


def test_the_controllers_log_is_evidence_for_its_operator() -> None:
    seen = Evidence(Subject("science", NAME), build_workflow(""), around=Surroundings(now=2e9), log=("level=error x",))
    assert judge(seen).diagnoses[0].evidence[-1] == "controller: level=error x"


def test_an_attempt_that_argo_tries_again_is_no_failure() -> None:
    parent = {"id": "n0", "type": "Retry", "displayName": "flip", "phase": "Running", "children": ["n1"]}
    workflow = build_workflow("Running", parent, build_node("Failed"))
    assert look(workflow, build_pod("Failed", ("main", ended(3)))).diagnoses == ()


def test_a_pod_that_somebody_stopped_is_explained_by_argo() -> None:
    pod = build_pod("Failed", ("main", ended(143)), ("wait", ended(143)))
    assert look(build_workflow("Running", build_node("Running")), pod, seconds=5).diagnoses == ()


def test_a_node_that_is_not_ready_is_reported_with_the_pods_on_it(check: Check) -> None:
    nodes = [{"metadata": {"name": "node-7"}, "status": {"conditions": [RESTART]}}]
    workflow = build_workflow("Running", build_node("Running"))
    found = look(workflow, build_pod("Running", RUNNING, nodeName="node-7"), nodes=nodes)
    check(EngineError.restore(found.diagnoses[0]), "cluster.node", "node-7", "600 s", level=Level.PLATFORM)


def test_an_image_that_is_being_pulled_is_healthy_however_long() -> None:
    pod = build_pod("Pending", ("main", {"waiting": {"reason": "PodInitializing"}}))
    pulling = {**event("Pulling", 'Pulling image "x:1"'), "type": "Normal"}
    found = look(build_workflow("Running", build_node("Pending")), pod, events=[pulling], seconds=3000)
    assert (found.state, found.diagnoses) == (State.WAITING, ())
    assert 'Pulling image "x:1" since 3000 s' in found.waits[0]


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("FailedCreatePodSandBox", 'plugin type="calico" failed', "cluster.network"),
        ("FailedMount", 'MountVolume.SetUp failed for volume "a" : secret "s" not found', "cluster.not-found"),
        ("FailedAttachVolume", "Multi-Attach error for volume pvc-1", "cluster.mount"),
        ("FailedMount", "timed out waiting for the condition", "cluster.mount"),
        ("FailedMount", 'configmap "kube-root-ca.crt" not found', None),
        ("BackOff", "something else", None),
    ],
)
def test_what_only_an_event_shows_counts_until_the_pod_has_started(reason: str, message: str, code: str | None) -> None:
    workflow, events = build_workflow("Running", build_node("Pending")), [event(reason, message)]
    waiting = build_pod("Pending", ("main", {"waiting": {"reason": "PodInitializing"}}))
    assert [one.code for one in look(workflow, waiting, events=events).diagnoses] == ([code] if code else [])
    assert look(workflow, build_pod("Running", RUNNING), events=events).diagnoses == ()


def test_nodes_that_argo_has_compressed_are_read() -> None:
    workflow = build_workflow("Failed")
    nodes = {"n1": build_node("Failed", message="main: Error (exit code 4)")}
    workflow["status"]["compressedNodes"] = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    (found,) = look(workflow).diagnoses
    assert (found.code, found.evidence) == ("step.exit-code", ("main: Error (exit code 4)",))


def test_nothing_has_moved_while_all_phases_are_equal() -> None:
    def read(phase: str) -> frozenset[tuple[str, str]]:
        return read_progress(Evidence(Subject("s", NAME), build_workflow("Running", build_node(phase))))

    assert read("Pending") == read("Pending") != read("Running")


def test_the_image_of_the_executor_is_the_operators(check: Check) -> None:
    pod = build_pod("Pending")
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    pod["status"]["initContainerStatuses"] = [{"name": "init", "image": "argoexec:v9", "state": waiting}]
    found = look(build_workflow("Running", build_node("Pending", message="PodInitializing")), pod)
    check(EngineError.restore(found.diagnoses[0]), "engine.executor-image", "argoexec:v9", level=Level.ENGINE)


@pytest.mark.parametrize(
    ("message", "code", "level"),
    [
        ("main: OOMKilled (exit code 137)", "step.out-of-memory", Level.USER),
        ("wait: Error (exit code 64): /tmp/x.tif: no such file or directory", "step.output-missing", Level.USER),
        ("init: Error (exit code 64): key in/x.tif does not exist", "step.input-missing", Level.USER),
        ("wait: Error (exit code 64): Unauthorized", "engine.executor-permission", Level.ENGINE),
        ("main: StartError (exit code 128): exec format error", "step.program-not-found", Level.USER),
        ("failed to get artifact repository: not configured", "engine.artifact-repository", Level.ENGINE),
        ("offload node status is not supported", "engine.argo-too-large", Level.ENGINE),
        ("invalid spec: templates.a failed to resolve {{x}}", "engine.argo-invalid", Level.USER),
        (
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            "cluster.evicted",
            Level.PLATFORM,
        ),
        ("Max duration limit exceeded", "job.time-limit", Level.USER),
        ("timeout", "cluster.pending", Level.PLATFORM),
        ("something that nobody has seen", "step.failed", Level.USER),
    ],
)
def test_a_message_of_a_workflow_of_others_has_a_code_and_a_level(message: str, code: str, level: Level) -> None:
    (found,) = look(build_workflow("Failed", build_node("Failed", message=message))).diagnoses
    assert (found.code, found.level, found.evidence) == (code, level, (message,))


@pytest.mark.parametrize(
    ("taints", "tolerated", "code"),
    [
        (["team", "team"], [], "cluster.unschedulable"),
        (["team", "team"], ["team"], None),
        (["team", None], [], None),
        (["team", "node.kubernetes.io/not-ready"], [], None),
        (["node.cloudprovider.kubernetes.io/uninitialized"] * 2, [], None),
        (["node.cilium.io/agent-not-ready"] * 2, [], None),
        (["ToBeDeletedByClusterAutoscaler"] * 2, [], None),
    ],
)
def test_a_taint_of_the_operator_does_not_pass_and_one_of_the_platform_does(
    taints: list[str | None], tolerated: list[str], code: str | None
) -> None:
    pod = build_pod("Pending")
    # as Kubernetes 1.34 says it, without the keys
    message = "0/2 nodes are available: 2 node(s) had untolerated taint(s)."
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": message}]
    pod["spec"]["tolerations"] = [{"key": key, "operator": "Exists"} for key in tolerated]
    nodes = [
        {
            "metadata": {"name": f"node-{number}"},
            "spec": {"taints": [{"key": key, "value": "other", "effect": "NoSchedule"}] if key else []},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}},
        }
        for number, key in enumerate(taints)
    ]
    found = look(build_workflow("Running", build_node("Pending")), pod, nodes=nodes)
    assert [one.code for one in found.diagnoses] == ([code] if code else [])
    assert found.state is (State.STUCK if code else State.WAITING)
