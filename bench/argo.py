"""A job on Argo Workflows beside the same container as a hand-written Workflow that `argo submit --watch` runs.

    python -m bench.argo [--rounds 5] [--no-page]

Needs Argo Workflows on a cluster (`make argo`), with warm images, and the program argo (PATH, or what `make argo`
built); the results store is started here, where pods reach it (--host). Each round runs both sides once, in turning
order; figures are medians. Writes its part of docs/bench.md.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

from bench.cluster import Ours, Row, build_environ
from bench.page import PAGE, write_part
from bench.peers import ROOT
from bench.servers import serve_s3
from zoo_runner.config.configuration import Configuration, load_configuration
from zoo_runner.engines.argo.tenant import build_executor_access
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import prepare_tenant

LIMIT = 1.2
# what examples/echo says
IMAGE, SCRIPT = "docker.io/library/debian:bookworm-slim", "echo hello"


def main() -> int:
    """Measure, print the table, write it; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--host", default="10.240.0.1", help="address of this machine for pods [default: dev/cluster's]"
    )
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as name:
        folder = Path(name)
        (folder / "s3" / "results").mkdir(parents=True)
        with serve_s3(folder / "s3", words.host) as store:
            table = _measure(load_configuration(build_environ(folder, store.url)), folder, words.rounds)
    print(table)
    if not words.no_page:
        write_part("Jobs on Argo Workflows", _build_part(table, words.rounds))
        print(f"\nwritten to {PAGE.relative_to(ROOT)}")
    return 1 if "missed" in table else 0


def _measure(configuration: Configuration, folder: Path, rounds: int) -> str:
    cluster = Cluster(configuration.kubernetes)
    names = build_names("bench", configuration.kubernetes, configuration.workspace)
    prepare_tenant(cluster, names, configuration.kubernetes)
    for manifest in build_executor_access(names, configuration.kubernetes):
        cluster.create(manifest)
    ours, peer = Ours(configuration, cluster, engine="argo"), _Peer(folder, names.namespace, configuration)
    row = Row("echo, one job", LIMIT, lambda: ours.run(1), peer.run)
    for run in (row.ours, row.bare):
        run()
    row.measure(rounds)
    lines = ("| what | zoo-runner, s | argo submit, s | x argo submit | limit |", "|---|---|---|---|---|")
    return "\n".join((*lines, row.show().removesuffix("  |"), "", _describe_controller()))


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

    def run(self) -> float:
        """Submit it and wait for its end; seconds of the whole command."""
        self._path.write_text(json.dumps(_build_workflow(f"bench-{uuid.uuid4().hex[:8]}", self._namespace)))
        words = ("submit", str(self._path), "--namespace", self._namespace, "--watch")
        begun = time.monotonic()
        done = subprocess.run([self._argo, *words], env=self._environ, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
        if done.returncode or "Succeeded" not in done.stdout:
            raise SystemExit(f"bench: argo submit failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return seconds


def _build_workflow(name: str, namespace: str) -> dict[str, object]:
    confined = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    argos = {"securityContext": confined}
    patch = {
        # the account of jobs has none by default, and Argo's executor needs one
        "automountServiceAccountToken": True,
        "initContainers": [{"name": "init", **argos}],
        "containers": [{"name": "wait", **argos}],
    }
    container = {"image": IMAGE, "command": ["sh", "-c", SCRIPT], "securityContext": confined}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "entrypoint": "main",
            "serviceAccountName": JOB_ACCOUNT,
            "podSpecPatch": json.dumps(patch),
            "ttlStrategy": {"secondsAfterCompletion": 60},
            "templates": [{"name": "main", "container": container}],
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
    return f"""Written by `make bench-argo` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians;
{node}; images warm; the controller of dev/argo (`DEFAULT_REQUEUE_TIME=1s`).

{table}

*zoo-runner*: from the call until the results document and the logs are here and the deletion of everything else is
requested. *argo submit*: a Workflow of one container with the image and command of the package's step, from the start
of `argo submit --watch` to its end; it stores no results.
"""


if __name__ == "__main__":
    sys.exit(main())
