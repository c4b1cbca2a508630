"""Other limits for a step: how they are written, and that no other step changes."""

from typing import Any

import pytest

from tests.unit.test_argo_dag import package_of, step, workflow
from tests.values import small_package
from zoo_runner.engines.argo.native.dag import build_dag, identify_tools
from zoo_runner.inputs.limits import StepLimits, read_memory, set_limits, set_memory
from zoo_runner.model.errors import InputError
from zoo_runner.package.loading import build_package
from zoo_runner.server.pages.timeline import Request, find_requests

# both run the same tool
PACKAGE = package_of(workflow("main", step("main", "a"), step("main", "b", "a/out"), source="b/out"))


def find_ram(package: Any) -> dict[str, tuple[float, float]]:
    return {node.path: node.ram for node in build_dag(package)}


def test_amounts_are_those_of_kubernetes() -> None:
    assert read_memory(["a=4Gi", "b=512Mi"]) == {"a": 4096, "b": 512}


@pytest.mark.parametrize("word", ["a", "a=", "a=much", "=1Gi", "a=1"])
def test_anything_else_is_refused_with_the_word(word: str) -> None:
    with pytest.raises(InputError) as caught:
        read_memory([word])
    assert caught.value.diagnosis.code == "inputs.requirement"
    assert word in str(caught.value)


def test_a_step_gets_its_memory_and_others_that_run_the_same_tool_do_not() -> None:
    changed = set_memory(PACKAGE, {"b": 4096})
    assert find_ram(changed) == {"a": (256, 256), "b": (4096, 4096)}
    assert find_ram(PACKAGE)["b"] == (256, 256)
    assert changed.digest != PACKAGE.digest
    before, after = identify_tools(PACKAGE, None), identify_tools(changed, None)
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


def test_a_copied_tool_is_valid_cwl_with_ids_of_its_own() -> None:
    changed = set_memory(PACKAGE, {"b": 4096})
    ids = [process["id"] for process in changed.document["$graph"]]
    assert len(ids) == len(set(ids))
    rebuilt = build_package(changed.document, "#main", "main", {}, ())
    assert rebuilt.process["steps"][1]["run"] == "#tool-2"
    assert rebuilt.processes["tool-2"]["inputs"][0]["id"] == "#tool-2/a"


def test_the_other_amounts_of_a_requirement_stay() -> None:
    package = small_package(requirements=[{"class": "ResourceRequirement", "coresMin": 3, "ramMin": 64}])
    (node,) = build_dag(set_memory(package, {package.workflow_id: 128}))
    assert (node.cores[0], node.ram) == (3, (128, 128))


def test_what_the_workflow_grants_a_step_stays() -> None:
    wanted = [{"class": "ResourceRequirement", "coresMin": 4, "tmpdirMin": 2000}]
    flow = {**workflow("main", step("main", "a"), source="a/out"), "requirements": wanted}
    (node,) = build_dag(set_memory(package_of(flow), {"a": 4096}))
    assert (node.cores[0], node.ram) == (4, (4096, 4096))


def test_a_step_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError) as caught:
        set_memory(PACKAGE, {"c": 128})
    assert caught.value.diagnosis.code == "inputs.requirement"
    assert caught.value.diagnosis.remedy.endswith(": a, b.")


def test_without_amounts_nothing_changes() -> None:
    assert set_memory(PACKAGE, {}) is PACKAGE


def test_disk_and_time_of_a_step_change_and_what_it_asks_for_besides_stays() -> None:
    changed = set_limits(PACKAGE, {"b": StepLimits(disk_mib=2000.5, seconds=90)})
    asked = find_requests(changed)
    assert (asked["b"].disk_mib, asked["b"].seconds, asked["a"].seconds) == (2001, 90, None)
    again = find_requests(set_limits(changed, {"b": StepLimits(memory_mib=512, seconds=120)}))
    assert again["b"] == Request(asked["b"].cores, 512, 2001, 120)
