"""The pods of a scatter's steps, created by hand: what the cluster itself takes for them, without any runner."""

import queue
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.peers import LONGEST_SECONDS
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.request import Mount, StepRequest
from zoo_runner.engines.kubernetes.job_pod.script import build_script
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_step_pod, build_step_settings
from zoo_runner.engines.kubernetes.manifests import build_claim
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Names, build_names
from zoo_runner.engines.kubernetes.namespace import prepare_tenant
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.package import Package

CORES, MOST_CORES, RAM_MIB, MOST_RAM_MIB = 0.1, 1.0, 16.0, 64.0
"""What a trivial step requests, and what it is limited to."""
_AT_ONCE = 50


def run_by_hand(cluster: Cluster, configuration: Configuration, steps: int, image: str) -> float:
    """Create the pods of so many steps at once; seconds from the first request until the last has succeeded."""
    site = configuration.kubernetes
    names = build_names(f"hand-{uuid.uuid4().hex[:8]}", site, configuration.workspace)
    prepare_tenant(cluster, names, site)
    cluster.create(build_claim(names, site, Package({}, "main", "hand", {}, "")))
    pods = [_build_pod(names, configuration, number, image) for number in range(steps)]
    waiting = {pod["metadata"]["name"] for pod in pods}
    changes: queue.SimpleQueue[Change | WatchFailed] = queue.SimpleQueue()
    stop = cluster.watch(names.namespace, names.job, ("Pod",), changes.put)
    begun = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(cluster.create, pods))
    while waiting:
        change = changes.get(timeout=LONGEST_SECONDS)
        if isinstance(change, WatchFailed):
            raise change.error
        phase = change.item.get("status", {}).get("phase")
        if phase == "Failed":
            raise SystemExit(f"bench: the pod {change.item['metadata']['name']} failed")
        if phase == "Succeeded":
            waiting.discard(change.item["metadata"]["name"])
    seconds = time.monotonic() - begun
    stop()
    cluster.delete_labelled("Pod", names.namespace, f"{JOB_LABEL}={names.job}", 0)
    cluster.delete("PersistentVolumeClaim", names.namespace, names.claim)
    return seconds


def _build_pod(names: Names, configuration: Configuration, number: int, image: str) -> dict[str, Any]:
    """Build the pod that the step with this number would have, which nothing owns."""
    folder = f"run/tmp/{number}"
    request = StepRequest(
        f"each-{number}",
        "echo",
        image,
        tuple(build_script(["echo", f"line {number}"], None, "/tmp/line.txt", None)),
        "/out",
        {"HOME": "/out", "TMPDIR": "/tmp"},
        (Mount("/out", folder, False),),
        MOST_CORES,
        CORES,
        MOST_RAM_MIB,
        RAM_MIB,
    )
    pod = build_step_pod(request, build_step_settings(names, configuration.kubernetes), "hand", Owner("", ""))
    del pod["metadata"]["ownerReferences"]
    return pod
