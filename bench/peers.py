"""What jobs on Kubernetes are measured beside: a bare Calrissian Job with the same CWL, and pycalrissian around one."""

import json
import os
import queue
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT
from zoo_runner.engines.kubernetes.names import JOB_LABEL, build_names
from zoo_runner.engines.kubernetes.namespace import build_access, build_namespace
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.package.loading import load_package

BARE = "bench-bare"
ROOT = Path(__file__).parents[1]
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
PYCALRISSIAN = "pycalrissian==0.8.3"
STORAGE_CLASS = "standard"
LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Prepared:
    """Something to measure: `run` returns its seconds, `remove` asks for the removal of what that created.

    `settle`, which is not measured, waits until that is gone.
    """

    run: Callable[[], float]
    remove: Callable[[], None] = lambda: None
    settle: Callable[[], None] = lambda: None


def build_bare(
    name: str, namespace: str, image: str, package: str, max_cores: int = 4, storage_class: str | None = None
) -> list[dict[str, Any]]:
    """A Calrissian Job as its documentation has it: claim, package, Job; its claim is of the class of our own jobs."""
    meta = {"name": name, "namespace": namespace, "labels": {JOB_LABEL: BARE}}
    command = [
        "/opt/calrissian/bin/calrissian",
        *(
            "--max-ram",
            "8G",
            "--max-cores",
            f"{max_cores}",
            "--stdout",
            "/calrissian/out.json",
            "--stderr",
            "/calrissian/err.log",
        ),
        *(
            "--outdir",
            "/calrissian/out/",
            "--tmp-outdir-prefix",
            "/calrissian/tmp/",
            "--tmpdir-prefix",
            "/calrissian/tmp/",
        ),
        "/package/package.cwl",
    ]
    container = {
        "name": "calrissian",
        "image": image,
        "command": command,
        "env": [{"name": "CALRISSIAN_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"requests": {"cpu": "10m", "memory": "256Mi"}},
        "volumeMounts": [{"name": "work", "mountPath": "/calrissian"}, {"name": "package", "mountPath": "/package"}],
    }
    spec = {
        "serviceAccountName": BARE,
        # the account keeps its token from pods that do not ask for it
        "automountServiceAccountToken": True,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": name}},
            {"name": "package", "configMap": {"name": name}},
        ],
    }
    claim: dict[str, Any] = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    claim |= {"storageClassName": storage_class} if storage_class else {}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"package.cwl": package}},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": meta,
            "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {"bench": "bare"}}, "spec": spec}},
        },
    ]


def run_bare(
    cluster: Cluster, configuration: Configuration, jobs: int, source: Path = ECHO, max_cores: int = 4
) -> float:
    """Start so many bare Jobs of a package at once; seconds until the last has its Complete condition.

    `max_cores` are what the steps of a job use at the same time.
    """
    bare = prepare_bare(cluster, configuration, jobs, source, max_cores)
    seconds = bare.run()
    bare.remove()
    return seconds


def prepare_bare(
    cluster: Cluster, configuration: Configuration, jobs: int, source: Path = ECHO, max_cores: int = 4
) -> Prepared:
    """Prepare what `run_bare` measures: the namespace, the account and the package."""
    site = configuration.kubernetes
    names = build_names("bench", site, configuration.workspace)
    namespace = build_namespace(names, site)
    # pods as in Calrissian's documentation do not meet the level `restricted`
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"
    # Calrissian itself creates the pods of steps, which the admission policy refuses to this runner's account
    access = json.loads(json.dumps(build_access(names, site)).replace(JOB_ACCOUNT, BARE))
    for manifest in (namespace, *access):
        cluster.create(manifest)
    # a job of ours may have created it, with the level that its pods meet
    cluster.patch("Namespace", "", names.namespace, {"metadata": {"labels": namespace["metadata"]["labels"]}})
    package = json.dumps(load_package(str(source), configuration.settings).document)
    bare = sorted(f"bare-{uuid.uuid4().hex[:8]}" for _ in range(jobs))
    built = [build_bare(name, names.namespace, site.image, package, max_cores, site.storage_class) for name in bare]

    def remove() -> None:
        for name in bare:
            for kind in ("Job", "ConfigMap", "PersistentVolumeClaim"):
                cluster.delete(kind, names.namespace, name)

    return Prepared(lambda: _run_built(cluster, names.namespace, built), remove)


def _run_built(cluster: Cluster, namespace: str, built: list[list[dict[str, Any]]]) -> float:
    """Create what was built of each Job, at once; seconds until the last has its Complete condition."""
    waiting = {manifests[0]["metadata"]["name"] for manifests in built}
    changes: queue.SimpleQueue[Change | WatchFailed] = queue.SimpleQueue()
    begun = time.monotonic()
    with ThreadPoolExecutor(len(built)) as pool:
        list(pool.map(lambda manifests: _create(cluster, manifests), built))
    stop = cluster.watch(namespace, BARE, ("Job",), changes.put)
    while waiting:
        change = changes.get(timeout=LONGEST_SECONDS)
        if isinstance(change, WatchFailed):
            raise change.error
        job = change.item
        conditions = {one["type"] for one in job.get("status", {}).get("conditions") or []}
        if "Failed" in conditions:
            raise SystemExit(f"bare job {job['metadata']['name']} failed")
        if "Complete" in conditions:
            waiting.discard(job["metadata"]["name"])
    seconds = time.monotonic() - begun
    stop()
    return seconds


def _create(cluster: Cluster, manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        cluster.create(manifest)


def ensure_pycalrissian(cache: Path) -> Path:
    """The interpreter of an environment with the incumbent, made under the cache folder the first time."""
    folder = cache / "bench" / PYCALRISSIAN.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"bench: making an environment with {PYCALRISSIAN}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PYCALRISSIAN], check=True)
        (folder / "ready").touch()
    return python


def run_pycalrissian(python: Path, configuration: Configuration) -> float:
    """Seconds that the incumbent takes for the same CWL, as it measures them itself."""
    site = configuration.kubernetes
    package = configuration.workspace.folders.scratch / "package.json"
    package.parent.mkdir(parents=True, exist_ok=True)
    package.write_text(json.dumps(load_package(str(ECHO), configuration.settings).document))
    words = [str(package), f"bench-{uuid.uuid4().hex[:8]}", site.image, site.storage_class or STORAGE_CLASS]
    environ = {**os.environ, "KUBECONFIG": site.kubeconfig or ""}  # noqa: TID251 a program, as a shell would start it
    command = [str(python), str(ROOT / "bench" / "incumbent.py"), *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: pycalrissian failed:\n{done.stdout}{done.stderr}")
    return float(done.stdout.split()[-1])
