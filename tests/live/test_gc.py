"""`zoo-runner gc` on a real cluster, with an account limited to its own namespace, as an operator may have."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import WORKSPACE, build_account, kubectl
from tests.live.test_calrissian import list_objects, wait_until_gone
from tests.site import Site
from tests.values import EXAMPLES, FAILING
from tests.waiting import wait_for
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

GC_WORKSPACE = f"{WORKSPACE}-gc"
NAMESPACE = f"ws-{GC_WORKSPACE}"
ACCOUNT = "collector"
SLOW = FAILING / "slow" / "slow.cwl"
JOB_KINDS = ["configmaps", "jobs", "persistentvolumeclaims", "pods", "secrets"]
FOREIGN = {
    "alien": {"app": "something-else"},
    # our job's label by chance or by hand, and not made by us
    "alike": {"zoo-runner/job": "job-of-nobody"},
}


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": GC_WORKSPACE}


@pytest.fixture
def site(site: Site) -> Iterator[Site]:
    """The store that started the jobs, with the administrator's account; a lost job ends with a test that failed."""
    yield site
    kubectl(site, "delete", "jobs", "-n", NAMESPACE, "-l", "zoo-runner/job", "--ignore-not-found", "--wait=false")


@pytest.fixture
def collector(site: Site, tmp_path: Path) -> Site:
    """Another store, which knows none of the jobs; its account reaches its workspace and nothing else.

    On a cluster that others use it must not: to this store, their jobs too are jobs that nobody knows.
    """
    assert site.run(site.accept(EXAMPLES / "echo" / "echo.cwl", destination="s3://results/first")).outcome.results
    rules = [{"apiGroups": ["", "batch", "networking.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "delete"]}]
    for manifest in build_account(ACCOUNT, NAMESPACE, rules):
        apply(site, manifest, tmp_path)
    config = json.loads(kubectl(site, "config", "view", "--raw", "--flatten", "--minify", "-o", "json"))
    token = kubectl(site, "create", "token", ACCOUNT, "-n", NAMESPACE).strip()
    config["users"] = [{"name": ACCOUNT, "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = ACCOUNT
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    (tmp_path / "other").mkdir()
    return Site(tmp_path / "other", tmp_path / "cache", {**site.more, "KUBECONFIG": str(kubeconfig)})


def apply(site: Site, manifest: dict[str, Any], folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    kubectl(site, "apply", "-f", str(path))


def lose_caller(site: Site) -> str:
    """Start a job that goes on for minutes and kill its caller; the job's id."""
    job = f"lost-{new_job_id()}"  # never the id of an earlier run, of which something may still be going
    with site.started("run", SLOW, "-o", "s3://results/lost", "--job-id", job) as process:
        wait_for_step(site, job)
        process.send_signal(signal.SIGKILL)
    return job


def wait_for_step(site: Site, job: str) -> None:
    """Wait until the step runs."""
    words = ("get", "pods", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job},zoo-runner/role=step", "--no-headers")
    wait_for(lambda: "Running" in kubectl(site, *words))


@contextmanager
def foreign_objects(site: Site, folder: Path) -> Iterator[None]:
    try:
        for name, labels in FOREIGN.items():
            meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
            apply(site, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"of": "others"}}, folder)
        yield
    finally:
        kubectl(site, "delete", "configmap", "-n", NAMESPACE, *FOREIGN, "--ignore-not-found")


def test_what_a_lost_caller_leaves_is_found_and_on_request_removed(site: Site, collector: Site, tmp_path: Path) -> None:
    job = lose_caller(site)
    with foreign_objects(site, tmp_path):
        before = list_objects(site, job)
        assert sorted({name.partition("/")[0].partition(".")[0] + "s" for name in before}) == JOB_KINDS
        kept = collector.command("gc", "--remove")
        assert "0 objects removed" in kept.stderr
        assert ": 1" in kept.stderr
        found = collector.command("gc", "--active")
        assert found.returncode == 0, found.stderr
        assert all(name.rpartition("/")[2] in found.stdout for name in before)
        assert f"{len(before)} objects found; --remove removes them" in found.stderr
        assert not any(name in found.stdout for name in FOREIGN)
        assert list_objects(site, job) == before, "a dry run removes nothing"
        knows = site.command("gc")
        assert job not in knows.stdout, "the store that knows the job as running leaves it alone"
        removed = collector.command("gc", "--active", "--remove")
        assert removed.returncode == 0, removed.stderr
        assert f"{len(before)} objects removed" in removed.stderr
        wait_until_gone(site, job)
        left = kubectl(site, "get", "configmaps", "-n", NAMESPACE, "-o", "name")
        assert all(f"configmap/{name}" in left for name in FOREIGN)
    again = site.command("reattach", job)
    assert again.returncode != 0
    assert all(fact in again.stderr for fact in (job, NAMESPACE, "code: job.lost"))


def test_a_job_that_runs_is_left_alone_by_the_store_that_knows_it(site: Site, collector: Site, tmp_path: Path) -> None:
    """The same store with the collector's account, so that nobody else's job is in reach."""
    own = Site(site.folder, site.cache, collector.more)
    reported: list[str] = []

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not reported:
            done = own.command("gc", "--active", "--remove")
            reported.append(f"{done.stdout}{done.stderr}")

    job = site.accept(SLOW, None, "seconds=10", destination="s3://results/known")
    story = site.run(job, on=on)
    assert reported == ["0 objects removed\n"]
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
