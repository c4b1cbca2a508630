"""Rules of the findings."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.unit.packed import build_package, build_tool, full
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.extensions import SECRETS
from zoo_runner.package.findings import Finding, Severity
from zoo_runner.package.scripts import Script
from zoo_runner.package.validate import check_syntax, ensure_runs, validate_package

TEXTS = {"label": "Title", "doc": "Text."}
VERSION = {"https://schema.org/softwareVersion": "1.0.0"}
SECRET = {"class": SECRETS, "secrets": ["#main/x"]}
DOCKER = {"class": "DockerRequirement", "dockerPull": "example.org/tool:1.0"}


def build_good_package(**members: Any) -> Package:
    folder = full("Directory", **TEXTS)
    return build_package({"scene": folder}, {"results": folder}, **{**TEXTS, **VERSION, **members})


def with_tool(**members: Any) -> Package:
    package = build_good_package()
    document = {**package.document, "$graph": [package.process, build_tool(**members)]}
    return Package(document, "#main", "water", {}, "")


def renamed(workflow_id: str) -> Package:
    return Package(build_good_package().document, "#main", workflow_id, {}, "")


def find(package: Package, rule: str) -> Finding:
    (finding,) = [finding for finding in validate_package(package) if finding.rule == rule]
    return finding


def test_a_package_that_follows_the_best_practice_has_no_findings() -> None:
    assert validate_package(build_good_package()) == ()


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_three_cwl_versions_are_accepted(version: str) -> None:
    document = {**build_good_package().document, "cwlVersion": version}
    assert validate_package(Package(document, "#main", "water", {}, "")) == ()


def test_another_cwl_version_is_an_error() -> None:
    document = {**build_good_package().document, "cwlVersion": "v1.3.0-dev1"}
    assert validate_package(Package(document, "#main", "water", {}, "")) == (
        Finding(
            "package.cwl-version",
            Severity.ERROR,
            "/cwlVersion",
            "package",
            "cwlVersion is v1.3.0-dev1, not one of v1.0, v1.1, v1.2",
            "Write v1.2.",
        ),
    )


def test_a_single_tool_runs_but_platforms_expect_a_workflow() -> None:
    finding = find(Package(build_tool("#main", cwlVersion="v1.2"), "#main", "echo", {}, ""), "best-practice.req-7")
    assert (finding.severity, finding.place, finding.subject) == ("warning", "", "CommandLineTool 'echo'")
    assert "CommandLineTool" in finding.message


def test_a_package_with_neither_workflow_nor_tool_is_an_error() -> None:
    lone = {"cwlVersion": "v1.2", "class": "ExpressionTool", "id": "#main", "inputs": [], "outputs": []}
    findings = validate_package(Package(lone, "#main", "sum", {}, ""))
    assert (findings[0].rule, findings[0].severity) == ("best-practice.req-7", Severity.ERROR)


@pytest.mark.parametrize(
    ("members", "severity", "facts"),
    [
        (
            {"requirements": []},
            "warning",
            ("no DockerRequirement",),
        ),
        ({"requirements": [], "hints": [DOCKER]}, "info", ("DockerRequirement", "hint")),
        (
            {"requirements": [{**DOCKER, "dockerPull": ""}]},
            "warning",
            ("no dockerPull",),
        ),
        ({"baseCommand": []}, "warning", ("baseCommand", "arguments")),
    ],
)
def test_a_tool_needs_an_image_and_a_command(members: Any, severity: str, facts: tuple[str, ...]) -> None:
    finding = find(with_tool(**members), "best-practice.req-8")
    assert (finding.severity, finding.place, finding.subject) == (
        severity,
        "/$graph/1",
        "CommandLineTool 'tool'",
    )
    assert all(fact in finding.message for fact in facts)


def test_a_tool_has_the_image_of_the_workflow_that_passes_it_on() -> None:
    package = build_good_package(requirements=[DOCKER])
    document = {**package.document, "$graph": [package.process, build_tool(requirements=[])]}
    rules = {finding.rule for finding in validate_package(Package(document, "#main", "water", {}, ""))}
    assert rules == {"package.resources"}


def test_a_tool_has_the_image_of_its_own_step_and_not_of_another() -> None:
    resources = {"class": "ResourceRequirement", "ramMax": 512}
    steps = [{"id": "#main/a", "run": "#one", "requirements": [DOCKER]}, {"id": "#main/b", "run": "#other"}]
    package = build_good_package(steps=steps)
    tools = [build_tool(name, requirements=[resources]) for name in ("#one", "#other")]
    document = {**package.document, "$graph": [package.process, *tools]}
    finding = find(Package(document, "#main", "water", {}, ""), "best-practice.req-8")
    assert finding.subject == "CommandLineTool 'other'"


def test_an_output_directory_of_the_image_is_a_warning() -> None:
    docker = {**DOCKER, "dockerOutputDirectory": "/out"}
    assert find(with_tool(requirements=[docker]), "package.docker-output").severity == "warning"


def test_a_tool_without_resources_is_reported() -> None:
    finding = find(with_tool(requirements=[DOCKER]), "package.resources")
    assert finding.severity == "info"
    assert "ramMax" in finding.remedy


def test_a_tool_written_inside_a_step_is_checked_at_its_place() -> None:
    tool = {"class": "CommandLineTool", "baseCommand": "a", "inputs": [], "outputs": []}
    package = build_good_package(steps=[{"id": "#main/cut", "run": tool}])
    findings = [finding for finding in validate_package(package) if finding.rule == "best-practice.req-8"]
    assert {(finding.place, finding.subject) for finding in findings} == {
        ("/$graph/0/steps/0/run", "CommandLineTool 'cut'")
    }
    assert ["no id" in findings[0].message, "no DockerRequirement" in findings[1].message] == [True, True]


def test_an_image_without_fixed_tag_is_reported() -> None:
    for image in ("example.org:5000/tool", "example.org/tool:latest", "tool"):
        finding = find(with_tool(requirements=[{**DOCKER, "dockerPull": image}]), "package.image-tag")
        assert image in finding.message
    pinned = {**DOCKER, "dockerPull": f"tool@sha256:{'0' * 64}"}
    assert {one.rule for one in validate_package(with_tool(requirements=[pinned]))} == {"package.resources"}


def test_changing_inputs_in_place_is_a_warning() -> None:
    in_place = {"class": "InplaceUpdateRequirement", "inplaceUpdate": True}
    finding = find(with_tool(requirements=[DOCKER, in_place]), "package.in-place")
    assert (finding.severity, finding.place) == ("warning", "/$graph/1")


def test_a_hint_that_no_engine_knows_is_a_warning() -> None:
    finding = find(with_tool(hints=[{"class": "ResourceRequirment"}]), "package.unknown-hint")
    assert "'ResourceRequirment'" in finding.message
    assert "'ResourceRequirement'" in finding.remedy
    extension = {"class": "http://commonwl.org/cwltool#CUDARequirement"}
    assert "package.unknown-hint" not in {one.rule for one in validate_package(with_tool(hints=[extension]))}


@pytest.mark.parametrize(
    ("package", "rule", "place", "subject", "missing"),
    [
        (build_good_package(label=None), "best-practice.req-9", "/$graph/0", "Workflow 'water'", ("label",)),
        (
            build_package({"x": full("Directory", label="X")}),
            "best-practice.req-10",
            "/$graph/0/inputs/0",
            "input 'x'",
            ("doc",),
        ),
        (
            build_package(outputs={"y": "Directory"}),
            "package.output-text",
            "/$graph/0/outputs/0",
            "output 'y'",
            ("label", "doc"),
        ),
    ],
)
def test_missing_texts_are_warnings_at_their_place(
    package: Package, rule: str, place: str, subject: str, missing: tuple[str, ...]
) -> None:
    finding = find(package, rule)
    assert (finding.severity, finding.place, finding.subject) == ("warning", place, subject)
    assert finding.remedy == f"Add {' and '.join(missing)}."


def test_a_package_without_version_is_a_warning() -> None:
    finding = find(build_package(), "best-practice.req-11")
    assert finding.severity == "warning"
    assert "s:softwareVersion" in finding.remedy


@pytest.mark.parametrize(("rule", "part"), [("best-practice.req-13", "input"), ("best-practice.req-14", "output")])
def test_a_package_that_stages_nothing_is_reported(rule: str, part: str) -> None:
    finding = find(build_package({"a": "string"}, {"b": "File"}), rule)
    assert (finding.severity, finding.message.split(" is ")[0]) == ("info", f"no {part}")


@pytest.mark.parametrize("workflow_id", ["water", "_water", "water-2_b"])
def test_an_id_that_a_zoo_kernel_runs_is_fine(workflow_id: str) -> None:
    assert validate_package(renamed(workflow_id)) == ()


@pytest.mark.parametrize(
    ("workflow_id", "reason"),
    [
        ("2water", "letter or underscore"),
        ("wasser.größe", "letter or underscore"),
        ("water\n", "letter or underscore"),
        ("lambda", "Python"),
        ("json", "Python"),
        ("zoo-runner", "Python"),
    ],
)
def test_an_id_that_a_zoo_kernel_cannot_run_is_a_warning(workflow_id: str, reason: str) -> None:
    finding = find(renamed(workflow_id), "package.identifier")
    assert finding.severity == "warning"
    assert repr(workflow_id) in finding.message
    assert reason in finding.message


@pytest.mark.parametrize("name", ["node_stage_in", "node_stage_out_2"])
def test_a_step_named_like_a_platforms_own_is_an_error(name: str) -> None:
    steps = [{"id": "#main/cut", "run": "#tool"}, {"id": f"#main/{name}", "run": "#tool"}]
    finding = find(build_good_package(steps=steps), "package.step-name")
    assert (finding.severity, finding.place, finding.subject) == (
        "error",
        "/$graph/0/steps/1",
        f"step '{name}'",
    )
    assert "node_stage_in" in finding.message


def test_a_step_with_the_id_of_an_output_is_a_warning() -> None:
    finding = find(
        build_package(outputs={"cut": "File"}, steps=[{"id": "#main/cut", "run": "#tool"}]), "package.same-id"
    )
    assert (finding.severity, finding.place, finding.subject) == ("warning", "/$graph/0/steps/0", "step 'cut'")


STEP = {"id": "#main/detect", "out": [], "run": "#tool"}
EXPRESSION = {"id": "#main/detect/x", "source": "#main/scene", "valueFrom": "$(self.basename)"}


def test_an_expression_of_a_step_that_the_workflow_does_not_declare_is_an_error() -> None:
    finding = find(build_good_package(steps=[{**STEP, "in": [EXPRESSION]}]), "package.step-expression")
    assert (finding.severity, finding.place) == (Severity.ERROR, "/$graph/0/steps/0")


def test_an_expression_of_a_step_that_the_workflow_declares_is_fine() -> None:
    declared = [{"class": "StepInputExpressionRequirement"}]
    package = build_good_package(steps=[{**STEP, "in": [EXPRESSION]}], requirements=declared)
    assert [one for one in validate_package(package) if one.rule == "package.step-expression"] == []


def test_a_package_that_fails_at_such_a_step_for_certain_is_refused_before_it_runs() -> None:
    with pytest.raises(PackageError) as refused:
        ensure_runs(build_good_package(steps=[{**STEP, "in": [EXPRESSION]}]))
    assert refused.value.diagnosis.code == "package.step-expression"
    ensure_runs(build_good_package())


SCRIPT = {"class": "InlineJavascriptRequirement"}


@pytest.mark.parametrize(
    "members",
    [
        {"arguments": ["-n", {"valueFrom": "${return 1}"}]},
        {"arguments": ["$(inputs.a + 1)"]},
        {"stdout": "$(inputs.a.nameroot.toLowerCase()).txt"},
        {"hints": [SCRIPT], "outputs": [{"id": "#tool/o", "outputBinding": {"outputEval": "$(self[0] || null)"}}]},
        {"requirements": [{"class": "EnvVarRequirement", "envDef": [{"envName": "A", "envValue": "a $(1 + 1)"}]}]},
    ],
)
def test_an_expression_in_javascript_that_no_process_declares_is_an_error(members: Any) -> None:
    found = find(with_tool(**members), "package.undeclared-script")
    assert (found.severity, found.place.startswith("/$graph/1/")) == (Severity.ERROR, True)
    declared = with_tool(**{**members, "requirements": [*members.get("requirements", ()), SCRIPT]})
    assert [one for one in validate_package(declared) if one.rule == found.rule] == []


@pytest.mark.parametrize(
    "text",
    ["$(inputs.a.path)", "$(inputs['a b'][0].nameroot).txt", r"\$(date)", "costs $5", "$(runtime.cores)"],
)
def test_a_parameter_reference_needs_no_javascript(text: str) -> None:
    package = with_tool(arguments=[text], stdout=text)
    assert [one for one in validate_package(package) if one.rule == "package.undeclared-script"] == []


def test_the_script_of_a_step_is_that_of_its_workflow() -> None:
    script = {**EXPRESSION, "valueFrom": "${return 1}"}
    package = build_good_package(steps=[{**STEP, "in": [script]}])
    assert find(package, "package.undeclared-script").place == "/$graph/0/steps/0/in/0/valueFrom"
    declared = build_good_package(steps=[{**STEP, "in": [script]}], requirements=[SCRIPT])
    assert [one for one in validate_package(declared) if one.rule == "package.undeclared-script"] == []


def test_the_name_of_an_image_that_no_engine_takes_is_an_error() -> None:
    docker = {"class": "DockerRequirement", "dockerPull": "Foo Bar"}
    finding = find(with_tool(requirements=[docker]), "package.image")
    assert (finding.severity, "'Foo Bar'" in finding.message) == (Severity.ERROR, True)


def test_an_output_without_source_is_an_error_unless_it_may_be_null() -> None:
    def build(cwl_type: Any) -> Package:
        results = full(cwl_type, **TEXTS, outputSource=None)
        return build_package({"scene": full("Directory", **TEXTS)}, {"results": results}, **TEXTS, **VERSION)

    finding = find(build("Directory"), "package.output-source")
    assert (finding.severity, finding.place) == (Severity.ERROR, "/$graph/0/outputs/0")
    assert validate_package(build(["null", "Directory"])) == ()


@pytest.mark.parametrize(
    "name",
    [
        "STAGE_AWS_ACCESS_KEY_ID",
        "STAGE_AWS_SECRET_ACCESS_KEY",
        "STAGE_AWS_SESSION_TOKEN",
        "CALLING_WORKSPACE_ACCESS_TOKEN",
    ],
)
def test_an_input_named_like_a_platforms_credential_is_an_error(name: str) -> None:
    finding = find(build_package({name: "string"}), "package.input-name")
    assert (finding.severity, finding.subject) == ("error", f"input '{name}'")


@pytest.mark.parametrize("cwl_type", ["File", ["null", "int"], {"type": "array", "items": "string"}, ["string", "int"]])
def test_a_secret_input_that_may_be_no_string_is_an_error(cwl_type: Any) -> None:
    finding = find(build_package({"a": "string", "x": cwl_type}, hints=[SECRET]), "package.secret-input")
    assert (finding.severity, finding.place, finding.subject) == ("error", "/$graph/0/inputs/1", "input 'x'")


@pytest.mark.parametrize("cwl_type", ["string", ["null", "string"], {"type": "enum", "symbols": ["#main/x/a"]}])
def test_a_secret_input_that_is_a_string_is_fine(cwl_type: Any) -> None:
    rules = {finding.rule for finding in validate_package(build_package({"x": cwl_type}, hints=[SECRET]))}
    assert "package.secret-input" not in rules


def test_javascript_is_mentioned_for_other_platforms() -> None:
    finding = find(
        build_good_package(hints=[], requirements=[{"class": "InlineJavascriptRequirement"}]),
        "package.javascript",
    )
    assert (finding.severity, finding.subject) == ("info", "Workflow 'water'")


def test_errors_come_first_and_infos_last() -> None:
    package = build_package(steps=[{"id": "#main/node_stage_in", "run": "#tool"}])
    severities = [finding.severity for finding in validate_package(package)]
    assert severities == ["error", "warning", "warning", "info", "info"]


@pytest.mark.parametrize("section", ["requirements", "hints"])
def test_a_requirement_that_a_process_has_twice_is_a_warning(section: str) -> None:
    small, large = ({"class": "ResourceRequirement", "coresMin": cores, "coresMax": cores} for cores in (1, 2))
    package = with_tool(**{section: [DOCKER, small, large]})
    finding = find(package, "package.same-requirement")
    assert (finding.severity, finding.place) == (Severity.WARNING, f"/$graph/1/{section}")
    assert "2 entries of ResourceRequirement" in finding.message


def test_a_requirement_that_a_step_has_twice_is_a_warning() -> None:
    package = build_good_package(steps=[{**STEP, "requirements": [SCRIPT, SCRIPT]}])
    assert find(package, "package.same-requirement").subject == "step 'detect'"


def test_scripts_are_compiled_where_they_are_declared_and_found_at_their_places() -> None:
    library = {**SCRIPT, "expressionLib": ["function f( {"]}
    package = with_tool(arguments=["$(inputs.a +)", "fine"], requirements=[library])
    asked: list[Script] = []

    def find_faults(scripts: Sequence[Script]) -> Iterator[tuple[Script, str]]:
        asked.extend(scripts)
        return ((one, "wrong") for one in scripts)

    found = [(one.rule, one.severity, one.place) for one in check_syntax(package, find_faults)]
    places = ["/$graph/1/arguments", "/$graph/1/requirements/0/expressionLib"]
    assert found == [("package.script", Severity.ERROR, place) for place in places]
    assert [one.text for one in asked] == ["$(inputs.a +)", "function f( {"]
    assert [*check_syntax(with_tool(arguments=["$(inputs.a +)"]), find_faults)] == []
