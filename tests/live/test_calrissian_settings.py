"""What a site sets for its pods, looked at on the pods of real jobs."""

import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import WORKSPACE, applied, kubectl
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import WAITS, let_go, write_package
from zoo_runner.model.events import EngineLine, Event, StepEnded, StepLines
from zoo_runner.model.job import Status

OWN_WORKSPACE = f"{WORKSPACE}-settings"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
POD = re.compile(r"pod (?P<name>\S+): (?P<manifest>\{.*\})")


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


class Looked:
    """What stood in a namespace when the step printed its first line; the step waits until it was looked at."""

    def __init__(self, site: Site, namespace: str, kinds: str = "pods") -> None:
        self._site, self._namespace, self._kinds = site, namespace, kinds
        self._step = ""
        self.items: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, EngineLine) and (pod := POD.fullmatch(event.text)):
            self._step = pod["name"]
        if isinstance(event, StepLines) and not self.items:
            found = kubectl(self._site, "get", self._kinds, "-n", self._namespace, "-o", "json")
            self.items = json.loads(found)["items"]
            let_go(self._site, self._namespace, self._step)

    def find(self, kind: str, job: str, role: str | None = None) -> dict[str, Any]:
        """The one object of a kind that belongs to a job."""
        labels = {"zoo-runner/job": f"job-{job}", **({"zoo-runner/role": role} if role else {})}
        (item,) = [
            item
            for item in self.items
            if item["kind"] == kind and labels.items() <= item["metadata"].get("labels", {}).items()
        ]
        return item


def run(site: Site, package: Path, looked: Looked | None = None) -> Story:
    story = site.run(site.accept(package, None, destination="s3://results/settings"), on=looked or (lambda _: None))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    return story


def read_output(story: Story, s3: S3Server) -> str:
    assert story.outcome.results
    href = str(story.outcome.results.document["text"]["href"])
    return (s3.folder / href.removeprefix("s3://")).read_text()


def test_all_that_a_site_sets_is_on_the_pods(site: Site, s3: S3Server, tmp_path: Path) -> None:
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": f"zoo-runner-{WORKSPACE}"},
        "value": 7,
    }
    toleration = {"key": "pool", "operator": "Equal", "value": "eo", "effect": "NoSchedule"}
    rich = site.having(
        POD_TOLERATIONS=json.dumps([toleration]),
        POD_PRIORITY_CLASS=f"zoo-runner-{WORKSPACE}",
        POD_ANNOTATIONS='{"example.org/note": "a note"}',
        POD_LABELS='{"team": "eo"}',
        POD_ENV_VARS='{"REGION": "eu-central"}',
        POD_NODE_SELECTOR='{"kubernetes.io/os": "linux"}',
    )
    looked = Looked(site, NAMESPACE)
    with applied(site, priority):
        story = run(rich, write_package(tmp_path, f"{WAITS}; echo $REGION"), looked)
    assert read_output(story, s3) == "eu-central\n"
    for role in ("job", "step"):
        pod = looked.find("Pod", story.job.id, role)
        assert toleration in pod["spec"]["tolerations"]
        assert (pod["spec"]["priorityClassName"], pod["spec"]["priority"]) == (f"zoo-runner-{WORKSPACE}", 7)
        assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert pod["metadata"]["annotations"]["example.org/note"] == "a note"
        assert pod["metadata"]["labels"]["team"] == "eo"


def test_pods_run_as_an_ordinary_user_and_steps_have_no_token(site: Site, s3: S3Server, tmp_path: Path) -> None:
    looked = Looked(site, NAMESPACE)
    story = run(site, write_package(tmp_path, f"{WAITS}; id -u; ls /var/run/secrets 2>&1 | tail -n 1"), looked)
    user, token = read_output(story, s3).splitlines()
    assert user == "1000"
    assert "No such file" in token
    assert looked.find("Pod", story.job.id, "job")["spec"]["securityContext"]["runAsNonRoot"] is True
    assert looked.find("Pod", story.job.id, "step")["spec"]["automountServiceAccountToken"] is False


def test_an_image_that_wants_root_is_let(site: Site, s3: S3Server, tmp_path: Path) -> None:
    # in a namespace of its own: that of the workspace admits no such pod
    own = site.having(ZOO_RUNNER_RUN_AS_USER="0", ZOO_RUNNER_NAMESPACE_PER="job")
    story = run(own, write_package(tmp_path, "id -u"))
    assert read_output(story, s3) == "0\n"


def test_a_namespace_that_the_runner_created_admits_no_pod_that_could_reach_the_node(
    site: Site, tmp_path: Path
) -> None:
    run(site, write_package(tmp_path, "true"))  # creates the namespace
    container = {
        "name": "attack",
        "image": "docker.io/library/debian:bookworm-slim",
        "securityContext": {"privileged": True},
    }
    mounts = {"hostPID": True, "volumes": [{"name": "node", "hostPath": {"path": "/"}}], "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "attack", "namespace": NAMESPACE}, "spec": mounts}
    with pytest.raises(AssertionError, match="violates PodSecurity"), applied(site, pod):
        pass


def test_a_block_store_of_the_workspace_is_mounted_in_its_steps(site: Site, s3: S3Server, tmp_path: Path) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "block-store", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Mi"}}},
    }
    run(site, write_package(tmp_path, "true"))  # makes the namespace
    volume = {"claim": "block-store", "path": "/data"}
    with applied(site, claim):
        writing = site.having(POD_VOLUMES=json.dumps([volume]))
        run(writing, write_package(tmp_path, "echo kept > /data/note"))
        reading = site.having(POD_VOLUMES=json.dumps([{**volume, "readOnly": True}]))
        story = run(reading, write_package(tmp_path, "cat /data/note; touch /data/no 2>&1 || true"))
    kept, refused = read_output(story, s3).splitlines()
    assert kept == "kept"
    assert "Read-only" in refused


@pytest.mark.parametrize("asks", [False, True])
def test_a_policy_keeps_steps_from_the_network_unless_their_package_asks_for_it(
    asks: bool, site: Site, tmp_path: Path
) -> None:
    package = write_package(tmp_path, WAITS)
    if asks:
        text = package.read_text()
        asked = '"requirements": [{"class": "NetworkAccess", "networkAccess": true}, '
        package.write_text(text.replace('"requirements": [', asked, 1))
    looked = Looked(site, NAMESPACE, "pods")
    story = run(site, package, looked)
    policy = json.loads(kubectl(site, "get", "networkpolicy", "zoo-runner-steps", "-n", NAMESPACE, "-o", "json"))
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not policy["spec"].get("egress")
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    step = looked.find("Pod", story.job.id, "step")["metadata"]["labels"]
    assert selected <= step.items()
    assert step.get("zoo-runner/network") == ("allowed" if asks else None)
    assert not selected <= looked.find("Pod", story.job.id, "job")["metadata"]["labels"].items()


def test_a_jobs_own_namespace_has_its_quota(site: Site, tmp_path: Path) -> None:
    own = site.having(ZOO_RUNNER_NAMESPACE_PER="job", ZOO_RUNNER_NAMESPACE_QUOTA='{"pods": "3", "limits.cpu": "5"}')
    job = own.accept(write_package(tmp_path, WAITS), None, destination="s3://results/settings")
    looked = Looked(site, f"job-{job.id}", "resourcequotas")
    story = own.run(job, on=looked)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    (quota,) = looked.items
    assert quota["spec"]["hard"] == {"pods": "3", "limits.cpu": "5"}
    assert quota["status"]["used"]["pods"] == "2"


def test_a_namespace_and_an_account_of_the_sites_own_are_used_and_stay(site: Site, tmp_path: Path) -> None:
    # never the one of an earlier run, which may still be going
    where, account = f"site-{uuid.uuid4().hex[:8]}", "site-runner"
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "list", "watch", "delete"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    ]
    meta = {"name": account, "namespace": where}
    subject = {"kind": "ServiceAccount", **meta}
    role_ref = {"apiGroup": group, "kind": "Role", "name": account}
    manifests: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": role_ref,
            "subjects": [subject],
        },
    ]
    own = site.having(ZOO_RUNNER_NAMESPACE=where, ZOO_RUNNER_SERVICE_ACCOUNT=account, ZOO_RUNNER_NAMESPACE_PER="job")
    looked = Looked(site, where, "pods,roles,serviceaccounts")
    with applied(site, *manifests):
        story = run(own, write_package(tmp_path, WAITS), looked)
        assert kubectl(site, "get", "namespace", where, "-o", "jsonpath={.status.phase}") == "Active"
    assert looked.find("Pod", story.job.id, "job")["spec"]["serviceAccountName"] == account
    assert [item["metadata"]["name"] for item in looked.items if item["kind"] == "Role"] == [account]


def test_a_namespace_that_the_site_did_not_make_is_refused_with_its_name(site: Site, tmp_path: Path) -> None:
    own = site.having(ZOO_RUNNER_NAMESPACE="nobody-made-it")
    story = own.run(own.accept(write_package(tmp_path, "true"), None, destination="s3://results/settings"))
    assert story.outcome.diagnosis
    assert 'namespaces "nobody-made-it" not found' in story.outcome.diagnosis.cause
    assert "namespace" in story.outcome.diagnosis.remedy


def test_the_api_is_reached_through_a_proxy_that_logs_in(site: Site, tmp_path: Path) -> None:
    words = [str(shutil.which("kubectl")), "proxy", "--port=0", f"--kubeconfig={site.environ['KUBECONFIG']}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout
            address = re.search(r"127\.0\.0\.1:\d+", proxy.stdout.readline())
            assert address
            through = site.having(ZOO_RUNNER_KUBERNETES_URL=f"http://{address[0]}", KUBECONFIG="/nowhere")
            run(through, write_package(tmp_path, "echo through"))
        finally:
            proxy.terminate()


def test_what_each_step_used_is_known(site: Site, tmp_path: Path) -> None:
    """Some 60 MiB are held and a second of CPU time is used, neither of which a pod that only starts would need."""
    script = "head -c 60m /dev/zero | tail | wc -c; i=0; while [ $i -lt 700000 ]; do i=$((i+1)); done"
    story = run(site, write_package(tmp_path, script))
    (ended,) = [event for event in story.events if isinstance(event, StepEnded)]
    assert ended.cpu_seconds is not None
    assert 0.2 < ended.cpu_seconds < 60
    assert ended.peak_memory_mib is not None
    assert 60 < ended.peak_memory_mib <= 128
    (step,) = json.loads(story.job.paths.usage.read_text())["steps"]
    assert (step["cpuSeconds"], step["peakMemoryMiB"]) == (ended.cpu_seconds, ended.peak_memory_mib)


def test_a_step_that_was_killed_for_memory_is_reported_with_what_it_used(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "head -c 300m /dev/zero | tail > /dev/null", ramMax=64)
    story = site.run(site.accept(package, None, destination="s3://results/settings"))
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == "step.out-of-memory"
    assert all(fact in story.outcome.diagnosis.cause for fact in ("step 'work'", "64Mi"))
    (ended,) = [event for event in story.events if isinstance(event, StepEnded)]
    assert ended.exit_code == 137
    assert ended.peak_memory_mib is None or ended.peak_memory_mib > 60


def test_the_job_pod_publishes_logs_and_usage_beside_the_results(site: Site, s3: S3Server, tmp_path: Path) -> None:
    secret = site.having(POD_ENV_VARS='{"API_TOKEN": "canary-of-a-step"}')
    story = run(secret, write_package(tmp_path, "echo a line >&2"))
    assert story.outcome.published == f"s3://results/settings/logs/{story.job.id}"
    found = {path.name: path.read_text() for path in (s3.folder / "results/settings/logs" / story.job.id).iterdir()}
    logs = {"job.log", "work.log", "usage.json", "results.json", "node_stage_out.log"}
    # by the last, all of it is removed with the results; the client adds by what the job is listed again
    assert set(found) == {*logs, "job.json", "package.json", ".stageout.json"}
    assert "a line" in found["work.log"]
    assert "SUCCESSFUL" in found["job.log"]
    assert json.loads(found["usage.json"])["steps"][0]["peakMemoryMiB"] is not None
    assert story.outcome.results
    assert json.loads(found["results.json"]) == story.outcome.results.document
    assert not any("canary-of-a-step" in text or "some-secret-key" in text for text in found.values())
    (shown,) = [POD.fullmatch(e.text) for e in story.events if isinstance(e, EngineLine) and POD.fullmatch(e.text)]
    assert shown
    assert "canary-of-a-step" not in shown["manifest"]


def test_a_job_that_failed_in_its_pod_publishes_why(site: Site, s3: S3Server, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo cannot read band 9 >&2; exit 3")
    story = site.run(site.accept(package, None, destination="s3://results/settings"))
    assert story.outcome.status is Status.FAILED
    folder = s3.folder / "results/settings/logs" / story.job.id
    assert story.outcome.published == f"s3://results/settings/logs/{story.job.id}"
    assert "cannot read band 9" in (folder / "work.log").read_text()
    assert "FAILED at execute" in (folder / "job.log").read_text()


def test_the_logs_of_a_job_whose_pod_never_ran_are_published_by_its_caller(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    broken = site.having(ZOO_RUNNER_JOB_IMAGE="docker.io/library/nojob:1")
    story = broken.run(broken.accept(write_package(tmp_path, "true"), None, destination="s3://results/settings"))
    assert story.outcome.status is Status.FAILED
    log = s3.folder / "results/settings/logs" / story.job.id / "job.log"
    assert "docker.io/library/nojob:1" in log.read_text()
