"""What the pods of a workflow need of a cluster, as far as its templates say it without parameters; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import NODE_NAME, WORKFLOW_LABEL
from zoo_runner.hera.argo_server import Workflow


@dataclass(frozen=True)
class Needs:
    """Images by the template that uses each first; `pods` as much of a pod as the scheduler looks at.

    `claims`, `configmaps` and `secrets` are names of objects that have to exist.
    """

    account: str
    images: Mapping[str, str]
    pods: tuple[Manifest, ...]
    claims: tuple[str, ...]
    configmaps: tuple[str, ...]
    secrets: tuple[str, ...]
    pull_secrets: tuple[Mapping[str, str], ...] = ()


def list_needs(workflow: Workflow) -> Needs:
    """List what a Workflow or WorkflowTemplate needs; what only its parameters decide (`{{…}}`) is left out."""
    spec = workflow.get("spec") or {}
    meta = workflow.get("metadata") or {}
    name = str(meta.get("name") or meta.get("generateName") or "workflow")
    images: dict[str, str] = {}
    pods: list[Manifest] = []
    named: dict[str, dict[str, None]] = {"claims": {}, "configmaps": {}, "secrets": {}}
    for kind, one in (found for volume in _list_volumes(spec) for found in _read_volume(volume)):
        named[kind][one] = None
    for template in spec.get("templates") or ():
        containers = list(_list_containers(template))
        for container in containers:
            images.setdefault(str(container.get("image")), str(template.get("name")))
            for kind, one in _read_environment(container):
                named[kind][one] = None
        if containers:
            pods.append(_build_pod(name, str(template.get("name")), containers, {**spec, **template}))
    known = {kind: tuple(one for one in names if _is_fixed(one)) for kind, names in named.items()}
    pull = tuple(spec.get("imagePullSecrets") or ())
    account = str(spec.get("serviceAccountName") or "")
    fixed = {image: template for image, template in images.items() if _is_fixed(image)}
    return Needs(account, fixed, tuple(pods), known["claims"], known["configmaps"], known["secrets"], pull)


def _is_fixed(text: str) -> bool:
    return bool(text) and "{{" not in text


def _list_containers(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (template[kind] for kind in ("container", "script") if template.get(kind))
    yield from (template.get("containerSet") or {}).get("containers") or ()
    yield from template.get("sidecars") or ()


def _build_pod(workflow: str, template: str, containers: list[Mapping[str, Any]], spec: Mapping[str, Any]) -> Manifest:
    requests = [{"resources": {"requests": _fixed_requests(one)}} for one in containers]
    selector = {key: value for key, value in (spec.get("nodeSelector") or {}).items() if _is_fixed(str(value))}
    return {
        "metadata": {"labels": {WORKFLOW_LABEL: workflow}, "annotations": {NODE_NAME: template}},
        "spec": {"containers": requests, "nodeSelector": selector},
    }


def _fixed_requests(container: Mapping[str, Any]) -> dict[str, str]:
    resources = container.get("resources") or {}
    # Kubernetes takes a limit for a request where there is none
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: str(amount) for name, amount in asked.items() if _is_fixed(str(amount))}


def _list_volumes(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from spec.get("volumes") or ()
    for template in spec.get("templates") or ():
        yield from template.get("volumes") or ()


def _read_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a volume mounts; what is marked as optional may be missing."""
    if claim := volume.get("persistentVolumeClaim"):
        yield "claims", str(claim.get("claimName"))
    for kind, member, key in (("configmaps", "configMap", "name"), ("secrets", "secret", "secretName")):
        if (found := volume.get(member)) and not found.get("optional"):
            yield kind, str(found.get(key))


def _read_environment(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    values = [one.get("valueFrom") or {} for one in container.get("env") or ()]
    every = [(one, "KeyRef") for one in values] + [(one, "Ref") for one in container.get("envFrom") or ()]
    for one, suffix in every:
        for kind, member in (("configmaps", "configMap"), ("secrets", "secret")):
            if (found := one.get(f"{member}{suffix}")) and not found.get("optional"):
                yield kind, str(found.get("name"))
