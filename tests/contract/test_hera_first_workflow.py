"""The first workflow of a Hera script, as it would be submitted: nothing of the script runs after that."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo_runner.hera.configuration import HeraConfiguration, load_hera_configuration
from zoo_runner.hera.scripts import read_first_workflow
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.errors import SettingsError

CREATES = """
import sys
from hera.workflows import Container, Workflow

with Workflow(name="first", entrypoint="main") as w:
    Container(name="main", image=sys.argv[1], command=["sh"])
try:
    w.create()
finally:
    open("after", "w")
"""
SUBMITS = """
from hera.workflows import WorkflowsService
from hera.workflows.models import WorkflowSubmitRequest

request = WorkflowSubmitRequest(resource_kind="WorkflowTemplate", resource_name="site-template")
WorkflowsService().submit_workflow(request)
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeraConfiguration:
    monkeypatch.chdir(tmp_path)
    # nothing listens there: a request would fail
    given = {"ARGO_SERVER": "http://127.0.0.1:1", "ARGO_TOKEN": "x", "ARGO_NAMESPACE": "argo"}
    return load_hera_configuration(given, tmp_path)


def read_first(configuration: HeraConfiguration, text: str) -> dict[str, Any]:
    Path("script.py").write_text(text)
    command = (sys.executable, "script.py", "docker.io/library/busybox:1")
    environ = dict(os.environ)  # noqa: TID251 that of the process that runs the script
    return read_first_workflow(configuration, Tokens(configuration), command, environ)


def test_a_script_ends_where_it_would_submit_its_first_workflow(configuration: HeraConfiguration) -> None:
    workflow = read_first(configuration, CREATES)["workflow"]
    assert workflow["spec"]["templates"][0]["container"]["image"] == "docker.io/library/busybox:1"
    assert not Path("after").exists()


def test_a_template_that_a_script_submits_is_named(configuration: HeraConfiguration) -> None:
    assert read_first(configuration, SUBMITS)["resourceName"] == "site-template"


@pytest.mark.parametrize("text", ["", "raise SystemExit(3)", "1 / 0"])
def test_a_script_that_submits_nothing_is_an_error(text: str, configuration: HeraConfiguration) -> None:
    with pytest.raises(SettingsError) as caught:
        read_first(configuration, text)
    assert caught.value.diagnosis.code.startswith("settings")
