"""Every way in which a job fails on Kubernetes, made to happen on a real cluster."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import steps
from tests.cluster import BROKEN_WORKSPACE, kubectl
from tests.live.diagnosis_table import ARGO_PAGE, LONGEST_SECONDS, PAGE, keep_row, read_time, witnessing
from tests.site import Site, Story
from zoo_runner.engines.kubernetes import bundle
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.model.diagnosis import Diagnosis, Level
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.job import Status

NAMESPACE = f"ws-{BROKEN_WORKSPACE}"
# of states that follow at once the kubelet may report the last one only
PULL_FAILED = "ErrImagePull|ImagePullBackOff"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": BROKEN_WORKSPACE, "ZOO_RUNNER_PENDING_SECONDS": "20"}


def write_package(folder: Path, script: str, image: str = steps.DEBIAN, **asks: Any) -> Path:
    """A workflow of one step `work` that runs a shell script in little memory."""
    return steps.write_package(folder, script, image, **{"ramMax": 64, **asks})


def run(site: Site, package: Path, on: Callable[[Event], None] = lambda _: None, job_id: str | None = None) -> Story:
    return site.run(site.accept(package, None, destination="s3://results/broken", job_id=job_id), on=on)


def fail(
    site: Site,
    package: Path,
    on: Callable[[Event], None] = lambda _: None,
    row: str = "",
    reported: str = "",
    waits_seconds: float = 0,
    job_id: str | None = None,
) -> Diagnosis:
    """Run a job that fails. Its diagnosis is that of the `row` in the table of its engine, and it follows what
    Kubernetes `reported` first: the reason of an event, a state or a condition (or whichever of several comes first,
    written `a|b`), or `deleted`.
    """
    job = site.accept(package, None, destination="s3://results/broken", job_id=job_id)
    with witnessing(site, NAMESPACE) as witness:
        story = site.run(job, on=on)
        at = witness.when(job.id, *reported.split("|")) if reported else 0.0
    assert story.outcome.status is Status.FAILED, story.log
    found = story.outcome.diagnosis
    assert found
    if row:
        keep_row(row, found, ARGO_PAGE if site.settings.engine == "argo" else PAGE)
    if reported:
        # when it is reported: the publishing of the logs, which comes after that, is no part of it
        reported = next(line for line in story.log.splitlines() if "[job] FAILED at" in line)
        late = read_time(reported.split()[0]) - at - waits_seconds
        print(f"DIAGNOSIS {row}: {late:.1f} s after {reported}")  # noqa: T201
        assert late < LONGEST_SECONDS
    return found


def ensure_namespace(site: Site, package: Path) -> None:
    """Have the workspace's namespace made by a job, as it always is; its role binding is made last."""
    if kubectl(site, "get", "rolebinding", "zoo-runner-job", "-n", NAMESPACE, "--ignore-not-found"):
        return
    assert run(site, package).outcome.status is Status.SUCCESSFUL


@contextmanager
def having(site: Site, manifest: Mapping[str, Any], folder: Path) -> Iterator[None]:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    kubectl(site, "apply", "-f", str(path))
    try:
        yield
    finally:
        kubectl(site, "delete", "-f", str(path), "--ignore-not-found")


@contextmanager
def having_quota(site: Site, what: str, hard: str, folder: Path) -> Iterator[None]:
    """Have a resource quota that Kubernetes keeps already."""
    meta = {"name": "small", "namespace": NAMESPACE}
    manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {what: hard}}}
    with having(site, manifest, folder):
        path = "{.status.hard." + what.replace(".", r"\.") + "}"
        kubectl(site, "wait", "quota/small", "-n", NAMESPACE, f"--for=jsonpath={path}={hard}", "--timeout=60s")
        yield


@contextmanager
def having_no_rules(site: Site, role: str, namespace: str) -> Iterator[None]:
    """Have a role of the job's account allow nothing; the next job creates all roles anew."""
    kubectl(site, "patch", "role", role, "-n", namespace, "--type=merge", "-p", '{"rules": []}')
    try:
        yield
    finally:
        every = kubectl(site, "get", "role,rolebinding", "-n", namespace, "-o", "name").split()
        kubectl(site, "delete", *every, "-n", namespace)


def test_an_image_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    found = fail(
        site,
        write_package(tmp_path, "true", "docker.io/library/never:there"),
        row="image missing",
        reported=PULL_FAILED,
    )
    assert (found.code, "docker.io/library/never:there" in found.cause) == ("image.not-found", True)
    assert (found.level, found.step) == (Level.USER, "work")
    assert found.evidence


def test_a_job_image_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    broken = site.having(ZOO_RUNNER_JOB_IMAGE="docker.io/library/nojob:1")
    found = fail(broken, write_package(tmp_path, "true"), row="job image missing", reported=PULL_FAILED)
    assert (found.code, "docker.io/library/nojob:1" in found.cause) == ("image.not-found", True)
    assert found.level is Level.ENGINE


def test_a_job_image_of_another_version(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "PROTOCOL", PROTOCOL + 1)  # as a caller sends it who was updated before the image
    found = fail(site, write_package(tmp_path, "true"), row="job image of another version")
    assert found.level is Level.PLATFORM
    assert "ZOO_RUNNER_JOB_IMAGE (or CALRISSIAN_IMAGE)" in found.remedy


def test_a_step_that_runs_out_of_memory(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "head -c 200m /dev/zero | tail > /dev/null")
    found = fail(site, package, row="out of memory", reported="OOMKilled")
    assert (found.code, found.step, "64Mi" in found.cause) == ("step.out-of-memory", "work", True)
    assert "Raise ramMax" in found.remedy


def test_a_log_that_may_lack_lines_says_so(site: Site, tmp_path: Path) -> None:
    # all processes but the first of the container, as the kernel does on cgroup v2 where memory is short
    story = run(site, write_package(tmp_path, "echo first; kill -9 -1"))
    assert "may lack lines" in story.log
    assert "may lack lines" not in run(site, write_package(tmp_path, "echo first; exit 3")).log


def test_a_tool_that_fails(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo cannot read band 9 >&2; exit 3")
    found = fail(site, package, row="tool failed", reported="Error")
    assert (found.code, "3: cannot read band 9" in found.cause) == ("step.exit-code", True)
    assert found.level is Level.USER


def test_a_tool_that_crashes(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo reading band 9 >&2; kill -SEGV $$")
    found = fail(site, package, row="tool crashed", reported="Error")
    assert (found.code, "SIGSEGV" in found.cause) == ("step.crashed", True)
    assert (found.level, found.step) == (Level.USER, "work")


def test_a_step_that_no_node_can_take(site: Site, tmp_path: Path) -> None:
    larger = site.having(DEFAULT_MAX_CORES="1000")
    package = write_package(tmp_path, "true", coresMin=500, coresMax=500)
    found = fail(larger, package, row="step fits no node", reported="Unschedulable")
    assert (found.code, "500 cores and 32 MiB" in found.cause) == ("cluster.unschedulable", True)
    assert found.level is Level.USER


def test_a_node_selector_that_fits_no_node(site: Site, tmp_path: Path) -> None:
    choosy, package = site.having(POD_NODE_SELECTOR='{"pool": "gpu"}'), write_package(tmp_path, "true")
    found = fail(choosy, package, row="node selector fits no node", reported="Unschedulable")
    assert (found.code, "{'pool': 'gpu'}" in found.cause) == ("cluster.unschedulable", True)


def test_a_storage_class_that_is_not_there(site: Site, tmp_path: Path) -> None:
    fast, package = site.having(STORAGE_CLASS="fast"), write_package(tmp_path, "true")
    found = fail(fast, package, row="storage class missing", reported="ProvisioningFailed")
    assert (found.code, '"fast" not found' in found.cause) == ("cluster.storage-class", True)
    assert "STORAGE_CLASS" in found.remedy


def test_a_quota_without_room_for_the_job(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    with having_quota(site, "pods", "0", tmp_path):
        found = fail(site, package, row="quota: the job", reported="FailedCreate")
    assert found.code == "cluster.quota"
    assert "exceeded quota" in found.evidence[0]


def test_a_quota_without_room_for_a_step(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true", coresMin=1)
    ensure_namespace(site, package)
    with having_quota(site, "requests.cpu", "500m", tmp_path):
        found = fail(site, package, row="quota: a step")
    assert (found.code, found.step) == ("cluster.quota", "work")


def test_a_role_that_was_deleted(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    role = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    kubectl(site, "patch", "role", "zoo-runner-job", "-n", NAMESPACE, "--type=merge", "-p", json.dumps(role))
    try:
        found = fail(site, package, row="permission missing")
    finally:
        kubectl(site, "delete", "role,rolebinding", "zoo-runner-job", "-n", NAMESPACE)
    assert "forbidden" in " ".join((found.cause, *found.evidence))
    assert found.level is Level.ENGINE


def test_a_step_whose_pod_is_deleted_is_started_again(site: Site, tmp_path: Path) -> None:
    selector = "zoo-runner/role=step"

    def lose() -> None:
        kubectl(site, "delete", "pods", "-n", NAMESPACE, "-l", selector, "--force")

    attempts = steps.Attempts(site, NAMESPACE, selector, lose)
    story = run(site, write_package(tmp_path, steps.BEGINS_ANEW), attempts)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert attempts.begun == 2
    assert any("deleted" in e.text and "again" in e.text for e in story.events if isinstance(e, EngineLine))


def test_a_step_whose_pod_is_deleted_again_and_again(site: Site, tmp_path: Path) -> None:
    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            kubectl(site, "delete", "pods", "-n", NAMESPACE, "-l", "zoo-runner/role=step", "--force")

    once = site.having(ZOO_RUNNER_STEP_RETRIES="1")
    package = write_package(tmp_path, "echo begun >&2; sleep 300")
    found = fail(once, package, on, row="step pod lost", reported="deleted")
    assert (found.code, found.step) == ("cluster.pod-lost", "work")
    assert found.level is Level.PLATFORM


def test_a_job_pod_that_is_killed(site: Site, tmp_path: Path) -> None:
    killed: list[str] = []

    def on(event: Event) -> None:
        if isinstance(event, StepStarted) and not killed:
            killed.append(
                kubectl(
                    site, "delete", "pods", "-n", NAMESPACE, "-l", "zoo-runner/role=job", "--force", "--grace-period=0"
                )
            )

    once = site.having(ZOO_RUNNER_STEP_RETRIES="0")
    found = fail(once, write_package(tmp_path, "sleep 300"), on, row="job pod killed", reported="deleted")
    assert found.code == "cluster.pod-lost"
    assert found.level is Level.PLATFORM
