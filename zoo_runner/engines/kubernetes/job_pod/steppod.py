"""The pod of one step: what Calrissian built, completed; pure."""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.kubernetes.job_pod.used import build_reporting_args
from zoo_runner.engines.kubernetes.manifests import CONFINED, WORK_FOLDER, build_mounts, build_pod_template
from zoo_runner.engines.kubernetes.names import Manifest, Names, dns_name
from zoo_runner.engines.kubernetes.pods import STEP_ANNOTATION
from zoo_runner.engines.kubernetes.secret_inputs import build_variables, refer_to_secret_inputs
from zoo_runner.model.masking import Masker


def build_step_settings(names: Names, cluster: KubernetesSettings, secret_inputs: Iterable[str] = ()) -> dict[str, Any]:
    """Return, as plain data, how the launcher in the job pod runs the steps.

    `secret_inputs`: the variables of the job's Secret that contain them.
    """
    return {
        "job": names.job,
        "namespace": names.namespace,
        "selector": f"{names.selector},zoo-runner/role=step",
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


@dataclass(frozen=True)
class Owner:
    """The job pod: when it goes, Kubernetes removes the step pods that it owns."""

    name: str
    uid: str


def build_script(command: Iterable[object], stdin: str | None, stdout: str | None, stderr: str | None) -> list[str]:
    """Build the arguments of `sh -c` from a step's command, which in CWL is a list of words and never shell code.

    The words stay separate: Calrissian joins them to one text, in which `#b` is a comment and `*.tif` a pattern, and
    which Linux refuses above 128 KiB, some two thousand paths (execve(2), MAX_ARG_STRLEN).
    """
    places = ((">", stdout), ("2>", stderr), ("<", stdin))
    redirected = [word for sign, place in places if place for word in (sign, shlex.quote(place))]
    return [" ".join(['"$@"', *redirected]), "step", *map(str, command)]


def build_folders_script(*places: str | None) -> str:
    """Build the script that creates the folders of redirected output."""
    folders = [str(PurePosixPath(place).parent) for place in places if place]
    return f"mkdir -p -- {shlex.join(folders)}"


def _literally(text: str) -> str:
    """Escape a text, so that Kubernetes expands no variables in it (core/v1, Container: `$$` stands for `$`)."""
    return text.replace("$", "$$")


def build_step_pod(
    built: Manifest, settings: Mapping[str, Any], step: str, tag: str, resources: Mapping[str, Any], owner: Owner
) -> Manifest:
    """Complete the pod that Calrissian built for a step; `tag` distinguishes attempts."""
    template = settings["template"]
    inner = built["spec"]["containers"][0]

    def give(text: object) -> str:
        return refer_to_secret_inputs(_literally(str(text)), settings["secret_inputs"])

    container = {
        "name": "step",
        "image": inner["image"],
        "command": inner["command"],
        "args": [give(word) for word in build_reporting_args(inner["args"])],
        "workingDir": inner["workingDir"],
        "env": [
            *({**entry, "value": give(entry["value"])} for entry in inner["env"]),
            *({"name": name, "value": text} for name, text in settings["environ"].items()),
        ],
        "volumeMounts": [*inner["volumeMounts"], *settings["mounts"]],
        "resources": build_resources(resources, inner["resources"]),
        # an image that runs as root may need the capabilities of root
        "securityContext": CONFINED if "securityContext" in template["spec"] else {"allowPrivilegeEscalation": False},
    }
    # before those that refer to them
    container["env"][:0] = build_variables(container, settings["secret_inputs"], settings["secret"])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{settings['job']}-{dns_name(step, 40)}-{tag}",
            "namespace": settings["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": {**template["metadata"]["annotations"], STEP_ANNOTATION: step},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": owner.name, "uid": owner.uid}],
        },
        "spec": {
            **template["spec"],
            "volumes": [*built["spec"]["volumes"], *template["spec"]["volumes"]],
            "initContainers": [_build_first(one, container) for one in built["spec"]["initContainers"]],
            "containers": [container],
        },
    }


def _build_first(built: Manifest, container: Manifest) -> Manifest:
    """Build the init container that creates the folders of redirected output, with the step's own image."""
    return {**container, "name": "folders", "args": [_literally(built["command"][-1])]}


def build_resources(resources: Mapping[str, Any], inner: Mapping[str, Any]) -> Manifest:
    """Request the minimum of the ResourceRequirement and limit to what was granted; GPUs as set by Calrissian."""
    limits = {**inner.get("limits", {}), "cpu": f"{resources['cores']:g}", "memory": f"{resources['ram']:g}Mi"}
    cores, ram_mib = resources.get("coresMin", resources["cores"]), resources.get("ramMin", resources["ram"])
    return {"requests": {"cpu": f"{cores:g}", "memory": f"{ram_mib:g}Mi"}, "limits": limits}


def show_pod(pod: Manifest, masker: Masker) -> str:
    """Return a pod's manifest as one line for the log, with secrets in its environment masked."""
    shown = json.loads(json.dumps(pod))
    for container in shown["spec"]["containers"] + shown["spec"]["initContainers"]:
        references = [entry for entry in container["env"] if "valueFrom" in entry]
        hidden = masker.mask_data({entry["name"]: entry["value"] for entry in container["env"] if "value" in entry})
        container["env"] = [*references, *({"name": name, "value": value} for name, value in hidden.items())]
    return json.dumps(shown)


def build_volume_entry(claim: str) -> tuple[str, None, str, bool]:
    """Return where the job's volume is mounted, as Calrissian's volume builder expects it."""
    return WORK_FOLDER, None, claim, False
