"""The phases of one job on the cluster, as the API reports its pods, and what each program used meanwhile."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import psutil

from bench.on_cluster import KUBECONFIG
from bench.peers import LONGEST_SECONDS, Prepared

_COUNTED = Path("/sys/fs/cgroup/cpuacct/kubepods")
_SERVERS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet", "containerd")
_LOOK_SECONDS = 0.02
CREATED = "objects created, and let go"
SCHEDULED = "volume bound, job pod on a node"
STARTED = "first container of the job pod runs"
STEP_CREATED = "pod of the step created: Python, Calrissian and the package loaded"
STEP_STARTED = "the step runs"
STEP_ENDED = "the step has ended"
ENDED = "results and end"
GONE = "its pods are removed"
"""What comes after the end of a job, on all sides; the programs are counted until then."""


@dataclass
class Trace:
    """Seconds by the clock and of the processor of each phase, and processor seconds of each program.

    `removal`: what the removal of the pods takes after the last phase.
    """

    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    removal: tuple[float, float] | None = None
    programs: dict[str, float] = field(default_factory=dict)


def read_busy_seconds() -> float:
    """Read the processor seconds that this machine has used since it was started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def trace_pods(prepared: Prepared, namespace: str) -> Trace:
    """Run one job, whose first pod is the job pod and whose second is the step, and measure its phases.

    Pods of other namespaces are of others, who may use the same cluster.
    """
    containers = _Containers()
    with _watching_pods(namespace, containers.notice) as pods, _sampling(containers):
        servers, client = read_servers(), time.process_time()
        begun, used = time.monotonic(), read_busy_seconds()
        took = prepared.run()
        pods.note_time()
        # without what this measurement itself uses
        spent = time.process_time() - client - containers.own_seconds - pods.own_seconds
        prepared.remove()
        pods.wait_until_gone()
        later = read_servers()
    ends = {**pods.find_ends(begun), ENDED: begun + took}
    trace, ended = Trace(), begun + took
    for name, end in sorted(ends.items(), key=lambda item: item[1]):
        if end <= ended:
            busy = pods.read_busy(end)
            trace.phases[name] = (end - begun, busy - used)
            begun, used = end, busy
    gone = pods.find_gone()
    trace.removal = (gone - ended, pods.read_busy(gone) - used)
    trace.programs = {"client": spent, **containers.seconds}
    for name, seconds in later.items():
        trace.programs[name] = seconds - servers[name]
    return trace


class _Pods:
    """What the API reported of pods, in the order of their creation, each with the time at which it came.

    `own_seconds` of the processor go into reading that.
    """

    def __init__(self) -> None:
        self.own_seconds = 0.0
        self._marks: dict[str, dict[str, float]] = {}
        self._busy: list[tuple[float, float]] = []
        self._changed = threading.Condition()

    def note_time(self) -> float:
        """Note what the machine has used until now, and return the time."""
        now = time.monotonic()
        self._busy.append((now, read_busy_seconds()))
        return now

    def take(self, change: str, pod: Mapping[str, Any]) -> None:
        """Note a change of a pod, `DELETED` or another."""
        now = self.note_time()
        with self._changed:
            marks = self._marks.setdefault(pod["metadata"]["name"], {})
            marks.setdefault("created", now)
            if change == "DELETED":
                marks["gone"] = now
                self._changed.notify_all()
        status = pod.get("status", {})
        states = [one.get("state", {}) for one in status.get("containerStatuses") or []]
        if pod["spec"].get("nodeName"):
            marks.setdefault("scheduled", now)
        if any("running" in state or "terminated" in state for state in states):
            marks.setdefault("started", now)
        if states and all("terminated" in state for state in states):
            marks.setdefault("ended", now)

    def wait_until_gone(self) -> None:
        """Wait until each pod that was there is deleted."""
        with self._changed:
            self._changed.wait_for(
                lambda: all("gone" in marks for marks in self._marks.values()), timeout=LONGEST_SECONDS
            )

    def find_gone(self) -> float:
        """Find when the last pod was deleted."""
        return max(marks["gone"] for marks in self._marks.values())

    def find_ends(self, begun: float) -> Mapping[str, float]:
        """Find when each phase ended."""
        job, step = sorted(self._marks.values(), key=lambda marks: marks["created"])[:2]
        named = [(CREATED, job, "created"), (SCHEDULED, job, "scheduled"), (STARTED, job, "started")]
        named += [(STEP_CREATED, step, "created"), (STEP_STARTED, step, "started"), (STEP_ENDED, step, "ended")]
        return {name: max(marks[mark], begun) for name, marks, mark in named if mark in marks}

    def read_busy(self, moment: float) -> float:
        """Read what the machine had used at a moment that was reported."""
        return min(self._busy, key=lambda each: abs(each[0] - moment))[1]


class _Containers:
    """Processor seconds of the containers of all pods that were noticed; `own_seconds` go into reading them."""

    def __init__(self) -> None:
        self.own_seconds = 0.0
        self._used: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self._kinds: dict[str, str] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """What each container has used, by its name; a container has one only once its status says it."""
        return {name: self._used[container] for container, name in self._names.items() if container in self._used}

    def notice(self, pod: Mapping[str, Any]) -> None:
        """Learn which containers a pod has; they are looked at before Kubernetes reports them."""
        meta = pod["metadata"]
        # the peer's pods have no such label; the first one is the job's
        role = (meta.get("labels") or {}).get("zoo-runner/role") or ("step" if self._kinds else "job")
        kind = self._kinds.setdefault(meta["uid"], f"{role} pod")
        for status in pod.get("status", {}).get("containerStatuses") or []:
            if found := status.get("containerID"):
                self._names[found.rpartition("/")[2]] = f"{kind}, container {status['name']}"

    def look(self) -> None:
        """Read what each container has used so far; one that has ended keeps what was read last."""
        for uid in list(self._kinds):
            for file in _COUNTED.glob(f"*/pod{uid}/*/cpuacct.usage"):
                try:
                    self._used[file.parent.name] = int(file.read_text()) / 1e9
                except OSError:
                    continue


@contextmanager
def _sampling(containers: _Containers) -> Iterator[None]:
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(_LOOK_SECONDS):
            containers.look()
            containers.own_seconds = time.thread_time()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _read_until(stream: IO[str], word: str) -> Iterator[str]:
    """Read lines to the first that has a word."""
    for line in stream:
        yield line
        if word in line:
            return


@contextmanager
def _watching_pods(namespace: str, notice: Callable[[Mapping[str, Any]], None]) -> Iterator[_Pods]:
    """Read the pods of a namespace as they change, from the begin of the block; those that are there are left out."""
    pods, begun = _Pods(), time.time()
    # this much is said of each request
    words = (
        "--v=6",
        "get",
        "pods",
        "--namespace",
        namespace,
        "--watch-only",
        "--output-watch-events",
        "--output",
        "json",
    )
    command = ["kubectl", "--kubeconfig", str(KUBECONFIG), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stderr
        said = list(_read_until(watch.stderr, "watch=true"))
        if not said or "watch=true" not in said[-1]:
            raise SystemExit(f"bench: the pods of {namespace} cannot be watched: {''.join(said)}")

        def read() -> None:
            assert watch.stdout
            for line in watch.stdout:
                change = json.loads(line)
                meta = change["object"]["metadata"]
                # Kubernetes counts whole seconds
                if datetime.fromisoformat(meta["creationTimestamp"].replace("Z", "+00:00")).timestamp() < begun - 1:
                    continue
                notice(change["object"])
                pods.take(change["type"], change["object"])
                pods.own_seconds = time.thread_time()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield pods
        finally:
            watch.terminate()
            reader.join()


def _is_simulated(process: psutil.Process) -> bool:
    """Whether a server is of a cluster that `bench.simulated_cluster` has started in a folder of its own."""
    try:
        return any("/zoo-runner-scale-" in word for word in process.cmdline())
    except psutil.Error:  # it has ended
        return True


def read_servers() -> Mapping[str, float]:
    """Read the processor seconds of the programs of Kubernetes, with those of their children that have ended."""
    found = dict.fromkeys(_SERVERS, 0.0)
    for process in psutil.process_iter(["name", "cpu_times"]):
        # the kernel cuts names to 15 characters
        name = next((each for each in _SERVERS if each.startswith(process.info["name"] or "?")), None)
        if name and (times := process.info["cpu_times"]) and not _is_simulated(process):
            found[name] += times.user + times.system + times.children_user + times.children_system
    return found
