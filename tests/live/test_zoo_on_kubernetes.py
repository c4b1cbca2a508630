"""The ZOO adapter with the calrissian engine: a kernel's double whose services run their jobs on a real cluster.

Its workers have the environment that the chart gives them, and the permissions of deploy/zoo/access.yaml, no more.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import kubectl
from tests.servers import S3Server
from tests.site import Site
from tests.values import FAILING, PACKAGES, ROOT
from tests.waiting import wait_for
from zoo_runner.model.job import Status
from zoo_runner.store.files import FileStore
from zoo_runner.testing import KernelDouble, SubmittedJob

SCENE = PACKAGES / "kernel" / "scene.cwl"
ALICE, BOB = "zoo-alice", "zoo-bob"
CANARY = "canary-of-the-zoo-store"
WORKERS = "zoo-workers"
ACCOUNT = {
    "apiVersion": "v1",
    "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WORKERS}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "zoofpm", "namespace": WORKERS}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": WORKERS},
            "subjects": [{"kind": "ServiceAccount", "name": "zoofpm", "namespace": WORKERS}],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "zoo-runner-workers",
            },
        },
    ],
}
KINDS = "jobs,pods,secrets,configmaps,persistentvolumeclaims"


@pytest.fixture(scope="module")
def secret() -> str:
    return CANARY


@pytest.fixture
def workers(site: Site, tmp_path: Path) -> Path:
    """The kubeconfig of workers: an account with the role that operators install."""
    kubectl(site, "apply", "-f", str(write_json(tmp_path / "account.json", {"kind": "List", **ACCOUNT})))
    kubectl(site, "apply", "-n", WORKERS, "-f", str(ROOT / "deploy" / "zoo" / "access.yaml"))
    token = kubectl(site, "create", "token", "zoofpm", "-n", WORKERS, "--duration=1h").strip()
    config = json.loads(kubectl(site, "config", "view", "--raw", "--minify", "-o", "json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    return write_json(tmp_path / "kubeconfig.json", config)


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def kernel(site: Site, workers: Path, s3: S3Server, tmp_path: Path, started_jobs: set[str]) -> Iterator[KernelDouble]:
    """A kernel with a package for alice."""
    store = s3.options
    environ = {
        "KUBECONFIG": str(workers),
        "DEFAULT_VOLUME_SIZE": "1Gi",
        "STAGEOUT_OUTPUT": "results",
        **{
            f"{stage}_AWS_{name}": str(value)
            for stage in ("STAGEIN", "STAGEOUT")
            for name, value in {
                "SERVICEURL": store.endpoint,
                "REGION": store.region,
                "ACCESS_KEY_ID": store.access_key_id,
                "SECRET_ACCESS_KEY": store.secret_access_key,
            }.items()
        },
        **({"CALRISSIAN_IMAGE": image} if (image := site.environ.get("ZOO_RUNNER_JOB_IMAGE")) else {}),
    }
    kernel = KernelDouble(
        tmp_path / "zoo",
        environ=environ,
        sections={"zoo_runner": {"engine": "calrissian"}},
        python_path=[path for path in sys.path if path.endswith("site-packages")],
    )
    kernel.deploy(ALICE, SCENE, "scene")
    yield kernel
    started_jobs |= {path.name for path in (tmp_path / "zoo" / "jobs").iterdir()}


@pytest.fixture(scope="module")
def item(s3: S3Server) -> str:
    """A STAC Item in the bucket, with one asset beside it."""
    s3.put("results", "scenes/a/data.txt", b"eleven blue pixels\n")
    document: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "a",
        "geometry": None,
        "properties": {"datetime": "2024-01-01T00:00:00Z"},
        "links": [],
        "assets": {"data": {"href": "./data.txt", "type": "text/plain", "roles": ["data"]}},
    }
    return s3.put("results", "scenes/a/a.json", json.dumps(document).encode())


def submit(kernel: KernelDouble, user: str, process_id: str, **inputs: Any) -> SubmittedJob:
    return kernel.submit(user, process_id, {"inputs": inputs})


def private(kernel: KernelDouble, user: str) -> Path:
    return kernel.services / ".zoo-runner" / user / "jobs"


def list_objects(site: Site, job: SubmittedJob, kinds: str = KINDS) -> list[str]:
    """What the cluster has of a job, each as namespace and name."""
    columns = "custom-columns=namespace:.metadata.namespace,kind:.kind,name:.metadata.name"
    words = ("get", kinds, "-A", "--no-headers", "-l", f"zoo-runner/job=job-{job.id}", "-o", columns)
    return [" ".join(line.split()) for line in kubectl(site, *words).splitlines()]


def test_a_scene_is_read_from_s3_and_its_results_come_back_there(
    kernel: KernelDouble, site: Site, s3: S3Server, item: str
) -> None:
    job = submit(kernel, ALICE, "scene", scene=item).wait(180)
    assert job.succeeded, job.message + job.error_log
    assert job.violations == []
    collection = json.loads(job.outputs["text"]["value"])
    links = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    prefix = f"s3://results/{ALICE}/processing-results/{job.id}/"
    assert links
    assert all(link.startswith(prefix) for link in links)
    results = s3.folder / "results" / ALICE / "processing-results" / job.id
    assert "eleven blue pixels" in [path.read_text().strip() for path in results.rglob("*.txt")]

    numbers = [update["progress"] for update in job.updates]
    messages = [update["message"] for update in job.updates]
    assert numbers == sorted(numbers)
    assert any(message.startswith("step read runs") for message in messages), messages

    root = f"http://kernel.example/{ALICE}/temp/"
    links = [url for key, url in job.service_logs.items() if key.startswith("url")]
    assert f"{root}scene-{job.id}/read.log" in links
    assert all((job.temp / url.removeprefix(root)).is_file() for url in links)
    assert "reading a" in (job.temp / f"scene-{job.id}" / "read.log").read_text()
    assert '"limits"' in job.error_log or "limits:" in job.error_log, "the manifests of the steps are in the log"
    assert CANARY not in job.error_log
    wait_for(lambda: not list_objects(site, job))


def test_a_failing_step_says_why_in_the_status(kernel: KernelDouble, site: Site) -> None:
    kernel.deploy(ALICE, FAILING / "tool-exit-code" / "tool-exit-code.cwl", "tool-exit-code")
    job = submit(kernel, ALICE, "tool-exit-code").wait(180)
    assert job.findings["returned"] == 4
    facts = ("step 'run'", "exit code 3: scene has no band red", "What to do: ", "Code: step.exit-code")
    assert all(fact in job.message for fact in facts)
    assert "scene has no band red" in (job.temp / f"tool-exit-code-{job.id}" / "run.log").read_text()
    assert job.violations == []
    wait_for(lambda: not list_objects(site, job))


def test_a_dismissal_removes_what_a_killed_service_left_and_keeps_its_record(kernel: KernelDouble, site: Site) -> None:
    kernel.deploy(ALICE, FAILING / "slow" / "slow.cwl", "slow")
    job = submit(kernel, ALICE, "slow", seconds=300)
    wait_for(lambda: "sleeping 300 s" in job.error_log or job.process.poll() is not None, 120)
    assert len(list_objects(site, job, "pods")) == 2, job.error_log
    dismissal = kernel.dismiss(job).wait(60)
    assert dismissal.succeeded, dismissal.error_log
    assert dismissal.violations == []
    wait_for(lambda: not list_objects(site, job))
    record = FileStore(private(kernel, ALICE)).get(job.id)
    assert record.status is Status.DISMISSED
    assert not (private(kernel, ALICE) / job.id / "job.log").exists()
    assert kernel.dismiss(job).wait(60).succeeded, "it may be repeated"


def test_two_workspaces_run_in_their_own_namespaces_and_see_their_own_jobs_only(
    kernel: KernelDouble, site: Site, s3: S3Server, item: str
) -> None:
    kernel.deploy(BOB, FAILING / "slow" / "slow.cwl", "slow")
    slow = submit(kernel, BOB, "slow", seconds=120)
    wait_for(lambda: "sleeping 120 s" in slow.error_log or slow.process.poll() is not None, 120)
    job = submit(kernel, ALICE, "scene", scene=item)
    seen: set[str] = set()

    def look() -> bool:
        # kept as seen: a moment later the job may be over
        seen.update(list_objects(site, job))
        return any(" Pod " in line for line in seen) or job.process.poll() is not None

    wait_for(look, 60)
    assert {line.split()[0] for line in list_objects(site, slow)} == {f"ws-{BOB}"}
    assert {line.split()[0] for line in seen} == {f"ws-{ALICE}"}

    account = f"system:serviceaccount:ws-{ALICE}:zoo-runner-job"
    reach = [("list", "pods"), ("get", "pods/log"), ("create", "pods"), ("get", "secrets")]
    assert not any(may(site, account, *words, f"ws-{BOB}") for words in reach)
    assert may(site, account, "create", "pods", f"ws-{ALICE}")

    other = kernel.dismiss(slow, user=ALICE).wait(60)
    assert f"job {slow.id}: not known" in other.error_log
    assert list_objects(site, slow, "pods")
    assert job.wait(180).succeeded, job.message
    kernel.dismiss(slow).wait(60)
    wait_for(lambda: not list_objects(site, slow))


def may(site: Site, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether the cluster would let an account do something."""
    kind, _, part = resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": account,
            "resourceAttributes": {"namespace": namespace, "verb": verb, "resource": kind, "subresource": part},
        },
    }
    path = write_json(site.folder / "review.json", review)
    return kubectl(site, "create", "-f", str(path), "-o", "jsonpath={.status.allowed}") == "true"
