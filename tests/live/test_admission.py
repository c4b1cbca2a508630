"""deploy/kubernetes/admission.yaml on a real API server: it refuses attacks, and lets the pods of jobs pass."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cluster import WORKSPACE, applied, kubectl
from tests.site import Site
from tests.steps import write_package
from tests.unit.test_steppod import REQUEST
from tests.values import ROOT, workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_step_pod, build_step_settings
from zoo_runner.engines.kubernetes.manifests import build_job
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.model.job import Status

OWN_WORKSPACE = f"{WORKSPACE}-admission"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
NAMES = build_names("attack", KubernetesSettings(), workspace_of(OWN_WORKSPACE))
POLICY = f"{OWN_WORKSPACE}-pods"
# by this one, or by the same that the cluster has
REFUSED = "ValidatingAdmissionPolicy '"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


@pytest.fixture
def guarded(site: Site, tmp_path: Path) -> Iterator[Site]:
    """The namespace with the accounts, and the policy in it, whatever the cluster has of its own."""
    story = site.run(site.accept(write_package(tmp_path, "true"), None, destination="s3://results/first"))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    # what the policy refuses is to be seen without the help of another one
    kubectl(site, "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=privileged", "--overwrite")
    policy, binding = YAML(typ="safe", pure=True).load_all((ROOT / "deploy/kubernetes/admission.yaml").read_text())
    policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = POLICY
    selector = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    binding["spec"]["matchResources"] = {"namespaceSelector": selector}
    with applied(site, policy, binding):
        # a policy is in force a moment after it was created; no event says when
        wait_until_refused(site)
        yield site


def wait_until_refused(site: Site) -> None:
    for _ in range(100):
        if refusal(site, build_step(hostNetwork=True)):
            return
    raise AssertionError("the policy is not in force")


def build_step(**spec: Any) -> Manifest:
    settings = build_step_settings(NAMES, KubernetesSettings())
    pod = build_step_pod(REQUEST, settings, "a", Owner("job-attack-x", "0-0"))
    del pod["metadata"]["ownerReferences"]
    pod["spec"].update(spec)
    return pod


def build_job_pod() -> Manifest:
    template = build_job(NAMES, KubernetesSettings(), 1, None)["spec"]["template"]
    metadata = {**template["metadata"], "name": "job-attack-x", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def refusal(site: Site, pod: Manifest, *words: str) -> str:
    """What the policy says against a pod; empty where it lets it pass. Nothing is created."""
    path = site.folder / "pod.json"
    path.write_text(json.dumps(pod))
    try:
        kubectl(site, "create", "--dry-run=server", "-f", str(path), *words)
    except AssertionError as error:
        return str(error)
    return ""


def having(pod: Manifest, *where: str | int, **content: Any) -> Manifest:
    changed = place = copy.deepcopy(pod)
    for key in where:
        place = place[key]  # type: ignore[index]
    place.update(content)
    return changed


STEP, JOB = build_step(), build_job_pod()
FOREIGN = {"secretKeyRef": {"name": "job-other-staging", "key": "AWS_SECRET_ACCESS_KEY"}}
OWN = {"secretKeyRef": {"name": NAMES.secret, "key": "AWS_SECRET_ACCESS_KEY"}}
CONTAINER = ("spec", "containers", 0)


def with_volume(pod: Manifest, **volume: Any) -> Manifest:
    changed = copy.deepcopy(pod)
    changed["spec"]["volumes"].append({"name": "attack", **volume})
    return changed


ATTACKS: dict[str, tuple[Manifest, str]] = {
    "the network of the node": (build_step(hostNetwork=True), "namespace of the node"),
    "the processes of the node": (build_step(hostPID=True), "namespace of the node"),
    "the memory of the node": (build_step(hostIPC=True), "namespace of the node"),
    "a privileged container": (having(STEP, *CONTAINER, securityContext={"privileged": True}), "privileges"),
    "more privileges later": (
        having(STEP, *CONTAINER, securityContext={"allowPrivilegeEscalation": True}),
        "privileges",
    ),
    "a capability": (
        having(
            STEP,
            *CONTAINER,
            securityContext={"allowPrivilegeEscalation": False, "capabilities": {"add": ["SYS_ADMIN"]}},
        ),
        "privileges",
    ),
    "privileges in an init container": (
        having(STEP, "spec", "initContainers", 0, securityContext={"privileged": True}),
        "privileges",
    ),
    "a node's folder": (with_volume(STEP, hostPath={"path": "/"}), "volume of a step"),
    "a node's folder for the job": (with_volume(JOB, hostPath={"path": "/"}), "volume of a job"),
    "a Secret as a volume": (with_volume(STEP, secret={"secretName": "job-other-staging"}), "volume of a step"),
    "a Secret as a volume for the job": (with_volume(JOB, secret={"secretName": "x"}), "volume of a job"),
    "a projected Secret": (
        with_volume(JOB, projected={"sources": [{"secret": {"name": "job-other-staging"}}]}),
        "volume of a job",
    ),
    "the package of another job": (
        with_volume(JOB, projected={"sources": [{"configMap": {"name": "job-other-0"}}]}),
        "volume of a job",
    ),
    "a token for a step": (
        with_volume(STEP, projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
        "volume of a step",
    ),
    "a ConfigMap for a step": (with_volume(STEP, configMap={"name": "x"}), "volume of a step"),
    "the files of another job": (
        with_volume(STEP, persistentVolumeClaim={"claimName": "job-other-work"}),
        "another job",
    ),
    "the Secret of another job": (having(STEP, *CONTAINER, env=[{"name": "A", "valueFrom": FOREIGN}]), "another job"),
    "credentials of staging in a step": (
        having(STEP, *CONTAINER, env=[{"name": "A", "valueFrom": OWN}]),
        "not for steps",
    ),
    "all credentials of staging in a step": (
        having(STEP, *CONTAINER, envFrom=[{"secretRef": {"name": NAMES.secret}}]),
        "its own Secret",
    ),
    "all credentials of another job": (
        having(JOB, *CONTAINER, envFrom=[{"secretRef": {"name": "job-other-staging"}}]),
        "its own Secret",
    ),
    "the pull secret of another job": (
        build_step(imagePullSecrets=[{"name": "job-other-pull-0"}]),
        "pull secret",
    ),
    "the account of jobs for a step": (build_step(serviceAccountName="zoo-runner-job"), "zoo-runner-step"),
    "the default account for a step": (build_step(serviceAccountName="default"), "zoo-runner-step"),
    "a token of its account for a step": (build_step(automountServiceAccountToken=True), "zoo-runner-step"),
    "no role": (having(JOB, "metadata", labels=NAMES.labels), "zoo-runner-step"),
}
CREATED_BY_JOB: dict[str, Manifest] = {
    "a pod without labels": having(STEP, "metadata", labels={}),
    "a job pod": JOB,
    "a step of another job": having(STEP, "metadata", labels={**STEP["metadata"]["labels"], "zoo-runner/job": "job-b"}),
    "a step that nobody owns": STEP,
    "a step that another pod owns": having(
        STEP, "metadata", ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "0-1"}]
    ),
}


def test_attacks_are_refused_and_the_pods_of_jobs_are_not(guarded: Site, tmp_path: Path) -> None:
    account = f"--as=system:serviceaccount:{NAMESPACE}:zoo-runner-job"
    passed = [
        what
        for what, (pod, reason) in ATTACKS.items()
        if REFUSED not in (said := refusal(guarded, pod)) or reason not in said
    ]
    passed += [what for what, pod in CREATED_BY_JOB.items() if REFUSED not in refusal(guarded, pod, account)]
    assert passed == []
    assert refusal(guarded, STEP) == ""
    assert refusal(guarded, JOB) == ""
    for engine in ("calrissian", "argo"):
        other = guarded.having(ZOO_RUNNER_ENGINE=engine)
        story = other.run(other.accept(write_package(tmp_path, "echo done"), None, destination="s3://results/passed"))
        assert story.outcome.status is Status.SUCCESSFUL, story.log
