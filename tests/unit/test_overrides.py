"""The requirements of a job file change the package that runs: of the process, or of any process or step by its URI."""

from typing import Any

import pytest

from zoo_runner.inputs.joborder import build_job_order
from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.package.requirements import find_effective

URI = "file:///jobs/wf.cwl"
RESOURCES = {"class": "ResourceRequirement", "ramMin": 100}
TOOL = {"class": "CommandLineTool", "id": "#tool.cwl", "inputs": [], "outputs": [], "requirements": [RESOURCES]}
STEP: dict[str, Any] = {"id": "#main/one", "run": "#tool.cwl", "in": [], "out": []}
WORKFLOW = {"class": "Workflow", "id": "#main", "inputs": [], "outputs": [], "steps": [STEP]}
ORIGINS = {"#main": URI, "#main/one": f"{URI}#one", "#tool.cwl": "file:///jobs/tool.cwl"}
MORE = {"class": "ResourceRequirement", "ramMin": 500}


def package(version: str = "v1.2") -> Package:
    return Package({"cwlVersion": version, "$graph": [WORKFLOW, TOOL]}, "#main", "wf", {}, "d", origins=ORIGINS)


def apply(document: dict[str, Any], version: str = "v1.2") -> Package:
    return build_job_order(package(version), document, base="file:///jobs/job.yml").package


def memory(changed: Package, name: str) -> Any:
    holder: Any = changed.processes["main"]["steps"][0] if name == "step" else changed.processes[name]
    found = find_effective((holder,), "ResourceRequirement")
    return found.body["ramMin"] if found else None


def test_without_them_the_package_is_as_it_was() -> None:
    assert apply({"cwlVersion": "v1.2"}) == package()


def test_requirements_of_the_inputs_are_those_of_the_process_that_runs() -> None:
    changed = apply({"cwl:requirements": [MORE]})
    assert (memory(changed, "main"), memory(changed, "step"), memory(changed, "tool.cwl")) == (500, None, 100)
    assert changed.digest != "d"
    assert "requirements" not in WORKFLOW


@pytest.mark.parametrize(
    ("target", "where"), [("wf.cwl", "main"), ("wf.cwl#one", "step"), ("tool.cwl", "tool.cwl"), (URI, "main")]
)
@pytest.mark.parametrize("written", [[MORE], {"ResourceRequirement": {"ramMin": 500}}])
def test_an_override_is_for_the_process_or_step_that_it_names(target: str, where: str, written: Any) -> None:
    changed = apply({"cwltool:overrides": {target: {"requirements": written}}})
    assert memory(changed, where) == 500
    assert {memory(changed, other) for other in {"main", "step", "tool.cwl"} - {where}} <= {None, 100}


@pytest.mark.parametrize(
    "document",
    [
        {"cwl:requirements": [{"class": "ResourcesRequirement"}]},
        {"cwl:requirements": 3},
        {"cwltool:overrides": [1]},
        {"cwltool:overrides": {"wf.cwl": {"hints": []}}},
        {"cwltool:overrides": {"wf.cwl#two": {"requirements": [MORE]}}},
    ],
)
def test_a_requirement_that_cannot_be_applied_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        apply(document)
    assert caught.value.diagnosis.code in ("inputs.requirement", "inputs.type")


def test_cwl_v1_0_has_no_requirements_in_inputs() -> None:
    with pytest.raises(InputError, match="cwltool:overrides") as caught:
        apply({"cwl:requirements": [MORE]}, "v1.0")
    assert caught.value.diagnosis.code == "inputs.requirement"
