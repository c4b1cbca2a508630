"""Many jobs on a simulated Kubernetes: all end, and what the worker takes and asks for does not grow with them."""

import shutil
from pathlib import Path

import pytest

from bench.scale_kubernetes import MOST_MIB, MOST_REQUESTS, MOST_THREADS, MOST_WRITES, run_jobs
from bench.simulated_cluster import find_servers, simulate_cluster
from tests.postgres import find_postgres
from tests.require import require

JOBS, NODES, PODS = 100, 50, 200


@pytest.mark.timeout(600)
def test_many_jobs_of_one_worker_end_with_few_threads_and_few_requests(tmp_path: Path) -> None:
    require(find_servers() is not None, "no servers of Kubernetes: make cluster")
    require(shutil.which("etcd") is not None, "no etcd: make cluster")
    require(shutil.which("go") is not None, "no Go, which builds kwok")
    find_postgres()
    (tmp_path / "cluster").mkdir()
    with simulate_cluster(tmp_path / "cluster", NODES, PODS, run_seconds=5) as cluster:
        run = run_jobs(cluster, tmp_path / "run", JOBS)
    assert dict(run.ended) == {"successful": JOBS}
    assert run.requests["create jobs"] == run.requests["delete jobs"] == JOBS
    assert run.requests["watch pods"] <= 5, "one watch for all jobs"
    assert run.requests_per_job <= MOST_REQUESTS
    assert run.writes_per_job <= MOST_WRITES
    assert run.threads <= MOST_THREADS
    assert run.worker_mib <= MOST_MIB
