"""WorkflowTemplates as processes of a running ZOO kernel, on the real Argo Workflows; docs/zoo.md, Live tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.artifact_repository import artifact_repository
from tests.live.counting_template import INPUTS, SCENE, TEMPLATE, applied
from tests.live.hera_site import HeraSite, make_hera_site
from tests.live.zoo_kernel import ARGO_TEMPLATES, MARKS
from tests.waiting import wait_for
from tests.zoo_client import Job, User, ask

pytestmark = [
    *MARKS,
    pytest.mark.skipif(
        not ARGO_TEMPLATES, reason="ZOO_ARGO_TEMPLATES is not set: the kernel runs no WorkflowTemplates"
    ),
]

# of a job whose image is on the node, on a busy machine
SECONDS = 400


@pytest.fixture(scope="module")
def scientist(tmp_path_factory: pytest.TempPathFactory) -> HeraSite:
    return make_hera_site(tmp_path_factory.mktemp("scientist"))


@pytest.fixture(scope="module")
def store(scientist: HeraSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a ConfigMap for an artifact repository."""
    with artifact_repository(scientist, tmp_path_factory.mktemp("store") / "s3") as (name, _):
        yield name


@pytest.fixture(scope="module")
def template(scientist: HeraSite, store: str) -> Iterator[str]:
    with applied(scientist, TEMPLATE, store) as name:
        yield name


@pytest.fixture(scope="module")
def package(scientist: HeraSite, template: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a package, as its owner writes it."""
    path = tmp_path_factory.mktemp("package") / "count.cwl"
    done = scientist.run("package", f"template/{template}", "-o", str(path))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def process(user: User, template: str, package: Path) -> str:
    """The process that the user has deployed from the template."""
    answer = user.deploy(package)
    assert answer.code == 201, answer.body
    return template


def read_link(value: Any) -> str:
    """What a result that is a link leads to."""
    found = json.loads(value) if isinstance(value, str) else value
    return ask("GET", found["href"]).body


def list_workflows(scientist: HeraSite, job: Job) -> list[str]:
    """The Workflows of a job on the cluster."""
    return [line for line in scientist.kubectl("get", "workflows", "-o", "name").splitlines() if job.id in line]


def test_the_process_is_described_by_the_parameters_of_the_template(user: User, process: str) -> None:
    description = ask("GET", f"{user.api}/processes/{process}").json
    inputs = description["inputs"]
    assert description["title"] == "Count"
    assert {name: one["schema"]["type"] for name, one in inputs.items() if name != "bands"} == {
        "scene": "string",
        "number": "integer",
        "mode": "string",
    }
    assert inputs["mode"]["schema"]["enum"] == ["fast", "wait", "fail"]
    assert inputs["scene"]["description"] == "Scene to count"
    assert set(description["outputs"]) == {"total", "map", "folder", "ended"}


def test_a_job_gives_the_outputs_of_the_template_and_the_log_of_its_nodes(user: User, process: str) -> None:
    job = user.execute(process, INPUTS, response="document")
    last = job.wait(SECONDS)[-1]
    assert last["status"] == "successful", last["message"]
    results = job.results()
    assert (results["total"], results["ended"]) == (42, "Succeeded")
    links = job.links()
    assert "counting S2A" in ask("GET", links["Tool log count.log"]).body
    assert "[job] SUCCESSFUL" in ask("GET", links["Job log"]).body
    assert read_link(results["map"]["value"]) == f"{SCENE}\n"


def test_what_a_request_leaves_out_has_the_values_of_the_template(user: User, process: str) -> None:
    job = user.execute(process, {"scene": "alone"}, outputs={"total": {}})
    last = job.wait(SECONDS)[-1]
    assert last["status"] == "successful", last["message"]
    assert job.results() == 6


def test_a_failure_is_that_of_the_template_with_what_its_node_printed(user: User, process: str) -> None:
    last = user.execute(process, {"scene": "x", "mode": "fail"}).wait(SECONDS)[-1]
    assert last["status"] == "failed"
    facts = ("node 'count'", "exit code 3: no band 9", "the step count", "Code: step.exit-code.")
    assert [fact for fact in facts if fact not in last["message"]] == [], last["message"]


def test_a_value_that_argo_would_replace_is_refused(user: User, process: str) -> None:
    last = user.execute(process, {"scene": "{{workflow.name}}"}).wait()[-1]
    assert last["status"] == "failed"
    assert "What to do: " in last["message"]


def test_a_dismissal_leaves_no_workflow(user: User, process: str, scientist: HeraSite) -> None:
    job = user.execute(process, {"scene": "x", "mode": "wait"})
    wait_for(lambda: list_workflows(scientist, job), 180)
    assert ask("DELETE", job.url).json["status"] == "dismissed"
    wait_for(lambda: not list_workflows(scientist, job), 180)


def test_a_template_that_the_operator_does_not_allow_is_refused(
    user: User, package: Path, template: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.cwl"
    other.write_text(package.read_text().replace(template, f"not-{template}"))
    assert user.deploy(other).code == 201
    last = user.execute(f"not-{template}", {"scene": "x"}).wait()[-1]
    assert last["status"] == "failed"
    assert "Code: package.template-not-allowed." in last["message"]
