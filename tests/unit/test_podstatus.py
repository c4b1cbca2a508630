"""Rules of what a pod's status says about a job."""

from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pods import (
    Ending,
    diagnose_event,
    explain_ending,
    find_ending,
    find_start_failure,
    has_started,
    warns,
)
from zoo_runner.engines.kubernetes.scheduling import (
    find_missing_claim,
    find_unschedulable,
    judge_beside,
    judge_unschedulable,
)
from zoo_runner.model.diagnosis import Level


def build_pod(state: dict[str, Any] | None = None, step: str | None = "crop", **spec: Any) -> Manifest:
    statuses = [{"image": "example.org/tool:1", "state": state}] if state else []
    resources = {"requests": {"cpu": "2", "memory": "512Mi"}, "limits": {"memory": "512Mi"}}
    return {
        "metadata": {"name": "job-1-crop-x", "uid": "1", "annotations": {"zoo-runner/step": step} if step else {}},
        "spec": {"containers": [{"resources": resources}], **spec},
        "status": {"phase": "Pending", "containerStatuses": statuses},
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def build_node(cpu: str, memory: str, **labels: str) -> Manifest:
    return {
        "metadata": {"name": f"node-{cpu}", "labels": labels},
        "status": {"allocatable": {"cpu": cpu, "memory": memory}},
    }


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("ErrImagePull", "manifest unknown: not found", "image.not-found"),
        ("ErrImagePull", "pull access denied, authorization failed", "image.forbidden"),
        (
            "ErrImagePull",
            'resolving "10.0.0.1:40417/tool:1": unexpected status from HEAD request to http://x/: 401 Unauthorized',
            "image.forbidden",
        ),
        ("ImagePullBackOff", "dial tcp 10.0.0.1:44031: connect: connection refused", "image.unavailable"),
        ("ImagePullBackOff", "dial tcp: connection refused", "image.unavailable"),
        ("InvalidImageName", "couldn't parse image name: invalid reference format", "image.invalid"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_named_with_the_step(
    reason: str, message: str, code: str, check: Check
) -> None:
    error = find_start_failure(build_pod(waiting(reason, message)))
    diagnosis = check(error, code, "example.org/tool:1", "step 'crop'", level=Level.USER, step="crop")
    assert diagnosis.evidence == (message,)


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ErrImagePull"])
def test_a_pod_that_may_still_start_is_left_alone(reason: str) -> None:
    assert find_start_failure(build_pod(waiting(reason, "i/o timeout"))) is None


def test_a_secret_that_the_kubelet_has_not_read_yet_is_waited_for() -> None:
    said = "failed to sync secret cache: timed out waiting for the condition"
    assert find_start_failure(build_pod(waiting("CreateContainerConfigError", said))) is None
    assert find_start_failure(build_pod(waiting("CreateContainerConfigError", 'secret "none" not found')))


def test_a_missing_job_image_is_at_level_engine(check: Check) -> None:
    error = find_start_failure(build_pod(waiting("ErrImagePull", "not found"), step=None))
    check(error, "image.not-found", "example.org/tool:1 of the job", level=Level.ENGINE)


def test_a_step_out_of_memory_is_reported_with_its_limit_and_what_to_raise(check: Check) -> None:
    pod = build_pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    ending = find_ending(pod)
    assert ending
    error = explain_ending(pod, ending)
    check(error, "step.out-of-memory", "step 'crop'", "512Mi", step="crop", remedy="ramMax")


def test_the_exit_code_of_a_tool_is_no_error_of_its_pod() -> None:
    pod = build_pod({"terminated": {"exitCode": 3, "reason": "Error"}})
    assert find_ending(pod) == Ending(3, "Error")
    assert explain_ending(pod, Ending(3, "Error")) is None


def test_an_evicted_pod_is_at_level_platform(check: Check) -> None:
    pod = build_pod()
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    ending = find_ending(pod)
    assert ending
    error = explain_ending(pod, ending)
    check(error, "cluster.evicted", "step 'crop'", "The node was low on resource: memory.", level=Level.PLATFORM)


def test_an_eviction_is_reported_rather_than_the_exit_code_that_it_led_to() -> None:
    """The status of a pod that filled its disk, as Kubernetes 1.34 writes it."""
    message = "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. "
    killed = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located"}
    pod = build_pod()
    pod["status"] = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": message,
        "containerStatuses": [{"name": "work", "state": {"terminated": killed}}],
    }
    assert find_ending(pod) == Ending(1, "Evicted", message.strip())


@pytest.mark.parametrize(("state", "started"), [({"running": {}}, True), (waiting("ContainerCreating"), False)])
def test_a_pod_has_a_log_once_its_container_has_started(state: dict[str, Any], started: bool) -> None:
    assert has_started(build_pod(state)) is started


def test_the_schedulers_reason_is_found() -> None:
    pod = build_pod()
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]
    assert find_unschedulable(pod) == "0/1 nodes are available"
    assert find_unschedulable(build_pod()) is None


def test_a_step_that_fits_no_node_is_reported_with_what_it_asks_for_and_the_largest_node(check: Check) -> None:
    error = judge_unschedulable(build_pod(), "Insufficient cpu", [build_node("1", "8Gi"), build_node("1500m", "4Gi")])
    facts = ("step 'crop'", "2 cores", "512 MiB", "1.5 cores", "4096 MiB")
    check(error, "cluster.unschedulable", *facts)


def test_a_step_that_only_fits_a_node_without_the_pod_of_its_job_is_not_waited_for(check: Check) -> None:
    requests = {"resources": {"requests": {"cpu": "10m", "memory": "256Mi"}}}
    own = {"metadata": {"name": "job"}, "spec": {"nodeName": "node-2", "containers": [requests]}, "status": {}}
    error = judge_unschedulable(build_pod(), "Insufficient cpu", [build_node("2", "8Gi")], [own])
    facts = ("step 'crop'", "2 cores", "8192 MiB", "0.01 cores", "256 MiB")
    check(error, "cluster.unschedulable", *facts)
    assert judge_unschedulable(build_pod(), "", [build_node("2", "8Gi"), build_node("4", "8Gi")], [own]) is None


def test_a_step_is_judged_beside_the_pod_of_its_job_before_either_runs(check: Check) -> None:
    def build_own(cpu: str) -> Manifest:
        requests = {"resources": {"requests": {"cpu": cpu, "memory": "256Mi"}}}
        return {"metadata": {"name": "job"}, "spec": {"containers": [requests]}, "status": {}}

    one, two, larger = build_node("2", "8Gi"), build_node("2", "8Gi"), build_node("4", "8Gi")
    two["metadata"]["name"], larger["metadata"]["name"] = "other", "larger"
    check(judge_beside(build_pod(), build_own("10m"), [one]), "cluster.unschedulable", "step 'crop'", "0.01 cores")
    assert judge_beside(build_pod(), build_own("10m"), [larger]) is None
    assert judge_beside(build_pod(), build_own("10m"), [one, two]) is None, "the job's pod is on one of them"
    # the job's pod has one place only, and takes what the step would need of it
    check(judge_beside(build_pod(), build_own("3"), [build_node("1", "8Gi"), larger]), "cluster.unschedulable")
    check(judge_beside(build_pod(), build_own("8"), [one, larger]), "cluster.unschedulable", "8 cores")


def test_a_busy_cluster_is_waited_for() -> None:
    assert judge_unschedulable(build_pod(), "Insufficient cpu", [build_node("4", "8Gi")]) is None


def test_a_node_selector_that_fits_no_node_is_named(check: Check) -> None:
    pod = build_pod(nodeSelector={"pool": "gpu"})
    error = judge_unschedulable(pod, "didn't match", [build_node("8", "8Gi", pool="cpu")])
    check(error, "cluster.unschedulable", "{'pool': 'gpu'}")


@pytest.mark.parametrize(
    ("reason", "message", "code", "fact"),
    [
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: plugin type="bridge" failed (add): no IP addresses available',
            "cluster.network",
            'plugin type="bridge" failed (add): no IP addresses available',
        ),
        (
            "ProvisioningFailed",
            'storageclass.storage.k8s.io "fast" not found',
            "cluster.storage-class",
            "volume job-1",
        ),
        (
            "FailedCreate",
            'Error creating: pods "job-1-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1',
            "cluster.quota",
            "job-1",
        ),
        (
            "FailedCreate",
            'Error creating: pods "job-1-x" is forbidden: error looking up service account: not found',
            "cluster.service-account",
            "job-1",
        ),
    ],
)
def test_an_event_that_ends_a_job_is_explained(reason: str, message: str, code: str, fact: str, check: Check) -> None:
    error = diagnose_event({"reason": reason, "message": message, "involvedObject": {"name": "job-1"}})
    assert check(error, code, fact).evidence == (message,)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FailedScheduling", "Insufficient cpu"),
        ("FailedCreate", 'pods "job-1-x" is forbidden: status unknown for quota: small, resources: pods'),
    ],
)
def test_an_event_that_may_pass_ends_no_job(reason: str, message: str) -> None:
    assert diagnose_event({"reason": reason, "message": message, "involvedObject": {"name": "job-1"}}) is None


def test_a_volume_claim_that_stays_unbound_is_a_warning_although_kubernetes_calls_it_normal() -> None:
    assert warns({"type": "Warning", "reason": "FailedCreate"})
    assert not warns({"type": "Normal", "reason": "Pulled"})
    assert warns({"type": "Normal", "reason": "FailedBinding"})


def test_an_image_without_a_shell_is_at_level_user(check: Check) -> None:
    said = 'unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown'
    pod = build_pod({"terminated": {"exitCode": 128, "reason": "StartError", "message": said}})
    pod["spec"]["containers"][0]["image"] = "example.org/tool:1"
    error = explain_ending(pod, Ending(128, "StartError", said))
    check(error, "image.no-shell", "example.org/tool:1", "step 'crop'", "/bin/sh", level=Level.USER)


def test_a_missing_volume_claim_of_the_site_is_named_and_the_jobs_own_is_waited_for(check: Check) -> None:
    pod = build_pod()
    pod["spec"]["volumes"] = [
        {"name": "work", "persistentVolumeClaim": {"claimName": "job-1-work"}},
        {"name": "extra-0", "persistentVolumeClaim": {"claimName": "data"}},
    ]
    said = '0/1 nodes are available: persistentvolumeclaim "{}" not found. not found'
    check(find_missing_claim(pod, said.format("data")), "cluster.volume", "'data'", remedy="POD_VOLUMES")
    assert find_missing_claim(pod, said.format("job-1-work")) is None
