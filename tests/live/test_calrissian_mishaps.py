"""What the cluster does to a job that is sound: evictions, no place, claims, accounts, networks; each for real."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import BROKEN_WORKSPACE, WORKSPACE, kubectl
from tests.live.test_calrissian_diagnosis import (
    NAMESPACE,
    ensure_namespace,
    fail,
    having,
    having_quota,
    run,
    write_package,
)
from tests.site import Site
from tests.steps import BEGINS_ANEW, DEBIAN, Attempts, find_pods
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

DISK_LIMIT: Manifest = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "zoo-runner-tests-disk", "namespace": NAMESPACE},
    "spec": {"limits": [{"type": "Container", "default": {"ephemeral-storage": "20Mi"}}]},
}
NO_CLASS = f"zoo-runner-{WORKSPACE}-static"
NO_PROVISIONER = f"zoo-runner-{WORKSPACE}-nobody"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": BROKEN_WORKSPACE, "ZOO_RUNNER_PENDING_SECONDS": "20"}


def select_pods(job_id: str, role: str) -> str:
    return f"zoo-runner/job=job-{job_id},zoo-runner/role={role}"


@pytest.fixture
def little_disk(site: Site, tmp_path: Path) -> Iterator[None]:
    """A namespace whose pods may write no more than 20 MiB to their node's disk."""
    ensure_namespace(site, write_package(tmp_path, "true"))
    with having(site, DISK_LIMIT, tmp_path):
        yield


def have_evicted(site: Site, job_id: str, role: str) -> None:
    """Fill the disk of a pod beyond its limit, so that the kubelet evicts it; it looks every ten seconds."""
    for pod in find_pods(site, NAMESPACE, select_pods(job_id, role)):
        kubectl(site, "exec", pod, "-n", NAMESPACE, "--", "sh", "-c", "head -c 60000000 /dev/zero > /var/tmp/filling")


def build_broken_volume(namespace: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build a volume that no node can mount, and a claim that is bound to it."""
    name, size = f"{namespace}-nowhere", {"storage": "1Mi"}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    host = {"path": "/no/such/folder", "type": "Directory"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {**common, "capacity": size, "hostPath": host},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**common, "volumeName": name, "resources": {"requests": size}},
    }
    return volume, claim


def build_waiting_class(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build a storage class whose volumes wait for their pod, and the one volume that it has."""
    folder.mkdir()
    folder.chmod(0o777)
    waits = storage_class(name, "kubernetes.io/no-provisioner") | {"volumeBindingMode": "WaitForFirstConsumer"}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{name}-{uuid.uuid4().hex[:8]}"},
        "spec": {
            "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": str(folder), "type": "Directory"},
            "storageClassName": name,
        },
    }
    return waits, volume


class Once:
    """Does something at the first event of a kind."""

    def __init__(self, kind: type, act: Any) -> None:
        self._kind, self._act, self.done = kind, act, False

    def __call__(self, event: Event) -> None:
        if isinstance(event, self._kind) and not self.done:
            self.done = True
            self._act()


@pytest.mark.usefixtures("little_disk")
def test_a_step_that_was_evicted_is_started_again(site: Site, tmp_path: Path) -> None:
    package, job_id = write_package(tmp_path, BEGINS_ANEW), new_job_id()
    attempts = Attempts(site, NAMESPACE, select_pods(job_id, "step"), lambda: have_evicted(site, job_id, "step"))
    story = run(site, package, attempts, job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert attempts.begun == 2
    assert any("evicted" in e.text for e in story.events if isinstance(e, EngineLine))


@pytest.mark.usefixtures("little_disk")
def test_a_step_that_is_evicted_again_and_again(site: Site, tmp_path: Path) -> None:
    site, job_id = site.having(ZOO_RUNNER_STEP_RETRIES="0"), new_job_id()
    fill, package = Once(StepLines, lambda: have_evicted(site, job_id, "step")), write_package(tmp_path, BEGINS_ANEW)
    found = fail(site, package, fill, row="step evicted", reported="Evicted", job_id=job_id)
    assert (found.level, found.step) == (Level.PLATFORM, "work")


@pytest.mark.usefixtures("little_disk")
def test_a_job_pod_that_is_evicted(site: Site, tmp_path: Path) -> None:
    site, job_id = site.having(ZOO_RUNNER_STEP_RETRIES="0"), new_job_id()
    fill, package = Once(StepStarted, lambda: have_evicted(site, job_id, "job")), write_package(tmp_path, "sleep 300")
    found = fail(site, package, fill, row="job evicted", reported="Evicted", job_id=job_id)
    assert found.level is Level.PLATFORM


def count_cores(site: Site) -> int:
    nodes = json.loads(kubectl(site, "get", "nodes", "-o", "json"))["items"]
    return max(int(node["status"]["allocatable"]["cpu"]) for node in nodes)


def test_a_step_that_only_fits_its_node_without_the_pod_of_the_job(site: Site, tmp_path: Path) -> None:
    cores = count_cores(site)
    package = write_package(tmp_path, "true", coresMin=cores, coresMax=cores)
    large = site.having(DEFAULT_MAX_CORES=str(cores))
    found = fail(large, package, reported="Unschedulable")
    assert (found.code, found.level, found.step) == ("cluster.unschedulable", Level.USER, "work")
    assert "0.01 cores" in found.cause, "as many as its own pod has"


def test_a_step_that_finds_no_place_for_too_long(site: Site, tmp_path: Path) -> None:
    """A pod of others has more than half of the node, and the step asks for more than half."""
    share = round(0.6 * count_cores(site), 1)
    hasty = site.having(ZOO_RUNNER_PENDING_SECONDS="3")
    package = write_package(tmp_path, "true", coresMin=share, coresMax=share)
    name = f"large-{uuid.uuid4().hex[:8]}"
    container = {
        "name": "main",
        "image": DEBIAN,
        "command": ["sleep", "300"],
        "resources": {"requests": {"cpu": str(share)}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": 0, "restartPolicy": "Never", "containers": [container]},
    }
    with having(site, pod, tmp_path):
        kubectl(site, "wait", f"pod/{name}", "-n", "default", "--for=condition=PodScheduled", "--timeout=60s")
        found = fail(hasty, package, row="not scheduled in time", reported="Unschedulable", waits_seconds=3)
    assert (found.level, found.step) == (Level.PLATFORM, "work")


def remove_accounts(site: Site, *names: str) -> None:
    """Take accounts away; with the binding gone too, the next job makes all anew."""
    kubectl(site, "delete", *names, "-n", NAMESPACE, "--ignore-not-found")


@pytest.mark.parametrize(
    ("account", "row", "reported"),
    [
        ("zoo-runner-job", "service account of the job missing", "FailedCreate"),
        ("zoo-runner-step", "service account of the steps missing", ""),
    ],
)
def test_a_service_account_that_is_gone(site: Site, tmp_path: Path, account: str, row: str, reported: str) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    remove_accounts(site, f"serviceaccount/{account}")
    try:
        found = fail(site, package, row=row, reported=reported)
    finally:
        remove_accounts(site, "rolebinding/zoo-runner-job")
    assert found.level is Level.ENGINE
    assert account in found.cause


def storage_class(name: str, provisioner: str) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
    }


def test_a_claim_without_any_class(site: Site, tmp_path: Path) -> None:
    """As on a cluster without a default class: the claim is there before the job, which adopts it."""
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    job_id = new_job_id()
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"job-{job_id}-work", "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    with having(site, claim, tmp_path):
        found = fail(site, package, row="no storage class", reported="FailedBinding", job_id=job_id)
    assert found.level is Level.ENGINE


def test_a_class_that_makes_no_volumes(site: Site, tmp_path: Path) -> None:
    static = site.having(STORAGE_CLASS=NO_CLASS)
    with having(site, storage_class(NO_CLASS, "kubernetes.io/no-provisioner"), tmp_path):
        found = fail(
            static, write_package(tmp_path, "true"), row="storage class without volumes", reported="ProvisioningFailed"
        )
    assert found.level is Level.ENGINE


def test_a_class_whose_provisioner_does_not_answer(site: Site, tmp_path: Path) -> None:
    waiting = site.having(STORAGE_CLASS=NO_PROVISIONER, ZOO_RUNNER_PENDING_SECONDS="4")
    with having(site, storage_class(NO_PROVISIONER, "nobody.example/none"), tmp_path):
        found = fail(
            waiting,
            write_package(tmp_path, "true"),
            row="volume not created in time",
            reported="Unschedulable",
            waits_seconds=4,
        )
    assert found.level is Level.PLATFORM


def test_a_quota_without_room_for_the_volume(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    with having_quota(site, "requests.storage", "100Mi", tmp_path):
        found = fail(site, package, row="quota: the volume")
    assert found.level is Level.ENGINE


def test_a_pod_that_gets_no_network(site: Site, tmp_path: Path) -> None:
    """A bandwidth that no network plug-in can keep; the node's plug-ins stay as they are, others use them."""
    broken = site.having(POD_ANNOTATIONS=json.dumps({"kubernetes.io/ingress-bandwidth": "a lot"}))
    try:
        found = fail(
            broken,
            write_package(tmp_path, "true"),
            row="sandbox creation failed (`Init:0/1`)",
            reported="FailedCreatePodSandBox",
        )
    finally:
        # what was never set up containerd cannot take down either, so that the pod would stay for ever
        kubectl(site, "delete", "pods", "-n", NAMESPACE, "-l", "zoo-runner/role=job", "--force", "--grace-period=0")
    assert found.level is Level.PLATFORM
