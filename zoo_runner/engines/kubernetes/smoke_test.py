"""A job that does nothing, for a smoke test: created, followed and diagnosed like every other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.follower import Follower
from zoo_runner.engines.kubernetes.job_follower import JobFollower
from zoo_runner.engines.kubernetes.manifests import (
    CONFINED,
    MAIN,
    build_claim,
    build_job,
    build_pull_secrets,
    build_resources,
    build_secret,
    owned_by,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.preflight import StepRequest, find_refused_images, probe_images
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.engines.kubernetes.volumes import is_bound
from zoo_runner.engines.protocol import Check
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import Event, Report
from zoo_runner.model.outcomes import restore_error
from zoo_runner.model.package import Package

_LONGEST_SECONDS = 120.0
_PROGRAM = ["/opt/runner/bin/python", "-m", "zoo_runner.engines.kubernetes.job_pod.smoke_test"]
# it has no bundle, and no package to evaluate
_LEFT_OUT = ("bundle", "channel")
_NOTHING = Package({"$graph": []}, "#main", "smoke-test", {}, "")


@dataclass(frozen=True)
class SmokeJob:
    """The job of a smoke test as its engine runs it: the suspended root object, and who follows it."""

    job: ClusterJob
    manifest: Manifest
    follower: type[Follower] = JobFollower


@dataclass(frozen=True)
class SmokeTest:
    """How the smoke test ended: whether the volume was bound, its error, its pods, and what they reported.

    `images`: what was found of the images of steps.
    """

    bound: bool
    error: RunnerError | None
    pods: Sequence[Manifest] = ()
    events: Sequence[Event] = ()
    images: Sequence[Check] = ()


def open_smoke_test(cluster: Cluster, names: Names, site: KubernetesSettings, destination: str | None) -> SmokeJob:
    """Open the smoke test as a Job."""
    root = ClusterRoot(cluster, "Job", names, {"suspend": True})
    return SmokeJob(ClusterJob(cluster, names, root), build_smoke_test_job(names, site, destination))


def run_smoke_test(
    smoke: SmokeJob, site: KubernetesSettings, credentials: Mapping[str, str], steps: Sequence[StepRequest] = ()
) -> SmokeTest:
    """Run the smoke test and remove it; raises `EngineError` if it cannot be removed.

    `credentials` are those of stage-out, by which the pod writes to the destination. The images of `steps` are pulled.
    """
    cluster, names = smoke.job.cluster, smoke.job.names
    objects = (build_secret(names, credentials), build_claim(names, site, _NOTHING))
    try:
        with _suspended(smoke, site, objects) as owner:
            images = tuple(probe_images(cluster, names, site, owner, steps)) if steps else ()
            events: list[Event] = []
            error = _follow(smoke, site, events.append)
            bound = error is None or is_bound(cluster.get("PersistentVolumeClaim", names.namespace, names.claim))
            return SmokeTest(bound, error, cluster.find("Pod", names.namespace, names.selector), events, images)
    except RunnerError as refused:
        return SmokeTest(False, refused)


def ask_for_images(smoke: SmokeJob, site: KubernetesSettings, steps: Sequence[StepRequest]) -> Iterator[RunnerError]:
    """Yield why nodes cannot pull the images of steps; the smoke test itself never starts, and all is removed."""
    with _suspended(smoke, site, ()) as owner:
        yield from find_refused_images(smoke.job.cluster, smoke.job.names, site, owner, steps)


@contextmanager
def _suspended(smoke: SmokeJob, site: KubernetesSettings, objects: Sequence[Manifest]) -> Iterator[Manifest]:
    """Have the suspended root object, the Secrets for registries and further objects, which it owns, for a while."""
    root, names = smoke.job.root, smoke.job.names
    owner = root.create(smoke.manifest)
    try:
        for manifest in (*objects, *build_pull_secrets(names, site)):
            smoke.job.cluster.create(owned_by(manifest, owner))
        yield owner
    finally:
        root.delete()


def build_smoke_test_job(names: Names, site: KubernetesSettings, destination: str | None) -> Manifest:
    """Build a Job whose pod starts like that of a job, reports its end, and does nothing else; pure."""
    job = build_job(names, site, 0, None)
    spec = job["spec"]["template"]["spec"]
    spec["volumes"] = leave_out(spec["volumes"])
    (container,) = spec["containers"] = [one for one in spec["containers"] if one["name"] == MAIN]
    container["volumeMounts"] = leave_out(container["volumeMounts"])
    container["command"] = build_command(destination)
    spec["initContainers"] = [build_step_image(site)]
    return job


def leave_out(volumes: Sequence[Manifest]) -> list[Manifest]:
    """Return volumes, or their mounts, without those that a smoke test does not have."""
    return [volume for volume in volumes if volume["name"] not in _LEFT_OUT]


def build_command(destination: str | None) -> list[str]:
    """Build the command of the container."""
    return [*_PROGRAM, destination or "", str(PROTOCOL)]


def build_step_image(site: KubernetesSettings) -> Manifest:
    """Build the init container that shows that the image of steps can be pulled, without a step."""
    return {
        "name": "step-image",
        "image": site.step_image,
        "command": ["/bin/sh", "-c", "true"],
        "resources": build_resources(site),
        "securityContext": CONFINED,
    }


def _follow(smoke: SmokeJob, site: KubernetesSettings, report: Report) -> RunnerError | None:
    limit = Cancellation(min(site.pending_seconds, _LONGEST_SECONDS))
    try:
        with limit.deadline():
            follower = smoke.follower(smoke.job, site, report, smoke.job.root.release)
            return restore_error(follower.follow(limit).result())
    except RunnerError as error:
        if limit.reason is None:
            return error
        return EngineError(
            f"a pod of the job image with a volume did not end within {_LONGEST_SECONDS:g} s",
            f"Run `kubectl describe pod,pvc -n {smoke.job.names.namespace}` for the reason: image, volume or room on"
            " the nodes.",
            code="cluster.pending",
        )
