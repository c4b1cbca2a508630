"""The objects of one job on the cluster, and never those of another job with the same id; removed at its end.

Two stores that do not know each other may use the same id for jobs of one workspace.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.namespace import remove_namespace
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

_UID = "zoo-runner/job-uid"
_FILLED = ("Secret", "ConfigMap")


def mark_job(job: Manifest, uid: str) -> Manifest:
    """Return a root object's manifest with an annotation that identifies the job and its store; pure."""
    return {**job, "metadata": {**job["metadata"], "annotations": {_UID: uid}}}


def is_same(job: Manifest, uid: str) -> bool:
    """Whether a Job of the cluster is the one with this `uid`, and not another of the same name; pure."""
    return bool((job["metadata"].get("annotations") or {}).get(_UID, "") == uid)


def ensure_same(job: Manifest, uid: str, job_id: str) -> None:
    """Raise `EngineError` where the Job was submitted from another store."""
    if not is_same(job, uid):
        raise EngineError(
            f"namespace {job['metadata']['namespace']} already has a job with the id {job_id}, submitted by another"
            " zoo-runner",
            "Choose another id for this job, or leave the id out to have one generated.",
            level=Level.USER,
            code="job.exists",
        )


def fill_in(planned: Iterable[Manifest], content: Iterable[Manifest]) -> list[Manifest]:
    """Return the planned manifests with the content of Secrets and ConfigMaps, which is not in a plan; pure.

    The bundle may need more ConfigMaps than the one in the plan; the volume of the Job refers to all of them.
    """
    filled = list(content)
    parts = [manifest["metadata"]["name"] for manifest in filled if manifest["kind"] == "ConfigMap"]
    rest = [manifest for manifest in planned if manifest["kind"] not in _FILLED]
    # the volume comes first: it is provisioned while the rest is created
    return [_with_parts(rest[0], parts), *rest[1:], *filled]


def _with_parts(job: Manifest, parts: Iterable[str]) -> Manifest:
    """Refer to all parts in the volume `bundle` of a Job's template or of a Workflow."""
    spec: Mapping[str, Any] = job["spec"]
    if "template" in spec:
        return {**job, "spec": {**spec, "template": _with_parts(spec["template"], parts)}}
    sources = {"projected": {"sources": [{"configMap": {"name": name}} for name in parts]}}
    volumes = [{**volume, **sources} if volume["name"] == "bundle" else volume for volume in spec["volumes"]]
    return {**job, "spec": {**spec, "volumes": volumes}}


def remove_job(job: ClusterJob, uid: str, *, keeps_namespace: bool = False) -> None:
    """Remove everything of a job: what its root object owns is deleted with it. The namespace of a workspace stays.

    `keeps_namespace`: so does one of its own, which has something of another job.
    Raises `RunnerError` if something could not be removed.
    """
    cluster, names = job.cluster, job.names
    found = job.root.get()
    if found and not is_same(found, uid):
        return
    if names.own_namespace and not keeps_namespace:
        remove_namespace(cluster, names.namespace)
    cluster.delete("Secret", names.namespace, names.secret)
    job.root.delete()
    cluster.delete_labelled("Pod", names.namespace, names.selector, 1)
