from pathlib import Path
from typing import Any

import pytest

from tests.unit.messages import Check
from tests.values import FAILING, settings_in
from zoo_runner.model.errors import PackageError
from zoo_runner.package.documents import Documents
from zoo_runner.package.loading import choose_entry
from zoo_runner.package.packing import check_documents, read_root

URI = "file:///pkg/app.cwl"
TOOL = {"class": "CommandLineTool", "id": "tool"}


def graph(*processes: Any) -> dict[str, Any]:
    return {"cwlVersion": "v1.2", "$graph": list(processes)}


def workflow(name: str) -> dict[str, str]:
    return {"class": "Workflow", "id": name}


def test_the_only_workflow_of_a_graph_is_the_entry() -> None:
    assert choose_entry(graph(TOOL, workflow("water")), URI) == f"{URI}#water"


def test_the_only_tool_of_a_graph_is_the_entry() -> None:
    assert choose_entry(graph(TOOL), URI) == f"{URI}#tool"


def test_a_process_called_main_is_the_entry() -> None:
    assert choose_entry(graph(workflow("a"), workflow("main"), workflow("b")), URI) == f"{URI}#main"


def test_ids_may_be_written_with_a_hash() -> None:
    assert choose_entry(graph(workflow("#water")), URI) == f"{URI}#water"


def test_the_id_of_the_reference_decides() -> None:
    assert choose_entry(graph(workflow("a"), workflow("b")), f"{URI}#b") == f"{URI}#b"


def test_several_candidates_are_listed() -> None:
    with pytest.raises(PackageError, match="#a, #b") as caught:
        choose_entry(graph(workflow("a"), workflow("b"), TOOL), URI)
    assert caught.value.diagnosis.code == "package.entry"
    assert "app.cwl#a" in caught.value.diagnosis.remedy


def test_a_workflow_that_is_a_step_of_another_is_no_candidate() -> None:
    outer = {**workflow("outer"), "steps": {"a": {"run": "#inner", "in": {}, "out": []}}}
    assert choose_entry(graph(workflow("inner"), outer, TOOL), URI) == f"{URI}#outer"


def test_an_id_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(PackageError, match="'c'") as caught:
        choose_entry(graph(workflow("a"), TOOL), f"{URI}#c")
    assert "a, tool" in caught.value.diagnosis.remedy


def test_a_single_process_needs_no_id_and_accepts_its_own() -> None:
    root = {"cwlVersion": "v1.2", **workflow("water")}
    assert choose_entry(root, URI) == f"{URI}#water"
    assert choose_entry(root, f"{URI}#water") == f"{URI}#water"
    with pytest.raises(PackageError, match="'other'"):
        choose_entry(root, f"{URI}#other")


@pytest.mark.parametrize("nothing", [None, [], {}, "text", 3, [None], [{"class": "Workflow"}], ["text"]])
def test_a_graph_without_a_process_is_said_to_have_none(nothing: Any) -> None:
    with pytest.raises(PackageError, match=r"app\.cwl ") as caught:
        choose_entry({"cwlVersion": "v1.2", "$graph": nothing}, URI)
    assert "$graph" in caught.value.diagnosis.remedy


@pytest.mark.parametrize(
    ("content", "code", "fact"),
    [
        (b"", "package.not-cwl", "NoneType"),
        (b"- a\n", "package.not-cwl", "list"),
        (b"openapi: 3.0.0\ninfo: {}\n", "package.not-cwl", "openapi, info"),
        (b"a: [b\n", "package.syntax", ""),
        (b"a: 1\na: 2\n", "package.syntax", ""),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "package.not-cwl", "UTF-8"),
        (b"PK\x03\x04\x00\x00", "package.syntax", ""),
        (b"[" * 4_000, "package.too-large", "64 levels"),
        (b"cwlVersion: !!python/object/apply:os.system ['true']\n", "package.syntax", ""),
    ],
)
def test_what_is_not_cwl_is_said_to_be_none(tmp_path: Path, content: bytes, code: str, fact: str) -> None:
    path = tmp_path / "app.cwl"
    path.write_bytes(content)
    with pytest.raises(PackageError) as caught:
        read_root(Documents(path.as_uri(), settings_in(tmp_path)), path.as_uri())
    assert fact in str(caught.value)
    assert caught.value.diagnosis.code == code


def test_a_bomb_of_aliases_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "bomb.cwl"
    path.write_text("cwlVersion: v1.2\n" + "\n".join(levels))
    with pytest.raises(PackageError, match="aliases") as caught:
        read_root(Documents(path.as_uri(), settings_in(tmp_path)), path.as_uri())
    assert caught.value.diagnosis.code == "package.too-large"


def test_a_document_that_holds_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.cwl"
    path.write_text("cwlVersion: v1.2\na: &a [*a]\n")
    with pytest.raises(PackageError, match="itself") as caught:
        read_root(Documents(path.as_uri(), settings_in(tmp_path)), path.as_uri())
    assert caught.value.diagnosis.code == "package.too-large"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("bad-package", ("bad-package.cwl:18: ", "'baseComand'", "'baseCommand'")),
        ("bad-source", ("bad-source.cwl:13: ", "'source'", "'mesage'")),
        ("bad-type", ("bad-type.cwl:25: ", "'number'", "'double'")),
    ],
)
def test_invalid_cwl_is_reported_with_the_word_that_is_wrong_and_its_place(
    tmp_path: Path, name: str, facts: tuple[str, ...], check: Check
) -> None:
    path = FAILING / name / f"{name}.cwl"
    uri = f"{path.as_uri()}#{name}"
    with pytest.raises(PackageError, match=name) as caught:
        check_documents(Documents(uri, settings_in(tmp_path)), uri, "v1.2")
    diagnosis = check(caught.value, "package.invalid", *facts)
    assert any(f"{name}.cwl:" in line for line in diagnosis.evidence)
    assert "Traceback" not in "\n".join(diagnosis.evidence)


def test_a_line_with_several_faults_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "faults.cwl"
    tool = "{class: CommandLineTool, baseCommand: x, inputs: {a: {type: string, lable: 1}}, outputs: {}, bar: 3}"
    path.write_text(f"cwlVersion: v1.2\n$graph:\n- {{id: main, {tool[1:]}\n")
    with pytest.raises(PackageError) as caught:
        check_documents(Documents(path.as_uri(), settings_in(tmp_path)), path.as_uri(), "v1.2")
    diagnosis = caught.value.diagnosis
    assert diagnosis.code == "package.invalid"
    assert len(diagnosis.evidence) > 1, "more than one fault"
    assert len(set(diagnosis.evidence)) == len(diagnosis.evidence)
    assert diagnosis.remedy.count("faults.cwl:") == 1
