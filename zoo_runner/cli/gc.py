"""What is left on the cluster of jobs that no store knows: found first, removed on request."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.namespace import remove_namespace
from zoo_runner.engines.kubernetes.client import ApiError, Cluster
from zoo_runner.engines.kubernetes.names import JOB_LABEL, MANAGED, Manifest, build_names, name_namespace
from zoo_runner.model.masking import Masker
from zoo_runner.store.files import FINAL, Records

# in the order in which they are removed: what owns others first
_KINDS = ("Namespace", "Job", "Pod", "Secret", "ConfigMap", "PersistentVolumeClaim", "NetworkPolicy")


@dataclass(frozen=True)
class Leftover:
    """An object of a job that no store knows; `created` as Kubernetes writes it (RFC 3339).

    `active`: the job has a pod that runs or waits. Its caller may be lost, or have another store.
    """

    kind: str
    namespace: str
    name: str
    job: str
    created: str
    active: bool = False


def find_leftovers(configuration: Configuration) -> list[Leftover]:
    """Look for objects of jobs that do not run according to the records of this store.

    Raises `RunnerError` where the cluster cannot be asked.
    """
    site = configuration.kubernetes
    with closing(Cluster(site)) as cluster:
        objects = [(kind, item) for kind in _KINDS for item in _list(cluster, kind, site)]
    return select_leftovers(objects, set(_running_jobs(configuration.workspace.folders.state, site)))


def select_leftovers(objects: Iterable[tuple[str, Manifest]], running: set[str]) -> list[Leftover]:
    """Pick the objects whose job is not among those that run; pure. What carries no job's label is never picked."""
    found = []
    objects = list(objects)
    active = {item["metadata"]["name"] for kind, item in objects if kind == "Job" and _is_active(item)}
    for kind, item in objects:
        meta = item["metadata"]
        job = (meta.get("labels") or {}).get(JOB_LABEL)
        if job and job not in running and "deletionTimestamp" not in meta:
            place = (kind, meta.get("namespace", ""), meta["name"])
            found.append(Leftover(*place, job, meta["creationTimestamp"], job in active))
    return found


def remove_leftovers(leftovers: Iterable[Leftover], configuration: Configuration) -> None:
    """Remove them; what is gone already is fine."""
    with closing(Cluster(configuration.kubernetes)) as cluster:
        for left in leftovers:
            if left.kind == "Namespace":
                remove_namespace(cluster, left.name)
                continue
            cluster.delete(left.kind, left.namespace, left.name, 5 if left.kind == "Pod" else None)


def _is_active(job: Manifest) -> bool:
    return not job.get("spec", {}).get("suspend") and job.get("status", {}).get("active", 0) > 0


def _list(cluster: Cluster, kind: str, site: KubernetesSettings) -> list[Manifest]:
    """List everywhere; who may not is shown the namespace of the workspace alone."""
    selector = f"{JOB_LABEL}," + ",".join(f"{name}={value}" for name, value in MANAGED.items())
    try:
        return cluster.find(kind, None, labelSelector=selector)
    except ApiError as error:
        if error.status != 403:
            raise
    return [] if kind == "Namespace" else cluster.find(kind, name_namespace(site), labelSelector=selector)


def _running_jobs(state: Path, site: KubernetesSettings) -> Iterator[str]:
    records = Records(state, Masker())
    for path in state.glob("*/record.json"):
        if records.load(path.parent.name).status not in FINAL:
            yield build_names(path.parent.name, site).job
