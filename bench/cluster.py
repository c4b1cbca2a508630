"""Side by side on the same cluster: this runner, a bare Calrissian Job with the same CWL, and pycalrissian.

    python -m bench.cluster [--jobs 20] [--rounds 3] [--pycalrissian PYTHON]

Needs KUBECONFIG, the AWS_… settings of a results store that pods reach (BENCH_OUTPUT=s3://bucket/prefix), and warm
images. `--pycalrissian` names the interpreter of an environment that has pycalrissian 0.8.3.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zoo_runner.engines import open_engine
from zoo_runner.engines.cluster.k8s import Cluster
from zoo_runner.engines.cluster.manifests import JOB_ACCOUNT, build_names
from zoo_runner.engines.cluster.settings import load_cluster_settings
from zoo_runner.engines.cluster.streams import Streams
from zoo_runner.engines.cluster.tenant import build_access, build_namespace
from zoo_runner.execute import accept_job, run_job
from zoo_runner.inputs.given import read_order
from zoo_runner.jobs.models import Status
from zoo_runner.package.resolve import load_package
from zoo_runner.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
STAGED = ROOT / "bench" / "staged.cwl"


def build_bare(name: str, namespace: str, image: str, package: str) -> list[dict[str, Any]]:
    """A Calrissian Job as its documentation has it: claim, package, Job."""
    meta = {"name": name, "namespace": namespace, "labels": {"bench": "bare"}}
    command = [
        "/opt/calrissian/bin/calrissian",
        *("--max-ram", "8G", "--max-cores", "4", "--stdout", "/calrissian/out.json", "--stderr", "/calrissian/err.log"),
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
        "serviceAccountName": JOB_ACCOUNT,
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": name}},
            {"name": "package", "configMap": {"name": name}},
        ],
    }
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
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


def run_bare(cluster: Cluster, settings: Settings, jobs: int) -> float:
    """Start so many bare Jobs at once; seconds until the last has its Complete condition."""
    site = load_cluster_settings(settings.environ)
    names = build_names("bench", site)
    for manifest in (build_namespace(names), *build_access(names, site)):
        cluster.create(manifest)
    package = json.dumps(load_package(str(ECHO), settings).document)
    waiting = {f"bare-{uuid.uuid4().hex[:8]}" for _ in range(jobs)}
    begun, streams, seconds = time.monotonic(), Streams(), 0.0
    bare = sorted(waiting)
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda name: _create(cluster, build_bare(name, names.namespace, site.image, package)), bare))
    for _, job in cluster.watch("Job", names.namespace, streams):
        conditions = {one["type"] for one in job.get("status", {}).get("conditions") or []}
        if "Failed" in conditions:
            raise SystemExit(f"bare job {job['metadata']['name']} failed")
        if "Complete" in conditions:
            waiting.discard(job["metadata"]["name"])
        if not waiting:
            seconds = time.monotonic() - begun
            break
    for name in bare:
        for kind in ("Job", "ConfigMap", "PersistentVolumeClaim"):
            cluster.delete(kind, names.namespace, name)
    return seconds


def _create(cluster: Cluster, manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        cluster.create(manifest)


def run_ours(settings: Settings, jobs: int, package: Path = ECHO, *words: str) -> float:
    """Start so many jobs at once; seconds until the last has its results document and logs."""
    loaded = load_package(str(package), settings)
    order = read_order(loaded, None, words, settings).values
    output = settings.environ["BENCH_OUTPUT"]

    def run(_: int) -> None:
        job = accept_job(loaded, order, lambda paths: f"{output}/{paths.job_id}", settings)
        outcome = run_job(job, open_engine("calrissian", settings), settings, lambda _: None)
        if outcome.status is not Status.SUCCESSFUL:
            raise SystemExit(f"{outcome.diagnosis}")

    begun = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, range(jobs)))
    return time.monotonic() - begun


def run_pycalrissian(python: str, image: str) -> float:
    """Seconds that the incumbent takes for the same CWL, as it measures them itself."""
    done = subprocess.run(
        [python, str(ROOT / "bench" / "incumbent.py"), str(ECHO), image], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pycalrissian", metavar="PYTHON")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = {f"ZOO_RUNNER_{part}": f"{folder}/{part.lower()}" for part in ("TEMP", "STATE", "SCRATCH", "CACHE")}
        settings = load_settings({**os.environ, "ZOO_RUNNER_WORKSPACE": "bench", **own})  # noqa: TID251 a program
        site = load_cluster_settings(settings.environ)
        cluster = Cluster(settings.environ, site.kubeconfig, site.api_url)
        rows = [("echo, one job", 1)] + ([(f"echo, {words.jobs} jobs at once", words.jobs)] if words.jobs > 1 else [])
        run_bare(cluster, settings, 1)
        run_ours(settings, 1)
        print(f"{'':28}{'zoo-runner':>12}{'bare job':>12}{'ratio':>8}{'pycalrissian':>14}")
        for title, jobs in rows:
            rounds = words.rounds if jobs == 1 else 1
            ours = [run_ours(settings, jobs) for _ in range(rounds)]
            bare = [run_bare(cluster, settings, jobs) for _ in range(rounds)]
            incumbent = run_pycalrissian(words.pycalrissian, site.image) if words.pycalrissian and jobs == 1 else None
            _print(title, statistics.median(ours), statistics.median(bare), incumbent)
        if item := settings.environ.get("BENCH_ITEM"):
            ours = [
                run_ours(settings, 1, STAGED, "item=" + json.dumps({"class": "Directory", "location": item}))
                for _ in range(words.rounds)
            ]
            bare = [run_bare(cluster, settings, 1) for _ in range(words.rounds)]
            _print("with stage-in of an item", statistics.median(ours), statistics.median(bare), None)
        cluster.close()


def _print(title: str, ours: float, bare: float, incumbent: float | None) -> None:
    last = f"{incumbent:13.2f}s" if incumbent else f"{'-':>14}"
    print(f"{title:28}{ours:11.2f}s{bare:11.2f}s{ours / bare:8.2f}{last}")


if __name__ == "__main__":
    main()
