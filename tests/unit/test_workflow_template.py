"""WorkflowTemplates as packages: what of them becomes inputs and outputs, and what Argo is given."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.values import configuration_in
from zoo_runner.config.argo import load_argo_settings
from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines import choose_engine
from zoo_runner.engines.argo.template import source
from zoo_runner.engines.argo.template.archive import Budget
from zoo_runner.engines.argo.template.engine import TemplateEngine
from zoo_runner.engines.argo.template.follower import add_last_line, name_step
from zoo_runner.engines.argo.template.outputs import (
    FoundArtifact,
    build_output_object,
    fetch_artifact,
    find_outputs,
)
from zoo_runner.engines.argo.template.workflow import build_parameters, build_template_workflow, fill_addresses
from zoo_runner.engines.kubernetes.names import Names
from zoo_runner.engines.kubernetes.owners import find_owner
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.inputs.joborder import read_execute_request
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import EngineError, InputError, PackageError, RunnerError, SettingsError, ToolError
from zoo_runner.model.package import Package
from zoo_runner.package.describe import build_description
from zoo_runner.package.loading import load_package
from zoo_runner.package.workflow_template import TemplateUse, build_document, build_use, find_template

TYPES = """{scale: "double?", size: int, tags: "string[]", map: Directory}"""
PARAMETERS = [
    {"name": "scene", "description": "Scene to read"},
    {"name": "mode", "enum": ["fast", "exact"], "value": "fast"},
    {"name": "path", "enum": ["a/b", "c"], "value": "c"},
    {"name": "number", "value": "3"},
    {"name": "share", "value": "0.5"},
    {"name": "dry", "value": "false"},
    {"name": "bands", "value": '["B04", "B08"]'},
    {"name": "code", "value": "007"},
    {"name": "site", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "site"}}},
    {"name": "scale"},
    {"name": "tags", "value": "[]"},
]
TEMPLATE: dict[str, Any] = {
    "metadata": {
        "name": "ndvi",
        "annotations": {
            "workflows.argoproj.io/title": "NDVI",
            "workflows.argoproj.io/description": "Vegetation",
            "zoo-runner/types": TYPES,
        },
    },
    "spec": {
        "entrypoint": "main",
        "onExit": "leave",
        "arguments": {"parameters": PARAMETERS},
        "templates": [
            {
                "name": "main",
                "outputs": {
                    "parameters": [{"name": "size", "valueFrom": {"path": "/s"}}, {"name": "scene"}],
                    "artifacts": [{"name": "map", "path": "/tmp/map"}, {"name": "log", "path": "/l", "optional": True}],
                },
            },
            {"name": "leave", "outputs": {"parameters": [{"name": "note", "valueFrom": {"path": "/n"}}]}},
            {"name": "other", "outputs": {"parameters": [{"name": "x", "globalName": "shared"}, {"name": "inner"}]}},
        ],
    },
}


def changed(**members: Any) -> dict[str, Any]:
    """The template with other members of its spec, or `annotations`."""
    meta = TEMPLATE["metadata"] | {"annotations": members.pop("annotations", {})}
    return {"metadata": meta, "spec": TEMPLATE["spec"] | members}


def load(folder: Path, template: dict[str, Any] = TEMPLATE) -> Package:
    path = folder / "package.cwl"
    path.write_text(json.dumps(build_document(template)))
    return load_package(str(path), configuration_in(folder).settings)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return load(tmp_path_factory.mktemp("package"))


def test_parameters_are_inputs_typed_by_annotation_enumeration_or_the_form_of_the_default(package: Package) -> None:
    inputs = build_description(package)["inputs"]
    schemas = {name: one["schema"] for name, one in inputs.items()}
    assert {name: one.get("type") for name, one in schemas.items()} == {
        "scene": "string",
        "mode": "string",
        "path": "string",
        "number": "integer",
        "share": "number",
        "dry": "boolean",
        "bands": "array",
        "code": "string",
        "site": "string",
        "scale": "number",
        "tags": "array",
    }
    assert schemas["mode"]["enum"] == ["fast", "exact"]
    assert {name: one["default"] for name, one in schemas.items() if "default" in one} == {
        "mode": "fast",
        "path": "c",
        "number": 3,
        "share": 0.5,
        "dry": False,
        "bands": ["B04", "B08"],
        "code": "007",
        "tags": [],
    }
    assert [name for name, one in inputs.items() if one["minOccurs"]] == ["scene"]
    assert inputs["scene"]["description"] == "Scene to read"


def test_outputs_are_those_of_entrypoint_and_exit_handler_and_the_global_ones(package: Package) -> None:
    description = build_description(package)
    assert (description["id"], description["title"], description["description"]) == ("ndvi", "NDVI", "Vegetation")
    assert list(description["outputs"]) == ["size", "scene-output", "map", "log", "note", "shared"]
    assert description["outputs"]["size"]["schema"]["type"] == "integer"
    use = find_template(package)
    assert use
    assert use.sources["scene-output"].name == "scene"


def test_a_package_of_a_template_has_an_engine_of_its_own(package: Package) -> None:
    assert choose_engine(package, "calrissian") == "argo-template"


@pytest.mark.parametrize(
    "template",
    [
        changed(entrypoint="nowhere"),
        changed(arguments={"artifacts": [{"name": "data"}], "parameters": [{"name": "data"}]}),
        changed(arguments={"artifacts": [{"name": "data"}]}, annotations={"zoo-runner/types": "{data: 'Directory[]'}"}),
        changed(arguments={"artifacts": [{"name": "data", "optional": True}]}),
        changed(arguments={"parameters": [{"name": "a b"}]}),
        changed(annotations={"zoo-runner/types": "{nothing: int}"}),
        changed(annotations={"zoo-runner/types": "[int"}),
        changed(annotations={"zoo-runner/types": "{scene: 'File[]'}"}),
        changed(annotations={"zoo-runner/types": "{mode: int}"}),
    ],
    ids=["entrypoint", "same name", "artifacts", "optional", "name", "unknown", "syntax", "file", "default"],
)
def test_a_template_that_cannot_be_a_process_is_refused(template: dict[str, Any]) -> None:
    with pytest.raises(PackageError) as caught:
        build_document(template)
    assert caught.value.diagnosis.code == "package.template"


def test_a_package_is_compared_with_its_template_type_by_type(package: Package, tmp_path: Path) -> None:
    use = find_template(package)
    assert use == build_use(build_document(TEMPLATE))
    types = "{scale: 'double?', size: int, tags: 'string[]', map: Directory, mode: string}"
    assert use != build_use(build_document(changed(annotations={"zoo-runner/types": types})))
    record = "{scale: {type: record, name: s, fields: [{name: a, type: 'int?'}]}, mode: {type: enum, symbols: [fast]}}"
    template = changed(annotations={"zoo-runner/types": record})
    (tmp_path / "other").mkdir()
    assert find_template(load(tmp_path / "other", template)) == build_use(build_document(template))


FORGED: dict[str, dict[str, Any]] = {
    "type": {"mode": {"type": "string"}},
    "enumeration": {"mode": {"type": {"type": "enum", "symbols": ["fast", "exact", "rm"]}}},
    "further input": {"secret": {"type": "string?"}},
    "allowed": {},
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_package_that_claims_more_than_its_template_is_not_submitted(
    forged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = build_document(TEMPLATE)
    process, operation = document["$graph"]
    for one in (process, operation):
        one["inputs"] = one["inputs"] | FORGED[forged]
    process["steps"]["workflow"]["in"] = {name: name for name in process["inputs"]}
    if forged == "allowed":
        operation["hints"][0]["allowed"] = "{}"
    path = tmp_path / "package.cwl"
    path.write_text(json.dumps(document))
    configuration = configuration_in(tmp_path)
    use = find_template(load_package(str(path), configuration.settings))
    assert use
    monkeypatch.setattr(source, "read_template", lambda *_: TEMPLATE)
    with pytest.raises(EngineError) as caught:
        source.ensure_unchanged(configuration, use)
    assert caught.value.diagnosis.code == "package.template-changed"
    source.ensure_unchanged(configuration, build_use(build_document(TEMPLATE)))


@pytest.mark.parametrize("part", ["step", "input", "output", "hint"])
def test_a_package_that_was_changed_by_hand_is_refused(part: str, tmp_path: Path) -> None:
    document = build_document(TEMPLATE)
    process, operation = document["$graph"]
    match part:
        case "step":
            process["steps"]["workflow"]["in"]["scene"] = {"default": "constant"}
        case "input":
            process["steps"]["workflow"]["in"]["code"] = "scene"
        case "output":
            process["outputs"]["size"] = {"type": "string?", "outputSource": "workflow/note"}
        case _:
            operation["hints"][0]["results"] = "[]"
    path = tmp_path / "package.cwl"
    path.write_text(json.dumps(document))
    with pytest.raises(PackageError):
        find_template(load_package(str(path), configuration_in(tmp_path).settings))


def test_parameters_are_written_as_argo_reads_them(package: Package) -> None:
    request = {"inputs": {"scene": "S2", "number": 4, "dry": True, "bands": ["B{{x}}"], "share": 1}}
    order = read_execute_request(package, request).values
    use = find_template(package)
    assert use
    written = {one["name"]: one["value"] for one in build_parameters(use, order)}
    assert written["scene"] == "S2"
    assert written["number"] == "4"
    assert written["dry"] == "true"
    assert "{{" not in written["bands"]
    assert json.loads(written["bands"]) == ["B{{x}}"]
    assert "site" not in written


FILES = changed(
    arguments={
        "artifacts": [
            {"name": "scene", "description": "Scene"},
            {"name": "site", "s3": {"key": "site"}},
        ],
        "parameters": [{"name": "number", "value": "3"}],
    },
    templates=[
        {
            "name": "main",
            "inputs": {
                "artifacts": [
                    {"name": "scene", "path": "/scene"},
                    {"name": "tiles", "path": "/tiles", "optional": True},
                    {"name": "site", "path": "/site"},
                    {"name": "code", "path": "/code", "git": {"repo": "https://example.org"}},
                ]
            },
            "outputs": {"artifacts": [{"name": "map", "path": "/map"}]},
        }
    ],
    onExit="",
    annotations={"zoo-runner/types": "{tiles: Directory, map: Directory}"},
)
SCENE = {"class": "File", "location": "https://data.example/scene.tif"}


def draft(package: Package, folder: Path, order: dict[str, Any], destination: str) -> JobSpec:
    paths = JobPaths("ndvi", "j1", folder, folder / "record", folder / "scratch")
    return JobSpec(paths, package, order, destination)


def open_engine(folder: Path) -> TemplateEngine:
    return TemplateEngine(configuration_in(folder, ZOO_RUNNER_ARGO_TEMPLATES="ndvi"))


def test_artifacts_without_a_location_are_files_or_folders(tmp_path: Path) -> None:
    package = load(tmp_path, FILES)
    use = find_template(package)
    assert use == build_use(build_document(FILES))
    assert use.artifacts == ("scene", "tiles")
    inputs = build_description(package)["inputs"]
    assert [name for name, one in inputs.items() if one["minOccurs"]] == ["scene"]
    assert inputs["scene"]["description"] == "Scene"


def test_files_of_a_job_are_artifacts_whose_addresses_are_no_part_of_the_plan(tmp_path: Path) -> None:
    package = load(tmp_path, FILES)
    order = {"scene": SCENE, "tiles": {"class": "Directory", "location": "s3://b/item.json"}, "number": 4}
    job = draft(package, tmp_path, order, "s3://results/j1")
    planned = open_engine(tmp_path).plan(job)
    (workflow,) = planned.submission["manifests"]
    assert "data.example" not in json.dumps(workflow)
    assert planned.handle.data["inputs"] == ["scene", "tiles"]
    filled = fill_addresses(workflow, {"scene": "https://a", "tiles": "https://b"})["spec"]["arguments"]
    assert filled["artifacts"] == [
        {"name": "scene", "http": {"url": "https://a"}, "archive": {"none": {}}},
        {"name": "tiles", "http": {"url": "https://b"}},
    ]
    assert filled["parameters"] == [{"name": "number", "value": "4"}]


@pytest.mark.parametrize(
    ("value", "destination", "code"),
    [
        (SCENE, "/results", "destination.unsupported"),
        ({"class": "File", "contents": "x"}, "s3://results/j1", "inputs.value"),
    ],
    ids=["folder", "literal"],
)
def test_files_that_argo_could_not_read_are_refused(
    value: dict[str, Any], destination: str, code: str, tmp_path: Path
) -> None:
    job = draft(load(tmp_path, FILES), tmp_path, {"scene": value}, destination)
    with pytest.raises(RunnerError) as caught:
        open_engine(tmp_path).plan(job)
    assert caught.value.diagnosis.code == code


@pytest.mark.parametrize("value", ["{{workflow.name}}", "a{{=1}}", "{", "x{", "{workflow.name}}", "-{{"])
def test_a_string_that_argo_would_evaluate_is_refused(value: str) -> None:
    with pytest.raises(InputError) as caught:
        build_parameters(TemplateUse("t", {}, {}), {"scene": value})
    assert caught.value.diagnosis.code == "inputs.value"


def test_values_that_are_no_symbols_of_cwl_are_checked_too(package: Package) -> None:
    use = find_template(package)
    assert use
    with pytest.raises(InputError):
        build_parameters(use, {"path": "d"})
    assert build_parameters(use, {"path": "a/b"}) == [{"name": "path", "value": "a/b"}]


def test_objects_in_parameters_do_not_begin_with_a_brace() -> None:
    (written,) = build_parameters(TemplateUse("t", {}, {}), {"box": {"a": {"b": "}}{{"}}})
    assert not written["value"].startswith("{")
    assert "{{" not in written["value"]
    assert json.loads(written["value"]) == {"a": {"b": "}}{{"}}


def test_the_workflow_refers_to_the_template_with_the_account_of_the_settings(package: Package, tmp_path: Path) -> None:
    use = find_template(package)
    assert use
    argo = load_argo_settings({"ZOO_RUNNER_ARGO_TEMPLATE_ACCOUNT": "runner", "ARGO_INSTANCE_ID": "two"})
    job = JobSpec(JobPaths("ndvi", "j1", tmp_path, tmp_path, tmp_path), package, {"scene": "S2"}, "s3://b/p", 30.0)
    workflow = build_template_workflow(Names("eo", "job-j1"), use, job, KubernetesSettings(), argo)
    spec = workflow["spec"]
    assert spec["workflowTemplateRef"] == {"name": "ndvi"}
    assert spec["serviceAccountName"] == "runner"
    assert spec["suspend"] is True
    assert spec["activeDeadlineSeconds"] == 90
    assert spec["podMetadata"]["labels"]["zoo-runner/job"] == "job-j1"
    assert workflow["metadata"]["labels"]["workflows.argoproj.io/controller-instanceid"] == "two"


def plan(package: Package, folder: Path, **environ: str) -> Any:
    engine = TemplateEngine(configuration_in(folder, **environ))
    paths = JobPaths("ndvi", "j1", folder, folder / "record", folder / "scratch")
    return engine.plan(JobSpec(paths, package, {"scene": "S2"}, "s3://b/p"))


def test_only_templates_of_the_settings_are_run_in_the_namespace_of_the_settings(
    package: Package, tmp_path: Path
) -> None:
    allowed = {"ZOO_RUNNER_ARGO_TEMPLATES": "water, nd*", "ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE": "eo"}
    (workflow,) = plan(package, tmp_path, **allowed).submission["manifests"]
    assert workflow["metadata"]["namespace"] == "eo"
    for others in ("", "ndv", "water", "*-ndvi".replace("*", "x")):
        with pytest.raises(PackageError) as caught:
            plan(package, tmp_path, ZOO_RUNNER_ARGO_TEMPLATES=others)
        assert caught.value.diagnosis.code == "package.template-not-allowed"


@pytest.mark.parametrize("names", ["a/b", "*a", "a*b", "UPPER", "{{x}}"])
def test_a_list_of_templates_with_a_name_that_is_none_is_refused(names: str) -> None:
    with pytest.raises(SettingsError):
        load_argo_settings({"ZOO_RUNNER_ARGO_TEMPLATES": names})


@pytest.mark.parametrize("name", ["eo-x/../../other/y", "eo-x?listOptions=1", "eo-x#", "eo-\n", "eo-", "eo-X"])
def test_what_cannot_name_a_template_is_never_allowed(name: str) -> None:
    for patterns in ("eo-*", "*"):
        assert not load_argo_settings({"ZOO_RUNNER_ARGO_TEMPLATES": patterns}).allows_template(name)


TOOL = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": []}


def test_a_template_of_another_workspace_is_run_only_where_its_name_stands_for_the_same(
    package: Package, tmp_path: Path
) -> None:
    def workspace(name: str, **environ: str) -> Configuration:
        found = configuration_in(tmp_path, **environ)
        return replace(found, workspace=replace(found.workspace, name=name))

    with pytest.raises(PackageError) as caught:
        source.ensure_same_place(package, workspace("alpha"), workspace("beta"))
    assert caught.value.diagnosis.code == "package.template-not-allowed"
    assert "ws-alpha" in caught.value.diagnosis.cause
    shared = {"ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE": "eo"}
    source.ensure_same_place(package, workspace("alpha", **shared), workspace("beta", **shared))
    with pytest.raises(PackageError):
        source.ensure_same_place(package, workspace("alpha", **shared), workspace("beta"))
    source.ensure_same_place(replace(package, document=TOOL, entry="#main"), workspace("alpha"), workspace("beta"))


def test_an_input_that_the_package_calls_secret_is_refused(tmp_path: Path) -> None:
    document = build_document(TEMPLATE)
    document["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    document["$graph"][0]["hints"] = [{"class": "cwltool:Secrets", "secrets": ["scene"]}]
    path = tmp_path / "package.cwl"
    path.write_text(json.dumps(document))
    package = load_package(str(path), configuration_in(tmp_path).settings)
    with pytest.raises(PackageError) as caught:
        plan(package, tmp_path, ZOO_RUNNER_ARGO_TEMPLATES="*")
    assert caught.value.diagnosis.code == "package.unsupported"
    assert "'scene'" in caught.value.diagnosis.cause


def test_a_value_with_a_secret_of_the_workspace_is_refused_and_not_shown(package: Package, tmp_path: Path) -> None:
    engine = TemplateEngine(configuration_in(tmp_path, ZOO_RUNNER_ARGO_TEMPLATES="*", STAGEIN_TOKEN="hidden-value"))
    paths = JobPaths("ndvi", "j1", tmp_path, tmp_path / "record", tmp_path / "scratch")
    with pytest.raises(InputError) as caught:
        engine.plan(JobSpec(paths, package, {"scene": "S2", "bands": ["x-hidden-value"]}, "s3://b/p"))
    assert caught.value.diagnosis.code == "inputs.value"
    assert "hidden-value" not in caught.value.diagnosis.cause


def test_a_package_that_is_no_template_is_refused_by_the_engine(tmp_path: Path) -> None:
    package = Package(TOOL, "#main", "t", {}, "")
    with pytest.raises(PackageError) as caught:
        plan(package, tmp_path)
    assert caught.value.diagnosis.code == "package.unsupported"


NODES = {
    "job": {
        "id": "job",
        "name": "job",
        "displayName": "job",
        "outputs": {
            "parameters": [{"name": "size", "value": "12"}, {"name": "scene", "value": "S2"}],
            "artifacts": [{"name": "map", "path": "/tmp/map", "archive": {"none": {}}}],
        },
    },
    "job-1": {
        "id": "job-1",
        "name": "job.onExit",
        "displayName": "job.onExit",
        "outputs": {"parameters": [{"name": "note", "value": "bye"}]},
    },
    "job-2": {
        "id": "job-2",
        "name": "job.deep",
        "displayName": "deep",
        "outputs": {"parameters": [{"name": "x", "globalName": "shared", "value": "one"}]},
    },
}
WORKFLOW: dict[str, Any] = {
    "metadata": {"name": "job"},
    "status": {"nodes": NODES, "outputs": {"parameters": [{"name": "shared", "value": "one"}]}},
}


def test_outputs_are_read_by_their_types(package: Package, tmp_path: Path) -> None:
    use = find_template(package)
    assert use
    found = find_outputs(WORKFLOW, use)
    assert found["map"] == FoundArtifact("job", "job", "map", "map", is_archive=False)
    outputs = build_output_object(found, package, lambda artifact, output: tmp_path)
    assert outputs == {
        "size": 12,
        "scene-output": "S2",
        "map": {"class": "Directory", "location": tmp_path.as_uri(), "basename": tmp_path.name},
        "log": None,
        "note": "bye",
        "shared": "one",
    }


@pytest.mark.parametrize(("text", "code"), [(None, "step.output-missing"), ("twelve", "step.output-type")])
def test_an_output_that_is_missing_or_of_another_type_fails_the_job(
    text: str | None, code: str, package: Package, tmp_path: Path
) -> None:
    use = find_template(package)
    assert use
    with pytest.raises(ToolError) as caught:
        build_output_object({**find_outputs(WORKFLOW, use), "size": text}, package, lambda artifact, output: tmp_path)
    assert caught.value.diagnosis.code == code


class Server:
    """An Argo server with one artifact."""

    namespace = "eo"

    def __init__(self, content: bytes) -> None:
        self._content = content

    def download(self, path: str, what: str, take: Any) -> int:
        take(self._content)
        return 200


def pack(*names: str, link: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            packed.addfile(member, io.BytesIO(b"ok"))
        if link:
            member = tarfile.TarInfo(f"{names[0].partition('/')[0]}/link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            packed.addfile(member)
    return stream.getvalue()


ARTIFACT = FoundArtifact("node", "job", "map", "map", is_archive=True)


def test_an_archive_is_unpacked_to_the_file_or_folder_in_it(tmp_path: Path) -> None:
    one = fetch_artifact(Server(pack("map.tif")), "job", ARTIFACT, tmp_path / "a", print, Budget(10_000))
    assert (one.name, one.read_text()) == ("map.tif", "ok")
    folder = fetch_artifact(
        Server(pack("map/x", "map/y/z", link="/etc/passwd")), "job", ARTIFACT, tmp_path / "b", print, Budget(10_000)
    )
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {"x", "y/z"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))


BAD = {"above": pack("../x"), "root": pack("/x"), "two": pack("a", "b"), "empty": pack(), "other": b"no archive"}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_an_archive_that_leads_outside_or_is_damaged_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        fetch_artifact(Server(content), "job", ARTIFACT, tmp_path / "out", print, Budget(10_000))
    assert caught.value.diagnosis.code in ("results.path", "results.artifact")
    assert not (tmp_path / "x").exists()


HUGE = {
    "bytes": (pack("map/a"), Budget(len(pack("map/a")) + 1)),
    "download": (b"x" * 100, Budget(99)),
    "files": (pack("map/a", "map/b"), Budget(10_000, 2)),
}


@pytest.mark.parametrize(("content", "budget"), HUGE.values(), ids=HUGE)
def test_artifacts_larger_than_the_budget_of_the_job_are_refused(
    content: bytes, budget: Budget, tmp_path: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        fetch_artifact(Server(content), "job", ARTIFACT, tmp_path / "out", print, budget)
    assert caught.value.diagnosis.code == "results.artifact"
    assert "have more" in caught.value.diagnosis.cause


def test_a_pod_is_named_by_its_node_and_its_failures_are_those_of_the_template() -> None:
    labels = {"zoo-runner/template": "ndvi", "zoo-runner/job": "job-j1", "workflows.argoproj.io/workflow": "job-j1"}
    notes = {"workflows.argoproj.io/node-name": "job-j1.loop(0:../../x)"}
    containers = [{"name": "main"}, {"name": "wait"}]
    pod = {"metadata": {"name": "p", "labels": labels, "annotations": notes}, "spec": {"containers": containers}}
    assert name_step(pod, "main") == "loop_0_.._.._x_"
    owner = find_owner(pod)
    assert owner.name == "node 'loop(0:../../x)' of the WorkflowTemplate ndvi"
    assert owner.is_foreign


def test_an_artifact_without_a_type_has_one_that_a_zoo_kernel_deploys() -> None:
    outputs = build_document({**TEMPLATE, "metadata": {"name": "ndvi"}})["$graph"][0]["outputs"]
    assert (outputs["map"]["type"], outputs["log"]["type"]) == ("Directory", "Directory?")


def test_an_exit_code_comes_with_the_last_line_of_its_step() -> None:
    found = Diagnosis(Stage.EXECUTE, Level.USER, "exit code 3", "Look.", code="step.exit-code")
    longer = add_last_line(found, "count", ("reads", "no band 9", " "))
    assert (longer.cause, "count" in longer.remedy) == ("exit code 3: no band 9", True)
    assert add_last_line(found, "count", ()) == found
    assert add_last_line(replace(found, code="step.out-of-memory"), "count", ("no band 9",)).cause == "exit code 3"
