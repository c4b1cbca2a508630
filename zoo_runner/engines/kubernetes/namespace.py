"""Namespace, network policy and service accounts of jobs: created if that is permitted, otherwise used as they are."""

import json
import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.disruptions import build_budget
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT, STEP_ACCOUNT
from zoo_runner.engines.kubernetes.names import JOB_LABEL, MANAGED, Manifest, Names, build_meta
from zoo_runner.engines.kubernetes.network_policies import (
    build_policy,
    ensure_let_through,
    ensure_permitted,
    is_same_policy,
)
from zoo_runner.model.workspace import Quota

CONTENT_LABEL = "zoo-runner/content"
"""Digest of the accounts and permissions that the runner creates in a namespace, on the last of them."""
QUOTA = "zoo-runner-workspace"
"""Name of the ResourceQuota and the LimitRange of a workspace in its namespace."""
NO_QUOTA = Quota()
_ROOM = 2
_COMPARED = ("NetworkPolicy", "ResourceQuota", "PodDisruptionBudget")
_LIMITS = ("ResourceQuota", "LimitRange")
_REFUSED = 403
# jobs run without; `doctor` says so
_DISPENSABLE = ("PodDisruptionBudget",)
# Kubernetes documentation, "Enforce Pod Security Standards with Namespace Labels"
POD_SECURITY = "pod-security.kubernetes.io/enforce"


def build_namespace(names: Names, cluster: KubernetesSettings) -> Manifest:
    """Build the namespace: a job's own has its label, a workspace's does not, so that no clean-up finds it.

    It admits only pods of the level `restricted`; of the level `baseline` where steps run as the user of their image.
    """
    owner = names.labels if names.own_namespace else MANAGED
    labels = {**owner, POD_SECURITY: "restricted" if cluster.user else "baseline"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace, "labels": labels}}


def build_access(names: Names, cluster: KubernetesSettings) -> list[Manifest]:
    """Build the accounts: the job pod's may handle pods and read their logs, the steps' has no permissions.

    A service account of the site has its permissions from the site.
    """
    step_account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": build_meta(STEP_ACCOUNT, names, labels=MANAGED),
        "automountServiceAccountToken": False,
    }
    return [step_account] if cluster.service_account else [step_account, *_build_job_access(names, cluster)]


def _build_job_access(names: Names, cluster: KubernetesSettings) -> list[Manifest]:
    group, rbac = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    meta = build_meta(JOB_ACCOUNT, names, labels=MANAGED)
    pull = [{"name": name} for name in cluster.pull_secrets]
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": meta,
            "imagePullSecrets": pull,
            # the one container that needs it mounts it
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": rbac,
            "kind": "Role",
            "metadata": meta,
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "delete"]},
                {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
            ],
        },
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": JOB_ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": JOB_ACCOUNT, "namespace": names.namespace}],
        },
    ]


def build_quotas(names: Names, quota: Quota) -> list[Manifest]:
    """Build the limits of what the pods of a workspace request together; none where its quota has no such limit.

    The server keeps to the quota by what jobs may take. To the cluster, pods that are ending and those that look for
    images count too: it gets twice as much, and stops what passes by the server, but no job that only has to wait.
    Where a quota counts requests, Kubernetes refuses containers without: those that Argo adds get small ones.
    """
    requests = {
        **({"requests.cpu": f"{_ROOM * quota.cores:g}"} if quota.cores is not None else {}),
        **({"requests.memory": f"{math.floor(_ROOM * quota.memory_mib)}Mi"} if quota.memory_mib is not None else {}),
    }
    if not requests:
        return []
    meta, default = build_meta(QUOTA, names, labels=MANAGED), {"cpu": "1m", "memory": "16Mi"}
    limits = [{"type": "Container", "defaultRequest": default}]
    return [
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": {"limits": limits}},
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": requests}},
    ]


def build_tenant(names: Names, cluster: KubernetesSettings, quota: Quota = NO_QUOTA) -> list[Manifest]:
    """Build what has to exist before a job; a namespace of the site exists already, with the limits of the site."""
    return [
        *([] if names.site_namespace else [build_namespace(names, cluster)]),
        *([build_policy(names)] if cluster.isolated else []),
        *([build_budget(names)] if cluster.undisturbed else []),
        *([] if names.site_namespace else build_quotas(names, quota)),
        *build_access(names, cluster),
    ]


def mark_content(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Label the last with a digest of the accounts and permissions, which shows if another release created them."""
    *others, last = manifests
    access = [manifest for manifest in manifests if manifest["kind"] not in ("Namespace", *_COMPARED, "LimitRange")]
    digest = sha256(json.dumps(access, sort_keys=True).encode()).hexdigest()[:16]
    labels = {**last["metadata"]["labels"], CONTENT_LABEL: digest}
    return [*others, {**last, "metadata": {**last["metadata"], "labels": labels}}]


def prepare_tenant(cluster: Cluster, names: Names, settings: KubernetesSettings) -> None:
    """Create or adopt the namespace and the accounts; without the permission to, existing ones are used.

    Raises `EngineError` if something is missing for certain and may not be created, and, before anything is created,
    where a NetworkPolicy is not known to be there: without one jobs would run, but steps would have the network.
    """
    create_tenant(cluster, mark_content(build_tenant(names, settings)))


def create_tenant(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Create or adopt what `mark_content` returned, with the rules of `prepare_tenant`.

    What an earlier release created is brought up to date; what somebody else created is used as it is.
    """
    # the last of the accounts, and what earlier releases did not create
    telling = [*(one for one in manifests if one["kind"] in _COMPARED), manifests[-1]]
    if all(map(_is_current, telling, cluster.get_each(telling))):
        return
    ensure_permitted(cluster, manifests)
    for manifest in manifests:
        try:
            found = cluster.create(manifest)
        except ApiError as error:
            there = _find(cluster, manifest) if error.status == _REFUSED else None
            if there is None and error.status == _REFUSED and manifest["kind"] in _DISPENSABLE:
                continue
            if there is None:
                raise
            found = there
        _update(cluster, manifest, found)


def look_at_tenant(cluster: Cluster, manifests: Sequence[Manifest], *, has_own_quota: bool) -> None:
    """Have what `mark_content` returned in the namespace, as `create_tenant` has it; jobs share a look (`Looks`).

    `has_own_quota`: the namespace is that of the workspace, whose former limits are removed.
    """

    def look() -> None:
        create_tenant(cluster, manifests)
        if has_own_quota:
            remove_former_quotas(cluster, manifests)

    key = json.dumps([has_own_quota, manifests], sort_keys=True)
    cluster.looks.share(sha256(key.encode()).hexdigest(), look)


def remove_former_quotas(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    """Remove the limits that the runner created for a quota which the workspace does not have any more.

    `manifests` are those of `build_tenant`. What is of the site, or may not be removed, stays.
    """
    first, last = manifests[0], manifests[-1]
    if first["kind"] != "Namespace" or any(one["kind"] == "ResourceQuota" for one in manifests):
        return
    namespace: str = last["metadata"]["namespace"]
    if not _is_ours(_find(cluster, {"kind": "ResourceQuota", "metadata": {"namespace": namespace, "name": QUOTA}})):
        return
    for kind in _LIMITS:
        try:
            cluster.delete(kind, namespace, QUOTA)
        except ApiError as error:
            if error.status != _REFUSED:
                raise


def _is_current(manifest: Manifest, found: Manifest | ApiError | None) -> bool:
    if isinstance(found, ApiError):
        if found.status != _REFUSED:
            raise found
        # without the permission to read it
        found = {}
    return bool(found) and (not _is_ours(found) or _build_change(manifest, found or {}) is None)


def _build_change(manifest: Manifest, found: Manifest) -> Manifest | None:
    """Build the merge patch that brings an object up to date; None where it is."""
    if manifest["kind"] == "NetworkPolicy" and not is_same_policy(found, manifest):
        # a merge would keep rules and labels of a selector
        return {**manifest, "spec": _replace(found.get("spec") or {}, manifest["spec"])}
    if manifest["kind"] == "ResourceQuota":
        # the API writes quantities in its own way
        if _read_hard(found) == _read_hard(manifest):
            return None
        return {**manifest, "spec": _replace(found.get("spec") or {}, manifest["spec"])}
    change = _keep_additions(manifest, found)
    return None if _covers(found, change) else change


def _read_hard(quota: Manifest) -> dict[str, float]:
    return {name: parse_quantity(value) for name, value in ((quota.get("spec") or {}).get("hard") or {}).items()}


def _replace(found: Manifest, wanted: Manifest) -> Manifest:
    """Build the merge patch (RFC 7386) after which nothing of an object is left but what is wanted."""
    changed = {
        key: _replace(found[key], value) if isinstance(value, dict) and isinstance(found.get(key), dict) else value
        for key, value in wanted.items()
    }
    return {**dict.fromkeys(found.keys() - wanted.keys()), **changed}


def _update(cluster: Cluster, manifest: Manifest, found: Manifest) -> None:
    """Bring an object of an earlier release up to date, but for what an operator may have added."""
    change = _build_change(manifest, found) if _is_ours(found) else None
    if change is None:
        return
    meta = manifest["metadata"]
    try:
        cluster.patch(manifest["kind"], meta.get("namespace", ""), meta["name"], change)
    except ApiError as error:
        if error.status != _REFUSED:
            raise
        # else it works as it is; `doctor` names what it does not protect
        ensure_let_through(found, manifest)


def _keep_additions(manifest: Manifest, found: Manifest) -> Manifest:
    """Return what to change: of a namespace labels that are missing, of an account no pull secret less."""
    if manifest["kind"] == "Namespace":
        # an operator may have chosen another level of pod security
        labels = {**manifest["metadata"]["labels"], **(found["metadata"].get("labels") or {})}
        return {"metadata": {"labels": labels}}
    if "imagePullSecrets" not in manifest:
        return manifest
    there, wanted = found.get("imagePullSecrets") or [], manifest["imagePullSecrets"]
    return {**manifest, "imagePullSecrets": [*there, *(one for one in wanted if one not in there)]}


def _is_ours(found: Manifest | None) -> bool:
    return _covers(((found or {}).get("metadata") or {}).get("labels"), MANAGED)


def _covers(found: Any, wanted: Any) -> bool:
    """Whether an object has all that a manifest says; the cluster adds defaults, and leaves out what is empty."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(_covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(found) == len(wanted) and all(map(_covers, found, wanted))
    return bool(found == wanted) or (found is None and wanted in ({}, []))


def remove_namespace(cluster: Cluster, name: str) -> None:
    """Delete the namespace that was created for the job of its name; no other code deletes namespaces.

    A namespace without that job's label existed before, or belongs to a workspace, and stays.
    """
    found = cluster.get("Namespace", "", name)
    if found and (found["metadata"].get("labels") or {}).get(JOB_LABEL) == name:
        cluster.delete("Namespace", "", name)


def _find(cluster: Cluster, manifest: Manifest) -> Manifest | None:
    """Read an object; None where it is missing for certain, an empty one without the permission to read it."""
    meta = manifest["metadata"]
    try:
        return cluster.get(manifest["kind"], meta.get("namespace", ""), meta["name"])
    except ApiError as error:
        if error.status != _REFUSED:
            raise
        return {}
