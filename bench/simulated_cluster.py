"""A Kubernetes of its own on free ports of this machine, whose nodes, pods and volumes are played by kwok.

etcd, API server, controllers and scheduler are real, those of dev/cluster; each request of the user `runner` is in the
audit log. Nothing of it touches another cluster.
"""

import json
import os
import secrets
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import ROOT
from bench.simulated_kubelet import Kubelet, serve_logs
from tests.serving import find_free_port
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster, connect

_START_SECONDS = 120.0
_CONTROLLERS = (
    "job-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
    "persistentvolumeclaim-protection-controller",
)
_AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
  - {level: Metadata, users: [runner]}
  - {level: None}
"""
_SCHEDULER = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: %s, qps: 1000, burst: 2000}
"""
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "simulated", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "zoo-runner.dev/simulated",
    "volumeBindingMode": "Immediate",
}
_NEIGHBOURS = "neighbours"


@dataclass(frozen=True)
class SimulatedCluster:
    """A running cluster: `kubeconfig` is that of the user whose requests are counted."""

    kubeconfig: Path
    kubelet: Kubelet
    servers: Mapping[str, "subprocess.Popen[bytes]"]
    audit: Path

    def count_requests(self, since: int = 0) -> tuple[Counter[str], int]:
        """Count the requests that ended after a place in the audit log, by what they did; and return its end."""
        found: Counter[str] = Counter()
        with self.audit.open("rb") as stream:
            stream.seek(since)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                since += len(line)
                event = json.loads(line)
                about = event.get("objectRef", {})
                name = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
                found[f"{event['verb']} {name or event['requestURI']}"] += 1
        return found, since


@contextmanager
def simulate_cluster(folder: Path, nodes: int, neighbours: int, run_seconds: float) -> Iterator[SimulatedCluster]:
    """Run a cluster with so many nodes, and so many pods of others on them; its job pods take `run_seconds`."""
    api, logs = find_free_port(), find_free_port()
    _write_files(folder, api, run_seconds)
    with ExitStack() as stack:
        servers = _Servers(folder, stack)
        admin = _start_control_plane(servers, api)
        _start_players(servers)
        _create_objects(admin, nodes, neighbours, logs)
        kubelet = stack.enter_context(serve_logs(logs, run_seconds, folder / "api.crt", folder / "api.key"))
        yield SimulatedCluster(folder / "runner.kubeconfig", kubelet, servers.running, folder / "audit.log")


class _Servers:
    """The servers that were started, each with a log in a folder; they end with the stack."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.running = folder, dict[str, subprocess.Popen[bytes]]()
        self._stack = stack

    def start(self, name: str, *words: str | Path) -> None:
        """Start a server."""
        log = self._stack.enter_context((self.folder / f"{name}.log").open("wb"))
        command = [str(word) for word in words]
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        self.running[name] = process
        self._stack.callback(_stop, process)


def _write_files(folder: Path, api: int, run_seconds: float) -> None:
    """Write keys, access and configurations."""
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "api.key", "-out", "api.crt"]
    for words in (
        ["req", "-x509", *made, *subject],
        ["genrsa", "-out", "sa.key", "2048"],
        ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"],
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    tokens = {user: secrets.token_hex(16) for user in ("admin", "runner")}
    (folder / "tokens.csv").write_text("".join(f"{t},{u},{u},system:masters\n" for u, t in tokens.items()))
    for user, token in tokens.items():
        _write_kubeconfig(folder, user, token, api)
    (folder / "audit.yaml").write_text(_AUDIT)
    (folder / "scheduler.yaml").write_text(_SCHEDULER % (folder / "admin.kubeconfig"))
    stages = (ROOT / "dev" / "kwok" / "stages.yaml").read_text()
    # the last line of a log comes before the end of its pod
    (folder / "stages.yaml").write_text(stages.replace("RUN_MILLISECONDS", str(int(run_seconds * 1000) + 500)))


def _start_control_plane(servers: _Servers, api: int) -> Cluster:
    """Start etcd and the API server; returns the access once it answers."""
    folder, etcd = servers.folder, f"http://127.0.0.1:{find_free_port()}"
    servers.start(
        *("etcd", "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--quota-backend-bytes=8589934592"),
        *("--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--log-level=error"),
        *("--listen-peer-urls", f"http://127.0.0.1:{find_free_port()}"),
    )
    servers.start(
        *("apiserver", _ensure_servers() / "kube-apiserver", f"--etcd-servers={etcd}", f"--secure-port={api}"),
        *("--bind-address=127.0.0.1", "--advertise-address=192.0.2.1", "--authorization-mode=RBAC"),
        *(f"--tls-cert-file={folder}/api.crt", f"--tls-private-key-file={folder}/api.key"),
        *(f"--token-auth-file={folder}/tokens.csv", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/sa.pub"),
        *(f"--service-account-signing-key-file={folder}/sa.key", "--kubelet-preferred-address-types=InternalIP"),
        *(f"--audit-policy-file={folder}/audit.yaml", f"--audit-log-path={folder}/audit.log"),
        *("--audit-log-maxsize=100000", "--max-requests-inflight=4000", "--max-mutating-requests-inflight=2000"),
        *("--enable-priority-and-fairness=false", "--feature-gates=WatchList=false"),
        # nobody would take the taints of new nodes away: their controller is not there
        "--disable-admission-plugins=TaintNodesByCondition",
    )
    token = (folder / "tokens.csv").read_text().partition(",")[0]
    _wait_until_ready(f"https://127.0.0.1:{api}", token, servers.running["apiserver"], folder)
    return connect(KubernetesSettings(kubeconfig=str(folder / "admin.kubeconfig")))


def _start_players(servers: _Servers) -> None:
    """Start what works on the objects: controllers, scheduler, and kwok in place of kubelets."""
    folder, found = servers.folder, _ensure_servers()
    access = f"--kubeconfig={folder}/admin.kubeconfig"
    servers.start(
        *("controllers", found / "kube-controller-manager", access, "--secure-port=0", "--leader-elect=false"),
        *(f"--controllers={','.join(_CONTROLLERS)}", f"--root-ca-file={folder}/api.crt"),
        *("--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-job-syncs=20", "--concurrent-gc-syncs=20"),
        f"--service-account-private-key-file={folder}/sa.key",
    )
    servers.start("scheduler", found / "kube-scheduler", f"--config={folder}/scheduler.yaml", "--secure-port=0")
    servers.start(
        *("kwok", _build_kwok(), access, f"--config={folder}/stages.yaml", "--manage-all-nodes"),
        *("--node-lease-duration-seconds=3600", f"--server-address=127.0.0.1:{find_free_port()}"),
    )


def _create_objects(cluster: Cluster, nodes: int, neighbours: int, logs: int) -> None:
    """Create the nodes, whose logs are at a port, and the pods of others on them."""
    cluster.create(_STORAGE_CLASS)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(cluster.create, (_build_node(number, logs) for number in range(nodes))))
        if neighbours:
            account = {"name": "default", "namespace": _NEIGHBOURS}
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NEIGHBOURS}})
            cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
            list(pool.map(cluster.create, (_build_neighbour(number, nodes) for number in range(neighbours))))


def find_servers() -> Path | None:
    """Return the folder of the servers that dev/cluster has built; None where it has not."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()  # noqa: TID251 a program's own place
    found = sorted((base / "zoo-runner" / "cluster" / "bin").glob("*/kube-scheduler"), key=os.path.getmtime)
    return found[-1].parent if found else None


def _ensure_servers() -> Path:
    found = find_servers()
    if found is None:
        raise FileNotFoundError("the servers of Kubernetes are missing: `make cluster` builds them")
    return found


def _build_kwok() -> str:
    done = subprocess.run(["bash", ROOT / "dev" / "kwok" / "build.sh"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def _write_kubeconfig(folder: Path, user: str, token: str, port: int) -> None:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "api.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "simulated", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "simulated", "context": {"cluster": "simulated", "user": user}}],
        "current-context": "simulated",
    }
    path = folder / f"{user}.kubeconfig"
    path.touch(0o600)
    path.write_text(json.dumps(content))


def _wait_until_ready(url: str, token: str, server: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Wait until the API server has all that controllers need: those that come before end again."""
    begun, pause = time.monotonic(), threading.Event()
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(folder / "api.crt"))
    while True:
        try:
            with urllib.request.urlopen(request, timeout=_START_SECONDS, context=context):
                return
        except OSError as error:
            if server.poll() is not None or time.monotonic() - begun > _START_SECONDS:
                said = (folder / "apiserver.log").read_text()[-2000:]
                raise RuntimeError(f"the API server of the simulation does not answer: {said}") from error
        pause.wait(0.2)


def _build_node(number: int, port: int) -> dict[str, Any]:
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    name = f"node-{number}"
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "allocatable": room,
        "capacity": room,
    }
    meta = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": status}


def _build_neighbour(number: int, nodes: int) -> dict[str, Any]:
    container = {"name": "main", "image": "neighbour", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
    spec = {"nodeName": f"node-{number % nodes}", "containers": [container], "automountServiceAccountToken": False}
    meta = {"name": f"pod-{number}", "namespace": _NEIGHBOURS}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
