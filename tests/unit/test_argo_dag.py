"""The graph of a package's steps: what comes before what, which steps are open, and what cannot be planned."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.engines.argo.native.dag import StepNode, build_dag, list_obstacles
from zoo_runner.model.package import Package
from zoo_runner.package.loading import build_package

TOOL = {
    "class": "CommandLineTool",
    "id": "#tool",
    "inputs": [{"id": "#tool/a", "type": "Any"}],
    "outputs": [{"id": "#tool/out", "type": "File"}],
    "baseCommand": "true",
}
EXPRESSION = {**TOOL, "class": "ExpressionTool", "id": "#expression", "expression": "$({})"}


def step(workflow: str, name: str, *sources: str, run: str = "#tool", **more: Any) -> dict[str, Any]:
    inputs = [{"id": f"#{workflow}/{name}/a", "source": [f"#{workflow}/{one}" for one in sources]}]
    return {"id": f"#{workflow}/{name}", "run": run, "in": inputs, "out": [f"#{workflow}/{name}/out"], **more}


def workflow(name: str, *steps: dict[str, Any], source: str) -> dict[str, Any]:
    outputs = [{"id": f"#{name}/out", "type": "File", "outputSource": f"#{name}/{source}"}]
    return {"class": "Workflow", "id": f"#{name}", "inputs": [], "outputs": outputs, "steps": list(steps)}


def package_of(*processes: dict[str, Any]) -> Package:
    graph = [*processes, TOOL, EXPRESSION]
    return build_package({"cwlVersion": "v1.2", "$graph": graph}, "#main", "main", {}, ())


def plan(*processes: dict[str, Any]) -> dict[str, StepNode]:
    return {node.path: node for node in build_dag(package_of(*processes))}


def test_a_lone_tool_is_one_node_with_the_name_of_the_package() -> None:
    (node,) = build_dag(small_package())
    assert (node.name, node.path, node.needs, node.is_open) == ("step-water", "water", (), False)


def test_a_node_needs_what_its_inputs_come_from_and_nothing_that_these_need_already() -> None:
    main = workflow(
        "main", step("main", "c", "a/out", "b/out"), step("main", "b", "a/out"), step("main", "a"), source="c"
    )
    nodes = plan(main)
    assert list(nodes) == ["a", "b", "c"]
    assert [nodes[name].needs for name in "abc"] == [(), ("step-a",), ("step-b",)]


def test_an_expression_is_no_node_and_passes_its_needs_on() -> None:
    main = workflow(
        "main",
        step("main", "a"),
        step("main", "e", "a/out", run="#expression"),
        step("main", "b", "e/out"),
        source="b/out",
    )
    assert plan(main)["b"].needs == ("step-a",)


def test_steps_of_a_nested_workflow_wait_for_all_inputs_of_it_and_are_open_with_it() -> None:
    inner = workflow("inner", step("inner", "x"), step("inner", "y", "x/out"), source="y/out")
    main = workflow(
        "main",
        step("main", "a"),
        step("main", "w", "a/out", run="#inner", scatter="#main/w/a"),
        step("main", "b", "w/out"),
        source="b/out",
    )
    nodes = plan(main, inner)
    assert {path: (node.needs, node.is_open) for path, node in nodes.items()} == {
        "a": ((), False),
        "w/x": (("step-a",), True),
        "w/y": (("step-w-x",), True),
        "b": (("step-w-y",), False),
    }


@pytest.mark.parametrize(
    ("wanted", "cores", "ram"),
    [
        ({}, (1, 256), (1, 256)),
        ({"coresMin": 2, "ramMin": 512}, (2, 512), (2, 512)),
        ({"coresMax": 3, "ramMin": 512, "ramMax": 1024}, (3, 512), (3, 1024)),
    ],
)
def test_a_missing_minimum_is_the_maximum(wanted: dict[str, Any], cores: tuple[int, int], ram: tuple[int, int]) -> None:
    (node,) = build_dag(small_package(requirements=[{"class": "ResourceRequirement", **wanted}]))
    assert ((node.cores[0], node.ram[0]), (node.cores[1], node.ram[1])) == (cores, ram)


@pytest.mark.parametrize(
    ("requirement", "fact"),
    [
        ({"class": "ResourceRequirement", "ramMin": "$(inputs.size)"}, "ramMin"),
        ({"class": "NetworkAccess", "networkAccess": "$(inputs.open)"}, "networkAccess"),
        ({"class": "InplaceUpdateRequirement", "inplaceUpdate": True}, "InplaceUpdateRequirement"),
        ({"class": "DockerRequirement", "dockerFile": "FROM x"}, "dockerFile"),
        ({"class": "DockerRequirement", "dockerPull": "{{workflow.name}}"}, "image"),
        ({"class": "ToolTimeLimit", "timelimit": 5}, "ToolTimeLimit"),
        ({"class": "InitialWorkDirRequirement", "listing": [{"entryname": "/etc/x", "entry": "y"}]}, "absolute"),
    ],
)
def test_what_cannot_be_planned_is_reported_with_the_step(requirement: dict[str, Any], fact: str) -> None:
    (obstacle,) = list_obstacles(small_package(requirements=[requirement]))
    assert fact in obstacle


@pytest.mark.parametrize(
    ("expression", "is_one_pod"),
    [
        ("${return new Date().toISOString();}", True),
        ("${return new Date;}", True),
        ("$(Date.now())", True),
        ("$(Math.random())", True),
        ("$(new Date(inputs.when).getTime())", False),
        ("$(inputs.Date)", False),
        ("echo Date (UTC)", False),
    ],
)
def test_a_package_whose_expressions_have_another_value_each_time_needs_one_pod(
    expression: str, is_one_pod: bool
) -> None:
    one = {**step("main", "a"), "when": expression, "doc": "new Date()"}
    found = list_obstacles(package_of(workflow("main", one, source="a/out")))
    assert ["each time" in why for why in found] == [True] * is_one_pod


def test_a_plain_package_has_no_obstacle() -> None:
    assert list_obstacles(package_of(workflow("main", step("main", "a"), source="a/out"))) == []
