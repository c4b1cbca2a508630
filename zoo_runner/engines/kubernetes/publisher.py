"""A pod that publishes the results on the volume of a job: started, followed and diagnosed like that of a job."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_follower import JobFollower
from zoo_runner.engines.kubernetes.manifests import (
    MAIN,
    build_bundle_maps,
    build_job,
    build_pull_secrets,
    build_secret,
    count_kept_seconds,
    owned_by,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Outcome

_PROGRAM = ["/opt/runner/bin/python", "-m", "zoo_runner.engines.kubernetes.job_pod.publishing"]
# the name of a Job has 63 characters at most, of which the job's own takes up to 54
_MARK = "-p"
_ATTEMPTS = range(10**6, 10**7)
# a Job whose caller is lost goes by itself, and its ConfigMaps and Secrets with it
_LEFT_SECONDS = 600
# it evaluates nothing, and asks the API for nothing
_LEFT_OUT = ("channel", "token")


@dataclass(frozen=True)
class Publication:
    """What is published: the bundle of the job, without inputs, and the credentials of stage-out."""

    bundle: bytes
    credentials: Mapping[str, str] = field(repr=False)


def publish_volume(
    cluster: Cluster,
    names: Names,
    site: KubernetesSettings,
    publication: Publication,
    report: Report,
    cancellation: Cancellation,
) -> Outcome:
    """Publish what is on the volume of a job, and remove all that this took; return how it ended.

    `names` are those of the job. Earlier attempts, whose callers may be lost, are ended first. Raises `RunnerError`
    where the pod could not report, or, without results, something could not be removed.
    """
    attempt = random.choice(_ATTEMPTS)
    _remove(cluster, names, site)
    stored = False
    try:
        first, *others = build_publisher(names, attempt, site, publication)
        root = ClusterRoot(cluster, "Job", Names(names.namespace, first["metadata"]["name"]), {"suspend": True})
        created = root.create(first)
        for manifest in others:
            cluster.create(owned_by(manifest, created))
        root.release()
        follower = _PublisherFollower(ClusterJob(cluster, names, root), site, report, created)
        outcome = follower.follow(cancellation).result()
        stored = outcome.results is not None
        return outcome
    finally:
        clean_up(cluster, names, site, report if stored else None)


def build_publisher(names: Names, attempt: int, site: KubernetesSettings, publication: Publication) -> list[Manifest]:
    """Build a Job and what it needs; pure. `attempt`, of seven digits, is in its name and those of its ConfigMaps.

    To all rules of the cluster its pod is one of the job: it has the labels, the volume and the Secret of that.
    """
    parts = build_bundle_maps(names, publication.bundle, attempt)
    job = build_job(names, site, 0, count_kept_seconds(site))
    job["spec"]["ttlSecondsAfterFinished"] = _LEFT_SECONDS
    job["metadata"]["name"] = f"{names.job}{_MARK}{attempt}"
    spec = job["spec"]["template"]["spec"]
    sources = [{"configMap": {"name": part["metadata"]["name"]}} for part in parts]
    bundle = {"name": "bundle", "projected": {"sources": sources}}
    spec["volumes"] = [
        bundle if volume["name"] == "bundle" else volume
        for volume in spec["volumes"]
        if volume["name"] not in _LEFT_OUT
    ]
    (container,) = spec["containers"] = [one for one in spec["containers"] if one["name"] == MAIN]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] not in _LEFT_OUT]
    container["command"] = [*_PROGRAM, str(names.generation)]
    return [job, build_secret(names, publication.credentials), *build_pull_secrets(names, site), *parts]


class _PublisherFollower(JobFollower):
    """Follows the Job that publishes, beside which the job's own objects may be."""

    def __init__(self, job: ClusterJob, site: KubernetesSettings, report: Report, created: Manifest) -> None:
        super().__init__(job, site, report)
        self._created = created["metadata"]

    @property
    def _root_name(self) -> str:
        return str(self._created["name"])

    def _is_job_pod(self, pod: Manifest) -> bool:
        owners = pod["metadata"].get("ownerReferences") or []
        return any(owner["uid"] == self._created["uid"] for owner in owners)

    def _take_root(self, change: str, root: Manifest) -> None:
        if root["metadata"]["uid"] == self._created["uid"]:
            super()._take_root(change, root)


def clean_up(cluster: Cluster, names: Names, site: KubernetesSettings, report: Report | None) -> None:
    """Remove all that an attempt took; with `report`, what fails is a warning, because the results are stored."""
    try:
        _remove(cluster, names, site)
    except RunnerError as error:
        if report is None:
            raise
        report(EngineLine("warning", f"not everything of the publication was removed ({error}); Kubernetes removes it"))


def _remove(cluster: Cluster, names: Names, site: KubernetesSettings) -> None:
    """Remove the Secrets first: whatever is left by a failure holds no credential."""
    for secret in names.list_secrets(site):
        cluster.delete("Secret", names.namespace, secret)
    for job in cluster.find("Job", names.namespace, names.selector):
        if job["metadata"]["name"].startswith(f"{names.job}{_MARK}"):
            cluster.delete("Job", names.namespace, job["metadata"]["name"])
    cluster.delete_labelled("Pod", names.namespace, names.selector, 1)
