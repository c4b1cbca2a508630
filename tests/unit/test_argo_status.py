"""What Argo's status says about a job, with messages as Argo 4.0.5 wrote them."""

from typing import Any

import pytest

from zoo_runner.engines.argo.pods import find_container_failure, find_own_exit_code, has_container_started, is_job_pod
from zoo_runner.engines.argo.status import build_not_seen, find_failure, find_refused, find_waiting, has_failed, is_seen
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.codes import CODES
from zoo_runner.model.diagnosis import Level


def build_workflow(phase: str, *nodes: tuple[str, str, str, str], message: str = "") -> Manifest:
    """A Workflow in a phase; a node is type, name, phase and message."""
    status: dict[str, Any] = {"phase": phase, "message": message, "nodes": {}}
    for number, (kind, name, node_phase, text) in enumerate(nodes):
        status["nodes"][str(number)] = {"type": kind, "displayName": name, "phase": node_phase, "message": text}
    return {"metadata": {"name": "job-a", "labels": {"zoo-runner/job": "job-a"}}, "status": status}


def test_a_failure_is_that_of_the_container_and_not_of_what_depended_on_it_or_of_the_pod() -> None:
    workflow = build_workflow(
        "Failed",
        ("Pod", "job-a(0)", "Failed", "main: Error (exit code 143)"),
        ("Container", "stage-out", "Error", 'stage-out: Error (exit code 64): dependency "run" exited with 1'),
        ("Container", "run", "Failed", "run: OOMKilled (exit code 137): "),
        message="retryStrategy.expression evaluated to false",
    )
    failure = find_failure(workflow)
    assert failure
    assert failure.diagnosis.code == "engine.memory"
    assert failure.diagnosis.evidence == ("run: OOMKilled (exit code 137): ",)


@pytest.mark.parametrize(
    ("message", "code", "level"),
    [
        (
            "wait: Error (exit code 64): workflowtaskresults.argoproj.io is forbidden: User"
            ' "system:serviceaccount:ns:sa" cannot create resource',
            "engine.executor-permission",
            Level.ENGINE,
        ),
        (
            'pods "job-a" is forbidden: error looking up service account ns/gone: serviceaccount "gone" not found',
            "cluster.service-account",
            Level.ENGINE,
        ),
        (
            'pods "job-a" is forbidden: exceeded quota: small, requested: requests.cpu=10m',
            "cluster.quota",
            Level.PLATFORM,
        ),
        ('pods "job-a" is forbidden: violates PodSecurity "restricted:latest"', "cluster.pod-security", Level.ENGINE),
        ("wait: OOMKilled (exit code 137)", "engine.executor-memory", Level.ENGINE),
        (
            "wait: Error (exit code 64): dial tcp 10.96.0.1:443: i/o timeout",
            "engine.executor-network",
            Level.PLATFORM,
        ),
        ("pod deleted", "cluster.pod-lost", Level.PLATFORM),
        ("Step exceeded its deadline", "job.time-limit", Level.USER),
        ("invalid spec: templates.job failed to resolve {{x}}", "engine.argo-invalid", Level.ENGINE),
        ("something that nobody has seen", "engine.failed", Level.ENGINE),
    ],
)
def test_a_message_of_argo_has_a_code_and_a_level(message: str, code: str, level: Level) -> None:
    failure = find_failure(build_workflow("Error", ("Pod", "job-a", "Error", message)))
    assert failure
    assert (failure.diagnosis.code, failure.diagnosis.level) == (code, level)
    assert code in CODES
    assert failure.diagnosis.evidence == (message,)


def test_a_workflow_that_tries_again_has_not_failed() -> None:
    lost = ("Pod", "job-a(0)", "Error", "pod deleted")
    again = build_workflow("Running", ("Retry", "job-a", "Running", ""), lost)
    assert not has_failed(again)
    assert find_failure(again) is None
    assert has_failed(build_workflow("Running", ("Retry", "job-a", "Failed", "No more retries left"), lost))


@pytest.mark.parametrize(
    "message",
    [
        "Waiting for ns/ConfigMap/limits/jobs lock. Lock status: 0/1",
        "Workflow processing has been postponed because too many workflows are already running",
    ],
)
def test_what_waits_for_its_turn_is_healthy(message: str) -> None:
    workflow = build_workflow("Pending", message=message)
    assert find_waiting(workflow) == message
    assert is_seen(workflow)
    assert find_failure(workflow) is None


def test_a_pod_that_a_quota_refuses_is_a_failure_though_its_node_stays_pending() -> None:
    message = 'pods "job-a-job-2534315291" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0'
    refused = find_refused(build_workflow("Running", ("Pod", "job-a(0)", "Pending", message)))
    assert refused
    assert (refused.diagnosis.code, refused.diagnosis.level) == ("cluster.quota", Level.PLATFORM)
    assert find_refused(build_workflow("Running", ("Pod", "job-a(0)", "Pending", "PodInitializing"))) is None


def test_a_workflow_that_no_controller_has_seen_has_no_phase() -> None:
    assert not is_seen({"metadata": {"name": "job-a"}})
    assert build_not_seen("job-a", 30).diagnosis.code == "engine.argo-controller"


def build_pod(**states: dict[str, Any]) -> Manifest:
    names = {"stage_in": "stage-in", "run": "run", "stage_out": "stage-out"}
    limits = {"resources": {"limits": {"memory": "2Gi"}}}
    return {
        "metadata": {"name": "job-a"},
        "spec": {"containers": [{"name": name, **limits} for name in names.values()]},
        "status": {"containerStatuses": [{"name": names[key], "state": state} for key, state in states.items()]},
    }


def test_a_node_that_was_killed_for_its_memory_is_named_with_its_limit() -> None:
    pod = build_pod(
        stage_in={"terminated": {"exitCode": 0}}, run={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    )
    failure = find_container_failure(pod)
    assert failure
    assert failure.diagnosis.code == "engine.memory"
    assert "2Gi" in failure.diagnosis.cause
    assert is_job_pod(pod)
    assert has_container_started(pod, "run")
    assert not has_container_started(pod, "stage-out")


@pytest.mark.parametrize(("code", "own"), [(1, 1), (0, 0), (64, None), (137, None), (143, None)])
def test_only_an_exit_code_of_the_program_itself_says_that_it_ended_by_itself(code: int, own: int | None) -> None:
    assert find_own_exit_code(build_pod(run={"terminated": {"exitCode": code}}), "run") == own
    assert find_own_exit_code(build_pod(run={"running": {}}), "run") is None
