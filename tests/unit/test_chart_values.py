"""The values of the Helm chart, their schema and the settings of the product fit together."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from tests.values import ROOT
from zoo_runner.config.argo import ARGO_SETTINGS
from zoo_runner.config.identity import IDENTITY_SETTINGS
from zoo_runner.config.kubernetes import KUBERNETES_SETTINGS
from zoo_runner.config.server import SERVER_SETTINGS
from zoo_runner.config.settings import SETTINGS
from zoo_runner.config.workspace import WORKSPACE_SETTINGS
from zoo_staging.variables import CREDENTIAL_VARIABLES

CHART = ROOT / "deploy" / "helm" / "zoo-runner"
SECRET = {
    "ZOO_RUNNER_DATABASE",
    "ZOO_RUNNER_RECORDS",
    "ZOO_RUNNER_CALLBACK_SECRET",
    "ZOO_RUNNER_LINK_SECRET",
    "ZOO_RUNNER_ENCRYPTION_KEYS",
    "ZOO_RUNNER_OIDC_CLIENT_SECRET",
    "ZOO_RUNNER_DEVELOPMENT_TOKEN",
    "ZOO_RUNNER_PULL_CREDENTIALS",
    "ARGO_TOKEN",
}


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    return Draft7Validator(json.loads((CHART / "values.schema.json").read_text()))


def test_the_defaults_are_allowed_by_their_schema_and_each_is_in_it(schema: Draft7Validator) -> None:
    values = read_yaml(CHART / "values.yaml")
    assert list(schema.iter_errors(values)) == []
    assert set(values) == set(schema.schema["properties"]) - {"global"}


def test_secrets_are_refused_as_settings_and_all_other_settings_are_allowed(schema: Draft7Validator) -> None:
    fields = (
        *SETTINGS,
        *WORKSPACE_SETTINGS,
        *KUBERNETES_SETTINGS,
        *ARGO_SETTINGS,
        *SERVER_SETTINGS,
        *IDENTITY_SETTINGS,
    )
    names = {name for one in fields for name in one.metadata.get("variables", (one.metadata.get("variable"),))}
    secret = {*SECRET, *CREDENTIAL_VARIABLES}
    refused = {name for name in names | secret if list(schema.iter_errors({"settings": {name: "x"}}))}
    assert refused == secret


def test_the_chart_is_of_this_release() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{read_yaml(CHART / "Chart.yaml")["appVersion"]}"\n' in project


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("policy.rego", "opa/policy.rego"),
        ("access.yaml", "zoo/access.yaml"),
        ("access-argo.yaml", "argo/access.yaml"),
        ("admission.yaml", "kubernetes/admission.yaml"),
    ],
)
def test_what_the_chart_takes_from_elsewhere_is_a_link_to_it(file: str, source: str) -> None:
    assert (CHART / "files" / file).resolve() == (ROOT / "deploy" / source)
