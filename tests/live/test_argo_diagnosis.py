"""Ways in which a job fails on Argo Workflows, made to happen on a real one; docs/argo.md has a message of each.

What is judged as on the engine calrissian, or as `diagnose` does, and shown there already, is `long`.
"""

import json
from pathlib import Path

import pytest

from tests.cluster import BROKEN_WORKSPACE, WORKSPACE, applied, find_argo, kubectl
from tests.live.test_calrissian_diagnosis import (
    NAMESPACE,
    PULL_FAILED,
    ensure_namespace,
    fail,
    having_no_rules,
    having_quota,
    run,
    write_package,
)
from tests.live.test_calrissian_mishaps import NO_CLASS, Once, build_broken_volume, build_waiting_class, storage_class
from tests.site import Site
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

NODE_ERROR = "WorkflowNodeError|WorkflowNodeFailed"
POD_LOSSES = ("delete", "pods", "-n", NAMESPACE, "--force", "--grace-period=0", "-l")


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    find_argo()
    return {
        "ZOO_RUNNER_WORKSPACE": BROKEN_WORKSPACE,
        "ZOO_RUNNER_PENDING_SECONDS": "20",
        "ZOO_RUNNER_ENGINE": "argo",
    }


def select(job_id: str, role: str = "job") -> str:
    return f"zoo-runner/job=job-{job_id},zoo-runner/role={role}"


def test_a_job_image_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    broken = site.having(ZOO_RUNNER_JOB_IMAGE="docker.io/library/nojob:1")
    found = fail(broken, write_package(tmp_path, "true"), row="job image missing", reported=PULL_FAILED)
    assert (found.code, found.level) == ("image.not-found", Level.ENGINE)


def test_an_image_of_a_step_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true", "docker.io/library/never:there")
    found = fail(site, package, row="image missing", reported=PULL_FAILED)
    assert (found.code, found.level, found.step) == ("image.not-found", Level.USER, "work")


def test_a_pod_that_gets_no_network(site: Site, tmp_path: Path) -> None:
    """Cause A. A bandwidth that no network plug-in can keep; those of the node stay as they are, others use them."""
    broken, job_id = site.having(POD_ANNOTATIONS=json.dumps({"kubernetes.io/ingress-bandwidth": "a lot"})), new_job_id()
    try:
        found = fail(
            broken,
            write_package(tmp_path, "true"),
            row="cause A: sandbox creation failed (`Init:0/1`)",
            reported="FailedCreatePodSandBox",
            job_id=job_id,
        )
    finally:
        # what was never set up containerd cannot take down either, so that the pod would stay for ever
        kubectl(site, *POD_LOSSES, select(job_id))
    assert (found.code, found.level) == ("cluster.network", Level.PLATFORM)
    assert "Init:0/1" in found.cause


def test_a_volume_of_the_site_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    broken = site.having(POD_VOLUMES='[{"claim": "not-there", "path": "/data"}]')
    found = fail(broken, write_package(tmp_path, "true"), row="volume of the site missing", reported="Unschedulable")
    assert (found.code, found.level) == ("cluster.volume", Level.ENGINE)


@pytest.mark.long
def test_a_volume_of_the_site_that_cannot_be_mounted(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    volume, claim = build_broken_volume(NAMESPACE)
    volumes = json.dumps([{"claim": claim["metadata"]["name"], "path": "/data"}])
    with applied(site, volume, claim):
        broken = site.having(POD_VOLUMES=volumes)
        found = fail(broken, package, row="volume of the site not mountable", reported="FailedMount")
    assert (found.code, found.level) == ("cluster.mount", Level.PLATFORM)


@pytest.mark.long
def test_a_storage_class_that_is_not_there(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    found = fail(site.having(STORAGE_CLASS="fast"), package, row="storage class missing", reported="ProvisioningFailed")
    assert (found.code, found.level) == ("cluster.storage-class", Level.ENGINE)


@pytest.mark.long
def test_a_storage_class_that_creates_no_volumes(site: Site, tmp_path: Path) -> None:
    with applied(site, storage_class(NO_CLASS, "kubernetes.io/no-provisioner")):
        found = fail(
            site.having(STORAGE_CLASS=NO_CLASS),
            write_package(tmp_path, "true"),
            row="storage class without volumes",
            reported="ProvisioningFailed",
        )
    assert found.level is Level.ENGINE


def test_a_job_that_fits_no_node(site: Site, tmp_path: Path) -> None:
    large = site.having(ZOO_RUNNER_JOB_CPU="900", ZOO_RUNNER_JOB_CPU_LIMIT="900")
    found = fail(large, write_package(tmp_path, "true"), row="job fits no node", reported="Unschedulable")
    assert (found.code, found.level) == ("cluster.unschedulable", Level.ENGINE)


@pytest.mark.long
def test_a_step_that_fits_no_node(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true", coresMin=500, coresMax=500)
    found = fail(site.having(DEFAULT_MAX_CORES="1000"), package, row="step fits no node", reported="Unschedulable")
    assert (found.code, found.level, found.step) == ("cluster.unschedulable", Level.USER, "work")


@pytest.mark.long
def test_a_node_selector_that_fits_no_node(site: Site, tmp_path: Path) -> None:
    choosy, package = site.having(POD_NODE_SELECTOR='{"pool": "gpu"}'), write_package(tmp_path, "true")
    found = fail(choosy, package, row="node selector fits no node", reported="Unschedulable")
    assert (found.code, found.level) == ("cluster.unschedulable", Level.ENGINE)


@pytest.mark.long
def test_a_quota_without_room_for_the_job(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    with having_quota(site, "pods", "0", tmp_path):
        found = fail(site, package, row="quota")
    assert (found.code, found.level) == ("cluster.quota", Level.PLATFORM)


def test_a_limit_range_that_the_job_does_not_keep(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    limits = {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]}
    meta = {"name": "small", "namespace": NAMESPACE}
    with applied(site, {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta, "spec": limits}):
        found = fail(site, package, row="limit range", reported=NODE_ERROR)
    assert (found.code, found.level) == ("cluster.limit-range", Level.ENGINE)


def test_a_service_account_that_does_not_exist(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    found = fail(
        site.having(ZOO_RUNNER_SERVICE_ACCOUNT="gone"), package, row="service account missing", reported=NODE_ERROR
    )
    assert (found.code, found.level) == ("cluster.service-account", Level.ENGINE)


def test_a_job_that_may_not_create_pods(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    ensure_namespace(site, package)
    with having_no_rules(site, "zoo-runner-job", NAMESPACE):
        found = fail(site, package, row="permission of the job missing")
    assert (found.code, found.level) == ("cluster.permission", Level.ENGINE)


def test_a_job_pod_that_runs_out_of_memory(site: Site, tmp_path: Path) -> None:
    small = site.having(ZOO_RUNNER_JOB_RAM="24Mi", ZOO_RUNNER_JOB_RAM_LIMIT="24Mi")
    found = fail(small, write_package(tmp_path, "true"), row="job out of memory", reported="OOMKilled")
    assert (found.code, found.level) == ("engine.memory", Level.ENGINE)


@pytest.mark.long
def test_a_step_that_runs_out_of_memory(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "head -c 200m /dev/zero | tail > /dev/null")
    found = fail(site, package, row="step out of memory", reported="OOMKilled")
    assert (found.code, found.level, found.step) == ("step.out-of-memory", Level.USER, "work")


@pytest.mark.long
def test_a_program_that_is_not_in_the_image(site: Site, tmp_path: Path) -> None:
    found = fail(site, write_package(tmp_path, "exec no-such-program"), row="program missing", reported="Error")
    assert (found.level, found.step) == (Level.USER, "work")


@pytest.mark.long
def test_an_output_that_the_tool_did_not_write(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true")
    document = json.loads(package.read_text())
    tool = next(one for one in document["$graph"] if one["class"] == "CommandLineTool")
    tool["outputs"] = {"text": {"type": "File", "outputBinding": {"glob": "result.tif"}}}
    package.write_text(json.dumps(document))
    found = fail(site, package, row="output missing")
    assert (found.code, found.level) == ("step.output-missing", Level.USER)


def test_a_namespace_that_no_controller_manages(site: Site, tmp_path: Path) -> None:
    found = fail(site.having(ARGO_INSTANCE_ID="nobody"), write_package(tmp_path, "true"), row="controller silent")
    assert (found.code, found.level) == ("engine.argo-controller", Level.ENGINE)


def test_a_tool_that_fails(site: Site, tmp_path: Path) -> None:
    found = fail(site, write_package(tmp_path, "echo no band 9 >&2; exit 3"), row="tool failed", reported="Error")
    assert (found.code, found.level, found.step) == ("step.exit-code", Level.USER, "work")


def test_a_pod_that_is_deleted_at_each_attempt(site: Site, tmp_path: Path) -> None:
    job_id = new_job_id()
    once = site.having(ZOO_RUNNER_STEP_RETRIES="0")

    def lose(event: Event) -> None:
        # Argo starts a pod again that was deleted before it had seen that it ran
        if isinstance(event, StepStarted):
            kubectl(site, *POD_LOSSES, select(job_id))

    found = fail(once, write_package(tmp_path, "sleep 300"), lose, row="job pod deleted", job_id=job_id)
    assert found.level is Level.PLATFORM


def test_a_time_limit(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo begun >&2; sleep 300")
    found = fail(site.having(ZOO_RUNNER_TIME_LIMIT="8"), package, row="time limit")
    assert (found.code, found.level) == ("job.time-limit", Level.USER)


def test_a_workflow_that_was_deleted_under_its_pod(site: Site, tmp_path: Path) -> None:
    """Cause B. Argo has nothing to show any more; the pod ends in Error, or goes with its owner."""
    job_id = new_job_id()

    def orphan() -> None:
        kubectl(site, "delete", "workflow", f"job-{job_id}", "-n", NAMESPACE, "--cascade=orphan", "--wait=false")

    package = write_package(tmp_path, "echo begun >&2; sleep 300")
    try:
        found = fail(
            site, package, Once(StepLines, orphan), row="cause B: workflow deleted under its pod", job_id=job_id
        )
    finally:
        kubectl(site, *POD_LOSSES, f"zoo-runner/job=job-{job_id}")
        kubectl(site, "delete", "pvc,secret,configmap", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job_id}")
    assert found.level is Level.PLATFORM


def test_what_only_takes_long_raises_nothing(site: Site, tmp_path: Path) -> None:
    """Healthy look-alikes: a volume that waits for its pod, and a step that prints nothing for a while."""
    waits = f"zoo-runner-{WORKSPACE}-waits"
    with applied(site, *build_waiting_class(waits, tmp_path / "volume")):
        story = run(site.having(STORAGE_CLASS=waits), write_package(tmp_path, "sleep 8; echo done"))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert story.engine_errors == []
    assert not [e for e in story.events if isinstance(e, EngineLine) and e.severity == "warning"]
