"""What a workflow needs, checked on a real cluster with a real Argo Workflows before anything is submitted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import JOB_IMAGE
from tests.live.hera_site import Hera, HeraSite
from tests.live.test_hera_scripts import PYTHONS
from tests.require import require
from zoo_runner.hera.preflight import Preflight
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.errors import RunnerError

OBJECTS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME-pending}
spec: {accessModes: [ReadWriteMany], storageClassName: no-such-class, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {HTTP_PROXY: proxy.example.org, VOLUME_CLAIM: NAME}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME-other}
data: {VOLUME_CLAIM: NAME-pending}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME}
"""


@pytest.fixture
def prepared(hera_site: HeraSite) -> Iterator[HeraSite]:
    """A site with a claim that has a volume, one that gets none, a ConfigMap, and an account without permissions."""
    name = f"hera-check-{time.time_ns()}"
    with hera_site.applied(OBJECTS.replace("NAME", name)):
        hera_site.kubectl("wait", f"pvc/{name}", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s")
        yield replace(hera_site, environ={**hera_site.environ, "KUBECONFIGMAP": name, "KUBEVOLUMECLAIMNAME": name})


FAILING: dict[str, tuple[Callable[[Preflight, str], object], str]] = {
    "missing claim": (lambda it, _: it.assert_volume_claim("nothing"), "cluster.volume"),
    "unbound claim": (lambda it, name: it.assert_volume_claim(f"{name}-pending"), "cluster.volume"),
    "missing ConfigMap": (lambda it, _: it.assert_configmap("nothing"), "cluster.not-found"),
    "missing key": (lambda it, name: it.assert_configmap(name, "NO_PROXY"), "cluster.not-found"),
    "ConfigMap of another claim": (lambda it, name: it.assert_environment(f"{name}-other"), "cluster.volume"),
    "missing Secret": (lambda it, _: it.assert_secret("nothing"), "cluster.not-found"),
    "missing account": (lambda it, _: it.assert_service_account("nobody"), "cluster.service-account"),
    "account without permissions": (lambda it, name: it.assert_executor(name), "engine.executor-permission"),
}


def test_each_assertion_returns_what_it_found_or_raises_its_code(prepared: HeraSite) -> None:
    preflight, name = Preflight(prepared.configuration), prepared.environ["KUBECONFIGMAP"]
    assert "Bound" in preflight.assert_volume_claim()
    assert preflight.assert_configmap("", "HTTP_PROXY") == "2 values"
    assert preflight.assert_environment() == f"2 values, names {name}"
    found = {}
    for about, (ask, _) in FAILING.items():
        with pytest.raises(RunnerError) as raised:
            ask(preflight, name)
        found[about] = raised.value.diagnosis.code
        assert raised.value.diagnosis.remedy
    assert found == {about: code for about, (_, code) in FAILING.items()}


def test_all_checks_of_a_sound_site_are_good(prepared: HeraSite) -> None:
    done = prepared.run("check")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok")] == []
    assert {line[4:].partition(":")[0] for line in lines} == {
        *("cluster", "nodes", "namespace", "service account", "executor", "volume claim", "ConfigMap", "token"),
        "Argo server",
    }
    assert "eyJ" not in done.stdout


WORKFLOW = """
kind: Workflow
metadata: {generateName: checked-}
spec:
  entrypoint: main
  volumes: [{name: data, persistentVolumeClaim: {claimName: NAME}}]
  templates:
  - name: main
    container: {image: IMAGE, command: [sh], envFrom: [{configMapRef: {name: NAME}}], resources: {requests: {cpu: 10m}}}
"""


def test_what_a_workflow_needs_is_checked_too_and_the_probe_leaves_nothing(prepared: HeraSite) -> None:
    name = prepared.environ["KUBECONFIGMAP"]
    (prepared.folder / "workflow.yaml").write_text(WORKFLOW.replace("NAME", name).replace("IMAGE", JOB_IMAGE))
    done = prepared.run("check", "workflow.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    about = {line[4:].partition(":")[0] for line in done.stdout.splitlines()}
    assert {f"volume claim {name}", f"ConfigMap {name}", "sizes", "images"} <= about
    assert "hera-check" not in prepared.kubectl("get", "pods", "-l", "zoo-runner/job", "-o", "name")


SCRIPT = """
import sys
from hera.workflows import Container, Workflow

with Workflow(generate_name="checked-", entrypoint="main") as w:
    Container(name="main", image=sys.argv[1], command=["sh"])
try:
    w.create()
finally:
    print("after", file=sys.stderr)
"""


@pytest.mark.parametrize("generation", [5, 7])
def test_the_first_workflow_of_a_script_is_checked_and_not_submitted(generation: int, prepared: HeraSite) -> None:
    python = PYTHONS[generation]
    require(Path(python).exists(), "Hera 5.6 has an environment of its own: run `make hera5`")
    (prepared.folder / "script.py").write_text(SCRIPT)
    before = prepared.kubectl("get", "workflows", "-o", "name")
    done = prepared.run("check", "--python", python, "script.py", "--", JOB_IMAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "after" not in done.stderr
    assert {"sizes", "images"} <= {line[4:].partition(":")[0] for line in done.stdout.splitlines()}
    wrong = prepared.run("check", "--python", python, "script.py", "--", "docker.io/zoo-runner/none:1")
    assert wrong.returncode == 7
    assert "code: image." in wrong.stdout
    assert [one for one in prepared.kubectl("get", "workflows", "-o", "name").split() if "checked-" in one] == [
        one for one in before.split() if "checked-" in one
    ]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ARGO_NAMESPACE=no-such-namespace", "cluster.not-found"),
        ("ARGO_SERVER=http://127.0.0.1:1", "engine.argo-unreachable"),
        ("ARGO_TOKEN=wrong", "engine.argo-login"),
        ("KUBECONFIG=/nowhere", "cluster.access"),
    ],
)
def test_a_check_that_fails_has_its_code_and_what_to_do(value: str, code: str, hera: Hera) -> None:
    done = hera("check", "--set", value)
    assert done.returncode == 7
    assert f"code: {code})" in done.stdout
    assert "what to do" in done.stdout


def test_a_token_that_ended_is_reported(hera_site: HeraSite) -> None:
    environ = {**hera_site.environ, "ARGO_TOKEN": Tokens(hera_site.configuration)()}
    assert "valid for" in Preflight(replace(hera_site, environ=environ).configuration).assert_token()
