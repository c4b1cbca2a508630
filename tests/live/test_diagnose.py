"""`zoo-runner diagnose` on a real Argo Workflows: workflows that somebody else started, each broken in its own way."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import WORKSPACE, applied, find_argo, kubectl
from tests.live.diagnosis_table import DIAGNOSE_PAGE, LONGEST_SECONDS, keep_row, witnessing
from tests.live.test_calrissian_mishaps import NO_CLASS, build_broken_volume, build_waiting_class, storage_class
from tests.registry import serve_slow_registry
from tests.site import Site
from tests.steps import DEBIAN
from tests.waiting import wait_for
from zoo_runner.engines.argo.judgement import Judgement, State
from zoo_runner.execution.diagnose import find_judgements
from zoo_runner.model.diagnosis import Level

OWN_WORKSPACE = f"{WORKSPACE}-diagnose"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
ACCOUNT = "scientist"
RESULTS = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
_RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    find_argo()
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


@pytest.fixture(autouse=True)
def _namespace(site: Site) -> None:
    """A namespace as a scientist has it: an account whose pods may report to Argo."""
    meta = {"name": ACCOUNT, "namespace": NAMESPACE}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [RESULTS]},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        },
    ]
    path = site.folder / "namespace.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    kubectl(site, "apply", "-f", str(path))


def build_workflow(name: str, script: str = "true", /, *, spec: Any = (), template: Any = (), **container: Any) -> Any:
    """Build a workflow of one node `main`, which runs a shell script; `spec`, `template`, `container` add fields."""
    main = {"image": DEBIAN, "command": ["sh", "-c", script], **container}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "entrypoint": "main",
            "serviceAccountName": ACCOUNT,
            "templates": [{"name": "main", "container": main, **dict(template)}],
            **dict(spec),
        },
    }


@contextmanager
def submitted(site: Site, workflow: Mapping[str, Any]) -> Iterator[str]:
    """Have a workflow while the block runs."""
    name = workflow["metadata"]["name"]
    path = site.folder / f"{name}.json"
    path.write_text(json.dumps(workflow))
    kubectl(site, "create", "-f", str(path))
    try:
        yield name
    finally:
        kubectl(site, "delete", "workflow", name, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")
        # a pod that was never set up is not taken down either
        label = f"workflows.argoproj.io/workflow={name}"
        kubectl(site, "delete", "pods", "-n", NAMESPACE, "-l", label, "--force", "--grace-period=0")


def look(site: Site, name: str) -> Judgement:
    (found,) = find_judgements(site.configuration, name)
    return found


def find(site: Site, name: str, seconds: float = 60) -> Judgement:
    """Look until something is found."""
    found: list[Judgement] = []

    def has_found() -> bool:
        found.append(look(site, name))
        return bool(found[-1].diagnoses)

    wait_for(has_found, seconds)
    return found[-1]


def is_running(site: Site, name: str) -> bool:
    phase = ("get", "workflow", name, "-n", NAMESPACE, "-o", "jsonpath={.status.nodes.*.phase}")
    return "Running" in kubectl(site, *phase)


def name_workflow(row: str) -> str:
    return f"{row}-{time.time_ns() // 1000 % 10**9}"


VOLUME = {"name": "data", "mountPath": "/data"}
MISSING_MAP = {"volumes": [{"name": "data", "configMap": {"name": "nowhere"}}]}
MISSING_CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "nowhere"}}]}
LARGE = {"requests": {"cpu": "900"}}
DISK = {"limits": {"ephemeral-storage": "20Mi"}}
GPU = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["gpu"]}]}]
        }
    }
}
SMALL = {"limits": {"memory": "48Mi"}}
OUTPUT = {"outputs": {"artifacts": [{"name": "x", "path": "/tmp/nothing.tif", "raw": {"data": "x"}}]}}
NO_NETWORK = {"metadata": {"annotations": {"kubernetes.io/ingress-bandwidth": "a lot"}}}
PARAMETER = {"outputs": {"parameters": [{"name": "x", "valueFrom": {"path": "/tmp/nothing.txt"}}]}}
INPUT = {"inputs": {"artifacts": [{"name": "x", "path": "/tmp/x", "s3": {"key": "nothing.tif"}}]}}

Row = tuple[Any, str, Level, str]
# what is broken: workflow, code, level, and the reason that Kubernetes reports first (none: it is Argo's alone)
ROWS: dict[str, Row] = {
    "image missing": (
        build_workflow("", image="docker.io/library/never:there"),
        "image.not-found",
        Level.USER,
        "ErrImagePull|ImagePullBackOff",
    ),
    "sandbox": (build_workflow("", template=NO_NETWORK), "cluster.network", Level.PLATFORM, "FailedCreatePodSandBox"),
    "claim missing": (
        build_workflow("", spec=MISSING_CLAIM, volumeMounts=[VOLUME]),
        "cluster.volume",
        Level.USER,
        "Unschedulable",
    ),
    "configmap missing": (
        build_workflow("", spec=MISSING_MAP, volumeMounts=[VOLUME]),
        "cluster.not-found",
        Level.USER,
        "FailedMount",
    ),
    "secret missing": (
        build_workflow("", envFrom=[{"secretRef": {"name": "nowhere"}}]),
        "cluster.not-found",
        Level.USER,
        "CreateContainerConfigError",
    ),
    "fits no node": (build_workflow("", resources=LARGE), "cluster.unschedulable", Level.USER, "Unschedulable"),
    "selector": (
        build_workflow("", template={"nodeSelector": {"pool": "gpu"}}),
        "cluster.unschedulable",
        Level.USER,
        "Unschedulable",
    ),
    "affinity": (
        build_workflow("", template={"affinity": GPU}),
        "cluster.unschedulable",
        Level.USER,
        "Unschedulable",
    ),
    "evicted": (
        build_workflow("", "head -c 60000000 /dev/zero > /tmp/x; sleep 300", resources=DISK),
        "cluster.evicted",
        Level.PLATFORM,
        "Evicted",
    ),
    "memory": (
        build_workflow("", "head -c 200m /dev/zero | tail > /dev/null", resources=SMALL),
        "step.out-of-memory",
        Level.USER,
        "OOMKilled",
    ),
    "exit code": (build_workflow("", "echo no band 9 >&2; exit 3"), "step.exit-code", Level.USER, "Error"),
    "program": (build_workflow("", command=["/no/such/program"]), "step.program-not-found", Level.USER, "Error"),
    "output": (build_workflow("", template=PARAMETER), "step.output-missing", Level.USER, ""),
    "repository": (build_workflow("", template=INPUT), "engine.artifact-repository", Level.ENGINE, ""),
    "account": (build_workflow("", spec={"serviceAccountName": "gone"}), "cluster.service-account", Level.USER, ""),
    "executor permission": (
        build_workflow("", "echo x > /tmp/x", spec={"serviceAccountName": "default"}, template=PARAMETER),
        "engine.executor-permission",
        Level.ENGINE,
        "",
    ),
    "deadline": (
        build_workflow("", "sleep 300", spec={"activeDeadlineSeconds": 5}),
        "job.time-limit",
        Level.USER,
        "",
    ),
    "template": (build_workflow("", spec={"entrypoint": "nowhere"}), "engine.argo-invalid", Level.USER, ""),
}


# one of each kind: the others are made to happen in the same way
USUAL = ("image missing", "sandbox", "fits no node", "memory", "exit code", "output", "executor permission", "template")


@pytest.mark.parametrize("row", [pytest.param(row, marks=[] if row in USUAL else [pytest.mark.long]) for row in ROWS])
def test_what_is_wrong_with_a_workflow_of_others_is_found_soon(row: str, site: Site) -> None:
    workflow, code, level, reported = ROWS[row]
    name = name_workflow(row.replace(" ", "-"))
    workflow = {**workflow, "metadata": {**workflow["metadata"], "name": name}}
    with witnessing(site, NAMESPACE) as witness, submitted(site, workflow):
        found = find(site, name)
        at = time.time()
        late = at - witness.when_of(name, *reported.split("|")) if reported else 0.0
    (diagnosis, *_) = found.diagnoses
    assert (diagnosis.code, diagnosis.level) == (code, level), found
    assert diagnosis.remedy
    assert diagnosis.evidence
    assert found.state is not State.SUCCEEDED
    assert late < LONGEST_SECONDS
    keep_row(row, diagnosis, DIAGNOSE_PAGE)
    print(f"DIAGNOSIS {row}: {late:.1f} s after {reported}")  # noqa: T201


def test_a_workflow_that_argo_does_not_show_is_found_by_its_pods(site: Site) -> None:
    """Cause B: it was deleted, and its pod ended in Error."""
    name = name_workflow("orphan")
    with submitted(site, build_workflow(name, "echo begun; sleep 5; exit 3")):
        wait_for(lambda: is_running(site, name))
        kubectl(site, "delete", "workflow", name, "-n", NAMESPACE, "--cascade=orphan")
        wait_for(lambda: "in Error" in " ".join(one.cause for one in look(site, name).diagnoses))
        found = look(site, name)
        pod = kubectl(
            site, "get", "pods", "-n", NAMESPACE, "-l", f"workflows.argoproj.io/workflow={name}", "-o", "name"
        )
        by_pod = look(site, pod.strip().removeprefix("pod/"))
    assert [one.code for one in found.diagnoses] == ["engine.argo-gone", "step.exit-code"]
    keep_row("workflow deleted under its pod (cause B)", found.diagnoses[0], DIAGNOSE_PAGE)
    assert found.state is State.FAILED
    assert by_pod.about == found.about
    assert by_pod.diagnoses == found.diagnoses


def test_a_name_of_nothing_is_not_found(site: Site) -> None:
    found = look(site, "nothing-of-this-name")
    assert (found.state, found.diagnoses[0].code) == (State.NOT_FOUND, "cluster.not-found")


def test_a_controller_that_does_not_look_is_named_with_the_label_that_it_looks_for(site: Site) -> None:
    name = name_workflow("silent")
    workflow = build_workflow(name)
    workflow["metadata"]["labels"] = {"workflows.argoproj.io/controller-instanceid": "nobody"}
    with submitted(site, workflow):
        assert look(site, name).state is State.WAITING
        (diagnosis,) = find(site, name).diagnoses
    assert (diagnosis.code, diagnosis.level) == ("engine.argo-controller", Level.ENGINE)
    keep_row("controller silent", diagnosis, DIAGNOSE_PAGE)
    assert any("'nobody'" in line for line in diagnosis.evidence)


def test_a_volume_that_no_class_can_create(site: Site) -> None:
    name = name_workflow("no-class")
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": NO_CLASS,
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    workflow = build_workflow(name, spec={"volumeClaimTemplates": [claim]}, volumeMounts=[VOLUME])
    with applied(site, storage_class(NO_CLASS, "kubernetes.io/no-provisioner")), submitted(site, workflow):
        diagnosis = find(site, name).diagnoses[0]
    assert (diagnosis.code, diagnosis.level) == ("cluster.storage-class", Level.ENGINE)
    keep_row("storage class without volumes", diagnosis, DIAGNOSE_PAGE)


def test_a_volume_that_cannot_be_mounted(site: Site) -> None:
    name = name_workflow("mount")
    volume, claim = build_broken_volume(NAMESPACE)
    claimed = {"claimName": claim["metadata"]["name"]}
    mounted = {"volumes": [{"name": "data", "persistentVolumeClaim": claimed}]}
    with applied(site, volume, claim), submitted(site, build_workflow(name, spec=mounted, volumeMounts=[VOLUME])):
        (diagnosis,) = find(site, name).diagnoses
    assert (diagnosis.code, diagnosis.level) == ("cluster.mount", Level.PLATFORM)
    keep_row("volume not mountable", diagnosis, DIAGNOSE_PAGE)
    assert "/no/such/folder" in diagnosis.cause


def test_a_quota_that_leaves_no_room(site: Site, tmp_path: Path) -> None:
    name = name_workflow("quota")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": NAMESPACE},
        "spec": {"hard": {"pods": "0"}},
    }
    with applied(site, quota):
        kubectl(site, "wait", "quota/none", "-n", NAMESPACE, "--for=jsonpath={.status.hard.pods}=0", "--timeout=60s")
        with submitted(site, build_workflow(name)):
            (diagnosis,) = find(site, name).diagnoses
    assert (diagnosis.code, diagnosis.level) == ("cluster.quota", Level.PLATFORM)
    keep_row("quota", diagnosis, DIAGNOSE_PAGE)


LIMIT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "limits", "namespace": NAMESPACE},
    "data": {"one": "1"},
}
LOCK = {"synchronization": {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "one"}}]}}


def test_a_workflow_that_waits_for_a_lock_is_healthy_and_its_holder_is_named(site: Site) -> None:
    holder, waiter = name_workflow("holder"), name_workflow("waiter")
    with applied(site, LIMIT), submitted(site, build_workflow(holder, "sleep 300", spec=LOCK)):
        wait_for(lambda: is_running(site, holder))
        with submitted(site, build_workflow(waiter, spec=LOCK)):
            wait_for(lambda: any("lock" in wait for wait in look(site, waiter).waits))
            found = look(site, waiter)
        long = look(site, holder)
    assert (found.state, found.diagnoses) == (State.WAITING, ())
    assert any(holder in wait for wait in found.waits), found
    assert (long.state, long.diagnoses, long.waits) == (State.RUNNING, (), ())


def test_a_suspended_workflow_is_healthy(site: Site) -> None:
    whole, node = name_workflow("suspended"), name_workflow("suspends")
    templates = {"templates": [{"name": "main", "suspend": {}}]}
    with submitted(site, build_workflow(whole, spec={"suspend": True})):
        wait_for(lambda: any("suspended" in wait for wait in look(site, whole).waits))
        found = look(site, whole)
    with submitted(site, build_workflow(node, spec=templates)):
        wait_for(lambda: any("node" in wait for wait in look(site, node).waits))
        other = look(site, node)
    assert [(one.state, one.diagnoses) for one in (found, other)] == [(State.WAITING, ())] * 2


def test_a_volume_that_waits_for_its_pod_is_healthy(site: Site, tmp_path: Path) -> None:
    first = f"zoo-runner-{WORKSPACE}-first"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "first", "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": first,
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    name = name_workflow("first")
    mounted = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "first"}}]}
    workflow = build_workflow(name, "sleep 300", spec={**mounted, "suspend": True}, volumeMounts=[VOLUME])
    seen: list[Judgement] = []

    def runs() -> bool:
        seen.append(look(site, name))
        return is_running(site, name)

    with applied(site, *build_waiting_class(first, tmp_path / "volume"), claim), submitted(site, workflow):
        wait_for(lambda: look(site, name).state is State.WAITING)
        kubectl(site, "patch", "workflow", name, "-n", NAMESPACE, "--type=merge", "-p", '{"spec": {"suspend": false}}')
        wait_for(runs)
        seen.append(look(site, name))
    assert {one.diagnoses for one in seen} == {()}
    assert seen[-1].state is State.RUNNING


def test_an_image_that_takes_long_to_pull_is_healthy(site: Site) -> None:
    name = name_workflow("pulls")
    with serve_slow_registry() as image, submitted(site, build_workflow(name, image=image)):
        wait_for(lambda: any(image in wait for wait in look(site, name).waits))
        found = look(site, name)
    assert (found.state, found.diagnoses) == (State.WAITING, ())


def test_a_workflow_is_watched_until_it_moves(site: Site) -> None:
    name = name_workflow("watched")
    with submitted(site, build_workflow(name, spec={"suspend": True})):
        wait_for(lambda: any("suspended" in wait for wait in look(site, name).waits))
        with site.started("diagnose", name, "--watch") as process:
            assert process.stdout
            assert "waiting" in process.stdout.readline()
            change = '{"spec": {"suspend": false}}'
            kubectl(site, "patch", "workflow", name, "-n", NAMESPACE, "--type=merge", "-p", change)
            process.wait(30)
            assert process.returncode == 0


def test_the_command_prints_one_document_with_who_can_act(site: Site) -> None:
    name = name_workflow("document")
    with submitted(site, build_workflow(name, "exit 3")):
        # Argo reads a little later than this does how the pod has ended
        wait_for(lambda: look(site, name).state is State.FAILED)
        done = site.command("diagnose", name, "--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["state"]) == (7, "failed")
    (diagnosis,) = document["diagnoses"]
    assert (diagnosis["code"], diagnosis["level"]) == ("step.exit-code", "user")
    assert diagnosis["actor"]
    assert {"cause", "evidence", "remedy"} <= diagnosis.keys()


def test_without_permissions_the_rest_is_judged_and_what_was_not_read_is_named(site: Site, tmp_path: Path) -> None:
    name, reader = name_workflow("reader"), "reader"
    meta = {"name": reader, "namespace": NAMESPACE}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    items = (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": reader},
            "subjects": [{"kind": "ServiceAccount", "name": reader, "namespace": NAMESPACE}],
        },
    )
    with applied(site, *items), submitted(site, build_workflow(name, "exit 3")):
        found = find(login(site, reader, tmp_path), name)
    assert [one.code for one in found.diagnoses] == ["step.exit-code"]
    assert {one.partition(":")[0] for one in found.unread} >= {"workflows", "events", "nodes"}


def login(site: Site, account: str, folder: Path) -> Site:
    """The same installation with the token of an account."""
    token = kubectl(site, "create", "token", account, "-n", NAMESPACE).strip()
    config = json.loads(kubectl(site, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return site.having(KUBECONFIG=str(path))
