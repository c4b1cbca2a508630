"""docs/hera-failures.md: each failure of a command for Hera workflows, caused on a real Argo Workflows."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cluster import find_argo
from tests.live.diagnosis_table import keep_row
from tests.live.hera_site import HeraSite, make_hera_site
from tests.values import ROOT
from zoo_runner.hera.argo_server import ArgoServer
from zoo_runner.hera.configuration import load_hera_configuration
from zoo_runner.hera.preflight import Preflight
from zoo_runner.hera.results.listing import choose_claim
from zoo_runner.hera.results.reader_pod import ReaderPod, running_reader
from zoo_runner.hera.tokens import Tokens, open_cluster
from zoo_runner.hera.workflows import read_workflow
from zoo_runner.model.errors import RunnerError
from zoo_runner.package.workflow_template import build_document

PAGE = ROOT / "docs" / "hera-failures.md"
OBJECTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: hera-failures}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: hera-failures}
data: {HTTP_PROXY: proxy.example.org}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: hera-failures}
spec: {accessModes: [ReadWriteMany], storageClassName: no-such-class, resources: {requests: {storage: 1Gi}}}
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: hera-failures}
spec:
  templates: [{name: main, container: {image: none, command: ["true"]}}]
"""
WORKFLOW = """
kind: Workflow
metadata: {generateName: hera-failures-}
spec:
  entrypoint: nowhere
  arguments: {parameters: [{name: scene, value: x}]}
  templates: [{name: main, container: {image: none, command: ["true"]}}]
"""
LARGE = """
kind: Workflow
metadata: {generateName: large-}
spec:
  entrypoint: main
  templates:
  - name: main
    container: {image: "docker.io/library/never:there", resources: {requests: {cpu: "900"}}}
"""
MOUNTS = {
    "spec": {
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "templates": [{"container": {"volumeMounts": [{"name": "data", "mountPath": "/mnt/data"}]}}],
    }
}


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeraSite]:
    find_argo()
    site = make_hera_site(tmp_path_factory.mktemp("user"))
    (site.folder / "workflow.yaml").write_text(WORKFLOW)
    (site.folder / "large.yaml").write_text(LARGE)
    (site.folder / "other.yaml").write_text("kind: Pod\n")
    with site.applied(OBJECTS):
        yield site


def having(site: HeraSite, **environ: str) -> HeraSite:
    return replace(site, environ={**site.environ, **environ})


def server(site: HeraSite, **environ: str) -> ArgoServer:
    configuration = having(site, **environ).configuration
    return ArgoServer(configuration, Tokens(configuration))


def preflight(site: HeraSite, **environ: str) -> Preflight:
    return Preflight(having(site, **environ).configuration)


def read_file(site: HeraSite) -> object:
    folder = site.folder / "broken"
    folder.mkdir(exist_ok=True)
    (folder / "hera.bash").write_text("ARGO_SERVER=one two\n")
    return load_hera_configuration(site.environ, folder)


def request_as(site: HeraSite, account: str) -> object:
    """Request a token with the kubeconfig of an account that may not."""
    token = site.kubectl("create", "token", account).strip()
    path = site.folder / "weak.yaml"
    path.write_text(weaken(Path(site.environ["KUBECONFIG"]).read_text(), token))
    return Tokens(having(site, KUBECONFIG=str(path)).configuration)()


def weaken(kubeconfig: str, token: str) -> str:
    """A kubeconfig with a token in the place of its certificates."""
    document = YAML(typ="safe", pure=True).load(kubeconfig)
    for user in document["users"]:
        user["user"] = {"token": token}
    return json.dumps(document)


def open_reader(site: HeraSite) -> None:
    configuration = site.configuration
    reader = ReaderPod(configuration.get("ARGO_NAMESPACE"), "nowhere", "docker.io/library/debian:bookworm-slim")
    with running_reader(open_cluster(configuration), reader):
        pass


FAILURES: dict[str, Callable[[HeraSite], object]] = {
    "no server": lambda site: server(site, ARGO_SERVER=""),
    "server invalid": lambda site: server(site, ARGO_SERVER="ftp://argo.example.org"),
    "certificate not verified": lambda site: server(site, ARGO_INSECURE_SKIP_VERIFY="true"),
    "file with an error": read_file,
    "kubeconfig missing": lambda site: server(site, KUBECONFIG="/nowhere/kubeconfig").find(),
    "no token": lambda site: server(site, ARGO_SERVICE_ACCOUNT="").find(),
    "account missing": lambda site: server(site, ARGO_SERVICE_ACCOUNT="nobody").find(),
    "permission for tokens missing": lambda site: request_as(site, "hera-failures"),
    "server away": lambda site: server(site, ARGO_SERVER="http://127.0.0.1:1").find(),
    "token refused": lambda site: server(site, ARGO_TOKEN="Bearer wrong").find(),
    "namespace of others": lambda site: ArgoServer(
        site.configuration, Tokens(site.configuration), "kube-system"
    ).find(),
    "workflow missing": lambda site: server(site).get("nothing"),
    "permission to retry missing": lambda site: retry(site),
    "template missing": lambda site: server(site).get_template("nothing"),
    "file no workflow": lambda site: read_workflow(site.folder / "other.yaml", {}),
    "parameter unknown": lambda site: read_workflow(site.folder / "workflow.yaml", {"sene": "y"}),
    "workflow invalid": lambda site: server(site).create(read_workflow(site.folder / "workflow.yaml", {})),
    "namespace missing": lambda site: preflight(site, ARGO_NAMESPACE="no-such-namespace").assert_namespace(),
    "claim missing": lambda site: preflight(site, KUBEVOLUMECLAIMNAME="nowhere").assert_volume_claim(),
    "claim without a volume": lambda site: preflight(site).assert_volume_claim("hera-failures"),
    "ConfigMap missing": lambda site: preflight(site, KUBECONFIGMAP="nowhere").assert_configmap(),
    "key missing": lambda site: preflight(site).assert_configmap("hera-failures", "NO_PROXY"),
    "Secret missing": lambda site: preflight(site).assert_secret("nowhere"),
    "account of workflows missing": lambda site: preflight(site).assert_service_account("nobody"),
    "executor permission missing": lambda site: preflight(site).assert_executor("hera-failures"),
    "pod too large": lambda site: preflight(site).assert_sizes(read_workflow(site.folder / "large.yaml", {})),
    "image missing": lambda site: preflight(site).assert_images(read_workflow(site.folder / "large.yaml", {})),
    "token ends": lambda site: preflight(site, ARGO_TOKEN=build_token(-60)).assert_token(),
    "no claim mounted": lambda site: choose_claim({"spec": {}}, ""),
    "path in no mount": lambda site: choose_claim(MOUNTS, "").find_path("/data/out"),
    "claim of the reader missing": open_reader,
    "template no process": lambda site: build_document(server(site).get_template("hera-failures")),
}


def retry(site: HeraSite) -> None:
    manifest = read_workflow(site.folder / "workflow.yaml", {})
    manifest["spec"]["entrypoint"] = "main"
    manifest["spec"]["activeDeadlineSeconds"] = 1
    one = server(site)
    name = one.create(manifest)["metadata"]["name"]
    try:
        one.follow(name, lambda _: None)
        one.change(name, "retry")
    finally:
        one.delete(name)


def build_token(seconds: float) -> str:
    parts = ({"alg": "none"}, {"exp": time.time() + seconds})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), ""])


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_has_its_row(what: str, user: HeraSite) -> None:
    with pytest.raises(RunnerError) as raised:
        FAILURES[what](user)
    found = raised.value.diagnosis
    assert found.remedy
    shown = re.sub(r"(?<=hera-failures-)[a-z0-9]{5}(-main-\\d+)?\b", "…", found.cause.replace(f"{user.folder}/", ""))
    keep_row(what, replace(found, cause=shown), PAGE)


def test_the_page_has_no_other_rows() -> None:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert rows[2:] == list(FAILURES)
