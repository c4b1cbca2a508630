"""The Helm chart on a real cluster: installed, tested as an operator does, upgraded, rolled back, and removed."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ENVIRON, NODE_ADDRESS, WORKSPACE, find_kubeconfig, kubectl
from tests.gitserver import Repository, create_repository, serving_git
from tests.helm import CHART, EVERYTHING, find_helm, helm
from tests.servers import S3Server
from tests.serving import ASYNC, Server
from tests.site import Site
from tests.waiting import wait_for

NAME, NAMESPACE, TENANT = "hub", f"chart-{WORKSPACE}", f"chart-{WORKSPACE}"
# what `make chart-images` pushes to the cluster
SERVICE_IMAGE = ENVIRON.get("SERVICE_IMAGE", "docker.io/zoo-runner/service:dev")
OPA_IMAGE = ENVIRON.get("OPA_IMAGE", "docker.io/zoo-runner/opa:dev")
POSTGRESQL_IMAGE = ENVIRON.get("POSTGRESQL_IMAGE", "docker.io/zoo-runner/postgresql:15")
JOB_IMAGE = ENVIRON.get("JOB_IMAGE", "docker.io/zoo-runner/job:dev")
START_SECONDS = 300
# its step ends when somebody creates a file in its pod
GATE = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "gate",
    "baseCommand": ["sh", "-c", "until [ -e /tmp/open ]; do sleep 0.2; done; echo through > said.txt"],
    "inputs": {},
    "outputs": {"said": {"type": "File", "outputBinding": {"glob": "said.txt"}}},
}
# everyone may do everything but read metrics of usage
POLICY = """package zoo_runner
default decision := {"allow": true, "reason": "a test"}
decision := {"allow": false, "reason": "nobody may"} if input.action == "workspace.usage"
"""


@dataclass
class Deployed(Server):
    """The API of a release, as clients in the cluster reach it."""

    port: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)
    log: Path = Path()
    address: str = ""

    @property
    def url(self) -> str:
        """The address of the API."""
        return self.address

    def wait_ready(self) -> None:
        """Wait until it answers, a moment after its pod is ready: kube-proxy has to write where its address leads."""
        wait_for(self._is_ready, START_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=START_SECONDS) as response:
                return bool(response.status == 200)
        except OSError:
            return False


@dataclass(frozen=True)
class Release:
    """An installed release, and what its operator does with it."""

    site: Site
    values: Mapping[str, Any]
    source: Repository

    @property
    def kubeconfig(self) -> str:
        return self.site.environ["KUBECONFIG"]

    def helm(self, *words: str, **values: Any) -> None:
        """Run Helm for this release, with values beside its own."""
        given = json.dumps({**self.values, **values}) if words[0] in ("install", "upgrade") else ""
        done = helm(*words, f"--namespace={NAMESPACE}", kubeconfig=self.kubeconfig, given=given)
        assert done.returncode == 0, done.stderr + self.describe()

    def kubectl(self, *words: str) -> str:
        return kubectl(self.site, f"--namespace={NAMESPACE}", *words)

    def list_pods(self, part: str) -> list[str]:
        """Names of the pods of a part that are not ending."""
        selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={part}"
        pods = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return [one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]]

    def describe(self) -> str:
        """What the cluster says of the pods, for a failure."""
        pods = self.kubectl("get", "pods", "-o", "wide")
        logs = self.kubectl(
            "logs",
            "--prefix",
            "--all-containers",
            "--tail=20",
            "--ignore-errors",
            "-l",
            f"app.kubernetes.io/instance={NAME}",
        )
        return f"\n{pods}\n{logs}\n{self.kubectl('get', 'events')}"

    def open(self) -> Deployed:
        """Return the API, once it answers."""
        address = self.kubectl("get", "service", f"{NAME}-zoo-runner-api", "-o", "jsonpath={.spec.clusterIP}")
        server = Deployed(address=f"http://{address}:8080")
        server.wait_ready()
        return server


@contextmanager
def namespace(site: Site, s3: S3Server) -> Iterator[None]:
    """A namespace with the Secrets that the values name; that of the jobs goes with it."""
    former = (f"namespace/{NAMESPACE}", f"namespace/ws-{TENANT}")
    kubectl(site, "wait", "--for=delete", *former, f"--timeout={START_SECONDS}s")
    kubectl(site, "create", "namespace", NAMESPACE)
    try:
        secret = ("--namespace", NAMESPACE, "create", "secret", "generic")
        kubectl(site, *secret, "database", "--from-literal=password=a-password-of-the-test")
        keys = {"AWS_ACCESS_KEY_ID": s3.options.access_key_id, "AWS_SECRET_ACCESS_KEY": s3.options.secret_access_key}
        kubectl(site, *secret, "store", *(f"--from-literal={name}={value}" for name, value in keys.items()))
        yield
    finally:
        kubectl(site, "delete", "namespace", NAMESPACE, f"ws-{TENANT}", "--ignore-not-found", "--wait=false")


@contextmanager
def uninstalled(site: Site) -> Iterator[None]:
    """Remove the release at the end, also after a failure: some of its objects lie in no namespace."""
    try:
        yield
    finally:
        helm("uninstall", NAME, f"--namespace={NAMESPACE}", "--ignore-not-found", kubeconfig=site.environ["KUBECONFIG"])


@pytest.fixture
def release(tmp_path: Path, s3: S3Server) -> Iterator[Release]:
    """A release with a database and a policy agent of its own."""
    find_helm()
    site = Site(tmp_path, tmp_path / "cache").having(KUBECONFIG=find_kubeconfig())
    small = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    repository, _, tag = SERVICE_IMAGE.rpartition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Always"},
        "database": {"existingSecret": "database"},
        "existingSecrets": ["store"],
        "jobs": {"image": JOB_IMAGE},
        "settings": {
            "STAGEOUT_OUTPUT": "s3://results",
            "AWS_ENDPOINT_URL": str(s3.options.endpoint),
            "AWS_REGION": s3.options.region,
            "DEFAULT_VOLUME_SIZE": "1Gi",
            "ZOO_RUNNER_WORKSPACE": TENANT,
            "ZOO_RUNNER_OPA_CACHE": "0.001",
        },
        "persistence": {"keep": False, "size": "1Gi"},
        "postgresql": {
            "enabled": True,
            "image": POSTGRESQL_IMAGE,
            "pullPolicy": "Always",
            "persistence": {"keep": False, "size": "1Gi"},
            "resources": small,
        },
        "opa": {
            "enabled": True,
            "image": OPA_IMAGE,
            "pullPolicy": "Always",
            "policy": POLICY,
            "resources": small,
        },
        "api": {"replicas": 1, "drainSeconds": 2, "resources": small},
        "worker": {"resources": small},
        "backup": {"enabled": True, "persistence": {"keep": False, "size": "1Gi"}, "resources": small},
        "systemTest": {"enabled": True, "resources": small},
    }
    source = create_repository(tmp_path / "git")
    source.push({"gate.cwl": json.dumps(GATE)})
    host = ENVIRON.get("TEST_HOST_ADDRESS", NODE_ADDRESS)
    with namespace(site, s3), uninstalled(site), serving_git(source.bare.parent, host=host) as address:
        sources = {"sources": [{"url": f"{address}/repository.git"}]}
        harvester = {"enabled": True, "every": 5, "sources": sources, "resources": small}
        yield Release(site, {**values, "harvester": harvester}, source)


def test_a_release_keeps_its_jobs_whatever_its_operator_does(release: Release, tmp_path: Path) -> None:
    release, server = install(release, build_former(tmp_path))
    done = release.site.command("system-test", server.url, "--junit", tmp_path / "report.xml", timeout=START_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr + release.describe()

    job = start_gate(server)
    wait_for_step(release, job)
    release.helm(
        "upgrade",
        NAME,
        str(CHART),
        "--values=-",
        "--wait",
        f"--timeout={START_SECONDS}s",
        api={**release.values["api"], "podAnnotations": {"example.org/release": "2"}},
        worker={**release.values["worker"], "podAnnotations": {"example.org/release": "2"}},
    )
    assert server.request("GET", f"/jobs/{job}").json["status"] == "running"
    release.helm("rollback", NAME, "2", "--wait", f"--timeout={START_SECONDS}s")
    for part in ("api", "worker", "harvester"):
        release.kubectl("rollout", "restart", f"deployment/{NAME}-zoo-runner-{part}")
        release.kubectl("rollout", "status", f"deployment/{NAME}-zoo-runner-{part}", f"--timeout={START_SECONDS}s")
    (worker,) = release.list_pods("worker")
    assert evict(release, worker) == ""
    wait_for(lambda: release.list_pods("worker") not in ([], [worker]), START_SECONDS)
    _restart_database(release, server)

    open_gate(release, job)
    ended = server.wait(job, seconds=START_SECONDS)
    assert ended["status"] == "successful", ended
    listed = server.request("GET", "/jobs").json["jobs"]
    assert [one["jobID"] for one in listed if one["processID"] == "gate"] == [job]

    denied = server.request("GET", "/usage")
    assert (denied.status, denied.json["diagnosis"]["code"]) == (403, "policy.denied")
    _back_up(release)
    said = _run_once(release, "system-test")
    assert re.search(r"(?m)^passed +backup ", said), said
    release.helm("uninstall", NAME, "--wait", f"--timeout={START_SECONDS}s")
    wait_for(lambda: not _list_left(release), START_SECONDS)


def test_a_drained_node_loses_no_job_of_a_release(release: Release) -> None:
    release, server = install(release)
    job = start_gate(server)
    wait_for_step(release, job)
    (pod,) = find_job_pods(release, job, "job")
    (step,) = find_job_pods(release, job, "step")
    for name in (pod, step):
        refused = evict(release, name, f"ws-{TENANT}")
        assert "disruption budget" in refused, refused
    # by force, together with the worker that follows the job
    (worker,) = release.list_pods("worker")
    release.kubectl("delete", "pod", pod, f"--namespace=ws-{TENANT}", "--force", "--grace-period=0")
    assert evict(release, worker) == ""
    wait_for(lambda: step not in (steps := find_job_pods(release, job, "step")) and steps, START_SECONDS)
    wait_for(lambda: release.list_pods("worker") not in ([], [worker]), START_SECONDS)
    assert server.request("GET", f"/jobs/{job}").json["status"] == "running"

    open_gate(release, job)
    ended = server.wait(job, seconds=START_SECONDS)
    assert ended["status"] == "successful", ended
    assert list(server.request("GET", f"/jobs/{job}/results").json)
    listed = server.request("GET", "/jobs").json["jobs"]
    assert [(one["jobID"], one["status"]) for one in listed] == [(job, "successful")]


def test_the_api_of_kubernetes_accepts_each_object_that_the_chart_has(tmp_path: Path) -> None:
    kubeconfig = find_kubeconfig()
    values = {**EVERYTHING, "serviceMonitor": {"enabled": False}, "admissionPolicy": {"create": False}}
    done = helm("template", NAME, CHART, "--namespace=default", "--values=-", given=json.dumps(values))
    assert done.returncode == 0, done.stderr
    path = tmp_path / "objects.yaml"
    path.write_text(done.stdout)
    site = Site(tmp_path, tmp_path / "cache").having(KUBECONFIG=kubeconfig)
    answered = kubectl(site, "apply", "--dry-run=server", "--validate=strict", "-f", str(path)).splitlines()
    assert len(answered) == done.stdout.count("\nkind: ")


def build_former(folder: Path) -> Path:
    """Build a chart as it was before: of a lower version, whose workers may make no disruption budget for jobs."""
    former = folder / "former"
    shutil.copytree(CHART, former)
    about, access = former / "Chart.yaml", former / "files" / "access.yaml"
    about.write_text(re.sub(r"(?m)^version: .*", "version: 0.0.1", about.read_text()))
    text, count = re.subn(
        r"(?m)^  # unless ZOO_RUNNER_DISRUPTION_BUDGET.*\n(?:  .*policy\]\n(?:    .*\n){2})", "", access.read_text()
    )
    assert count == 1
    access.write_text(text)
    return former


def install(release: Release, chart: Path = CHART) -> tuple[Release, Deployed]:
    """Install a release and wait until all of it is ready; return it as it is then, and its API."""
    release.helm("install", NAME, str(chart), "--values=-")
    # dev/cluster has no name service
    release = replace(release, values={**release.values, "hostAliases": list_names(release)})
    release.helm("upgrade", NAME, str(chart), "--values=-", "--wait", f"--timeout={START_SECONDS}s")
    return release, release.open()


def list_names(release: Release) -> list[dict[str, Any]]:
    services = json.loads(release.kubectl("get", "services", "-o", "json"))["items"]
    return [{"ip": one["spec"]["clusterIP"], "hostnames": [one["metadata"]["name"]]} for one in services]


def start_gate(server: Server) -> str:
    """Start a job that waits at its gate; its process comes from git."""
    wait_for(lambda: server.request("GET", "/processes/gate").status == 200, START_SECONDS)
    started = server.request("POST", "/processes/gate/execution", {"inputs": {}}, ASYNC)
    assert started.status == 201, started.body
    return str(started.json["jobID"])


def find_job_pods(release: Release, job: str, role: str) -> list[str]:
    """The pods of a job that run and are not being deleted."""
    words = ("-n", f"ws-{TENANT}", "-l", f"zoo-runner/job=job-{job},zoo-runner/role={role}", "-o", "json")
    pods = json.loads(kubectl(release.site, "get", "pods", *words))["items"]
    running = [one["metadata"] for one in pods if one["status"]["phase"] == "Running"]
    return [one["name"] for one in running if "deletionTimestamp" not in one]


def find_step(release: Release, job: str) -> str:
    """The pod of the one step of a job; none before it runs."""
    return next(iter(find_job_pods(release, job, "step")), "")


def wait_for_step(release: Release, job: str) -> None:
    wait_for(lambda: find_step(release, job), START_SECONDS)


def open_gate(release: Release, job: str) -> None:
    kubectl(release.site, "exec", "-n", f"ws-{TENANT}", find_step(release, job), "--", "touch", "/tmp/open")


def evict(release: Release, pod: str, namespace: str = NAMESPACE) -> str:
    """Evict a pod as a drain of its node does: within the disruption budget; return what refused it."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    command = ["kubectl", f"--kubeconfig={release.kubeconfig}", "create", "--raw", path, "-f", "-"]
    done = subprocess.run(command, input=json.dumps(eviction), text=True, check=False, capture_output=True)
    return done.stderr


def _restart_database(release: Release, server: Deployed) -> None:
    """Delete the pod of the database: its volume has everything, and its clients wait."""
    release.kubectl("delete", "pod", f"{NAME}-zoo-runner-postgresql-0")
    release.kubectl("rollout", "status", f"statefulset/{NAME}-zoo-runner-postgresql", f"--timeout={START_SECONDS}s")
    release.kubectl("rollout", "status", f"deployment/{NAME}-zoo-runner-api", f"--timeout={START_SECONDS}s")
    server.wait_ready()


def _back_up(release: Release) -> None:
    assert "/backups/" in _run_once(release, "backup")


def _run_once(release: Release, part: str) -> str:
    """Run what the clock runs, now; return what it printed."""
    release.kubectl("create", "job", part, f"--from=cronjob/{NAME}-zoo-runner-{part}")
    try:
        release.kubectl("wait", "--for=condition=Complete", f"job/{part}", f"--timeout={START_SECONDS}s")
    except AssertionError as error:
        raise AssertionError(f"{error}{release.describe()}{release.kubectl('logs', f'job/{part}')}") from error
    said = release.kubectl("logs", f"job/{part}")
    release.kubectl("delete", "job", part)
    return said


def _list_left(release: Release) -> list[str]:
    """What is left of the release."""
    kinds = "all,pvc,configmap,serviceaccount,networkpolicy,poddisruptionbudget,cronjob,clusterrole,clusterrolebinding"
    selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/part-of=zoo-runner"
    listed = kubectl(release.site, "get", kinds, "-n", NAMESPACE, "-l", selector, "-o", "name")
    return listed.split()
