"""Processes of a `$graph` whose ids are addresses, and several of one id."""

from pathlib import Path

import pytest

from tests.values import settings_in
from zoo_runner.inputs.inspection import inspect_package
from zoo_runner.model.errors import PackageError
from zoo_runner.package.loading import load_package

AT = "https://example.org/apps/water.cwl"
GRAPH = f"""
cwlVersion: v1.2
$graph:
- class: Workflow
  id: {AT}#main
  doc: see {AT}#tool
  inputs: {{"{AT}#main/x": string}}
  outputs:
  - {{id: "{AT}#main/text", type: File, outputSource: "{AT}#main/s/text"}}
  steps:
    s: {{run: '{AT}#tool', in: {{x: "{AT}#main/x"}}, out: [text]}}
- class: CommandLineTool
  id: '{AT}#tool'
  baseCommand: echo
  inputs: {{x: string}}
  outputs: {{text: stdout}}
"""
TOOL = "{class: CommandLineTool, id: '%s', baseCommand: %s, inputs: [], outputs: []}"


def write(folder: Path, text: str) -> str:
    (folder / "water.cwl").write_text(text)
    return str(folder / "water.cwl")


@pytest.mark.parametrize("chosen", ["", "#main"])
@pytest.mark.parametrize("at", [AT, "file:///home/ci/apps/water.cwl"])
def test_a_workflow_whose_id_is_an_address_is_chosen_by_its_name(tmp_path: Path, at: str, chosen: str) -> None:
    path = write(tmp_path, GRAPH.replace(AT, at))
    package = load_package(f"{path}{chosen}", settings_in(tmp_path))
    assert (package.entry, package.workflow_id) == ("#main", "main")
    assert package.process["steps"][0]["run"] == "#tool"
    assert package.process["doc"] == f"see {at}#tool"
    assert set(package.processes) == {"main", "tool"}


def test_a_tool_whose_id_is_an_address_is_chosen_by_its_name(tmp_path: Path) -> None:
    package = load_package(f"{write(tmp_path, GRAPH)}#tool", settings_in(tmp_path))
    assert package.process["class"] == "CommandLineTool"


@pytest.mark.parametrize("at", [AT, ""])  # `#main/s/text` beside steps by their names, as people write it too
def test_a_step_of_another_document_may_run_it(tmp_path: Path, at: str) -> None:
    (tmp_path / "lib.cwl").write_text(GRAPH.replace(f"id: {AT}#main", f"id: '{at}#main'").replace(AT, at))
    outer = (
        "{cwlVersion: v1.2, class: Workflow, requirements: [{class: SubworkflowFeatureRequirement}],"
        " inputs: {x: string}, outputs: {text: {type: File, outputSource: a/text}},"
        " steps: {a: {run: 'lib.cwl#main', in: {x: x}, out: [text]}}}"
    )
    package = load_package(write(tmp_path, outer), settings_in(tmp_path))
    origins = {f"{(tmp_path / 'lib.cwl').as_uri()}#{name}" for name in ("tool/x", "main/x", "main/s")}
    assert origins <= set(package.origins.values())


def test_an_id_without_a_fragment_has_the_name_of_its_document(tmp_path: Path) -> None:
    graph = GRAPH.replace(f"{AT}#tool", "https://example.org/apps/tool.cwl")
    package = load_package(write(tmp_path, graph), settings_in(tmp_path))
    assert package.process["steps"][0]["run"] == "#tool.cwl"


def test_findings_have_the_lines_of_the_document(tmp_path: Path) -> None:
    findings = inspect_package(write(tmp_path, GRAPH), settings_in(tmp_path))
    places = {
        (one.subject, one.line) for one in findings if one.rule in ("best-practice.req-8", "best-practice.req-10")
    }
    assert places == {("CommandLineTool 'tool'", 12), ("input 'x'", 7)}


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "#a"), (f"{AT}#a", "https://example.org/other.cwl#a")])
def test_different_processes_of_one_id_are_refused(tmp_path: Path, first: str, second: str) -> None:
    text = f"cwlVersion: v1.2\n$graph: [{TOOL % (first, 'echo')}, {TOOL % (second, 'ls')}]"
    with pytest.raises(PackageError) as refused:
        load_package(f"{write(tmp_path, text)}#a", settings_in(tmp_path))
    assert refused.value.diagnosis.code == "package.duplicate-id"
    assert "'a'" in refused.value.diagnosis.cause


def test_the_same_process_may_be_there_twice(tmp_path: Path) -> None:
    text = f"cwlVersion: v1.2\n$graph: [{TOOL % ('a', 'echo')}, {TOOL % ('a', 'echo')}]"
    assert load_package(f"{write(tmp_path, text)}#a", settings_in(tmp_path)).workflow_id == "a"
