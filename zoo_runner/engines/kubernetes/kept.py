"""The volume of a job that failed: it waits until its results are published, or another job continues the job.

It belongs to the root object, as all of a job does. That object stays as well, and Kubernetes (of a Workflow, Argo)
deletes both when their time is over, whether or not any zoo-runner still runs. A job that continues another becomes the
owner of its volume in place of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import GRACE_SECONDS, owned_by
from zoo_runner.engines.kubernetes.names import JOB_LABEL, MANAGED, Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.engines.kubernetes.submission import is_same
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import RunnerError

_KEPT = "zoo-runner/kept"
_UNTIL = "zoo-runner/kept-until"
_CLAIM = "PersistentVolumeClaim"


def keep_volume(
    job: ClusterJob,
    job_id: str,
    hours: float,
    error: RunnerError,
    notes: Mapping[str, str] = MappingProxyType({}),
    *,
    by_server: bool = False,
) -> RunnerError:
    """Mark the volume of a job; return its error, which then says what is kept, and the command for it.

    `notes` are annotations for a job that continues this one. Of a job of a server (`by_server`), the error says the
    request for it: no command finds such jobs.

    After a failed stage-out these are the results, else the outputs of the steps that ended. Where that is not
    permitted, they are lost with the job, and the error says what would keep them.
    """
    has_results = error.diagnosis.stage is Stage.STAGE_OUT
    what = "The results" if has_results else "The outputs of the steps that succeeded"
    then = f"`zoo-runner publish {job_id}` tries again" if has_results else f"`zoo-runner retry {job_id}` continues it"
    then = f"`POST /jobs/{job_id}/retry` continues it" if by_server else then
    cluster, names = job.cluster, job.names
    try:
        if cluster.get(_CLAIM, names.namespace, names.claim) is None:
            return error
        until = find_end_of_stay(_read_root(job), hours)
        mark = {"labels": {_KEPT: "true"}, "annotations": {_UNTIL: until, **notes}}
        cluster.patch(_CLAIM, names.namespace, names.claim, {"metadata": mark})
    except ApiError as refused:
        place = f"{what} could not be kept on the cluster ({refused}): {refused.diagnosis.remedy}"
    else:
        place = f"{what} are kept in the volume {names.claim} of namespace {names.namespace} until {until}: {then}."
    return type(error).restore(replace(error.diagnosis, remedy=f"{error.diagnosis.remedy} {place}"))


def _read_root(job: ClusterJob) -> Manifest | None:
    try:
        return job.root.get()
    except RunnerError:  # what the results wait for is their volume
        return None


def find_end_of_stay(root: Manifest | None, hours: float) -> str:
    """Return when the cluster deletes a root object: it counts the time of its submission from its end on; pure.

    Of one that does not say so yet, `hours` from now.
    """
    status, spec = (root or {}).get("status") or {}, (root or {}).get("spec") or {}
    seconds = spec.get("ttlSecondsAfterFinished", (spec.get("ttlStrategy") or {}).get("secondsAfterCompletion"))
    failed = [
        one.get("lastTransitionTime")
        for one in status.get("conditions") or []
        if (one["type"], one["status"]) == ("Failed", "True")
    ]
    ended = next(filter(None, (status.get("completionTime"), status.get("finishedAt"), *failed)), None)
    left = hours * 3600 if seconds is None else seconds
    return clock.after(left - (clock.seconds_since(ended) if ended else 0))


def has_kept(cluster: Cluster, names: Names) -> bool:
    """Whether the volume of a job is kept; not where another job has taken it over."""
    claim = cluster.get(_CLAIM, names.namespace, names.claim)
    return claim is not None and is_kept(claim) and _belongs_to(claim, names)


def has_volume_of_another(cluster: Cluster, names: Names) -> bool:
    """Whether the volume that a job would mount is another's."""
    claim = cluster.get(_CLAIM, names.namespace, names.claim)
    return claim is not None and not _belongs_to(claim, names)


def _belongs_to(claim: Manifest, names: Names) -> bool:
    return bool((claim["metadata"].get("labels") or {}).get(JOB_LABEL) == names.job)


def take_volume(earlier: ClusterJob, uid: str, names: Names, root: Manifest) -> bool:
    """Make the volume of a failed job that of another, with its root object as the owner; may be repeated.

    It is kept on: only the success of the other job ends that. `earlier` is the failed job and `uid` its own, of which
    nothing stays. Returns whether there was a volume to take.
    """
    cluster, before = earlier.cluster, earlier.names
    claim = cluster.get(_CLAIM, before.namespace, before.claim)
    if claim is None:
        return False
    if not _belongs_to(claim, names):
        failed = earlier.root.get()
        if not (is_kept(claim) and _belongs_to(claim, before) and failed and is_same(failed, uid)):
            return False
        change = _build_handover(claim, owned_by(claim, root), names, find_end_of_stay(root, 0))
        try:
            cluster.patch(_CLAIM, before.namespace, before.claim, {"metadata": change})
        except ApiError as error:
            # another job was faster
            if error.status == HTTPStatus.CONFLICT:
                return False
            raise
    failed = earlier.root.get()
    if failed and is_same(failed, uid):
        earlier.root.delete()
    return True


def _build_handover(claim: Manifest, owned: Manifest, names: Names, until: str) -> Manifest:
    """Build the change that gives a volume to a job, as long as nobody else changes it; pure."""
    return {
        "resourceVersion": claim["metadata"]["resourceVersion"],
        "ownerReferences": owned["metadata"]["ownerReferences"],
        "labels": {JOB_LABEL: names.job},
        "annotations": {_UNTIL: until},
    }


def is_kept(claim: Manifest) -> bool:
    """Whether a volume waits for its results to be published, or for a job that continues its own; pure."""
    meta = claim["metadata"]
    return _KEPT in (meta.get("labels") or {}) and "deletionTimestamp" not in meta


def forget_volume(cluster: Cluster, names: Names) -> None:
    """Have the volume go with the job again; one that does not exist is no error."""
    mark = {"labels": {_KEPT: None}, "annotations": {_UNTIL: None}}
    cluster.patch(_CLAIM, names.namespace, names.claim, {"metadata": mark})


def remove_rest(job: ClusterJob, uid: str, secrets: Iterable[str], ends_itself: bool) -> None:
    """Remove what is secret, and what takes room on nodes; the volume and its root object stay.

    That object is stopped unless it ends with the pod of the job: its time runs from its end on.
    """
    cluster, names, root = job.cluster, job.names, job.root.get()
    if root and not is_same(root, uid):
        return
    if not ends_itself:
        job.root.dismiss()
    for secret in secrets:
        cluster.delete("Secret", names.namespace, secret)
    cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)


def describe_kept(cluster: Cluster, namespace: str) -> str:
    """Describe the volumes of a namespace that wait, and until when. Raises `RunnerError`."""
    selector = ",".join([JOB_LABEL, f"{_KEPT}=true", *(f"{name}={value}" for name, value in MANAGED.items())])
    try:
        claims = [claim["metadata"] for claim in cluster.find(_CLAIM, namespace, selector)]
    except RunnerError as error:
        return f"not known ({error})"
    waiting = [f"{meta['labels'][JOB_LABEL]} until {meta['annotations'][_UNTIL]}" for meta in claims]
    return ", ".join(sorted(waiting)) or "none"
