"""The pod of one step: what the package decides of it comes from the request, all else from the job; pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.kubernetes.job_pod.printing import PRINTED_FOLDER, PRINTED_MOUNT
from zoo_runner.engines.kubernetes.job_pod.request import StepRequest
from zoo_runner.engines.kubernetes.job_pod.used import build_reporting_args
from zoo_runner.engines.kubernetes.manifests import (
    CONFINED,
    NETWORK_ALLOWED,
    NETWORK_LABEL,
    build_mounts,
    build_pod_template,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names, dns_name
from zoo_runner.engines.kubernetes.owners import STEP_ANNOTATION
from zoo_runner.engines.kubernetes.secret_inputs import build_variables, refer_to_secret_inputs
from zoo_runner.model.masking import Masker

_TEMPORARY, _GPU = "/tmp", "nvidia.com/gpu"


def build_step_settings(names: Names, cluster: KubernetesSettings, secret_inputs: Iterable[str] = ()) -> dict[str, Any]:
    """Return, as plain data, how the job pod runs the steps.

    `secret_inputs`: the variables of the job's Secret that contain them.
    """
    return {
        "job": names.job,
        "namespace": names.namespace,
        "template": build_pod_template(names, cluster, "step"),
        "mounts": build_mounts(cluster),
        "environ": dict(cluster.step_variables),
        "claim": names.claim,
        "image": cluster.step_image,
        "max_cores": cluster.max_cores,
        "max_ram_mib": parse_quantity(cluster.max_ram) / 2**20,
        "retries": cluster.step_retries,
        "pending_seconds": cluster.pending_seconds,
        "secret": names.secret,
        "secret_inputs": list(secret_inputs),
    }


def build_launcher_settings(steps: Mapping[str, Any]) -> dict[str, Any]:
    """Select what the container that evaluates the package needs to know of how steps are run."""
    return {name: steps[name] for name in ("image", "max_cores", "max_ram_mib")}


@dataclass(frozen=True)
class Owner:
    """The job pod: when it goes, Kubernetes removes the step pods that it owns."""

    name: str
    uid: str


def _literally(text: str) -> str:
    """Escape a text, so that Kubernetes expands no variables in it (core/v1, Container: `$$` stands for `$`)."""
    return text.replace("$", "$$")


def name_step_pod(request: StepRequest, settings: Mapping[str, Any], tag: str) -> str:
    """Name the pod of a step; `tag` distinguishes attempts."""
    return f"{settings['job']}-{dns_name(request.step, 40)}-{tag}"


def build_step_pod(
    request: StepRequest, settings: Mapping[str, Any], tag: str, owner: Owner, *, keeps_printed: bool = False
) -> Manifest:
    """Build the pod of a step from what was asked for and the settings of the job; `tag` distinguishes attempts.

    `keeps_printed`: its container stores what the step prints in its own folder on the volume (`printing`).
    """
    template, name = settings["template"], name_step_pod(request, settings, tag)
    container = _build_container(request, settings, name if keeps_printed else None)
    labels = {**template["metadata"]["labels"], **({NETWORK_LABEL: NETWORK_ALLOWED} if request.network else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": settings["namespace"],
            "labels": labels,
            "annotations": {**template["metadata"]["annotations"], STEP_ANNOTATION: request.step},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": owner.name, "uid": owner.uid}],
        },
        "spec": {
            **template["spec"],
            "volumes": [
                {"name": "work", "persistentVolumeClaim": {"claimName": settings["claim"]}},
                {"name": "tmpdir", "emptyDir": {}},
                *template["spec"]["volumes"],
            ],
            "initContainers": [] if request.folders is None else [_build_first(request.folders, container)],
            "containers": [container],
        },
    }


def _build_container(request: StepRequest, settings: Mapping[str, Any], printed: str | None) -> Manifest:
    def give(text: str) -> str:
        return refer_to_secret_inputs(_literally(text), settings["secret_inputs"])

    container: Manifest = {
        "name": "step",
        "image": request.image,
        "command": ["/bin/sh", "-c"],
        "args": [give(word) for word in build_reporting_args(list(request.args), keeps_printed=printed is not None)],
        "workingDir": request.working_folder,
        "env": [
            *({"name": name, "value": give(value)} for name, value in sorted(request.variables.items())),
            *({"name": name, "value": text} for name, text in settings["environ"].items()),
        ],
        "volumeMounts": [
            {"name": "tmpdir", "mountPath": _TEMPORARY},
            *(
                {"name": "work", "mountPath": one.path, "subPath": one.source, "readOnly": one.read_only}
                for one in request.mounts
            ),
            *([_build_printed_mount(printed)] if printed else []),
            *settings["mounts"],
        ],
        "resources": build_resources(request),
        # an image that runs as root may need the capabilities of root
        "securityContext": CONFINED
        if "securityContext" in settings["template"]["spec"]
        else {"allowPrivilegeEscalation": False},
    }
    # before those that refer to them
    container["env"][:0] = build_variables(container, settings["secret_inputs"], settings["secret"])
    return container


def _build_printed_mount(name: str) -> Manifest:
    return {"name": "work", "mountPath": PRINTED_MOUNT, "subPath": f"{PRINTED_FOLDER}/{name}"}


def _build_first(script: str, container: Manifest) -> Manifest:
    """Build the init container that creates the folders of redirected output, with the step's own image."""
    return {**container, "name": "folders", "args": [_literally(script)]}


def build_resources(request: StepRequest) -> Manifest:
    """Request the minimum of the ResourceRequirement and limit to what was granted."""
    gpus = {_GPU: str(request.gpus)} if request.gpus else {}
    limits = {**gpus, "cpu": f"{request.cores:g}", "memory": f"{request.ram:g}Mi"}
    return {"requests": {"cpu": f"{request.cores_min:g}", "memory": f"{request.ram_min:g}Mi"}, "limits": limits}


def show_pod(pod: Manifest, masker: Masker) -> str:
    """Return a pod's manifest as one line for the log, with secrets in its environment masked."""
    shown = json.loads(json.dumps(pod))
    for container in shown["spec"]["containers"] + shown["spec"]["initContainers"]:
        references = [entry for entry in container["env"] if "valueFrom" in entry]
        hidden = masker.mask_data({entry["name"]: entry["value"] for entry in container["env"] if "value" in entry})
        container["env"] = [*references, *({"name": name, "value": value} for name, value in hidden.items())]
    return json.dumps(shown)
