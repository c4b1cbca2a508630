"""One process follows hundreds of jobs: neither threads nor memory grow with their number."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import WORKSPACE, applied, find_kubeconfig
from tests.live.following import LINES
from tests.site import Site
from tests.values import ROOT

MOST_THREADS, MOST_MIB = 40, 300


@pytest.fixture
def namespace(site: Site) -> Iterator[str]:
    """A namespace that goes with all that is in it."""
    name = f"ws-{WORKSPACE}-many-{uuid.uuid4().hex[:6]}"
    with applied(site, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}):
        yield name


def follow(namespace: str, how: str, jobs: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.live.following", find_kubeconfig(), namespace, how, str(jobs)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    print(found)  # noqa: T201 for docs
    return found


@pytest.mark.timeout(300)
def test_five_hundred_jobs_are_followed_dismissed_and_removed_by_few_threads(namespace: str) -> None:
    found = follow(namespace, "pending", 500)
    assert (found["pending"], found["late"], found["left"]) == (500, 0, 0)
    assert found["ends"] == {"DismissedError": 500}
    assert found["threads"] <= MOST_THREADS
    assert found["mib"] <= MOST_MIB


@pytest.mark.timeout(300)
def test_the_logs_of_many_running_jobs_are_read_whole_and_in_order_by_few_threads(namespace: str) -> None:
    jobs = 20
    found = follow(namespace, "running", jobs)
    assert found["ends"] == {"NoneType": jobs}
    assert found["lines"] == jobs * LINES
    assert found["ordered"]
    assert found["threads"] <= MOST_THREADS
    assert found["mib"] <= MOST_MIB
