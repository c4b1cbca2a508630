"""What a job is on Argo Workflows: one Workflow, whose nodes a person recognises; pure.

One pod has the nodes stage-in, run and stage-out as containers that follow each other; beside `run`, `cwl` evaluates
the package. The steps of the package are pods of their own, which `run` starts. The exit handler keep-logs publishes
the logs of a job that did not get to its end. The Workflow contains no text of a user, because Argo replaces `{{…}}`
everywhere: inputs and package are in the bundle, secrets in the Secret.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.extras import extra
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.nodes import KEEP_LOGS, RUN, STAGE_IN, STAGE_OUT
from zoo_runner.engines.kubernetes.manifests import (
    BUNDLE_FOLDER,
    CHANNEL_FOLDER,
    CONFINED,
    GRACE_SECONDS,
    JOB_ACCOUNT,
    PATIENT,
    WORK_FOLDER,
    build_cwl_container,
    build_mounts,
    build_pod_template,
    build_pod_variables,
    build_resources,
    build_token_mount,
    build_token_volume,
    count_kept_seconds,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names, build_meta

INSTANCE_LABEL = "workflows.argoproj.io/controller-instanceid"
_PYTHON = ("/opt/runner/bin/python", "-m")
_PROGRAM = "zoo_runner.engines.argo.job_pod"
# the pod and its follower enforce the limit; this is for when neither can
_LATE_SECONDS = 60
# why a pod is deleted or lost, without the job being the reason (Argo: workflow/controller/operator.go)
_LOST = "pod deleted|imminent node shutdown|low on resource|Evicted|NodeLost"
# Argo's own containers are confined too, as namespaces with restricted pods require. They and `run` alone have a token.
# With the field `automountServiceAccountToken` of a Workflow, Argo would want a second account, and a Secret with a
# token of it that does not expire.
_ARGOS = {"securityContext": CONFINED, "volumeMounts": [build_token_mount()]}


def build_workflow(
    names: Names,
    cluster: KubernetesSettings,
    argo: ArgoSettings,
    chunks: int,
    secret_inputs: Iterable[str] = (),
    time_limit_seconds: float | None = None,
) -> Manifest:
    """Build the Workflow, suspended until all that it needs exists; it owns that, so that deleting it leaves nothing.

    `chunks` is the number of ConfigMaps of the bundle; `secret_inputs` are the variables of the job's Secret with the
    secret inputs.
    """
    templates = [_build_job(names, cluster, secret_inputs), build_keep_logs(names, cluster)]
    deadline = math.ceil(time_limit_seconds) + _LATE_SECONDS if time_limit_seconds else None
    return build_from_templates(names, cluster, argo, templates, chunks=chunks, deadline_seconds=deadline)


def build_from_templates(
    names: Names,
    cluster: KubernetesSettings,
    argo: ArgoSettings,
    templates: list[Manifest],
    *,
    chunks: int,
    deadline_seconds: int | None,
    parallelism: int | None = None,
) -> Manifest:
    """Build a Workflow that begins with the template `job` and ends with `keep-logs`, whatever happens."""
    # Hera's models take more than half a second to load, and who follows a job does not need them
    with extra("hera"):
        from hera.workflows.models import Workflow

    meta = build_meta(names.job, names)
    if argo.instance_id:
        meta["labels"][INSTANCE_LABEL] = argo.instance_id
    spec: Manifest = {
        "suspend": True,
        "entrypoint": "job",
        # always: of the hook `exit` of a whole Workflow, Argo 4.0 does not look at the expression
        "onExit": KEEP_LOGS,
        "templates": templates,
        "ttlStrategy": {"secondsAfterCompletion": count_kept_seconds(cluster)},
        "archiveLogs": False,
        "activeDeadlineSeconds": deadline_seconds,
        "parallelism": parallelism,
        **_build_pod_fields(names, cluster, chunks),
        **({"synchronization": _build_synchronization(argo)} if argo.semaphore else {}),
    }
    workflow = Workflow.model_validate(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": meta, "spec": spec}
    )
    manifest: Manifest = workflow.model_dump(mode="json", by_alias=True, exclude_none=True)
    return manifest


def _build_pod_fields(names: Names, cluster: KubernetesSettings, chunks: int) -> Manifest:
    """Build what all pods of the Workflow have in common, as fields of its spec."""
    template = build_pod_template(names, cluster, "job")
    pod = template["spec"]
    parts = [{"configMap": {"name": f"{names.job}-{number}"}} for number in range(chunks)]
    work = {"name": "work", "persistentVolumeClaim": {"claimName": names.claim}}
    fields: Manifest = {
        "serviceAccountName": cluster.service_account or JOB_ACCOUNT,
        "podMetadata": template["metadata"],
        "podSpecPatch": json.dumps(_build_patch(work)),
        "volumes": [work, {"name": "bundle", "projected": {"sources": parts}}, *pod["volumes"]],
    }
    taken = ("nodeSelector", "tolerations", "imagePullSecrets", "securityContext")
    fields.update({name: pod[name] for name in taken if pod.get(name)})
    if cluster.priority_class:
        fields["podPriorityClassName"] = cluster.priority_class
    return fields


def _build_patch(work: Manifest) -> Manifest:
    """Build what a Workflow has no field for.

    Of the volumes, Argo takes those into a pod that all of its nodes mount; these are for some of them.
    """
    return {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "volumes": [work, {"name": "channel", "emptyDir": {}}, build_token_volume()],
        "initContainers": [{"name": "init", **_ARGOS}],
        "containers": [{"name": "wait", **_ARGOS}],
    }


def _build_synchronization(argo: ArgoSettings) -> Manifest:
    """Build the semaphore: how many jobs of the namespace run at a time is set in a ConfigMap of the site."""
    name, _, key = (argo.semaphore or "").partition("/")
    return {"semaphores": [{"configMapKeyRef": {"name": name, "key": key}}]}


def _build_job(names: Names, cluster: KubernetesSettings, secret_inputs: Iterable[str]) -> Manifest:
    """Build the pod of the job; it is started again only if it was deleted or lost."""
    storage = [{"secretRef": {"name": names.secret}}]
    secret = [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": names.secret, "key": variable}}}
        for variable in secret_inputs
    ]
    run = build_container(RUN, cluster)
    cwl = build_cwl_container(cluster)
    run["volumeMounts"] += [{"name": "channel", "mountPath": CHANNEL_FOLDER}, build_token_mount()]
    nodes: list[Manifest] = [
        {**build_container(STAGE_IN, cluster), "envFrom": storage},
        # at once: it loads cwltool while inputs arrive. Argo stops it where `stage-in` fails
        {**cwl, "command": [*cwl["command"], PATIENT]},
        {**run, "env": [*run["env"], *secret], "dependencies": [STAGE_IN]},
        {**build_container(STAGE_OUT, cluster), "envFrom": storage, "dependencies": [RUN]},
    ]
    return {
        "name": "job",
        "retryStrategy": build_retry(cluster),
        "containerSet": {"containers": nodes, "volumeMounts": build_shared_mounts(cluster)},
    }


def build_retry(cluster: KubernetesSettings) -> Manifest:
    """Build the rule by which a pod that was deleted or lost is started again, and no other."""
    return {
        "limit": str(cluster.step_retries),
        "retryPolicy": "Always",
        "expression": f"lastRetry.message matches '{_LOST}'",
    }


def build_keep_logs(names: Names, cluster: KubernetesSettings, program: Sequence[str] = (_PROGRAM,)) -> Manifest:
    """Build the template of the exit handler."""
    return {"name": KEEP_LOGS, "container": build_single_container(KEEP_LOGS, names, cluster, program)}


def build_single_container(node: str, names: Names, cluster: KubernetesSettings, program: Sequence[str]) -> Manifest:
    """Build the one container of a pod that stages."""
    container = {
        **build_container(node, cluster, program),
        "envFrom": [{"secretRef": {"name": names.secret}}],
        "resources": build_resources(cluster),
    }
    container["volumeMounts"] += build_shared_mounts(cluster)
    return {name: value for name, value in container.items() if name != "name"}


def build_container(node: str, cluster: KubernetesSettings, program: Sequence[str] = (_PROGRAM,)) -> dict[str, Any]:
    """Build the container of a node, with the whole volume of the job; `program` is a module and more arguments."""
    module, *words = program
    return {
        "name": node,
        "image": cluster.image,
        "command": [*_PYTHON, module, node, *words],
        "env": build_pod_variables(),
        "resources": build_resources(cluster) if node == RUN else build_unrequested(cluster),
        "securityContext": dict(CONFINED),
        "volumeMounts": [{"name": "work", "mountPath": WORK_FOLDER}],
    }


def build_shared_mounts(cluster: KubernetesSettings) -> list[Manifest]:
    """Build the mounts of all nodes; there is no secret in the bundle."""
    return [{"name": "bundle", "mountPath": BUNDLE_FOLDER, "readOnly": True}, *build_mounts(cluster)]


def build_unrequested(cluster: KubernetesSettings) -> Manifest:
    """Limit a container that requests nothing, because another one of its pod does; `run` and `cwl` work together."""
    return {**build_resources(cluster), "requests": {"cpu": "0", "memory": "0"}}
