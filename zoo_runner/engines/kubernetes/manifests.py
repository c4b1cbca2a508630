"""What a job is on Kubernetes, as plain manifests; pure. The job's id decides every name."""

import base64
import json
import math
from collections.abc import Mapping

from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.kubernetes.names import Manifest, Names, build_meta
from zoo_runner.model.errors import DismissedError
from zoo_runner.model.masking import MASK
from zoo_runner.model.package import Package
from zoo_runner.package.requirements import find_all

JOB_ACCOUNT, STEP_ACCOUNT = "zoo-runner-job", "zoo-runner-step"
WORK_FOLDER, BUNDLE_FOLDER = "/job", "/bundle"
OUTPUTS_FILE = "outputs.json"
"""Where the output object of the package is in the job's folder, until its results are stored; no step mounts it."""
# another pod reads what is recorded there, whose user may be another
RECORD_MODE = 0o644
CHANNEL_FOLDER = "/channel"
"""Where the two containers of a job pod meet."""
MAIN, CWL = "job", "cwl"
"""The containers of a job pod: the one that has credentials and token, and the one that evaluates the package."""
CWL_FOLDERS = ("run", "files")
"""What the second one sees of the job's volume."""
NETWORK_LABEL = "zoo-runner/network"
"""Label of the pods of steps whose package asks for the network, and of those that reach the Kubernetes API alone."""
NETWORK_ALLOWED, NETWORK_API = "allowed", "api"
"""Its values."""
VOLUME_LABEL = "zoo-runner/volume"
"""Label of the pods of a job that continues another: whose volume it has (deploy/kubernetes/admission.yaml)."""
CWL_PROGRAM = ("/opt/calrissian/bin/python", "-m", "zoo_runner.engines.kubernetes.job_pod.main")
PATIENT = "patient"
"""Has that container wait for the other as long as it takes."""
GRACE_SECONDS = 5
# what autoscalers look at (Cluster Autoscaler, FAQ; Karpenter, "Disruption"): a node with such a pod stays
_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
# of a container that was stopped from outside: by itself, as it reports that, or by SIGKILL or SIGTERM
_STOPPED = (DismissedError.exit_code, 137, 143)
# with `_ORDINARY`, what the strictest of the Pod Security Standards requires of a container
CONFINED: Manifest = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_ORDINARY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
# Kubernetes refuses a ConfigMap above 1 MiB; base64 and metadata do not count, etcd's own limit (1.5 MiB) does
CHUNK_BYTES = 700_000


def name_job_folder(generation: int) -> str:
    """Name the folder of a job on its volume; one that continues others has one of its own beside theirs."""
    return f"{WORK_FOLDER}/again-{generation}" if generation else WORK_FOLDER


def list_earlier_folders(generation: int) -> list[str]:
    """List the folders of the jobs that a job continues, the latest first."""
    return [name_job_folder(number) for number in reversed(range(generation))]


def build_secret(names: Names, credentials: Mapping[str, str]) -> Manifest:
    """Build the Secret of the job pod, the only object with credentials of stage-in or stage-out."""
    data = {name: base64.b64encode(text.encode()).decode() for name, text in sorted(credentials.items())}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": build_meta(names.secret, names), "data": data}


def build_pull_secrets(names: Names, cluster: KubernetesSettings) -> list[Manifest]:
    """Build the Secrets with which the kubelet logs in to registries; no container sees them.

    Source: Kubernetes documentation, "Pull an Image from a Private Registry".
    """
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": build_meta(name, names),
            "data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()},
        }
        for name, config in zip(names.pull_secrets(cluster), cluster.pull_credentials, strict=True)
    ]


def build_bundle_maps(names: Names, bundle: bytes, first: int = 0) -> list[Manifest]:
    """Split the bundle into as many ConfigMaps as it needs, numbered from `first` on."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": build_meta(f"{names.job}-{number}", names),
            "binaryData": {f"part-{number:04}": base64.b64encode(bundle[start : start + CHUNK_BYTES]).decode()},
            "immutable": True,
        }
        for number, start in enumerate(range(0, len(bundle), CHUNK_BYTES), first)
    ]


def find_disk_need_mib(package: Package) -> float:
    """Add up the temporary and output space (MiB) that the steps of a package request; expressions are not counted."""
    wanted = [one.body for one in find_all(package, "ResourceRequirement")]
    needs = (body.get(f"{kind}Max") or body.get(f"{kind}Min") for body in wanted for kind in ("tmpdir", "outdir"))
    return sum(need for need in needs if isinstance(need, int | float))


def build_claim(names: Names, cluster: KubernetesSettings, package: Package) -> Manifest:
    """Build the PVC, of the size that the package requests or the default, whichever is larger."""
    need = find_disk_need_mib(package)
    larger = need * 2**20 > parse_quantity(cluster.volume_size)
    spec: Manifest = {
        "accessModes": [cluster.access_mode],
        "resources": {"requests": {"storage": f"{math.ceil(need)}Mi" if larger else cluster.volume_size}},
    }
    if cluster.storage_class:
        spec["storageClassName"] = cluster.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": build_meta(names.claim, names),
        "spec": spec,
    }


def build_quota(names: Names, cluster: KubernetesSettings) -> Manifest:
    """Build the resource quota of the job's own namespace."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": build_meta(names.quota, names),
        "spec": {"hard": dict(cluster.quota)},
    }


def build_pod_template(names: Names, cluster: KubernetesSettings, role: str) -> Manifest:
    """Build what all pods of the job have in common: where and as which user they run, and their volumes."""
    spec: Manifest = {
        "serviceAccountName": (cluster.service_account or JOB_ACCOUNT) if role == "job" else STEP_ACCOUNT,
        # the one container that needs a token mounts it
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "enableServiceLinks": False,
        "nodeSelector": dict(cluster.node_selector),
        "tolerations": [dict(toleration) for toleration in cluster.tolerations],
        "imagePullSecrets": [{"name": name} for name in (*cluster.pull_secrets, *names.pull_secrets(cluster))],
        "volumes": [
            {"name": f"extra-{number}", "persistentVolumeClaim": {"claimName": volume["claim"]}}
            for number, volume in enumerate(cluster.volumes)
        ],
    }
    user = cluster.user or (1000 if role == "job" else None)
    if user:
        spec["securityContext"] = {"runAsUser": user, "runAsGroup": user, "fsGroup": user, **_ORDINARY}
    if cluster.priority_class:
        spec["priorityClassName"] = cluster.priority_class
    volume = {VOLUME_LABEL: names.first} if names.generation else {}
    labels = {**cluster.labels, **names.labels, "zoo-runner/role": role, **volume}
    stays = _STAYS if cluster.undisturbed else {}
    return {"metadata": {"labels": labels, "annotations": {**stays, **cluster.annotations}}, "spec": spec}


def build_mounts(cluster: KubernetesSettings) -> list[Manifest]:
    """Build the mounts of the additional volumes, the same in every container."""
    return [
        {"name": f"extra-{number}", "mountPath": volume["path"], "readOnly": bool(volume.get("readOnly", False))}
        for number, volume in enumerate(cluster.volumes)
    ]


def build_token_volume() -> Manifest:
    """Build the volume that has what Kubernetes would mount into all containers by itself: token and certificate.

    Source: Kubernetes documentation, "Bound service account token volume mechanism".
    """
    sources: list[Manifest] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return {"name": "token", "projected": {"sources": sources}}


def build_token_mount() -> Manifest:
    """Build the mount of the token where every client looks for it."""
    return {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}


def build_cwl_container(cluster: KubernetesSettings) -> Manifest:
    """Build the container that evaluates the package: without credentials, token, bundle, or the rest of the volume."""
    return {
        "name": CWL,
        "image": cluster.image,
        "command": [*CWL_PROGRAM, CHANNEL_FOLDER],
        "resources": build_resources(cluster),
        "securityContext": CONFINED,
        "volumeMounts": [
            {"name": "channel", "mountPath": CHANNEL_FOLDER, "readOnly": True},
            *({"name": "work", "mountPath": f"{WORK_FOLDER}/{name}", "subPath": name} for name in CWL_FOLDERS),
        ],
    }


def build_resources(cluster: KubernetesSettings) -> Manifest:
    """Request half of a job pod's resources: two of its containers work at the same time, each within the limit."""
    cpu, memory = parse_quantity(cluster.job_cpu), parse_quantity(cluster.job_ram)
    return {
        "requests": {"cpu": f"{math.ceil(cpu * 500)}m", "memory": str(math.ceil(memory / 2))},
        "limits": {"memory": cluster.job_ram_limit, "cpu": cluster.job_cpu_limit},
    }


def build_job(names: Names, cluster: KubernetesSettings, chunks: int, time_limit_seconds: float | None) -> Manifest:
    """Build the Job: one pod, which is started again only if it was lost or taken."""
    template = build_pod_template(names, cluster, "job")
    template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = MAIN
    parts = [{"configMap": {"name": f"{names.job}-{number}"}} for number in range(chunks)]
    template["spec"]["volumes"] += [
        {"name": "work", "persistentVolumeClaim": {"claimName": names.claim}},
        {"name": "bundle", "projected": {"sources": parts}},
        {"name": "channel", "emptyDir": {}},
        build_token_volume(),
    ]
    # this one first: it takes longer to get ready
    template["spec"]["containers"] = [build_cwl_container(cluster), _build_main_container(names, cluster)]
    # suspended until everything that it needs exists; it owns all of it, so that deleting the Job leaves nothing
    spec: Manifest = {
        "suspend": True,
        "backoffLimit": cluster.step_retries,
        "podFailurePolicy": _build_failure_policy(),
        # never two at a time
        "podReplacementPolicy": "Failed",
        "ttlSecondsAfterFinished": count_kept_seconds(cluster),
        "template": template,
    }
    if time_limit_seconds:
        # the pod and its follower enforce the limit; this is for when neither can
        spec["activeDeadlineSeconds"] = math.ceil(time_limit_seconds) + 60
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": build_meta(names.job, names), "spec": spec}


def _build_failure_policy() -> Manifest:
    """Build the rules by which a pod that was lost is replaced, and one that has failed is not; the first that fits.

    Source: Kubernetes documentation, "Handling retriable and non-retriable pod failures with Pod failure policy".
    """
    stopped = {"containerName": MAIN, "operator": "In", "values": sorted(_STOPPED)}
    return {
        "rules": [
            {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "Count", "onExitCodes": stopped},
            {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
        ]
    }


def count_kept_seconds(cluster: KubernetesSettings) -> int:
    """Return how long a root object stays after its end, if nobody removes it before."""
    return math.ceil(cluster.kept_hours * 3600)


def build_pod_variables() -> list[Manifest]:
    """Build the variables with which a container knows its pod."""
    return [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{path}"}}}
        for name, path in (("POD_NAME", "name"), ("POD_UID", "uid"), ("POD_NAMESPACE", "namespace"))
    ]


def _build_main_container(names: Names, cluster: KubernetesSettings) -> Manifest:
    return {
        "name": MAIN,
        "image": cluster.image,
        "envFrom": [{"secretRef": {"name": names.secret}}],
        "env": build_pod_variables(),
        "resources": build_resources(cluster),
        "securityContext": CONFINED,
        "volumeMounts": [
            {"name": "work", "mountPath": WORK_FOLDER},
            {"name": "bundle", "mountPath": BUNDLE_FOLDER, "readOnly": True},
            {"name": "channel", "mountPath": CHANNEL_FOLDER},
            build_token_mount(),
            *build_mounts(cluster),
        ],
    }


def build_objects(names: Names, cluster: KubernetesSettings, package: Package) -> list[Manifest]:
    """Build what the Job needs besides its Secrets and bundle, in the order of creation."""
    # a job that continues another takes over the volume of that
    objects = [] if names.generation else [build_claim(names, cluster, package)]
    if names.own_namespace and cluster.quota:
        objects.append(build_quota(names, cluster))
    return objects


def owned_by(manifest: Manifest, job: Manifest) -> Manifest:
    """Return a manifest that Kubernetes removes together with the root object (as the API returned it)."""
    named = {"name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    owner = {"apiVersion": job["apiVersion"], "kind": job["kind"], **named}
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}


def without_content(manifest: Manifest) -> Manifest:
    """Return a manifest that may be shown, without the content of a Secret or ConfigMap."""
    fields = ("data", "binaryData")
    return {key: dict.fromkeys(part, MASK) if key in fields else part for key, part in manifest.items()}
