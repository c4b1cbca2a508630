import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.messages import Check
from tests.unit.test_documents import Web
from tests.values import EXAMPLES, FAILING, PACKAGES, settings_in
from zoo_runner.model.errors import InvalidPackageError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.model.written import write_json
from zoo_runner.package.loading import load_package
from zoo_runner.package.metadata import read_software_version

TOOL = """
cwlVersion: {version}
class: CommandLineTool
id: greet
baseCommand: echo
inputs:
  who: string
outputs: []
"""
Load = Callable[..., Package]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda reference: load_package(str(reference), settings_in(tmp_path))


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_every_version_of_cwl_is_read_and_kept_as_it_is_or_newer(tmp_path: Path, load: Load, version: str) -> None:
    path = tmp_path / "greet.cwl"
    path.write_text(TOOL.format(version=version))
    package = load(path)
    assert package.cwl_version >= version
    assert package.workflow_id == "greet"
    assert package.process["class"] == "CommandLineTool"


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_a_misspelt_field_is_refused_with_its_place_in_every_version(tmp_path: Path, load: Load, version: str) -> None:
    path = tmp_path / "greet.cwl"
    path.write_text(f"{TOOL.format(version=version)}lable: Greet\n")
    with pytest.raises(InvalidPackageError) as caught:
        load(path)
    (fault,) = caught.value.faults
    assert fault.line == len(path.read_text().splitlines())
    assert "'label'" in fault.message


@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
def test_a_type_may_have_a_doc_as_the_types_of_the_community_do(tmp_path: Path, load: Load, version: str) -> None:
    kind = {"name": "#Scene", "type": "record", "doc": "One scene.", "fields": [{"name": "id", "type": "string"}]}
    tool = {
        "cwlVersion": version,
        "class": "CommandLineTool",
        "id": "greet",
        "baseCommand": "echo",
        "requirements": [{"class": "SchemaDefRequirement", "types": [kind]}],
        "inputs": {"scene": "scene.cwl#Scene"},
        "outputs": {},
    }
    path = tmp_path / "scene.cwl"
    path.write_text(json.dumps(tool))
    assert load(path).workflow_id == "greet"
    path.write_text(json.dumps({**tool, "baseComand": "echo"}))
    with pytest.raises(InvalidPackageError) as caught:
        load(path)
    assert len(caught.value.faults) >= 1
    assert "'baseCommand'" in caught.value.faults[0].message


@pytest.mark.parametrize("written", ["1.23e5", "1.5e-3", "3.0", "7", "10.50", "1e21", "123456789.123456791"])
def test_a_default_keeps_the_form_in_which_it_is_written(tmp_path: Path, load: Load, written: str) -> None:
    path = tmp_path / "greet.cwl"
    parameter = f"who: {{type: double, default: {written}}}"
    path.write_text(TOOL.format(version="v1.2").replace("who: string", parameter))
    for package in (load(path), load(path)):  # the second is a cached one
        assert write_json(package.process["inputs"][0]["default"]) == written


def test_an_unknown_version_is_refused_with_its_name(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "greet.cwl"
    path.write_text(TOOL.format(version="v9.9"))
    with pytest.raises(PackageError, match=r"v9\.9"):
        load(path)


def test_a_graph_is_packed_with_all_that_the_entry_needs(load: Load) -> None:
    package = load(PACKAGES / "graph" / "graph.cwl")
    assert package.workflow_id == "main-workflow"
    assert {process["class"] for process in package.processes.values()} == {"Workflow", "CommandLineTool"}
    assert package.process["class"] == "Workflow"


def test_files_that_a_workflow_runs_are_packed_in_and_known(load: Load) -> None:
    package = load(PACKAGES / "multi" / "multi.cwl")
    assert package.workflow_id == "multi"
    assert {Path(file.uri).name for file in package.files} == {"multi.cwl", "describe.cwl", "join.cwl", "types.yml"}
    # what is left are references within the document: cwltool names a type that stands twice only once
    assert all(name.startswith("#") for name in re.findall(r'"\$import": "([^"]*)"', json.dumps(package.document)))


def test_types_are_known_by_the_address_that_the_author_wrote(load: Load) -> None:
    package = load(PACKAGES / "multi" / "multi.cwl")
    assert {old.rpartition("/")[2] for old in package.types.values()} == {"types.yml#area", "types.yml#kind"}
    assert set(package.types) <= set(json.dumps(package.document).split('"'))


def test_metadata_of_the_author_is_kept_and_its_schemas_are_not(load: Load) -> None:
    package = load(PACKAGES / "multi" / "multi.cwl")
    assert package.document["s:softwareVersion"] == "0.3.1"
    assert package.document["s:author"][0]["s:name"] == "Ada Example"
    assert "$schemas" not in package.document


def test_the_entry_is_chosen_by_id(load: Load) -> None:
    path = FAILING / "several-workflows" / "several-workflows.cwl"
    assert load(f"{path}#second").workflow_id == "second"
    with pytest.raises(PackageError, match="#first, #second"):
        load(path)


def test_a_tool_of_a_graph_can_be_the_entry(load: Load) -> None:
    package = load(f"{PACKAGES / 'graph' / 'graph.cwl'}#count-words")
    assert package.workflow_id == "count-words"
    assert package.process["class"] == "CommandLineTool"


def test_a_process_without_an_id_is_called_like_its_file(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "my tool.cwl"
    path.write_text(TOOL.format(version="v1.2").replace("id: greet\n", ""))
    assert load(path).workflow_id == "my tool"


def test_the_same_package_has_the_same_digest_wherever_it_lies(tmp_path: Path, load: Load) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "greet.cwl"
        path.write_text(TOOL.format(version="v1.2"))
        digests.add(load(path).digest)
    assert len(digests) == 1


def test_a_second_load_is_equal_to_the_first(load: Load) -> None:
    assert load(EXAMPLES / "echo" / "echo.cwl") == load(EXAMPLES / "echo" / "echo.cwl")


def test_a_changed_file_is_resolved_anew(tmp_path: Path, load: Load) -> None:
    path = tmp_path / "greet.cwl"
    path.write_text(TOOL.format(version="v1.2"))
    before = load(path)
    path.write_text(TOOL.format(version="v1.2").replace("who", "whom"))
    after = load(path)
    assert before.digest != after.digest
    assert "whom" in json.dumps(after.document)


def test_a_changed_file_below_the_entry_is_resolved_anew(tmp_path: Path, load: Load) -> None:
    tool, main = tmp_path / "tool.cwl", tmp_path / "main.cwl"
    tool.write_text(TOOL.format(version="v1.2"))
    main.write_text(
        "cwlVersion: v1.2\nclass: Workflow\nid: w\ninputs: {who: string}\noutputs: []\n"
        "steps:\n  s: {run: tool.cwl, in: {who: who}, out: []}\n"
    )
    before = load(main)
    tool.write_text(TOOL.format(version="v1.2").replace("echo", "printf"))
    assert load(main).digest != before.digest
    tool.unlink()
    with pytest.raises(PackageError, match=r"tool\.cwl"):
        load(main)


def test_documents_that_earlier_versions_kept_are_removed(tmp_path: Path, load: Load) -> None:
    cache = settings_in(tmp_path).cache
    (cache / "documents").mkdir(parents=True)
    (cache / "documents" / "a").write_bytes(b"class: Workflow")
    load(EXAMPLES / "echo" / "echo.cwl")
    assert [path.name for path in cache.iterdir()] == ["packages"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": []}', b'{"files": [{}]}'])
def test_a_damaged_cache_is_as_none(tmp_path: Path, load: Load, damage: bytes) -> None:
    path = tmp_path / "greet.cwl"
    path.write_text(TOOL.format(version="v1.2"))
    before = load(path)
    (kept,) = (tmp_path / "cache" / "packages").iterdir()
    kept.write_bytes(damage)
    assert load(path) == before


def test_a_package_of_the_web_may_not_read_files_of_this_machine(tmp_path: Path) -> None:
    tool = tmp_path / "tool.cwl"
    tool.write_text(TOOL.format(version="v1.2"))
    url = "https://cwl.example/main.cwl"
    main = (
        "cwlVersion: v1.2\nclass: Workflow\nid: w\ninputs: {who: string}\noutputs: []\n"
        f"steps:\n  s: {{run: '{tool.as_uri()}', in: {{who: who}}, out: []}}\n"
    )
    with pytest.raises(PackageError, match=r"file:///.*tool\.cwl"):
        load_package(url, settings_in(tmp_path), Web({url: main.encode()}))


def test_a_schema_for_metadata_is_never_fetched(tmp_path: Path) -> None:
    url = "https://cwl.example/greet.cwl"
    text = TOOL.format(version="v1.2") + "$namespaces: {s: 'https://schema.org/'}\n"
    text += "$schemas: ['https://schema.org/version/latest/schemaorg-current-https.rdf']\ns:softwareVersion: 1.0.0\n"
    web = Web({url: text.encode()})
    assert load_package(url, settings_in(tmp_path), web).document["s:softwareVersion"] == "1.0.0"
    assert set(web.asked) == {url}


@settings(max_examples=60)
@given(text=st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "x.cwl"
    path.write_bytes(text)
    with pytest.raises(PackageError):
        load_package(str(path), settings_in(folder))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["$graph", "id", "inputs", "outputs", "steps", "requirements", "hints", "baseCommand", "$namespaces"]


@settings(max_examples=60)
@given(
    document=st.fixed_dictionaries(
        {"cwlVersion": st.sampled_from(["v1.0", "v1.2"]), "class": st.sampled_from(["Workflow", "CommandLineTool"])},
        optional={name: JSON for name in MEMBERS},
    )
)
def test_documents_of_any_shape_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "x.cwl"
    path.write_text(json.dumps(document))
    try:
        package = load_package(str(path), settings_in(folder))
    except PackageError as error:
        assert error.diagnosis.remedy
    else:
        assert package.process["class"] in ("Workflow", "CommandLineTool")


@pytest.mark.parametrize("form", ["single", "graph"])
def test_dates_in_metadata_need_no_quotes(tmp_path: Path, form: str) -> None:
    about = "$namespaces: {s: https://schema.org/}\ns:dateCreated: 2024-07-31\ns:softwareVersion: 2024-08-01\n"
    tool = "class: CommandLineTool\nid: a\nbaseCommand: [echo]\ninputs: []\noutputs: []\n"
    process = tool if form == "single" else "$graph:\n- " + tool.replace("\n", "\n  ")
    (tmp_path / "a.cwl").write_text(f"cwlVersion: v1.2\n{about}{process}")
    package = load_package(str(tmp_path / "a.cwl"), settings_in(tmp_path))
    assert package.document["s:dateCreated"] == "2024-07-31"
    assert read_software_version(package) == "2024-08-01"
    assert load_package(str(tmp_path / "a.cwl"), settings_in(tmp_path)) == package


@pytest.mark.parametrize("odd", ["? [a]\n: 1", "2024-07-31: a day", "a: !!binary aGVsbG8=", "a: !!set {b, c}"])
def test_what_json_cannot_write_is_refused(tmp_path: Path, load: Load, odd: str) -> None:
    (tmp_path / "a.cwl").write_text(f"{TOOL.format(version='v1.2')}\n$namespaces: {{s: https://schema.org/}}\n{odd}\n")
    with pytest.raises(PackageError) as caught:
        load(tmp_path / "a.cwl")
    assert caught.value.diagnosis.remedy


NAMESAKES = """
cwlVersion: v1.2
$graph:
- class: Workflow
  id: main
  inputs: {first: Directory}
  outputs:
    second: {type: Directory, outputSource: second/folder}
  steps:
    first: {run: "#b", in: {folder: first}, out: [folder]}
    second: {run: "#a", in: {folder: first/folder}, out: [folder]}
- class: CommandLineTool
  id: a
  baseCommand: echo
  inputs: {folder: Directory}
  outputs: {folder: {type: Directory, outputBinding: {glob: a}}}
- class: CommandLineTool
  id: b
  baseCommand: echo
  inputs: {folder: Directory}
  outputs: {folder: {type: Directory, outputBinding: {glob: b}}}
"""


def test_an_output_and_a_step_stay_what_they_are_beside_an_input_of_the_same_name(tmp_path: Path, load: Load) -> None:
    (tmp_path / "a.cwl").write_text(NAMESAKES)
    package = load(tmp_path / "a.cwl")
    processes = {process["id"]: process for process in package.document["$graph"]}
    assert {step["run"] for step in processes["#main"]["steps"]} == {"#a", "#b"}
    assert [processes[name]["outputs"][0]["outputBinding"]["glob"] for name in ("#a", "#b")] == ["a", "b"]


@pytest.mark.parametrize("section", ["inputs", "outputs"])
def test_two_inputs_or_outputs_of_one_name_are_refused(tmp_path: Path, load: Load, section: str) -> None:
    parts = {"inputs": "[]", "outputs": "[]", section: "[{id: a, type: Any}, {id: a, type: Any}]"}
    tool = "".join(f"{name}: {part}\n" for name, part in parts.items())
    (tmp_path / "a.cwl").write_text(f"cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: echo\n{tool}")
    with pytest.raises(PackageError, match=f"{section} .*'a'") as caught:
        load(tmp_path / "a.cwl")
    assert caught.value.diagnosis.code == "package.duplicate-id"


def test_a_step_that_names_no_process_of_a_graph_is_refused_with_those_to_name(
    tmp_path: Path, load: Load, check: Check
) -> None:
    tool = "{class: CommandLineTool, id: tool, baseCommand: echo, inputs: [], outputs: []}"
    (tmp_path / "tools.cwl").write_text(f"cwlVersion: v1.2\n$graph: [{tool}]\n")
    steps = "inputs: []\noutputs: []\nsteps: {go: {run: tools.cwl, in: [], out: []}}\n"
    (tmp_path / "a.cwl").write_text(f"cwlVersion: v1.2\nclass: Workflow\n{steps}")
    with pytest.raises(PackageError) as caught:
        load(tmp_path / "a.cwl")
    check(caught.value, "package.entry", "#tool", remedy="`run`")
