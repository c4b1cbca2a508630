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
    selector = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    documents = list(YAML(typ="safe", pure=True).load_all((ROOT / "deploy/kubernetes/admission.yaml").read_text()))
    for policy, binding in zip(documents[::2], documents[1::2], strict=True):
        name = f"{OWN_WORKSPACE}-{policy['metadata']['name']}"
        policy["metadata"]["name"] = binding["metadata"]["name"] = binding["spec"]["policyName"] = name
        binding["spec"]["matchResources"] = {"namespaceSelector": selector}
    with applied(site, *documents):
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
    pod = build_step_pod(REQUEST, settings, "a", Owner("job-attack-x", "0-0"), keeps_printed=True)
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
    return complaint(site, "create", "--dry-run=server", "-f", str(path), *words)


def complaint(site: Site, *words: str) -> str:
    """What kubectl says where it fails."""
    try:
        kubectl(site, *words)
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


def secured(**context: Any) -> Manifest:
    """A step whose container has more in its security context."""
    return having(STEP, *CONTAINER, securityContext={"allowPrivilegeEscalation": False, **context})


UNMASKED = {"allowPrivilegeEscalation": False, "procMount": "Unmasked"}
BUNDLE = {"name": "job-other-0", "key": "part-0000"}
CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
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
    "the files of another job, by a label": (
        having(
            with_volume(STEP, persistentVolumeClaim={"claimName": "job-other-work"}),
            "metadata",
            labels={**STEP["metadata"]["labels"], "zoo-runner/volume": "job-other"},
        ),
        "another job",
    ),
    "the files of another job than the label says": (
        having(
            with_volume(JOB, persistentVolumeClaim={"claimName": "job-other-work"}),
            "metadata",
            labels={**JOB["metadata"]["labels"], "zoo-runner/volume": "job-third"},
        ),
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
    "a role that no NetworkPolicy knows": (
        having(STEP, "metadata", labels={**STEP["metadata"]["labels"], "zoo-runner/role": "other"}),
        "its label",
    ),
    "its token in each container of a job": (
        having(JOB, "spec", automountServiceAccountToken=True),
        "into one container",
    ),
    "a port of the node": (having(STEP, *CONTAINER, ports=[{"containerPort": 80, "hostPort": 80}]), "of the node"),
    "a node of its choice": (build_step(nodeName="other"), "scheduler"),
    "the priority of the cluster's own pods": (build_step(priorityClassName="system-node-critical"), "priority"),
    "one process namespace for all containers": (
        having(JOB, "spec", shareProcessNamespace=True),
        "namespace of the node, and",
    ),
    "parameters of the kernel": (
        build_step(securityContext={"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}]}),
        "confinement",
    ),
    "no seccomp for the pod": (build_step(securityContext={"seccompProfile": {"type": "Unconfined"}}), "confinement"),
    "no seccomp for a container": (secured(seccompProfile={"type": "Unconfined"}), "confinement"),
    "no AppArmor": (secured(appArmorProfile={"type": "Unconfined"}), "confinement"),
    "no AppArmor by annotation": (
        having(
            STEP,
            "metadata",
            annotations={"container.apparmor.security.beta.kubernetes.io/step": "unconfined"},
        ),
        "confinement",
    ),
    "another type of SELinux": (secured(seLinuxOptions={"type": "spc_t"}), "confinement"),
    "a user of SELinux": (build_step(securityContext={"seLinuxOptions": {"user": "system_u"}}), "confinement"),
    "an unmasked /proc": (having(build_step(hostUsers=False), *CONTAINER, securityContext=UNMASKED), "confinement"),
    "a probe of another host by the kubelet": (
        having(STEP, *CONTAINER, livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}}),
        "other hosts",
    ),
    "a connection to another host by the kubelet": (
        having(STEP, *CONTAINER, startupProbe={"tcpSocket": {"host": "10.0.0.1", "port": 22}}),
        "other hosts",
    ),
    "a request by the kubelet at the start": (
        having(STEP, *CONTAINER, lifecycle={"postStart": {"httpGet": {"host": "10.0.0.1", "port": 80}}}),
        "other hosts",
    ),
    "names for other hosts": (build_step(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["s3"]}]), "names of hosts"),
    "a name by which a service finds it": (build_step(hostname="db-0", subdomain="db"), "names of hosts"),
    "a mount whose path has variables": (
        having(STEP, *CONTAINER, volumeMounts=[{"name": "work", "mountPath": "/x", "subPathExpr": "$(A)"}]),
        "mounts",
    ),
    "a mount that is seen outside": (
        having(
            STEP,
            *CONTAINER,
            securityContext={"privileged": True, "allowPrivilegeEscalation": True},
            volumeMounts=[{"name": "work", "mountPath": "/x", "mountPropagation": "Bidirectional"}],
        ),
        "privileges",
    ),
    "the whole volume of a job": (
        having(STEP, *CONTAINER, volumeMounts=[{"name": "work", "mountPath": "/x"}]),
        "mounts",
    ),
    "the output of all steps": (
        having(STEP, *CONTAINER, volumeMounts=[{"name": "work", "mountPath": "/x", "subPath": "printed"}]),
        "mounts",
    ),
    "the logs in the volume of a job": (
        having(STEP, *CONTAINER, volumeMounts=[{"name": "work", "mountPath": "/x", "subPath": "logs"}]),
        "mounts",
    ),
    "a volume as a device": (
        having(STEP, *CONTAINER, volumeMounts=[], volumeDevices=[{"name": "work", "devicePath": "/dev/x"}]),
        "mounts",
    ),
    "a volume that is created for it": (
        with_volume(STEP, ephemeral={"volumeClaimTemplate": CLAIM}),
        "volume of a step",
    ),
    "a driver of volumes": (with_volume(STEP, csi={"driver": "secrets-store.csi.k8s.io"}), "volume of a step"),
    "a network file system": (with_volume(STEP, nfs={"server": "10.0.0.1", "path": "/"}), "volume of a step"),
    "what the pod is, as a file": (with_volume(STEP, downwardAPI={"items": []}), "volume of a step"),
    "the package of another job in a variable": (
        having(STEP, *CONTAINER, env=[{"name": "A", "valueFrom": {"configMapKeyRef": BUNDLE}}]),
        "ConfigMap",
    ),
    "the package of another job in all variables": (
        having(JOB, *CONTAINER, envFrom=[{"configMapRef": {"name": "job-other-0"}}]),
        "its own Secret",
    ),
    "a token for somebody else": (
        with_volume(
            JOB, projected={"sources": [{"serviceAccountToken": {"path": "token", "audience": "https://sts.example"}}]}
        ),
        "volume of a job",
    ),
    "the certificates of others": (
        with_volume(JOB, projected={"sources": [{"clusterTrustBundle": {"name": "x", "path": "x"}}]}),
        "volume of a job",
    ),
    "a secret in an init container": (
        having(STEP, "spec", "initContainers", 0, env=[{"name": "A", "valueFrom": FOREIGN}]),
        "another job",
    ),
    "the pull secret of another job beside its own": (
        build_step(imagePullSecrets=[{"name": "job-attack-pull-0"}, {"name": "job-other-pull-1"}]),
        "pull secret",
    ),
}
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "job-attack-abcde", "uid": "0-0"}
OWNED = having(STEP, "metadata", ownerReferences=[OWNER])
CREATED_BY_JOB: dict[str, Manifest] = {
    "a step that no NetworkPolicy selects": having(
        OWNED, "metadata", labels={"zoo-runner/job": "job-attack", "zoo-runner/role": "step"}
    ),
    "a step that somebody else keeps alive": having(
        STEP, "metadata", ownerReferences=[OWNER, {**OWNER, "kind": "Node", "name": "n", "uid": "0-2"}]
    ),
    "a step that cannot be deleted": having(OWNED, "metadata", finalizers=["attack.example/never"]),
    "a step that takes for ever to be deleted": having(OWNED, "spec", terminationGracePeriodSeconds=10**8),
    "a step of a job whose name is the first part of this one": having(
        OWNED, "metadata", labels={**STEP["metadata"]["labels"], "zoo-runner/job": "job"}
    ),
    "a pod without labels": having(STEP, "metadata", labels={}),
    "a job pod": JOB,
    "a step of another job": having(STEP, "metadata", labels={**STEP["metadata"]["labels"], "zoo-runner/job": "job-b"}),
    "a step that nobody owns": STEP,
    "a step that another pod owns": having(
        STEP, "metadata", ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "0-1"}]
    ),
}


def acting_as_job(site: Site) -> str:
    """Write a kubeconfig that acts as the token of a job pod does (authentication.k8s.io/v1, UserInfo: extra)."""
    config = json.loads(kubectl(site, "config", "view", "--raw", "--minify", "-o", "json"))
    prefix = "authentication.kubernetes.io/pod"
    config["users"][0]["user"] |= {
        "as": f"system:serviceaccount:{NAMESPACE}:zoo-runner-job",
        "as-user-extra": {f"{prefix}-name": [OWNER["name"]], f"{prefix}-uid": [OWNER["uid"]]},
    }
    path = site.folder / "job.json"
    path.write_text(json.dumps(config))
    return f"--kubeconfig={path}"


def test_attacks_are_refused_and_the_pods_of_jobs_are_not(guarded: Site, tmp_path: Path) -> None:
    account = acting_as_job(guarded)
    said = {what: (refusal(guarded, pod), reason) for what, (pod, reason) in ATTACKS.items()}
    said |= {what: (refusal(guarded, pod, account), REFUSED) for what, pod in CREATED_BY_JOB.items()}
    assert {what: text for what, (text, reason) in said.items() if REFUSED not in text or reason not in text} == {}
    assert refusal(guarded, OWNED, account) == ""
    assert refusal(guarded, STEP) == ""
    assert refusal(guarded, JOB) == ""


def allow_all(*verbs: str) -> list[Manifest]:
    """A role that gives the account of jobs more than it needs: what is refused then, the policy refuses."""
    group, meta = "rbac.authorization.k8s.io", {"name": "too-much", "namespace": NAMESPACE}
    rules = [{"apiGroups": [""], "resources": ["pods", "pods/exec", "pods/ephemeralcontainers"], "verbs": verbs}]
    subject = {"kind": "ServiceAccount", "name": "zoo-runner-job", "namespace": NAMESPACE}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "too-much"},
            "subjects": [subject],
        },
    ]


def test_a_pod_that_exists_is_not_changed_into_what_would_be_refused(guarded: Site) -> None:
    # it waits for a volume that does not exist
    waiting = having(STEP, "metadata", name="job-attack-waiting")
    pod, words = "pod/job-attack-waiting", ("-n", NAMESPACE, "--dry-run=server")
    debug = {"name": "d", "image": "x", "securityContext": {"privileged": True}}
    own = [{"op": "add", "path": "/metadata/ownerReferences", "value": [OWNER]}]
    account = acting_as_job(guarded)
    with applied(guarded, waiting, *allow_all("get", "patch", "delete")):
        said = {
            "another role": complaint(guarded, "label", pod, "zoo-runner/role=other", "--overwrite", *words),
            "no label": complaint(guarded, "label", pod, "app.kubernetes.io/managed-by-", *words),
            "the network": complaint(guarded, "label", pod, "zoo-runner/network=allowed", *words),
            "a privileged container for debugging": complaint(
                guarded,
                *("patch", pod, *words, "--subresource=ephemeralcontainers"),
                *("-p", json.dumps({"spec": {"ephemeralContainers": [debug]}})),
            ),
            "an image, by a job": complaint(guarded, "set", "image", pod, "step=other", account, *words),
            "an owner, by a job": complaint(
                guarded, "patch", pod, "--type=json", "-p", json.dumps(own), account, *words
            ),
            "deleted by another job": complaint(guarded, "delete", pod, account, *words),
            "entered by a job": complaint(
                guarded,
                "get",
                account,
                "--raw",
                f"/api/v1/namespaces/{NAMESPACE}/{pod.replace('/', 's/')}/exec?command=id",
            ),
        }
        assert {what: text for what, text in said.items() if REFUSED not in text} == {}
        assert complaint(guarded, "label", pod, "a=b", *words) == ""
        assert complaint(guarded, "delete", pod, *words) == ""


def test_the_pods_of_jobs_pass(guarded: Site, tmp_path: Path) -> None:
    for engine in ("calrissian", "argo"):
        other = guarded.having(ZOO_RUNNER_ENGINE=engine)
        story = other.run(other.accept(write_package(tmp_path, "echo done"), None, destination="s3://results/passed"))
        assert story.outcome.status is Status.SUCCESSFUL, story.log
