"""The names of zoo-calrissian-runner: its signatures stand in tests/data/incumbent as they were recorded."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from zoo_runner import calrissian_runner
from zoo_runner.calrissian_runner import CWLWorkflow, ExecutionHandler, ZooCalrissianRunner, ZooInputs, ZooOutputs

RECORDED = json.loads((Path(__file__).parents[1] / "data" / "incumbent" / "signatures.json").read_text())
# what wraps a package, and what nobody outside calls; docs/migration.md lists them
GIVEN_UP = {"wrap", "load_a_workflow", "prepare", "finalize", "log_output", "validate_inputs"}
GIVEN_UP |= {"setOutput", "local_get_file", "has_scatter_requirement", "get_resource_requirement"}
HEIRS = {"BaseRunner": "ZooCalrissianRunner", "CommonExecutionHandler": "ExecutionHandler"}


def list_methods() -> list[tuple[str, str, Any]]:
    found = []
    for classes in RECORDED.values():
        for name, methods in classes.items():
            for method, signature in methods.items():
                public = not method.startswith("_") or (method == "__init__" and name != "BaseRunner")
                if public and method not in GIVEN_UP:
                    found.append((HEIRS.get(name, name), method, signature))
    return found


@pytest.mark.parametrize(("name", "method", "recorded"), list_methods())
def test_a_call_that_the_incumbent_takes_is_taken(name: str, method: str, recorded: Any) -> None:
    ours = inspect.signature(getattr(getattr(calrissian_runner, name), method))
    names = [parameter for parameter in ours.parameters if parameter != "self"]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in ours.parameters.values())
    if recorded["keywords"]:
        assert takes_any
        return
    expected = recorded["parameters"]
    # the common base knows no time limit
    assert names[: len(expected)] == expected
    required = [
        parameter
        for parameter in names
        if ours.parameters[parameter].default is inspect.Parameter.empty
        and ours.parameters[parameter].kind is not inspect.Parameter.VAR_KEYWORD
    ]
    assert len(required) <= recorded["required"]


CWL = {
    "cwlVersion": "v1.2",
    "$graph": [
        {
            "class": "Workflow",
            "id": "water",
            "label": "Water",
            "inputs": {"item": "string", "mode": "string?", "size": {"type": "int", "default": 3}},
            "steps": {},
            "outputs": {},
        },
        {
            "class": "CommandLineTool",
            "id": "tool",
            "requirements": {
                "ResourceRequirement": {"coresMax": 4, "ramMax": 2048, "tmpdirMax": 1024, "outdirMax": 1024}
            },
        },
    ],
}


def make_runner(**inputs: Any) -> ZooCalrissianRunner:
    conf = {"lenv": {"Identifier": "water", "usid": "c6c0", "message": ""}}
    return ZooCalrissianRunner(CWL, conf, inputs, {"results": {}}, ExecutionHandler(conf=conf))


def test_namespace_volume_and_resources_are_reported_as_before() -> None:
    runner = make_runner()
    assert runner.get_namespace_name() == "water-c6c0"
    assert (runner.get_max_cores(), runner.get_max_ram()) == (4, "2048Mi")
    assert (runner.get_volume_size(), runner.get_volume_size("Gi")) == ("2048Mi", "2Gi")


def test_a_namespace_is_cut_to_what_kubernetes_takes() -> None:
    assert ZooCalrissianRunner.shorten_namespace("a" * 62 + "-b") == "a" * 62


def test_a_handlers_namespace_wins() -> None:
    class Own(ExecutionHandler):
        def get_namespace(self) -> str:
            return "ws-alice"

    conf = {"lenv": {"Identifier": "water", "usid": "c6c0"}}
    assert ZooCalrissianRunner(CWL, conf, {}, {}, Own()).get_namespace_name() == "ws-alice"


def test_inputs_are_converted_by_what_the_kernel_says() -> None:
    inputs = ZooInputs(
        {
            "flag": {"value": "false", "dataType": "boolean"},
            "many": {"isArray": "true", "length": "2", "value": ["1"], "value_1": "2", "dataType": ["integer"]},
            "none": {"value": "NULL", "inRequest": "false"},
            "one": {"value": "a", "maxOccurs": "999"},
        }
    )
    assert inputs.get_processing_parameters() == {"flag": False, "many": [1, 2], "none": None, "one": ["a"]}


def test_the_first_output_takes_the_result() -> None:
    outputs = ZooOutputs({"results": {}, "other": {}})
    outputs.set_output("text")
    assert outputs.get_output_parameters() == {"results": "text", "other": None}
    nothing = ZooOutputs(None)
    nothing.set_output("text")
    assert nothing.get_output_parameters() == {"stac": "text"}


def test_mandatory_inputs_are_those_without_default_that_may_not_be_null() -> None:
    runner = make_runner(item={"value": "x"})
    assert runner.get_workflow_inputs(mandatory=True) == ["item"]
    assert runner.assert_parameters()
    assert not make_runner().assert_parameters()


def test_label_and_workflow_are_read_from_the_plain_document() -> None:
    workflow = CWLWorkflow(CWL, "water")
    assert (workflow.get_label(), workflow.get_version()) == ("Water", "")
    assert workflow.get_object_by_id("#tool")["class"] == "CommandLineTool"
