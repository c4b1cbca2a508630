"""A real cluster for tests: which one, and an S3 server that its pods reach."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.require import require
from tests.servers import S3Server, serve_s3
from tests.site import Site
from tests.waiting import wait_for

# the address of the node that dev/cluster makes; another cluster's pods reach this machine elsewhere
NODE_ADDRESS = "10.240.0.1"
_READY_SECONDS = 120
_DEV_CLUSTER = Path("~/.cache/zoo-runner/cluster/kubeconfig")
ENVIRON = os.environ  # noqa: TID251 where the tests learn which cluster there is
# two runs of the tests on one cluster stay apart when each has a name of its own, and two workers of one run
_NAMES = (ENVIRON.get("TEST_WORKSPACE", "tests"), ENVIRON.get("PYTEST_XDIST_WORKER"))
WORKSPACE = "-".join(name for name in _NAMES if name)
# what `make cluster` builds from this tree
JOB_IMAGE = ENVIRON.get("JOB_IMAGE", "docker.io/zoo-runner/job:dev")
NAMESPACE = f"ws-{WORKSPACE}"
BROKEN_WORKSPACE = f"{WORKSPACE}-broken"


def find_kubeconfig() -> str:
    """The kubeconfig of a cluster that answers: `KUBECONFIG`, or the one of dev/cluster."""
    path = Path(ENVIRON.get("KUBECONFIG") or _DEV_CLUSTER).expanduser()
    if path.exists() and _answers(path):
        return str(path)
    if path.exists() and ENVIRON.get("CI"):
        # one that writes many images to its disk is not ready for a while
        with suppress(AssertionError):
            wait_for(lambda: _answers(path), _READY_SECONDS)
            return str(path)
    reason = "no cluster answers: start one with `make cluster`, or set KUBECONFIG and TEST_HOST_ADDRESS"
    if ENVIRON.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def find_argo() -> None:
    """Skip the test where the cluster has no Argo Workflows."""
    crd = _kubectl(Path(find_kubeconfig()), "get", "crd", "workflows.argoproj.io")
    require(crd.returncode == 0, "the cluster has no Argo Workflows: start one with `make argo`")


def argo(site: Site, *words: str | Path) -> str:
    """What the command line of Argo Workflows prints; raises where it fails."""
    built = sorted(Path("~/.cache/zoo-runner/argo/bin").expanduser().glob("*/argo"))
    program = shutil.which("argo") or next(map(str, built), "")
    require(bool(program), "the program argo is missing: `make argo` builds it")
    environ = {"KUBECONFIG": site.environ["KUBECONFIG"], "PATH": os.defpath, "HOME": str(site.folder)}
    command = [program, *map(str, words)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise AssertionError(f"argo {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout


def _answers(kubeconfig: Path) -> bool:
    return _kubectl(kubeconfig, "get", "--raw", "/readyz").returncode == 0


def _kubectl(kubeconfig: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is missing")
    return subprocess.run(
        [kubectl, f"--kubeconfig={kubeconfig}", *words], capture_output=True, text=True, check=False, timeout=120
    )


def kubectl(site: Site, *words: str) -> str:
    """What kubectl prints; raises where it fails."""
    done = _kubectl(Path(site.environ["KUBECONFIG"]), *words)
    if done.returncode:
        raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr}")
    return done.stdout


@contextmanager
def serve_pods(folder: Path, secret: str) -> Iterator[S3Server]:
    """Serve S3 where pods reach it; the bucket is `results`."""
    (folder / "results").mkdir()
    with serve_s3(folder, secret_access_key=secret, host=ENVIRON.get("TEST_HOST_ADDRESS", NODE_ADDRESS)) as server:
        yield server


def join_cluster(site: Site, kubeconfig: str, s3: S3Server, **more: str) -> Site:
    """The same installation, with a cluster and its results store."""
    options = s3.options
    return site.having(
        KUBECONFIG=kubeconfig,
        ZOO_RUNNER_ENGINE="calrissian",
        ZOO_RUNNER_WORKSPACE=WORKSPACE,
        DEFAULT_VOLUME_SIZE="1Gi",
        AWS_ENDPOINT_URL=str(options.endpoint),
        AWS_ACCESS_KEY_ID=str(options.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
        AWS_REGION=options.region,
        ZOO_RUNNER_JOB_IMAGE=JOB_IMAGE,
        **more,
    )


def list_jobs(site: Site) -> set[str]:
    """Ids of the jobs that an installation keeps, among other names."""
    return {path.name for path in site.state.rglob("*") if path.is_dir()}


def build_account(name: str, namespace: str, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Build a service account with permissions in its namespace."""
    group, meta = "rbac.authorization.k8s.io", {"name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        },
    ]


@contextmanager
def applied(site: Site, *manifests: Mapping[str, Any]) -> Iterator[None]:
    """Have objects in the cluster while the block runs."""
    # others may be applied while these are
    path = site.folder / f"manifests-{uuid.uuid4().hex}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
    kubectl(site, "apply", "-f", str(path))
    try:
        yield
    finally:
        kubectl(site, "delete", "-f", str(path), "--ignore-not-found", "--wait=false")
