"""Checks an installation before its first job: each line says what was found, what is expected, and the remedy."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from zoo_runner.engines.cluster.k8s import Cluster
from zoo_runner.engines.cluster.manifests import (
    Manifest,
    Names,
    build_claim,
    build_names,
    build_pod_template,
)
from zoo_runner.engines.cluster.podstatus import find_ending, find_start_failure, has_started
from zoo_runner.engines.cluster.settings import ClusterSettings, load_cluster_settings, parse_quantity
from zoo_runner.engines.cluster.streams import Streams
from zoo_runner.engines.cluster.tenant import prepare_tenant
from zoo_runner.errors import EngineError, RunnerError
from zoo_runner.package import Package
from zoo_runner.settings import Settings

# what the runner does with the API; the same list stands in docs/kubernetes.md
RIGHTS = (
    ("batch", "jobs", ("create", "get", "patch", "delete")),
    ("", "pods", ("list", "watch", "deletecollection")),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create", "delete")),
    ("", "configmaps", ("create",)),
    ("", "persistentvolumeclaims", ("create",)),
    ("", "events", ("list", "watch")),
)


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    about: str
    ok: bool
    found: str
    expected: str
    remedy: str = ""


def examine_cluster(settings: Settings, destination: str | None = None) -> Iterator[Check]:
    """Check the cluster step by step; what cannot be checked because of an earlier finding is left out."""
    site = load_cluster_settings(settings.environ)
    names = build_names(f"doctor-{uuid.uuid4().hex[:8]}", site)
    try:
        with closing(Cluster(settings.environ, site.kubeconfig, site.api_url)) as cluster:
            yield _check("API", lambda: _find_version(cluster), "the API answers")
            yield from _check_rights(cluster, names)
            yield _check("namespace", lambda: _prepare(cluster, names, site), f"{names.namespace} can be used")
            yield from _check_quota(cluster, names, site)
            yield _check("storage and image", lambda: _try_pod(cluster, names, site), "a pod starts with a volume")
    except RunnerError as error:
        yield Check("API", False, error.diagnosis.cause, "the API answers", error.diagnosis.remedy)
    if destination:
        yield _check("results store", lambda: _probe(destination, settings), f"{destination} is writable")


def _check(about: str, look: Callable[[], str], expected: str) -> Check:
    try:
        return Check(about, True, look(), expected)
    except RunnerError as error:
        return Check(about, False, error.diagnosis.cause, expected, error.diagnosis.remedy)


def _find_version(cluster: Cluster) -> str:
    return f"Kubernetes {cluster.read_version()}"


def _check_rights(cluster: Cluster, names: Names) -> Iterator[Check]:
    refused = [
        f"{verb} {resource}"
        for group, resource, verbs in RIGHTS
        for verb in verbs
        if not _may(cluster, names.namespace, group, resource, verb)
    ]
    yield Check(
        "permissions",
        not refused,
        f"missing: {', '.join(refused)}" if refused else "all granted",
        f"{sum(len(verbs) for _, _, verbs in RIGHTS)} rights in {names.namespace}",
        "Grant them to the runner's account; docs/kubernetes.md has the role." if refused else "",
    )


def _may(cluster: Cluster, namespace: str, group: str, resource: str, verb: str) -> bool:
    """Ask by a SelfSubjectAccessReview (authorization.k8s.io/v1)."""
    main, _, sub = resource.partition("/")
    asked = {"namespace": namespace, "group": group, "resource": main, "subresource": sub, "verb": verb}
    review = cluster.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
    )
    return bool(review["status"]["allowed"])


def _prepare(cluster: Cluster, names: Names, site: ClusterSettings) -> str:
    prepare_tenant(cluster, names, site)
    return f"{names.namespace} with its accounts"


def _check_quota(cluster: Cluster, names: Names, site: ClusterSettings) -> Iterator[Check]:
    for quota in cluster.find("ResourceQuota", names.namespace):
        status = quota.get("status", {})
        tight = [
            f"{resource}: {status.get('used', {}).get(resource, '0')} of {hard} used"
            for resource, hard in status.get("hard", {}).items()
            if parse_quantity(status.get("used", {}).get(resource, "0")) >= parse_quantity(hard)
        ]
        yield Check(
            f"quota {quota['metadata']['name']}",
            not tight,
            "; ".join(tight) or "room for a job",
            f"room for the job pod ({site.job_cpu} CPU, {site.job_ram})",
            "Wait until other jobs end, or have the quota raised." if tight else "",
        )


def _try_pod(cluster: Cluster, names: Names, site: ClusterSettings) -> str:
    """Run the job image's interpreter once, with a volume as a job has it."""
    claim = build_claim(names, site, Package({"$graph": []}, "#main", "doctor", {}, ""))
    pod = build_trial_pod(names, site)
    try:
        cluster.create(claim)
        cluster.create(pod)
        return _wait(cluster, names, site.pending_seconds)
    finally:
        cluster.delete("Pod", names.namespace, names.job, 0)
        cluster.delete("PersistentVolumeClaim", names.namespace, names.claim)
        if names.own_namespace:
            cluster.delete("Namespace", "", names.namespace)


def build_trial_pod(names: Names, site: ClusterSettings) -> Manifest:
    """Make a pod that does nothing but start as a job's would; pure."""
    template = build_pod_template(names, site, "job")
    template["spec"]["volumes"].append({"name": "work", "persistentVolumeClaim": {"claimName": names.claim}})
    template["spec"]["containers"] = [
        {
            "name": "job",
            "image": site.image,
            "command": ["/opt/runner/bin/python", "-c", "open('/job/doctor', 'w').close(); import zoo_runner"],
            "volumeMounts": [{"name": "work", "mountPath": "/job"}],
        }
    ]
    meta = {**template["metadata"], "name": names.job, "namespace": names.namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def _wait(cluster: Cluster, names: Names, seconds: float) -> str:
    streams = Streams()
    timer = threading.Timer(min(seconds, 120), streams.close)
    timer.start()
    try:
        for _, pod in cluster.watch("Pod", names.namespace, streams, fieldSelector=f"metadata.name={names.job}"):
            if failure := find_start_failure(pod):
                raise failure
            if has_started(pod) and (ending := find_ending(pod)):
                return _judge(ending.exit_code)
    finally:
        timer.cancel()
        streams.close()
    raise EngineError(
        "a pod of the job image with a volume did not start in time",
        f"See why with `kubectl describe pod,pvc -n {names.namespace}`: image, storage class or room on the nodes.",
    )


def _judge(exit_code: int) -> str:
    if exit_code:
        raise EngineError(
            f"the job image started and ended with exit code {exit_code}",
            "ZOO_RUNNER_JOB_IMAGE has to be built from deploy/job, and the volume writable for ZOO_RUNNER_RUN_AS_USER.",
        )
    return "the image is pulled, the volume bound and writable"


def _probe(destination: str, settings: Settings) -> str:
    from stageout.settings import load_options
    from stageout.stage import check_destination
    from staging.errors import StagingError

    try:
        check_destination(destination, load_options(settings.environ, "doctor").options)
    except StagingError as error:
        raise EngineError(str(error), error.remedy) from error
    return "written and removed again"
