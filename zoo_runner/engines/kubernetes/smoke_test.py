"""A job that does nothing, for a smoke test: created, followed and diagnosed like every other."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_follower import JobFollower
from zoo_runner.engines.kubernetes.manifests import (
    CONFINED,
    MAIN,
    build_claim,
    build_job,
    build_pull_secrets,
    build_secret,
    owned_by,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.kubernetes.volumes import is_bound
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.outcomes import restore_error
from zoo_runner.model.package import Package

_LONGEST_SECONDS = 120.0
_PROGRAM = ["/opt/runner/bin/python", "-m", "zoo_runner.engines.kubernetes.job_pod.smoke_test"]
# it has no bundle, and no package to evaluate
_LEFT_OUT = ("bundle", "channel")
_NOTHING = Package({"$graph": []}, "#main", "smoke-test", {}, "")


@dataclass(frozen=True)
class SmokeTest:
    """How the smoke test ended: whether the volume was bound, and its error."""

    bound: bool
    error: RunnerError | None


def run_smoke_test(
    cluster: Cluster, names: Names, site: KubernetesSettings, destination: str | None, credentials: Mapping[str, str]
) -> SmokeTest:
    """Run the smoke test and remove it; raises `ApiError` if it cannot be removed.

    `credentials` are those of stage-out, by which the pod writes to the destination.
    """
    error: RunnerError | None = None
    try:
        job = cluster.create(build_smoke_test_job(names, site, destination))
        secrets = (build_secret(names, credentials), *build_pull_secrets(names, site))
        for manifest in (*secrets, build_claim(names, site, _NOTHING)):
            cluster.create(owned_by(manifest, job))
        error = _follow(cluster, names, site)
        bound = error is None or is_bound(cluster.get("PersistentVolumeClaim", names.namespace, names.claim))
        return SmokeTest(bound, error)
    except RunnerError as refused:
        return SmokeTest(False, refused)
    finally:
        cluster.delete("Job", names.namespace, names.job)


def build_smoke_test_job(names: Names, site: KubernetesSettings, destination: str | None) -> Manifest:
    """Build a Job whose pod starts like that of a job, reports its end, and does nothing else; pure."""
    job = build_job(names, site, 0, None)
    spec = job["spec"]["template"]["spec"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] not in _LEFT_OUT]
    (container,) = spec["containers"] = [one for one in spec["containers"] if one["name"] == MAIN]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] not in _LEFT_OUT]
    container["command"] = [*_PROGRAM, destination or "", str(PROTOCOL)]
    # no step pod is needed to check that the image of steps can be pulled
    spec["initContainers"] = [
        {
            "name": "step-image",
            "image": site.step_image,
            "command": ["/bin/sh", "-c", "true"],
            "resources": container["resources"],
            "securityContext": CONFINED,
        }
    ]
    return job


def _follow(cluster: Cluster, names: Names, site: KubernetesSettings) -> RunnerError | None:
    root = ClusterRoot(cluster, "Job", names, {"suspend": True})
    limit = Cancellation(min(site.pending_seconds, _LONGEST_SECONDS))
    try:
        with limit.deadline():
            follower = JobFollower(ClusterJob(cluster, names, root), site, lambda _: None, root.release)
            return restore_error(follower.follow(limit).result())
    except RunnerError as error:
        if limit.reason is None:
            return error
        return EngineError(
            f"a pod of the job image with a volume did not end within {_LONGEST_SECONDS:g} s",
            f"Run `kubectl describe pod,pvc -n {names.namespace}` for the reason: image, volume or room on the nodes.",
            code="cluster.pending",
        )
