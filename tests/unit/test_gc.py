"""Rules of what is left over."""

from pathlib import Path

import pytest

from tests.values import configuration_in, workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.kubernetes.leftovers import select_leftovers
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.protocol import PROTOCOL
from zoo_runner.engines.kubernetes.smoke_test import build_smoke_test_job
from zoo_runner.engines.protocol import Leftover
from zoo_runner.model.errors import EngineError

CREATED = "2026-01-01T00:00:00Z"


def build(name: str, job: str | None, **meta: str) -> Manifest:
    labels = {"zoo-runner/job": job} if job else {"app.kubernetes.io/managed-by": "zoo-runner"}
    return {"metadata": {"name": name, "namespace": "ws-a", "labels": labels, "creationTimestamp": CREATED, **meta}}


def test_what_a_running_job_has_is_left_alone() -> None:
    assert select_leftovers([("Job", build("job-1", "job-1"))], {"job-1"}) == []


def test_what_a_job_has_that_nobody_knows_is_found() -> None:
    found = select_leftovers([("Pod", build("job-2-x", "job-2")), ("Secret", build("s", "job-2"))], {"job-1"})
    assert found == [
        Leftover("Pod", "ws-a", "job-2-x", "job-2", CREATED),
        Leftover("Secret", "ws-a", "s", "job-2", CREATED),
    ]


def test_what_a_job_has_that_still_runs_is_distinguished() -> None:
    runs = {**build("job-2", "job-2"), "status": {"active": 1}}
    stopped = {**build("job-3", "job-3"), "spec": {"suspend": True}, "status": {"active": 1}}
    objects = [("Pod", build("job-2-x", "job-2")), ("Job", runs), ("Job", stopped)]
    assert [(left.name, left.active) for left in select_leftovers(objects, set())] == [
        ("job-2-x", True),
        ("job-2", True),
        ("job-3", False),
    ]


def test_a_workspace_namespace_carries_no_jobs_label_and_is_never_found() -> None:
    assert select_leftovers([("Namespace", build("ws-a", None))], set()) == []


def test_what_is_going_already_is_not_reported_again() -> None:
    assert select_leftovers([("Pod", build("job-2-x", "job-2", deletionTimestamp=CREATED))], set()) == []


def test_a_cluster_that_cannot_be_asked_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    engine = CalrissianEngine(configuration_in(tmp_path, ZOO_RUNNER_KUBERNETES_URL="http://127.0.0.1:9"))
    with pytest.raises(EngineError, match="does not answer"):
        engine.find_leftovers(())


def test_the_doctors_pod_starts_as_a_jobs_would() -> None:
    site = KubernetesSettings(node_selector={"pool": "eo"}, pull_secrets=("regcred",))
    spec = build_smoke_test_job(build_names("doctor-1", site, workspace_of()), site, "s3://b/p")["spec"]["template"][
        "spec"
    ]
    assert spec["nodeSelector"] == {"pool": "eo"}
    assert spec["imagePullSecrets"] == [{"name": "regcred"}]
    assert spec["containers"][0]["image"] == site.image
    assert spec["containers"][0]["command"][-2:] == ["s3://b/p", str(PROTOCOL)]
    assert {"claimName": "job-doctor-1-work"} in [one.get("persistentVolumeClaim") for one in spec["volumes"]]


def test_what_waits_to_be_published_is_active_until_the_cluster_removes_it() -> None:
    waiting, forgotten = build("job-4-work", "job-4"), build("job-5-work", "job-5")
    waiting["metadata"]["labels"]["zoo-runner/kept"] = "true"
    objects = [
        ("Namespace", build("job-4", "job-4")),
        ("Job", build("job-4", "job-4")),
        ("PersistentVolumeClaim", waiting),
        ("PersistentVolumeClaim", forgotten),
    ]
    assert [(left.kind, left.job, left.active) for left in select_leftovers(objects, set())] == [
        ("Namespace", "job-4", True),
        ("Job", "job-4", True),
        ("PersistentVolumeClaim", "job-4", True),
        ("PersistentVolumeClaim", "job-5", False),
    ]


@pytest.mark.parametrize("running", [{"job-7"}, set()], ids=["runs here", "runs elsewhere"])
def test_the_namespace_of_a_job_stays_while_a_job_that_continues_it_runs_there(running: set[str]) -> None:
    retry = {**build("job-7", "job-7", namespace="job-6"), "status": {"phase": "Running"}}
    objects = [("Namespace", build("job-6", "job-6", namespace="")), ("Workflow", retry)]
    assert [left for left in select_leftovers(objects, running) if not left.active] == []
    # and goes when nothing of it does
    retry["status"] = {"phase": "Failed"}
    assert [left.kind for left in select_leftovers(objects, set()) if not left.active] == ["Namespace", "Workflow"]
