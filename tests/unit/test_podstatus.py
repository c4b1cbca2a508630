"""Rules of what a pod's status says about a job."""

from typing import Any

import pytest

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
from zoo_runner.engines.kubernetes.scheduling import find_missing_claim, find_unschedulable, judge_unschedulable
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
    return {"metadata": {"labels": labels}, "status": {"allocatable": {"cpu": cpu, "memory": memory}}}


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        ("ErrImagePull", "manifest unknown: not found", "the image example.org/tool:1 of step 'crop' does not exist"),
        (
            "ErrImagePull",
            "pull access denied, authorization failed",
            "the registry does not let the cluster pull the image example.org/tool:1 of step 'crop'",
        ),
        (
            "ErrImagePull",
            'resolving "10.0.0.1:40417/tool:1": unexpected status from HEAD request to http://x/: 401 Unauthorized',
            "the registry does not let the cluster pull the image example.org/tool:1 of step 'crop'",
        ),
        (
            "ImagePullBackOff",
            "dial tcp 10.0.0.1:44031: connect: connection refused",
            "the image example.org/tool:1 of step 'crop' cannot be pulled",
        ),
        (
            "ImagePullBackOff",
            "dial tcp: connection refused",
            "the image example.org/tool:1 of step 'crop' cannot be pulled",
        ),
        (
            "InvalidImageName",
            "couldn't parse image name: invalid reference format",
            "invalid image name 'example.org/tool:1' of step 'crop'",
        ),
    ],
)
def test_an_image_that_cannot_be_had_is_named_with_the_step(reason: str, message: str, cause: str) -> None:
    error = find_start_failure(build_pod(waiting(reason, message)))
    assert error
    assert error.diagnosis.cause == cause
    assert (error.diagnosis.level, error.diagnosis.step) == (Level.USER, "crop")
    assert error.diagnosis.evidence == (message,)


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ErrImagePull"])
def test_a_pod_that_may_still_start_is_left_alone(reason: str) -> None:
    assert find_start_failure(build_pod(waiting(reason, "i/o timeout"))) is None


def test_a_busy_kubelet_that_has_not_read_a_secret_yet_tries_again() -> None:
    said = "failed to sync secret cache: timed out waiting for the condition"
    assert find_start_failure(build_pod(waiting("CreateContainerConfigError", said))) is None
    assert find_start_failure(build_pod(waiting("CreateContainerConfigError", 'secret "none" not found')))


def test_the_job_image_is_the_operators_business() -> None:
    error = find_start_failure(build_pod(waiting("ErrImagePull", "not found"), step=None))
    assert error
    assert error.diagnosis.level is Level.ENGINE
    assert "of the job does not exist" in error.diagnosis.cause


def test_a_step_that_ran_out_of_memory_is_told_its_limit_and_what_to_raise() -> None:
    pod = build_pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    ending = find_ending(pod)
    assert ending
    error = explain_ending(pod, ending)
    assert error
    assert error.diagnosis.cause == "step 'crop' ran out of memory: it was killed at its limit of 512Mi"
    assert "Raise ramMax in the ResourceRequirement of step 'crop'" in error.diagnosis.remedy


def test_the_exit_code_of_a_tool_speaks_for_itself() -> None:
    pod = build_pod({"terminated": {"exitCode": 3, "reason": "Error"}})
    assert find_ending(pod) == Ending(3, "Error")
    assert explain_ending(pod, Ending(3, "Error")) is None


def test_an_evicted_pod_is_the_platforms_business() -> None:
    pod = build_pod()
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    ending = find_ending(pod)
    assert ending
    error = explain_ending(pod, ending)
    assert error
    assert error.diagnosis.cause == "step 'crop' was evicted from its node: The node was low on resource: memory."
    assert error.diagnosis.level is Level.PLATFORM


def test_an_eviction_comes_before_the_code_of_the_container_that_was_killed_for_it() -> None:
    """As Kubernetes 1.34 writes it of a pod that filled its disk."""
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
def test_a_pod_has_a_log_once_its_container_ran(state: dict[str, Any], started: bool) -> None:
    assert has_started(build_pod(state)) is started


def test_the_schedulers_reason_is_found() -> None:
    pod = build_pod()
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]
    assert find_unschedulable(pod) == "0/1 nodes are available"
    assert find_unschedulable(build_pod()) is None


def test_a_step_that_no_node_can_take_names_what_is_asked_and_what_there_is() -> None:
    error = judge_unschedulable(build_pod(), "Insufficient cpu", [build_node("1", "8Gi"), build_node("1500m", "4Gi")])
    assert error
    assert error.diagnosis.cause == (
        "step 'crop' asks for 2 cores and 512 MiB of memory; the largest node has 1.5 cores and 4096 MiB"
    )


def test_a_busy_cluster_is_waited_for() -> None:
    assert judge_unschedulable(build_pod(), "Insufficient cpu", [build_node("4", "8Gi")]) is None


def test_a_node_selector_that_fits_no_node_is_named() -> None:
    pod = build_pod(nodeSelector={"pool": "gpu"})
    error = judge_unschedulable(pod, "didn't match", [build_node("8", "8Gi", pool="cpu")])
    assert error
    assert "no node of the cluster has the labels {'pool': 'gpu'}" in error.diagnosis.cause


@pytest.mark.parametrize(
    ("reason", "message", "cause"),
    [
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: plugin type="bridge" failed (add): no IP addresses available',
            '(Init:0/1): plugin type="bridge" failed (add): no IP addresses available',
        ),
        (
            "ProvisioningFailed",
            'storageclass.storage.k8s.io "fast" not found',
            "volume job-1 cannot be created",
        ),
        (
            "FailedCreate",
            'Error creating: pods "job-1-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1',
            "the namespace's resource quota leaves no room for job-1",
        ),
        (
            "FailedCreate",
            'Error creating: pods "job-1-x" is forbidden: error looking up service account: not found',
            "the cluster refuses the pod of job-1",
        ),
    ],
)
def test_an_event_that_ends_a_job_is_explained(reason: str, message: str, cause: str) -> None:
    error = diagnose_event({"reason": reason, "message": message, "involvedObject": {"name": "job-1"}})
    assert error
    assert cause in error.diagnosis.cause
    assert error.diagnosis.evidence == (message,)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FailedScheduling", "Insufficient cpu"),
        ("FailedCreate", 'pods "job-1-x" is forbidden: status unknown for quota: small, resources: pods'),
    ],
)
def test_an_event_that_may_pass_ends_nothing(reason: str, message: str) -> None:
    assert diagnose_event({"reason": reason, "message": message, "involvedObject": {"name": "job-1"}}) is None


def test_a_claim_that_waits_for_ever_is_a_warning_though_it_is_a_normal_event() -> None:
    assert warns({"type": "Warning", "reason": "FailedCreate"})
    assert not warns({"type": "Normal", "reason": "Pulled"})
    assert warns({"type": "Normal", "reason": "FailedBinding"})


def test_an_image_without_a_shell_is_the_packages_affair() -> None:
    said = 'unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown'
    pod = build_pod({"terminated": {"exitCode": 128, "reason": "StartError", "message": said}})
    pod["spec"]["containers"][0]["image"] = "example.org/tool:1"
    error = explain_ending(pod, Ending(128, "StartError", said))
    assert error
    assert (
        "the image example.org/tool:1 of step 'crop' has no /bin/sh, which starts steps on Kubernetes"
        in error.diagnosis.cause
    )
    assert error.diagnosis.level is Level.USER


def test_a_claim_of_the_sites_that_is_missing_is_named_and_the_jobs_own_is_waited_for() -> None:
    pod = build_pod()
    pod["spec"]["volumes"] = [
        {"name": "work", "persistentVolumeClaim": {"claimName": "job-1-work"}},
        {"name": "extra-0", "persistentVolumeClaim": {"claimName": "data"}},
    ]
    said = '0/1 nodes are available: persistentvolumeclaim "{}" not found. not found'
    found = find_missing_claim(pod, said.format("data"))
    assert found
    assert "mounts the PVC 'data'" in found.diagnosis.cause
    assert "POD_VOLUMES" in found.diagnosis.remedy
    assert find_missing_claim(pod, said.format("job-1-work")) is None
