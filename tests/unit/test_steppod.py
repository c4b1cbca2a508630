"""Rules of the pod of a step."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.job_pod.printing import PRINTED_MOUNT
from zoo_runner.engines.kubernetes.job_pod.request import Mount, StepRequest
from zoo_runner.engines.kubernetes.job_pod.steppod import (
    Owner,
    build_resources,
    build_step_pod,
    build_step_settings,
    show_pod,
)
from zoo_runner.engines.kubernetes.job_pod.steprunner import exceeds_quota_alone
from zoo_runner.engines.kubernetes.manifests import STEP_ACCOUNT
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.model.masking import Masker

NAMES = build_names("1", KubernetesSettings(), workspace_of())
OWNER = Owner("job-1-abcde", "u1")
REQUEST = StepRequest(
    "crop_2",
    "crop a",
    "example.org/tool:1",
    ("echo a > logs/out.txt",),
    "/out",
    {"HOME": "/out"},
    (Mount("/out", "run/out/x", False),),
    cores=2.0,
    cores_min=1.0,
    ram=512.0,
    ram_min=128.0,
    folders="mkdir -p logs",
)


def build(site: KubernetesSettings = KubernetesSettings(), **other: Any) -> dict[str, Any]:  # noqa: B008 a value
    return build_step_pod(replace(REQUEST, **other), build_step_settings(NAMES, site), "abcdef", OWNER)


def test_a_step_asks_for_the_minimum_and_is_limited_to_the_maximum() -> None:
    assert build()["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "128Mi"},
        "limits": {"cpu": "2", "memory": "512Mi"},
    }


def test_gpus_are_asked_for_as_calrissian_says() -> None:
    assert build_resources(replace(REQUEST, gpus=1))["limits"] == {
        "nvidia.com/gpu": "1",
        "cpu": "2",
        "memory": "512Mi",
    }


def test_a_step_sees_its_own_files_of_the_jobs_volume_and_a_folder_for_temporary_ones() -> None:
    spec = build()["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["work", "tmpdir"]
    assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": NAMES.claim}
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": "tmpdir", "mountPath": "/tmp"},
        {"name": "work", "mountPath": "/out", "subPath": "run/out/x", "readOnly": False},
    ]


def test_a_step_without_redirected_output_needs_no_folders() -> None:
    assert build(folders=None)["spec"]["initContainers"] == []


def test_a_step_goes_with_its_job() -> None:
    owners = build()["metadata"]["ownerReferences"]
    assert owners == [{"apiVersion": "v1", "kind": "Pod", "name": "job-1-abcde", "uid": "u1"}]


def test_a_step_carries_the_label_of_its_job_and_its_own_name() -> None:
    meta = build()["metadata"]
    assert meta["labels"]["zoo-runner/job"] == "job-1"
    assert meta["annotations"]["zoo-runner/step"] == "crop_2"
    assert meta["name"].startswith("job-1-crop-2-")


def test_a_step_has_no_token_and_no_right() -> None:
    spec = build()["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == (STEP_ACCOUNT, False)


def test_a_step_gets_what_the_site_wants_for_it() -> None:
    site = KubernetesSettings(
        step_variables={"REGION": "eu"},
        tolerations=({"operator": "Exists"},),
        priority_class="low",
        pull_secrets=("regcred",),
        volumes=({"claim": "store", "path": "/data"},),
    )
    spec = build(site)["spec"]
    container = spec["containers"][0]
    assert {"name": "REGION", "value": "eu"} in container["env"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["priorityClassName"] == "low"
    assert spec["imagePullSecrets"] == [{"name": "regcred"}]
    assert {"name": "extra-0", "persistentVolumeClaim": {"claimName": "store"}} in spec["volumes"]
    assert {"name": "extra-0", "mountPath": "/data", "readOnly": False} in container["volumeMounts"]


def test_a_step_reports_what_it_used_and_its_command_stays_as_it_is() -> None:
    container = build()["spec"]["containers"][0]
    assert container["command"] == ["/bin/sh", "-c"]
    assert container["args"][-1] == "echo a > logs/out.txt"
    assert "/dev/termination-log" in container["args"][0]


def test_folders_of_redirected_output_are_made_by_the_steps_own_image() -> None:
    (first,) = build()["spec"]["initContainers"]
    assert (first["image"], first["args"], first["name"]) == ("example.org/tool:1", ["mkdir -p logs"], "folders")


def test_images_may_choose_their_own_user() -> None:
    assert "securityContext" not in build(KubernetesSettings(user=None))["spec"]


def test_a_pod_in_the_log_shows_its_limits_and_hides_secrets_of_its_environment() -> None:
    shown = show_pod(build(KubernetesSettings(step_variables={"API_TOKEN": "canary"})), Masker())
    assert "canary" not in shown
    assert json.loads(shown)["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("requested", "alone"), [("pods=1,requests.cpu=3", True), ("pods=1,requests.cpu=1", False), ("pods=1", False)]
)
def test_a_request_larger_than_the_whole_quota_is_not_waited_for(requested: str, alone: bool) -> None:
    message = (
        f'pods "x" is forbidden: exceeded quota: small, requested: {requested},'
        " used: pods=2,requests.cpu=2, limited: pods=2,requests.cpu=2"
    )
    assert exceeds_quota_alone(message) is alone


def test_kubernetes_puts_no_variables_into_what_the_package_says() -> None:
    [container] = build(args=("echo '$(HOME)' $$",), variables={"A": "$(B)"})["spec"]["containers"]
    assert container["args"][-1] == "echo '$$(HOME)' $$$$"
    assert container["env"][0] == {"name": "A", "value": "$$(B)"}


def test_each_container_of_a_step_is_that_of_an_ordinary_user_without_capabilities() -> None:
    pod = build_step_pod(REQUEST, build_step_settings(NAMES, KubernetesSettings()), "a", OWNER)["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    contexts = [one["securityContext"] for one in (*pod["containers"], *pod["initContainers"])]
    assert len(contexts) == 2
    assert all(one["allowPrivilegeEscalation"] is False for one in contexts)
    assert all(one["capabilities"] == {"drop": ["ALL"]} for one in contexts)


def test_a_step_leaves_what_it_prints_in_a_folder_of_its_own_pod() -> None:
    settings = build_step_settings(NAMES, KubernetesSettings())
    pods = [build_step_pod(REQUEST, settings, tag, OWNER, keeps_printed=True) for tag in ("a", "b")]
    mounts = [
        [one for one in pod["spec"]["containers"][0]["volumeMounts"] if one["mountPath"] == PRINTED_MOUNT]
        for pod in pods
    ]
    assert mounts == [
        [{"name": "work", "mountPath": PRINTED_MOUNT, "subPath": f"printed/{pod['metadata']['name']}"}] for pod in pods
    ]
    assert mounts[0] != mounts[1]
