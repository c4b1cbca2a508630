"""What one call of the runner submitted: told from another job of the same id, and removed whole at its end.

Two callers whose stores know nothing of each other may give the same id to jobs of one workspace.
"""

import uuid

from zoo_runner.engines.calrissian.namespace import remove_namespace
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine, Report

SUBMISSION = "zoo-runner/submission"


def mark_job(job: Manifest) -> Manifest:
    """Return a Job's manifest that no other submission has."""
    return {**job, "metadata": {**job["metadata"], "annotations": {SUBMISSION: uuid.uuid4().hex}}}


def is_same(job: Manifest, submitted: Manifest) -> bool:
    """Whether a Job of the cluster is the one that was submitted, and not another of the same name; pure."""
    there, sent = ((one["metadata"].get("annotations") or {}).get(SUBMISSION) for one in (job, submitted))
    return bool(there == sent)


def ensure_same(job: Manifest, submitted: Manifest, job_id: str) -> None:
    """Raise `EngineError` where the Job was submitted by somebody else."""
    if not is_same(job, submitted):
        raise EngineError(
            f"namespace {job['metadata']['namespace']} has a job of the id {job_id} already, not started from here",
            "Give this job another id, or leave the id out for one that is made up.",
            level=Level.USER,
        )


def remove_job(cluster: Cluster, names: Names, submitted: Manifest, report: Report) -> None:
    """Remove all of the job: what the Job owns goes with it. A workspace's namespace is never among it."""
    try:
        job = cluster.get("Job", names.namespace, names.job)
        if job and not is_same(job, submitted):
            return
        if names.own_namespace:
            remove_namespace(cluster, names.namespace)
        cluster.delete("Secret", names.namespace, names.secret)
        cluster.delete("Job", names.namespace, names.job)
        cluster.delete_labelled("Pod", names.namespace, names.selector, 1)
    except RunnerError as error:
        report(EngineLine("warning", f"not all of the job was removed ({error}); `zoo-runner gc` finds the rest"))
