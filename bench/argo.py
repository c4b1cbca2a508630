"""Jobs on Argo Workflows beside Workflows that a person would write for the same containers.

    python -m bench.argo [--case echo] [--case scatter] [--pods 100] [--rounds 5] [--no-page]

echo: one step, on the engine argo, beside the same container that `argo submit --watch` runs; and how long anything is
left of a job that is cancelled while its step runs. scatter: so many trivial steps on argo-native, which ask for so
little that several share a pod (ZOO_RUNNER_ARGO_JOBS_PER_POD); beside a hand-written Workflow with as many pods of
three containers (`withItems`), and beside the engine argo.

Needs Argo Workflows on a cluster (`make argo`), with warm images, and the program argo (PATH, or what `make argo`
built); the results store is started here, where pods reach it (--host). Each round runs all sides once, in turning
order; figures are medians. Scatters and cancellations have a fifth of the rounds. Writes its part of docs/bench.md.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from bench.cluster import Ours, Row, show_seconds
from bench.on_cluster import build_parser, installed, show
from bench.options import whole
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.tenant import build_executor_access
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import prepare_tenant

ECHO_LIMIT, SCATTER_LIMIT, ONE_POD_LIMIT = 1.2, 1.1, 0.8
CANCELLED_SECONDS = 15.0
# what examples/echo says
IMAGE, SCRIPT = "docker.io/library/debian:bookworm-slim", "echo hello"
CASES = ("echo", "scatter")


def main() -> int:
    """Measure, print the table, write it; 1 where a limit is missed."""
    parser = build_parser(__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="only this; repeatable")
    parser.add_argument("--pods", type=whole(), default=100, help="of the case scatter [default: 100]")
    words = parser.parse_args()
    with installed(words.host) as (configuration, folder):
        table = _measure(_Measurement(configuration, folder, words.rounds, words.pods), words.case or CASES)
    build_part = None if words.no_page else partial(_build_part, rounds=words.rounds)
    return show(table, "Jobs on Argo Workflows", build_part)


@dataclass(frozen=True)
class _Measurement:
    """What is measured with: an installation and a folder; how often, and with how many pods."""

    configuration: Configuration
    folder: Path
    rounds: int
    pods: int


def _measure(one: _Measurement, cases: Sequence[str]) -> str:
    configuration = one.configuration
    cluster = Cluster(configuration.kubernetes)
    names = build_names("bench", configuration.kubernetes, configuration.workspace)
    prepare_tenant(cluster, names, configuration.kubernetes)
    for manifest in build_executor_access(names, configuration.kubernetes):
        cluster.create(manifest)
    peer = _Peer(one.folder, names.namespace, configuration)
    measures = {"echo": _measure_echo, "scatter": _measure_scatter}
    rows = [row for case in cases for row in measures[case](one, cluster, peer)]
    lines = ("| what | zoo-runner, s | beside it, s | x that | limit |", "|---|---|---|---|---|")
    # their last column is that of another peer
    return "\n".join((*lines, *(f"{row.rstrip(' |')} |" for row in rows), "", _describe_controller()))


def _measure_echo(one: _Measurement, cluster: Cluster, peer: "_Peer") -> list[str]:
    ours = Ours(one.configuration, cluster, engine="argo")
    templates = [_build_template("main", _build_container())]
    row = Row("echo, one job; `argo submit`", ECHO_LIMIT, lambda: ours.run(1), lambda: peer.run(templates))
    for run in (row.ours, row.bare):
        run()
    row.measure(one.rounds)
    package = one.folder / "waiting.cwl"
    package.write_text(json.dumps(_build_tool(["sh", "-c", "echo begun; sleep 600"])))
    left = [ours.cancel(package) for _ in range(_count_few(one.rounds))]
    return [row.show(), show_seconds("nothing left of a job after its cancellation", left, CANCELLED_SECONDS)]


def _measure_scatter(one: _Measurement, cluster: Cluster, peer: "_Peer") -> list[str]:
    package = one.folder / "scatter.cwl"
    package.write_text(json.dumps(_build_scatter(one.pods)))
    native, single = (Ours(one.configuration, cluster, engine=engine) for engine in ("argo-native", "argo"))
    three = [_build_container(name) for name in ("prepare", "tool", "collect")]
    items = [{"name": "one", "template": "pod", "withItems": list(range(one.pods))}]
    templates: list[dict[str, Any]] = [
        {"name": "main", "steps": [items]},
        {"name": "pod", "containerSet": {"containers": three}},
    ]
    title = f"scatter of {one.pods}"
    row = Row(
        f"{title}; `withItems`, pods of three containers",
        SCATTER_LIMIT,
        lambda: native.run(1, package),
        lambda: peer.run(templates),
        lambda: single.run(1, package),
    )
    row.measure(_count_few(one.rounds))
    beside = Row(f"{title}; engine argo", ONE_POD_LIMIT, row.ours, single.run)  # type: ignore[arg-type]
    beside.seconds = {"ours": row.seconds["ours"], "bare": row.seconds.pop("incumbent")}
    row.incumbent = None
    return [row.show(), beside.show()]


def _count_few(rounds: int) -> int:
    return max(1, rounds // 5)


def _build_scatter(number: int) -> dict[str, Any]:
    """Build a package of so many jobs of a trivial step, which ask for little, so that they run at a time."""
    tool = {
        **_build_tool(["true"]),
        "inputs": {"number": "int"},
        "outputs": {"same": {"type": "int", "outputBinding": {"outputEval": "$(inputs.number)"}}},
    }
    flow = {
        "class": "Workflow",
        "id": "scatter",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"numbers": {"type": "int[]", "default": list(range(number))}},
        "steps": {"one": {"run": "#tool", "scatter": "number", "in": {"number": "numbers"}, "out": ["same"]}},
        "outputs": {"same": {"type": "int[]", "outputSource": "one/same"}},
    }
    return {"cwlVersion": "v1.2", "$graph": [flow, tool]}


def _build_tool(command: Sequence[str]) -> dict[str, Any]:
    return {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "tool",
        "requirements": [
            {"class": "DockerRequirement", "dockerPull": IMAGE},
            {"class": "ResourceRequirement", "coresMin": 0.01, "coresMax": 1, "ramMin": 16, "ramMax": 128},
        ],
        "baseCommand": list(command),
        "inputs": [],
        "outputs": [],
    }


def _describe_controller() -> str:
    """Say how much memory the workflow controller has, and had at most; that of `make argo` is a process here."""
    pid = Path("~/.cache/zoo-runner/argo/run/controller.pid").expanduser()
    try:
        status = Path(f"/proc/{pid.read_text().strip()}/status").read_text()
    except OSError:
        return "The workflow controller is no process of this machine: `kubectl top pod` shows its memory."
    now, most = (int(re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[0]) >> 10 for name in ("VmRSS", "VmHWM"))
    return f"The workflow controller has {now} MiB of memory after that; at most it had {most} MiB."


class _Peer:
    """Runs the container as a Workflow that a person would write."""

    def __init__(self, folder: Path, namespace: str, configuration: Configuration) -> None:
        self._path, self._namespace = folder / "workflow.json", namespace
        self._argo = _find_argo()
        # a program as a shell would start it, with the kubeconfig and not through a server
        self._environ = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "KUBECONFIG": configuration.kubernetes.kubeconfig or "",
        }

    def run(self, templates: Sequence[dict[str, Any]]) -> float:
        """Submit a Workflow of these templates and wait for its end; seconds of the whole command."""
        workflow = _build_workflow(f"bench-{uuid.uuid4().hex[:8]}", self._namespace, templates)
        self._path.write_text(json.dumps(workflow))
        words = ("submit", str(self._path), "--namespace", self._namespace, "--watch")
        begun = time.monotonic()
        done = subprocess.run([self._argo, *words], env=self._environ, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
        if done.returncode or "Succeeded" not in done.stdout:
            raise SystemExit(f"bench: argo submit failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return seconds


_CONFINED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _build_container(name: str = "main") -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", SCRIPT], "securityContext": _CONFINED}


def _build_template(name: str, container: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "container": {key: value for key, value in container.items() if key != "name"}}


def _build_workflow(name: str, namespace: str, templates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    argos = {"securityContext": _CONFINED}
    patch = {
        # the account of jobs has none by default, and Argo's executor needs one
        "automountServiceAccountToken": True,
        "initContainers": [{"name": "init", **argos}],
        "containers": [{"name": "wait", **argos}],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "entrypoint": "main",
            "serviceAccountName": JOB_ACCOUNT,
            "podSpecPatch": json.dumps(patch),
            "ttlStrategy": {"secondsAfterCompletion": 60},
            "templates": list(templates),
        },
    }


def _find_argo() -> str:
    built = sorted(Path("~/.cache/zoo-runner/argo/bin").expanduser().glob("*/argo"))
    found = shutil.which("argo") or next(map(str, built), None)
    if not found:
        raise SystemExit("bench: the program argo is missing: `make argo` builds it")
    return found


def _build_part(table: str, rounds: int) -> str:
    node = f"one node with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    return f"""Written by `make bench-argo` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds of echo,
{_count_few(rounds)} of the others, medians; {node}; images warm; the controller of dev/argo
(`DEFAULT_REQUEUE_TIME=1s`).

{table}

*zoo-runner*: from the call until the results document and the logs are here and the deletion of everything else is
requested. *`argo submit`*, *`withItems`*: a Workflow with the image and command of the package's step, from the start
of `argo submit --watch` to its end; it stores no results. On argo-native, 10 of the steps of a scatter share a pod,
which is the default for steps that ask for as little
([argo.md](argo.md#one-pod-for-each-step-the-engine-argo-native)).
"""


if __name__ == "__main__":
    sys.exit(main())
