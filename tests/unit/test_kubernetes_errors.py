"""What Kubernetes refuses is answered by its own words: the messages are those of a real cluster."""

import pytest

from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.job_pod.steprunner import _explain_refusal, _may_pass
from zoo_runner.engines.kubernetes.pods import diagnose_event
from zoo_runner.model.diagnosis import Level

REFUSALS = {
    'pods "job-1-x" is forbidden: [maximum cpu usage per Container is 1, but limit is 2]': "ZOO_RUNNER_JOB_CPU_LIMIT",
    'pods "job-1-x" is forbidden: minimum memory usage per Container is 128Mi, but request is 32Mi': "LimitRange",
    'pods "job-1-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot': "ZOO_RUNNER_RUN_AS_USER",
    'pods "job-1-" is forbidden: no PriorityClass with name nosuch was found': "POD_PRIORITY_CLASS",
    'pods "job-1-x" is forbidden: failed quota: q: must specify limits.ephemeral-storage for: job': "LimitRange",
}


@pytest.mark.parametrize(("message", "setting"), REFUSALS.items())
def test_a_refusal_names_what_to_set(message: str, setting: str) -> None:
    event = {"reason": "FailedCreate", "message": f"Error creating: {message}", "involvedObject": {"name": "job-1"}}
    of_event = diagnose_event(event)
    assert of_event
    assert setting in of_event.diagnosis.remedy
    assert setting in ApiError("creating Pod", 403, "Forbidden", message).diagnosis.remedy


def test_a_volume_above_the_limit_range_names_its_setting() -> None:
    said = 'persistentvolumeclaims "w" is forbidden: maximum storage usage per PersistentVolumeClaim is 500Mi, but'
    assert "DEFAULT_VOLUME_SIZE" in ApiError("creating", 403, "Forbidden", said).diagnosis.remedy


def test_a_missing_permission_has_a_code_of_its_own() -> None:
    said = 'pods is forbidden: User "a" cannot create resource "pods" in API group "" in the namespace "b"'
    assert ApiError("creating", 403, "Forbidden", said).diagnosis.code == "cluster.permission"


@pytest.mark.parametrize(
    ("status", "message"),
    [(500, "etcdserver: request is too large"), (413, "Request entity too large: limit is 3145728")],
)
def test_a_step_that_is_too_large_for_kubernetes_is_not_waited_with(status: int, message: str) -> None:
    error = ApiError("creating Pod a", status, "", message)
    assert not _may_pass(error)
    explained = _explain_refusal("crop", error)
    assert explained.diagnosis.level is Level.USER
    assert "as a File" in explained.diagnosis.remedy
