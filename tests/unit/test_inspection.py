"""Rules of checking a package from its author's point of view: places, broken documents, formats."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from tests.unit.messages import Check
from tests.unit.sarif import SARIF
from tests.values import EXAMPLES, FAILING, PACKAGES, settings_in
from zoo_runner.cli.main import cli
from zoo_runner.inputs.inspection import inspect_package
from zoo_runner.package.findings import RULE_TEXTS, Finding, Severity, build_sarif, format_findings
from zoo_runner.package.validate import RULES

WORKFLOW = """\
cwlVersion: v1.2
class: Workflow
inputs:
  plain: string
  listed:
    type: int
steps:
  - id: cut
    in: {m: plain}
    out: [o]
    run:
      class: CommandLineTool
      inputs: {m: string}
      outputs: {o: stdout}
      baseCommand: echo
outputs:
  - {id: o, type: File, outputSource: cut/o}
"""


def inspect(folder: Path, text: str, name: str = "water.cwl") -> tuple[Finding, ...]:
    (folder / name).write_text(text)
    return inspect_package(str(folder / name), settings_in(folder))


def places(findings: tuple[Finding, ...], rule: str) -> set[tuple[str, str]]:
    return {(finding.subject, finding.where) for finding in findings if finding.rule == rule}


def test_every_finding_stands_at_its_line(tmp_path: Path) -> None:
    findings = inspect(tmp_path, WORKFLOW)
    assert all(finding.uri == (tmp_path / "water.cwl").as_uri() and finding.line for finding in findings)
    assert places(findings, "best-practice.req-10") == {
        ("input 'plain'", "water.cwl:4:3"),
        ("input 'listed'", "water.cwl:5:3"),
    }
    assert places(findings, "package.output-text") == {("output 'o'", "water.cwl:17:5")}
    assert places(findings, "best-practice.req-9") == {("Workflow 'water'", "water.cwl:1:1")}
    assert places(findings, "best-practice.req-8") == {("CommandLineTool 'cut'", "water.cwl:11:5")}


def test_a_finding_in_a_tool_of_another_file_stands_in_that_file(tmp_path: Path) -> None:
    findings = inspect_package(str(PACKAGES / "multi" / "multi.cwl"), settings_in(tmp_path))
    assert places(findings, "package.resources") == {
        ("CommandLineTool 'describe.cwl'", "describe.cwl:1:1"),
        ("CommandLineTool 'join.cwl'", "join.cwl:1:1"),
    }
    assert places(findings, "best-practice.req-9") == set()


def test_a_finding_in_a_graph_stands_at_its_process(tmp_path: Path) -> None:
    findings = inspect_package(str(EXAMPLES / "water" / "water.cwl"), settings_in(tmp_path))
    text = (EXAMPLES / "water" / "water.cwl").read_text().splitlines()
    (finding,) = findings
    assert finding.line is not None
    assert "class: CommandLineTool" in " ".join(text[finding.line - 1 : finding.line + 2])


@pytest.mark.parametrize(
    ("package", "where", "fact"),
    [
        ("bad-type", "bad-type.cwl:25:9", "'number'"),
        ("missing-class", "missing-class.cwl:2:1", "'class'"),
        ("bad-yaml", "bad-yaml.cwl:6:7", "expected ',' or ']', but got ':'"),
        ("several-workflows", "several-workflows.cwl", "file://"),
    ],
)
def test_a_package_that_is_not_cwl_has_findings_too(
    tmp_path: Path, package: str, where: str, fact: str, check: Check
) -> None:
    (finding,) = inspect_package(str(FAILING / package / f"{package}.cwl"), settings_in(tmp_path))
    assert (finding.severity, finding.where) == (Severity.ERROR, where)
    check.words(finding.message, fact)
    assert finding.remedy


def test_connected_types_that_do_not_fit_are_found_at_the_source(tmp_path: Path) -> None:
    (finding,) = inspect(tmp_path, WORKFLOW.replace("type: File, outputSource", "type: int, outputSource"))
    assert (finding.rule, finding.line) == ("package.invalid", 10)
    assert finding.message == "Source 'o' of type \"File\" is incompatible with sink 'o' of type \"int\""


def test_each_rule_has_help_and_each_help_a_rule() -> None:
    source = "".join(Path(module).read_text() for module in (code_of(RULES[0]), code_of(inspect_package)))
    assert [rule for rule in RULE_TEXTS if f'"{rule}"' not in source] == []
    assert all(text.short.endswith(".") and text.full.endswith(".") for text in RULE_TEXTS.values())


def code_of(function: Any) -> str:
    return str(function.__code__.co_filename)


def test_sarif_follows_its_schema_and_keeps_place_and_help(tmp_path: Path) -> None:
    log = build_sarif(inspect(tmp_path, WORKFLOW), "1.0")
    jsonschema.Draft7Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        rule = rules[result["ruleIndex"]]
        assert (rule["id"], bool(rule["help"]["text"])) == (result["ruleId"], True)
    physical = run["results"][0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == (tmp_path / "water.cwl").as_uri()
    assert {result["level"] for result in run["results"]} == {"warning", "note"}


def test_text_names_place_severity_rule_and_remedy() -> None:
    finding = Finding(
        "best-practice.req-9", Severity.WARNING, "/a", "Workflow 'w'", "no doc", "Add doc.", "file:///x/w.cwl", 3, 5
    )
    assert (
        format_findings([finding])
        == "w.cwl:3:5: warning: Workflow 'w': no doc  [best-practice.req-9]\n    Add doc.\n1 warning"
    )
    assert format_findings([]) == "no findings"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([str(EXAMPLES / "water" / "water.cwl")], 0),
        (["--strict", str(EXAMPLES / "water" / "water.cwl")], 0),
        ([str(PACKAGES / "multi" / "multi.cwl")], 0),
        (["--strict", str(PACKAGES / "multi" / "multi.cwl")], 3),
        (["--format", "json", str(FAILING / "bad-type" / "bad-type.cwl")], 3),
        (["--format", "sarif", str(FAILING / "bad-type" / "bad-type.cwl")], 3),
        (["/nowhere/package.cwl"], 3),
    ],
)
def test_the_exit_code_says_whether_a_package_can_be_used(tmp_path: Path, arguments: list[str], code: int) -> None:
    environ = {f"ZOO_RUNNER_{part}": str(tmp_path / part) for part in ("CACHE", "STATE", "SCRATCH", "TEMP")}
    result = CliRunner(env=environ).invoke(cli, ["validate", *arguments])
    assert result.exit_code == code, result.output
    if "--format" in arguments:
        assert json.loads(result.stdout)


PACKED = """\
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: "#main"
    inputs:
      - {id: "#main/scene", type: string}
    outputs:
      - {id: "#main/o", type: File, outputSource: "#main/cut/o"}
    steps:
      - id: "#main/cut"
        in: [{id: "#main/cut/m", source: "#main/scene"}]
        out: ["#main/cut/o"]
        run: "#tool.cwl"
  - class: CommandLineTool
    id: "#tool.cwl"
    baseCommand: echo
    inputs: [{id: "#tool.cwl/m", type: string}]
    outputs: [{id: "#tool.cwl/o", type: stdout}]
"""


def test_a_finding_in_what_cwltool_packed_stands_at_its_line(tmp_path: Path) -> None:
    findings = inspect(tmp_path, PACKED)
    assert places(findings, "best-practice.req-10") == {("input 'scene'", "water.cwl:6:9")}
    assert places(findings, "package.output-text") == {("output 'o'", "water.cwl:8:9")}
    assert places(findings, "package.resources") == {("CommandLineTool 'tool.cwl'", "water.cwl:14:5")}


@pytest.mark.parametrize("tool_id", ["", "      id: echoing\n", "      id: '#echoing'\n"])
def test_a_finding_in_a_tool_within_a_step_stands_in_that_step(tmp_path: Path, tool_id: str) -> None:
    for version in ("v1.0", "v1.1", "v1.2"):
        text = WORKFLOW.replace("v1.2", version).replace("    run:\n", f"    run:\n{tool_id}")
        (place,) = {finding.where for finding in inspect(tmp_path, text) if finding.rule == "package.resources"}
        assert place == "water.cwl:11:5"


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_what_the_loader_stumbles_over_is_reported_in_words(tmp_path: Path, version: str) -> None:
    tool = {
        "cwlVersion": version,
        "$namespaces": {"cwltool": "http://commonwl.org/cwltool#"},
        "class": "cwltool:ProcessGenerator",
        "run": {"class": "CommandLineTool", "inputs": [], "outputs": []},
        "inputs": [],
        "outputs": [],
    }
    (finding,) = inspect(tmp_path, json.dumps(tool))
    assert (finding.rule, finding.line) == ("package.invalid", None)
