"""Follows many jobs at once and prints what that took; a program of its own, so that nothing else counts.

    python -m tests.live.following KUBECONFIG NAMESPACE HOW JOBS

`HOW` is `pending`: pods that no scheduler looks at, dismissed by the engine or by their followers; or `running`: pods
that print a log and end with results.
"""

import json
import sys
import threading
from collections import Counter
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.values import configuration_in
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.kubernetes.client import connect
from zoo_runner.engines.kubernetes.manifests import MAIN, build_job
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.engines.kubernetes.submission import mark_job
from zoo_runner.engines.protocol import Handle
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Outcome, Results, Status

LINES = 200
RESULT = Outcome(Status.SUCCESSFUL, Results({"text": "a"}, {"type": "Collection"}, "s3://b/collection.json"))
IMAGE = "docker.io/library/debian:bookworm-slim"
ENDED = encode_line(RESULT)[0]
PRINT = f"for i in $(seq {LINES}); do echo \"[work] line $i\"; done; sleep 2; echo '{ENDED}'"


def build(names: Names, how: str, settings: KubernetesSettings) -> Manifest:
    """The Job of a job, whose pod needs nothing besides."""
    job = mark_job(build_job(names, settings, 0, None), names.job)
    spec = job["spec"]["template"]["spec"]
    job["spec"]["suspend"] = False
    spec |= {"volumes": [], "serviceAccountName": "default", "automountServiceAccountToken": False}
    spec["containers"] = [container] = [one for one in spec["containers"] if one["name"] == MAIN]
    container |= {"volumeMounts": [], "envFrom": [], "image": IMAGE, "command": ["/bin/sh", "-c", PRINT]}
    container["resources"] = {"requests": {"cpu": "1m", "memory": "1Mi"}}
    if how == "pending":
        spec["schedulerName"] = "zoo-runner-tests-nobody"
    return job


def read_status(name: str) -> int:
    """A number of /proc/self/status: `Threads`, or `VmHWM` in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main(kubeconfig: str, namespace: str, how: str, jobs: int) -> dict[str, Any]:
    """Follow so many jobs to their end, remove them, and say what it took."""
    configuration = configuration_in(Path(), KUBECONFIG=kubeconfig, ZOO_RUNNER_NAMESPACE=namespace)
    engine, cluster = CalrissianEngine(configuration), connect(configuration.kubernetes)
    every = [Names(namespace, f"job-many-{how}-{number}") for number in range(jobs)]
    lines: Counter[str] = Counter()
    orders: dict[str, list[str]] = {}
    threads: list[int] = []
    cancellations = [Cancellation() for _ in every]
    followed: list[Future[Results]] = []
    handles = [Handle("calrissian", names.job, {"names": asdict(names), "uid": names.job}) for names in every]
    for names, handle, cancellation in zip(every, handles, cancellations, strict=True):
        cluster.create(build(names, how, configuration.kubernetes))

        def report(event: Event, job: str = names.job) -> None:
            threads.append(threading.active_count())
            if isinstance(event, StepLines):
                lines[job] += len(event.lines)
                orders.setdefault(job, []).extend(event.lines)

        followed.append(engine.follow(handle, report, cancellation))
        followed[-1].add_done_callback(lambda _: threads.append(read_status("Threads")))
    threads.append(read_status("Threads"))
    pending = len([one for one in followed if not one.done()])
    if how == "pending":
        for number, (handle, cancellation) in enumerate(zip(handles, cancellations, strict=True)):
            engine.cancel(handle) if number % 2 else cancellation.cancel()
    late = wait(followed, timeout=90).not_done
    for handle in handles:
        engine.remove(handle)
    ordered = all(texts == [f"line {number}" for number in range(1, LINES + 1)] for texts in orders.values())
    return {
        "pending": pending,
        "late": len(late),
        "ends": Counter(type(one.exception()).__name__ for one in followed if one.done()),
        "threads": max(threads),
        "mib": read_status("VmHWM") / 1024,
        "lines": sum(lines.values()),
        "ordered": ordered,
        "left": len(cluster.find("Job", namespace)),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))))  # noqa: T201 its answer
