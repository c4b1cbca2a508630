"""The Workflow of a job: what Argo is given, and what it is not."""

import json

import pytest
from hera.workflows.models import Workflow

from tests.values import workspace_of
from zoo_runner.config.argo import ArgoSettings, load_argo_settings
from zoo_runner.config.kubernetes import KubernetesSettings, load_kubernetes_settings
from zoo_runner.engines.argo.workflow import INSTANCE_LABEL, build_workflow
from zoo_runner.engines.kubernetes.manifests import CONFINED
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.model.errors import SettingsError

SEMAPHORE = "ZOO_RUNNER_ARGO_SEMAPHORE"
FULL = {
    "POD_NODE_SELECTOR": '{"disk": "fast"}',
    "POD_TOLERATIONS": '[{"key": "gpu", "operator": "Exists"}]',
    "POD_PRIORITY_CLASS": "low",
    "POD_VOLUMES": '[{"claim": "dem", "path": "/dem", "readOnly": true}]',
    "POD_LABELS": '{"team": "eo"}',
    "POD_ANNOTATIONS": '{"note": "x"}',
    "IMAGE_PULL_SECRETS": "regcred",
}


def build(
    argo: ArgoSettings | None = None, environ: dict[str, str] | None = None, limit: float | None = None
) -> Manifest:
    cluster: KubernetesSettings = load_kubernetes_settings(environ or {})
    names = build_names("j1", cluster, workspace_of())
    return build_workflow(names, cluster, argo or ArgoSettings(), 2, ["SECRET_0"], limit)


def get_containers(workflow: Manifest) -> dict[str, Manifest]:
    (job,) = [one for one in workflow["spec"]["templates"] if one["name"] == "job"]
    return {one["name"]: one for one in job["containerSet"]["containers"]}


@pytest.mark.parametrize("environ", [{}, FULL])
def test_all_fields_are_those_of_argos_api(environ: dict[str, str]) -> None:
    argo = load_argo_settings({"ARGO_INSTANCE_ID": "a", SEMAPHORE: "limits/jobs"})
    workflow = build(argo, environ, 30.0)
    # a field that Hera's models do not know is dropped by them
    assert Workflow.model_validate(workflow).model_dump(mode="json", by_alias=True, exclude_none=True) == workflow
    text = json.dumps(workflow)
    assert all(word in text for word in ("fast", "gpu", "low", "dem", "regcred") if environ)


def test_the_nodes_follow_each_other_and_only_those_that_stage_have_credentials() -> None:
    nodes = get_containers(build())
    assert {name: node.get("dependencies") for name, node in nodes.items()} == {
        "stage-in": None,
        "cwl": None,
        "run": ["stage-in"],
        "stage-out": ["run"],
    }
    assert "envFrom" not in nodes["run"]
    assert {"env", "envFrom"} & nodes["cwl"].keys() == set()
    assert [one["name"] for one in nodes["run"]["env"]][-1] == "SECRET_0"
    assert all("envFrom" in nodes[name] for name in ("stage-in", "stage-out"))


def test_a_workflow_starts_suspended_and_argo_ends_it_after_the_time_limit_of_the_job() -> None:
    spec = build(limit=30.5)["spec"]
    assert spec["suspend"] is True
    assert spec["activeDeadlineSeconds"] > 31
    assert "activeDeadlineSeconds" not in build()["spec"]


def test_a_cap_on_jobs_is_a_semaphore_of_the_namespace() -> None:
    argo = load_argo_settings({SEMAPHORE: "limits/jobs"})
    assert build(argo)["spec"]["synchronization"] == {
        "semaphores": [{"configMapKeyRef": {"name": "limits", "key": "jobs"}}]
    }


def test_a_controller_of_several_is_chosen_by_its_instance_id() -> None:
    assert build(load_argo_settings({"ARGO_INSTANCE_ID": "b"}))["metadata"]["labels"][INSTANCE_LABEL] == "b"


def test_nothing_is_left_for_argo_to_replace() -> None:
    assert "{{" not in json.dumps(build(environ=FULL))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("argo.example.org:443", "https://argo.example.org:443"),
        ("http://127.0.0.1:2746/", "http://127.0.0.1:2746"),
    ],
)
def test_a_server_is_a_url_or_host_and_port(given: str, read: str) -> None:
    assert load_argo_settings({"ARGO_SERVER": given}).server == read


def test_a_token_is_taken_with_and_without_the_word_bearer_and_never_shown() -> None:
    settings = load_argo_settings({"ARGO_TOKEN": "Bearer abc.def"})
    assert settings.token == "abc.def"
    assert "abc" not in repr(settings)


@pytest.mark.parametrize("variable", ["ARGO_SERVER", SEMAPHORE])
def test_an_invalid_setting_is_named(variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_argo_settings({variable: "ftp://x y"})
    assert variable in caught.value.diagnosis.cause


def test_a_token_is_only_where_steps_are_run_and_in_argos_own_containers() -> None:
    workflow = build()
    patch = json.loads(workflow["spec"]["podSpecPatch"])
    assert patch["automountServiceAccountToken"] is False
    containers = [*patch["initContainers"], *patch["containers"], *get_containers(workflow).values()]
    mounting = [one["name"] for one in containers if any(m["name"] == "token" for m in one["volumeMounts"])]
    assert mounting == ["init", "wait", "run"]


def test_every_container_is_confined_those_of_argo_too() -> None:
    workflow = build()
    patch = json.loads(workflow["spec"]["podSpecPatch"])
    argos = [*patch["initContainers"], *patch["containers"]]
    assert [one["name"] for one in argos] == ["init", "wait"]
    assert all(one["securityContext"] == CONFINED for one in (*argos, *get_containers(workflow).values()))
