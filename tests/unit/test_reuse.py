"""Reuse of jobs that have ended: what changes their key and what does not, outputs, and inputs that are the same."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_argo_dag import package_of, step, workflow
from zoo_runner.engines.argo.native.dag import identify_tools
from zoo_runner.engines.cwl_process.reuse import Finished, Result, compute_key, identify_tool
from zoo_runner.engines.cwl_process.same_files import take_same_files
from zoo_runner.model.written import read_number, write_json

TOOL: dict[str, Any] = {
    "class": "CommandLineTool",
    "id": "#tool",
    "doc": "what people read",
    "baseCommand": "true",
    "inputs": [{"id": "#tool/a", "type": "File"}],
    "outputs": [{"id": "#tool/b", "type": "File", "outputBinding": {"glob": "*"}}],
    "requirements": [{"class": "DockerRequirement", "dockerPull": "debian:12"}],
}
MEMORY = {"class": "ResourceRequirement", "ramMin": 100}


def identify(**changed: Any) -> str:
    tool = {**TOOL, **changed}
    return identify_tool(tool, (tool,), "debian:12")


CHANGES: dict[str, dict[str, Any]] = {
    "command": {"baseCommand": "false"},
    "output": {"outputs": [{"id": "#tool/b", "type": "File", "outputBinding": {"glob": "*.tif"}}]},
    "image": {"requirements": [{"class": "DockerRequirement", "dockerPull": "debian:13"}]},
    "memory": {"requirements": [*TOOL["requirements"], MEMORY]},
    "environment": {"hints": [{"class": "EnvVarRequirement", "envDef": {"A": "1"}}]},
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_tool_does_or_gets_changes_its_digest(what: str) -> None:
    assert identify(**CHANGES[what]) != identify()


def test_so_does_the_environment_of_the_site() -> None:
    digests = [identify_tool(TOOL, (TOOL,), None, environ) for environ in ({}, {"GDAL_CACHEMAX": "64"})]
    assert len(set(digests)) == 2


def test_names_descriptions_and_the_way_in_which_requirements_are_written_do_not() -> None:
    renamed = {part: [{**one, "id": one["id"].replace("#tool", "#main/run")} for one in TOOL[part]] for part in PORTS}
    assert identify(id="#main/run", doc="other words", label="a", **renamed) == identify()
    assert identify(requirements={"DockerRequirement": {"dockerPull": "debian:12"}}) == identify()


PORTS = ("inputs", "outputs")


def test_a_requirement_that_a_step_or_workflow_gives_is_the_tools_and_one_that_it_hides_is_not() -> None:
    bare = identify_tool(TOOL, (TOOL, {}), None)
    assert identify_tool(TOOL, (TOOL, {"requirements": [MEMORY]}), None) != bare
    hidden = {"hints": [{"class": "DockerRequirement", "dockerPull": "other:1"}]}
    assert identify_tool(TOOL, (TOOL, hidden), None) == bare


def test_a_change_of_one_step_leaves_the_digests_of_the_others() -> None:
    def build(**more: Any) -> dict[str, str]:
        steps = [step("main", "a"), step("main", "b", "a/out", **more)]
        return identify_tools(package_of(workflow("main", *steps, source="b/out")), None)

    before, after = build(), build(requirements=[MEMORY])
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


def test_a_key_is_that_of_the_content_and_forgets_where_a_literal_lies() -> None:
    literal = {"class": "File", "location": "_:1", "contents": "x"}
    assert compute_key("a", "t", {"x": literal}) == compute_key("a", "t", {"x": {**literal, "location": "_:2"}})
    keys = [("a", "t", {"x": 1}), ("b", "t", {"x": 1}), ("a", "u", {"x": 1}), ("a", "t", {"x": 2})]
    assert len({compute_key(*key) for key in keys} | {compute_key("a", "t", {"x": 1}, 1)}) == 5


def test_outputs_are_found_by_their_key_once_they_are_stored(tmp_path: Path) -> None:
    finished = Finished(tmp_path, {})
    assert finished.find("k") is None
    finished.keep("k", {}, {"x": "ü\ud800"})
    assert finished.find("k") == Result({"x": "ü\ud800"})


LOSSES: dict[str, Callable[[Path], object]] = {
    "removed": lambda file: file.unlink(),
    "grown": lambda file: file.write_text("xy"),
    "written again": lambda file: os.utime(file, ns=(0, 0)),
    "another mode": lambda file: file.chmod(0o700),
}


@pytest.mark.parametrize("what", ["output", "output folder", "input"])
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_of_an_earlier_run_are_found_with_their_job_as_long_as_no_file_of_it_changes(
    what: str, loss: str, tmp_path: Path
) -> None:
    earlier, run, folder = tmp_path / "earlier", tmp_path / "run", tmp_path / "folder"
    for new in (earlier, run, folder):
        new.mkdir()
    file = folder / "out.tif"
    file.write_text("x")
    file.chmod(0o600)
    one = (
        {"class": "Directory", "location": folder.as_uri()}
        if "folder" in what
        else {"class": "File", "path": f"{file}"}
    )
    inputs, outputs = ({"a": one}, {"b": 1}) if what == "input" else ({"a": 1}, {"b": one})
    Finished(earlier, {}).keep("k", inputs, outputs)
    finished = Finished(run, {earlier: "j1"})
    (folder / "beside").hardlink_to(file)
    (folder / "beside").unlink()
    assert finished.find("k") == Result(outputs, "j1")
    LOSSES[loss](file)
    assert finished.find("k") is None


Place = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Write a file `name`, or the only file of a folder of this name, and return it as CWL does."""

    def write(place: str, text: str) -> dict[str, Any]:
        path = tmp_path / place
        kind = "Directory" if path.name == "scene" else "File"
        file = path / "band.tif" if kind == "Directory" else path
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return {"class": kind, "path": str(path)}

    return write


def test_inputs_with_the_same_content_are_taken_from_where_the_earlier_job_has_them(place: Place) -> None:
    before = [place("1/a.tif", "x"), place("2/scene", "y"), place("3/b.tif", "z")]
    a, scene, b, renamed = place("5/a.tif", "x"), place("6/scene", "y"), place("7/b.tif", "Z"), place("8/c.tif", "x")
    taken = take_same_files({"a": [a], "scene": scene, "b": b, "renamed": renamed, "n": 1}, [{"x": before}])
    assert taken == {"a": [before[0]], "scene": before[1], "b": b, "renamed": renamed, "n": 1}


def test_a_file_whose_secondary_files_differ_is_another(place: Place) -> None:
    def pair(number: int, index: str) -> dict[str, Any]:
        return {**place(f"{number}/a.tif", "x"), "secondaryFiles": [place(f"{number}-i/a.idx", index)]}

    before, same, other = pair(1, "i"), pair(2, "i"), pair(3, "j")
    assert take_same_files([same, other], [before]) == [before, other]


def test_a_link_counts_with_what_it_names_and_is_not_followed(tmp_path: Path) -> None:
    folders = []
    for number, target in enumerate(("/etc/hostname", "/etc/hostname", "/etc/passwd")):
        folder = tmp_path / str(number) / "scene"
        folder.mkdir(parents=True)
        (folder / "link").symlink_to(target)
        folders.append({"class": "Directory", "path": str(folder)})
    before, same, other = folders
    assert take_same_files([same, other], before) == [before, other]


def write_link(path: Path) -> None:
    path.symlink_to("data")


OTHERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "a file that may be run": (lambda path: path.touch(0o600), lambda path: path.touch(0o700)),
    "an empty folder for an empty file": (lambda path: path.touch(), lambda path: path.mkdir()),
    "a link for its text": (lambda path: path.write_text("data"), write_link),
}


@pytest.mark.parametrize("what", OTHERS)
def test_kinds_and_the_permission_to_run_count(what: str, tmp_path: Path) -> None:
    folders = []
    for number, write in enumerate(OTHERS[what]):
        folder = tmp_path / str(number) / "scene"
        folder.mkdir(parents=True)
        write(folder / "one")
        folders.append({"class": "Directory", "path": str(folder)})
    before, now = folders
    assert take_same_files([now], before) == [now]


def test_literals_and_the_documents_of_a_job_stay_as_they_are() -> None:
    literal = {"class": "File", "basename": "a", "contents": "x"}
    assert take_same_files({"x": literal}, [literal]) == {"x": literal}


def test_numbers_of_another_form_are_other_inputs_and_outputs_keep_theirs(tmp_path: Path) -> None:
    keys = {compute_key("a", "t", {"x": read_number(text)}) for text in ("10.5", "10.50", "1.05e1")}
    assert len(keys) == 3
    finished = Finished(tmp_path, {})
    finished.keep("k", {}, {"x": read_number("10.50")})
    result = finished.find("k")
    assert result is not None
    assert write_json(result.outputs) == '{"x": 10.50}'
