"""What a tool that prints very many lines costs on Kubernetes, beside bare Calrissian, and where the time goes.

`python -m bench.cluster --lines` measures it. The limit of every way through the log of a pod is that of a pod alone:
with nobody who reads it, and with `kubectl logs -f`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from bench.on_cluster import KUBECONFIG
from bench.trace_pods import read_servers

NUMBERS = (200_000, 2_000_000)
STEP_IMAGE = "docker.io/library/debian:bookworm-slim"
_CWLTOOL = "cwltool alone, on this machine"
_NAMESPACE = "default"
_LONGEST_SECONDS = 300
_HEAD = (
    "| lines | what | s | x cwltool | lines that came | kubelet, s | containerd, s | API server, s | own process, s |",
    "|---|---|---|---|---|---|---|---|---|",
)


def build_words(number: int) -> list[str]:
    """Return the command of a tool that prints so many lines."""
    return ["awk", f'BEGIN {{for (i = 0; i < {number}; i++) print "tile " i " of the mosaic is written"}}']


def build_tool(number: int) -> str:
    """Build the package of such a tool."""
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "lines",
        "baseCommand": build_words(number),
        "hints": {"DockerRequirement": {"dockerPull": STEP_IMAGE}},
        "requirements": {"ResourceRequirement": {"coresMin": 0.1, "coresMax": 1, "ramMin": 64, "ramMax": 256}},
        "inputs": [],
        "outputs": [],
    }
    return json.dumps(tool)


class Lines:
    """The rows of the table: each side once a round, the medians of them."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number, self.package = number, folder / f"lines-{number}.cwl"
        self.package.write_text(build_tool(number))
        self._rounds: dict[str, list[tuple[float, int | None, dict[str, float]]]] = {}

    def measure(self, title: str, run: Callable[[], tuple[float, int | None]]) -> None:
        """Run a side; it returns its seconds, and how many lines came."""
        servers, own = read_servers(), time.process_time()
        took, came = run()
        used = {name: after - servers.get(name, 0.0) for name, after in read_servers().items()}
        used["own"] = time.process_time() - own
        self._rounds.setdefault(title, []).append((took, came, used))
        print(f"bench: {self.number:,} lines: {title}: {took:.2f} s, {came} lines", file=sys.stderr)

    def measure_peers(self) -> None:
        """Run cwltool alone, which passes the lines on and keeps none, and a bare pod of the same command."""
        self.measure(_CWLTOOL, lambda: _run_cwltool(self.package))
        self.measure("bare pod, nobody reads it", lambda: _run_pod(build_words(self.number), is_followed=False))
        self.measure("bare pod, `kubectl logs -f`", lambda: _run_pod(build_words(self.number), is_followed=True))

    def show(self) -> list[str]:
        """Build the rows of the table."""
        bare = statistics.median([took for took, _, _ in self._rounds[_CWLTOOL]])
        return [self._show(title, rounds, bare) for title, rounds in self._rounds.items()]

    def _show(self, title: str, rounds: list[tuple[float, int | None, dict[str, float]]], bare: float) -> str:
        took = statistics.median([seconds for seconds, _, _ in rounds])
        came = [came for _, came, _ in rounds if came is not None]
        used = (
            f"{statistics.median([one[2].get(name, 0.0) for one in rounds]):.2f}"
            for name in ("kubelet", "containerd", "kube-apiserver", "own")
        )
        lines = f"{min(came):,}" if came else ""
        return f"| {self.number:,} | {title} | {took:.2f} | {took / bare:.2f} | {lines} | {' | '.join(used)} |"


def build_table(measured: list[Lines]) -> str:
    """Build the table of all numbers."""
    return "\n".join([*_HEAD, *(row for one in measured for row in one.show())])


def build_part(table: str, rounds: int, load: str) -> str:
    """Build the part of docs/bench.md."""
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.cluster --lines` on {today}: {rounds} rounds, medians;
{load}; images warm.

{table}

*Lines that came*: in the log of the step, of all rounds the fewest. Of 2,000,000 lines this runner keeps the first 64
MiB (`ZOO_RUNNER_LOG_MAX_MIB`) and says how many follow; bare Calrissian keeps them in the log of its pod. Processor
seconds are those of the servers of the cluster, which other jobs may use at the same time, and of the process that runs
the job.

The time of every way through the log of a pod is that of the runtime, which writes the lines one by one (*bare pod,
nobody reads it*). *Bare pod, `kubectl logs -f`* shows what is lost besides: every ten seconds a kubelet begins a new
log where one has 10 MiB, and who reads slower than a tool prints never gets all of it. So what a step prints goes to
the volume of the job, and once through the log of the job pod, compressed ([kubernetes.md](kubernetes.md)). 1.5 x
cwltool is not reached: two pods have to start (*echo, one job* above). Lines are read, masked, compressed and written
as one text for each block, in the job pod and here again, for about 0.4 µs of processor time for each line on each
side. Through the log of a pod it is 7 to 10 µs.
"""


def _run_cwltool(package: Path) -> tuple[float, None]:
    command = [str(Path(sys.executable).parent / "cwltool"), "--no-container", "--quiet", str(package)]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.monotonic() - begun, None


def _run_pod(words: list[str], *, is_followed: bool) -> tuple[float, int | None]:
    begun = time.monotonic()
    name = f"bench-lines-{uuid.uuid4().hex[:8]}"
    container = {"name": "lines", "image": STEP_IMAGE, "command": words}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    _kubectl("create", "-f", "-", given=json.dumps(pod))
    try:
        came = None
        if is_followed:
            started = "--for=jsonpath={.status.containerStatuses[0].containerID}"
            _kubectl("wait", started, f"pod/{name}", f"--timeout={_LONGEST_SECONDS}s")
            came = _kubectl("logs", "-f", name).count("\n")
        _kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", f"--timeout={_LONGEST_SECONDS}s")
        return time.monotonic() - begun, came
    finally:
        _kubectl("delete", "pod", name, "--wait=false")


def _kubectl(*words: str, given: str | None = None) -> str:
    command = ["kubectl", "--kubeconfig", str(KUBECONFIG), "-n", _NAMESPACE, *words]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
