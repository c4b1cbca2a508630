"""The toolkit for Hera workflows on a real Argo Workflows."""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cluster import JOB_IMAGE
from tests.live.hera_site import Hera, HeraSite
from zoo_runner.hera.argo_server import ArgoServer
from zoo_runner.hera.configuration import HeraConfiguration, load_hera_configuration
from zoo_runner.hera.tokens import Tokens
from zoo_runner.hera.workflows import read_workflow
from zoo_runner.model.errors import EngineError


@pytest.fixture
def environ(hera_site: HeraSite) -> Mapping[str, str]:
    return hera_site.environ


@pytest.fixture
def configuration(hera_site: HeraSite) -> HeraConfiguration:
    return hera_site.configuration


def test_a_token_of_the_account_is_kept_and_renewed_before_it_ends(configuration: HeraConfiguration) -> None:
    ahead = [0.0]
    tokens = Tokens(configuration, lambda: time.time() + ahead[0])
    first = tokens()
    ahead[0] = 2800.0
    assert tokens() == first
    ahead[0] = 2900.0
    assert tokens() != first


def test_an_account_that_does_not_exist_is_named(environ: Mapping[str, str], tmp_path: Path) -> None:
    configuration = load_hera_configuration({**environ, "ARGO_SERVICE_ACCOUNT": "nobody"}, tmp_path)
    with pytest.raises(EngineError) as raised:
        Tokens(configuration)()
    assert "nobody" in raised.value.diagnosis.cause


MANIFEST = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: hera-file-}
spec:
  entrypoint: say
  arguments: {parameters: [{name: text, value: first}]}
  templates:
  - name: say
    inputs: {parameters: [{name: text}]}
    script: {image: IMAGE, command: [sh], source: 'echo "{{inputs.parameters.text}}" | tee /tmp/said; exit CODE'}
    outputs: {parameters: [{name: said, valueFrom: {path: /tmp/said}}]}
"""


def write_manifest(folder: Path, code: int = 0) -> str:
    (folder / "workflow.yaml").write_text(MANIFEST.replace("IMAGE", JOB_IMAGE).replace("CODE", str(code)))
    return "workflow.yaml"


def test_a_workflow_in_a_file_gets_its_parameters_and_is_listed_read_and_deleted(hera: Hera, tmp_path: Path) -> None:
    done = hera("run", write_manifest(tmp_path), "-p", "text=second")
    assert done.returncode == 0, done.stderr
    assert ".said = second" in done.stdout
    name = done.stdout.partition(":")[0]
    assert name in hera("list").stdout
    assert ": second" in hera("logs", name).stdout
    assert ".said = second" in hera("show", name).stdout
    assert hera("delete", name).returncode == 0
    assert name not in hera("list").stdout


def test_a_workflow_that_fails_is_an_exit_code_and_names_its_node(hera: Hera, tmp_path: Path) -> None:
    done = hera("run", write_manifest(tmp_path, code=3))
    assert done.returncode == 6, done.stderr
    assert "exit code 3" in done.stderr
    name = done.stdout.partition(":")[0]
    # which takes more permissions than submitting
    refused = hera("retry", name)
    assert refused.returncode == 7
    assert "engine.argo-permission" in refused.stderr
    assert hera("delete", name).returncode == 0


ACCOUNT_THAT_RETRIES = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME}
rules:
- {apiGroups: [""], resources: [pods], verbs: [delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: NAME}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME-workflows}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: argo-user}
subjects: [{kind: ServiceAccount, name: NAME}]
"""


def test_with_the_permission_a_failed_workflow_is_retried(
    hera: Hera, hera_site: HeraSite, tmp_path: Path, configuration: HeraConfiguration
) -> None:
    server = ArgoServer(configuration, Tokens(configuration))
    account = f"hera-retries-{time.time_ns()}"
    with hera_site.applied(ACCOUNT_THAT_RETRIES.replace("NAME", account)):
        words = ("--set", f"argo_service_account={account}")
        name = hera("run", write_manifest(tmp_path, code=3), *words).stdout.partition(":")[0]
        before = server.get(name)["status"]["finishedAt"]
        retried = hera("retry", name, *words)
        assert retried.returncode == 0, retried.stderr
        again = server.follow(name, lambda _: None)
        assert again["status"]["phase"] == "Failed"
        assert again["status"]["finishedAt"] > before
        assert hera("delete", name, *words).returncode == 0


def test_a_running_workflow_is_stopped(hera: Hera, tmp_path: Path, configuration: HeraConfiguration) -> None:
    server = ArgoServer(configuration, Tokens(configuration))
    manifest = read_workflow(tmp_path / write_manifest(tmp_path), {})
    manifest["spec"]["templates"][0]["script"]["source"] = "sleep 300"
    name = server.create(manifest)["metadata"]["name"]
    assert hera("stop", name).returncode == 0
    assert server.follow(name, lambda _: None)["status"]["phase"] == "Failed"
    assert hera("delete", name).returncode == 0


def test_a_template_of_the_cluster_is_run_with_parameters(hera: Hera, hera_site: HeraSite) -> None:
    name = f"hera-template-{time.time_ns()}"
    text = MANIFEST.replace("IMAGE", JOB_IMAGE).replace("CODE", "0").replace("kind: Workflow", "kind: WorkflowTemplate")
    with hera_site.applied(text.replace("{generateName: hera-file-}", f"{{name: {name}}}")):
        done = hera("run", f"template/{name}", "-p", "text=third")
        assert done.returncode == 0, done.stderr
        assert ".said = third" in done.stdout
        hera("delete", done.stdout.partition(":")[0])


@pytest.mark.parametrize("words", [("logs", "nothing-of-this-name"), ("stop", "nothing-of-this-name")])
def test_a_workflow_that_does_not_exist_is_named(words: tuple[str, ...], hera: Hera) -> None:
    done = hera(*words)
    assert done.returncode == 7
    assert "nothing-of-this-name" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_that_fails_gives_its_exit_code(hera: Hera, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; assert sys.argv[1:] == ['--a', 'b']; sys.exit(4)")
    assert hera("run", "script.py", "--", "--a", "b").returncode == 4


def test_the_lent_modules_are_no_modules_of_this_environment() -> None:
    assert [name for name in ("hera_utils", "hera_k8s_utils") if find_spec(name)] == []
