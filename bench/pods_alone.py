"""The pods of jobs of one step with nothing in them, created by hand: what no runner with such pods can be under.

Each job has a volume, a pod of two containers that mount it, and as soon as one of them runs a pod of its step. The
containers do nothing but connect to this machine, which so learns that they run before Kubernetes says so, and wait for
the end; the step only says that it has run. There is no bundle, Secret, token, event or log.
"""

import queue
import socketserver
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.peers import LONGEST_SECONDS, Prepared
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.request import Mount, StepRequest
from zoo_runner.engines.kubernetes.job_pod.script import build_script
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner, build_step_pod, build_step_settings
from zoo_runner.engines.kubernetes.manifests import build_claim, build_job
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Names, build_names
from zoo_runner.engines.kubernetes.namespace import prepare_tenant
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.package import Package

# those of the step of examples/echo
_CORES, _RAM_MIB, _MOST_RAM_MIB = 1.0, 64.0, 128.0
_SAY = 'exec 3<>"/dev/tcp/$0/$1" && echo "$2" >&3'
_WAIT = f"{_SAY} && read -r _ <&3"
_ENDED = "/ended"
_KEPT_VOLUMES = ("work", "channel")
_END_SECONDS = 1


@dataclass(frozen=True)
class _Job:
    """What one job has: its volume, its pod, and the pod of its step."""

    names: Names
    claim: dict[str, Any]
    pod: dict[str, Any]
    step: dict[str, Any]


def run_pods_alone(cluster: Cluster, configuration: Configuration, jobs: int, image: str, host: str) -> float:
    """Create the pods of so many jobs at once; seconds until the step of the last has run."""
    prepared = prepare_pods_alone(cluster, configuration, jobs, image, host)
    seconds = prepared.run()
    prepared.remove()
    return seconds


def prepare_pods_alone(cluster: Cluster, configuration: Configuration, jobs: int, image: str, host: str) -> Prepared:
    """Prepare what `run_pods_alone` measures: the namespace, and the manifests; pods reach this machine at `host`."""
    site, workspace = configuration.kubernetes, configuration.workspace
    names = [build_names(f"hand-{uuid.uuid4().hex[:8]}", site, workspace) for _ in range(jobs)]
    prepare_tenant(cluster, names[0], site)

    def remove() -> None:
        for one in names:
            cluster.delete("PersistentVolumeClaim", one.namespace, one.claim)

    def run() -> float:
        said: queue.SimpleQueue[str | Change | WatchFailed] = queue.SimpleQueue()
        over = {one.job: threading.Event() for one in names}
        with _listening(host, said.put, over) as port:
            return _run(cluster, {one.job: _build(one, configuration, image, host, port) for one in names}, said, over)

    return Prepared(run, remove)


def _run(
    cluster: Cluster,
    built: dict[str, _Job],
    said: "queue.SimpleQueue[str | Change | WatchFailed]",
    over: dict[str, threading.Event],
) -> float:
    """Create everything; containers say that they run, and steps that they have run. `over` ends those that wait."""
    begun, unstarted, running = time.monotonic(), set(built), set(built)
    stops = [cluster.watch(one.names.namespace, name, ("Pod",), said.put) for name, one in built.items()]
    with ThreadPoolExecutor(len(built)) as pool:
        list(pool.map(lambda one: (cluster.create(one.claim), cluster.create(one.pod)), built.values()))
        while running:
            text = said.get(timeout=LONGEST_SECONDS)
            if isinstance(text, WatchFailed):
                raise text.error
            if isinstance(text, Change):
                if text.change != "DELETED" and text.item.get("status", {}).get("phase") == "Failed":
                    _ensure_over(text.item["metadata"], running)
            elif text in unstarted:
                unstarted.discard(text)
                pool.submit(cluster.create, built[text].step)
            elif (name := text.removesuffix(_ENDED)) != text and name in running:
                running.discard(name)
                # its place is free for the others, as that of a job whose results are stored
                over[name].set()
                pool.submit(_remove_pods, cluster, built[name].names)
        seconds = time.monotonic() - begun
    for stop in stops:
        stop()
    return seconds


def _ensure_over(meta: dict[str, Any], running: set[str]) -> None:
    """End this program for a pod that has failed before the end of its job."""
    if meta["labels"][JOB_LABEL] in running:
        raise SystemExit(f"bench: the pod {meta['name']} failed")


@contextmanager
def _listening(host: str, take: Callable[[str], None], over: Mapping[str, threading.Event]) -> Iterator[int]:
    """Call `take` with what each container sends; the connection of one that waits ends when its job is over."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            text = self.rfile.readline().decode().strip()
            take(text)
            if text in over:
                over[text].wait(LONGEST_SECONDS)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server((host, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _remove_pods(cluster: Cluster, names: Names) -> None:
    cluster.delete_labelled("Pod", names.namespace, names.selector, _END_SECONDS)


def _build(names: Names, configuration: Configuration, image: str, host: str, port: int) -> _Job:
    site, package = configuration.kubernetes, Package({}, "main", "hand", {}, "")
    template = build_job(names, site, 0, None)["spec"]["template"]
    spec = template["spec"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] in _KEPT_VOLUMES]
    for container in spec["containers"]:
        command = ["/bin/bash", "-c", _WAIT, host, str(port), names.job]
        container |= {"command": command, "env": [], "envFrom": []}
        container["volumeMounts"] = [one for one in container["volumeMounts"] if one["name"] in _KEPT_VOLUMES]
    meta = {**template["metadata"], "name": names.job, "namespace": names.namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    return _Job(names, build_claim(names, site, package), pod, _build_step(names, configuration, image, host, port))


def _build_step(names: Names, configuration: Configuration, image: str, host: str, port: int) -> dict[str, Any]:
    command = ["bash", "-c", _SAY, host, str(port), f"{names.job}{_ENDED}"]
    request = StepRequest(
        "write",
        "bash",
        image,
        tuple(build_script(command, None, None, None)),
        "/out",
        {"HOME": "/out", "TMPDIR": "/tmp"},
        (Mount("/out", "run/tmp/write", False),),
        _CORES,
        _CORES,
        _MOST_RAM_MIB,
        _RAM_MIB,
        network=True,
    )
    pod = build_step_pod(request, build_step_settings(names, configuration.kubernetes), "hand", Owner("", ""))
    del pod["metadata"]["ownerReferences"]
    return pod
