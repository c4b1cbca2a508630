"""The start of a job that this process has submitted itself asks for nothing that it knows, and misses nothing."""

from typing import Any, cast

import pytest

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.gate import Gate
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.root import ClusterJob, ClusterRoot
from zoo_runner.model.errors import DismissedError, EngineError

NAMES = Names("ws-a", "job-1")
STOPPED: Manifest = {"suspend": True}


class ClusterWithJob:
    """A cluster that has one Job, or none, and remembers what it is asked for."""

    def __init__(self, job: Manifest | None) -> None:
        self.job, self.asked = job, list[str]()

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        self.asked.append("get")
        return self.job

    def patch(self, kind: str, namespace: str, name: str, change: Any) -> Manifest | None:
        self.asked.append("patch")
        if self.job is not None:
            self.job = {**self.job, "spec": {**self.job["spec"], **change["spec"]}}
        return self.job


def build_job(**annotations: str) -> Manifest:
    return {"metadata": {"annotations": annotations}, "spec": {"suspend": True}}


def open_gate(job: Manifest | None, *, waits: bool) -> tuple[ClusterWithJob, Gate]:
    double = ClusterWithJob(job)
    cluster = cast(Cluster, double)
    return double, Gate(ClusterJob(cluster, NAMES, ClusterRoot(cluster, "Job", NAMES, STOPPED)), waits=waits)


def test_a_job_that_was_submitted_here_is_started_by_one_request() -> None:
    double, gate = open_gate(build_job(), waits=True)
    start = gate.find_start()
    assert start
    start()
    assert double.asked == ["patch"]
    assert (double.job or {})["spec"] == {"suspend": False}
    assert gate.is_open


def test_a_job_of_another_process_is_looked_at_first() -> None:
    double, gate = open_gate({**build_job(), "spec": {}}, waits=False)
    assert gate.find_start() is None
    assert double.asked == ["get"]


@pytest.mark.parametrize("waits", [True, False], ids=["submitted here", "submitted elsewhere"])
def test_a_job_that_was_dismissed_before_its_start_never_runs(waits: bool) -> None:
    double, gate = open_gate(build_job(), waits=waits)
    start = gate.find_start()
    double.job = build_job(**{"zoo-runner/dismissed": "true"})
    assert start
    with pytest.raises(DismissedError):
        start()
    assert (double.job or {})["spec"] == {"suspend": True}


def test_a_job_that_was_deleted_before_its_start_is_lost() -> None:
    double, gate = open_gate(build_job(), waits=True)
    start = gate.find_start()
    double.job = None
    assert start
    with pytest.raises(EngineError) as caught:
        start()
    assert caught.value.diagnosis.code == "job.lost"
