"""What is left on the cluster of jobs that do not run: found first, removed on request."""

from collections.abc import Collection, Iterable

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.kept import is_kept
from zoo_runner.engines.kubernetes.names import JOB_LABEL, MANAGED, Manifest, name_namespace
from zoo_runner.engines.kubernetes.namespace import remove_namespace
from zoo_runner.engines.protocol import Leftover
from zoo_runner.model.workspace import Workspace

# in the order in which they are removed: what owns others first
_KINDS = ("Namespace", "Job", "Workflow", "Pod", "Secret", "ConfigMap", "PersistentVolumeClaim", "NetworkPolicy")


def list_objects(cluster: Cluster, workspace: Workspace) -> list[tuple[str, Manifest]]:
    """List all objects of jobs, with their kinds; raises `RunnerError` if the cluster cannot be queried."""
    return [(kind, item) for kind in _KINDS for item in _list(cluster, kind, workspace)]


def select_leftovers(objects: Iterable[tuple[str, Manifest]], running: Collection[str]) -> list[Leftover]:
    """Select the objects whose job does not run; pure. Objects without a job's label are never selected."""
    found = []
    objects = list(objects)
    active = {_read_job(item) for kind, item in objects if _is_active(kind, item)}
    # a job that continues another is in the namespace of that
    inhabited, occupied = (
        {item["metadata"].get("namespace", "") for _, item in objects if _read_job(item) in jobs}
        for jobs in (running, active)
    )
    for kind, item in objects:
        meta = item["metadata"]
        job = _read_job(item)
        is_inhabited, is_occupied = (kind == "Namespace" and meta["name"] in places for places in (inhabited, occupied))
        if job and job not in running and not is_inhabited and "deletionTimestamp" not in meta:
            place = (kind, meta.get("namespace", ""), meta["name"])
            found.append(Leftover(*place, job, meta["creationTimestamp"], job in active or is_occupied))
    return found


def delete_objects(cluster: Cluster, leftovers: Iterable[Leftover]) -> None:
    """Delete objects; one that does not exist is no error."""
    for left in leftovers:
        if left.kind == "Namespace":
            remove_namespace(cluster, left.name)
            continue
        cluster.delete(left.kind, left.namespace, left.name, 5 if left.kind == "Pod" else None)


def _read_job(item: Manifest) -> str | None:
    return (item["metadata"].get("labels") or {}).get(JOB_LABEL)


def _is_active(kind: str, root: Manifest) -> bool:
    if kind == "PersistentVolumeClaim":
        return is_kept(root)
    if root.get("spec", {}).get("suspend"):
        return False
    status = root.get("status", {})
    return (kind == "Job" and status.get("active", 0) > 0) or (
        kind == "Workflow" and status.get("phase") in ("Pending", "Running")
    )


def _list(cluster: Cluster, kind: str, workspace: Workspace) -> list[Manifest]:
    """List in all namespaces; without that permission, only in the namespace of the workspace."""
    selector = f"{JOB_LABEL}," + ",".join(f"{name}={value}" for name, value in MANAGED.items())
    try:
        return cluster.find(kind, None, selector)
    except ApiError as error:
        # a cluster without Argo Workflows, or an account that has nothing to do with it, has none of its objects
        if kind == "Workflow" and error.status in (403, 404):
            return []
        if error.status != 403:
            raise
    return [] if kind == "Namespace" else cluster.find(kind, name_namespace(workspace), selector)
