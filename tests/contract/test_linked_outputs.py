"""An output that is, or has, a link to an input has the input's content (cwltool issue 1364)."""

import json
from typing import Any

import pytest

from tests.site import Site

FILE = {"inputs": {"file": "File"}, "outputs": {"result": {"type": "File", "outputBinding": {"glob": "latest.tif"}}}}
FOLDER = {
    "inputs": {"file": "File"},
    "outputs": {"result": {"type": "Directory", "outputBinding": {"glob": "."}}},
}
STAGED = {"InitialWorkDirRequirement": {"listing": ["$(inputs.file)"]}}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a link as output": (FILE | {"baseCommand": ["sh", "-c", 'ln -s "$0" latest.tif']}, "latest.tif"),
    "a link in a folder": (FOLDER | {"baseCommand": ["sh", "-c", 'mkdir in; ln -s "$0" in/latest.tif']}, "latest.tif"),
    "an input staged into the folder": (FOLDER | {"baseCommand": ["true"], "requirements": STAGED}, "scene.tif"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_link_to_an_input_is_the_content_of_the_input(site: Site, case: str) -> None:
    check_linked_output(site, case)


def check_linked_output(site: Site, case: str, **more: Any) -> None:
    """Run a tool whose output links to its input, with more in its document, and look at the result."""
    tool, name = CASES[case]
    work = site.folder / "package"
    work.mkdir()
    scene = work / "scene.tif"
    scene.write_bytes(b"a scene")
    document = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "tool", "arguments": ["$(inputs.file.path)"]}
    (work / "tool.cwl").write_text(json.dumps(document | tool | more))
    story = site.run(site.accept(f"{work}/tool.cwl", None, f"file={scene}"))
    assert story.outcome.diagnosis is None
    found = next(site.results.rglob(name))
    assert found.read_bytes() == b"a scene"
    assert not found.is_symlink()
    assert not found.samefile(scene)


def test_a_link_out_of_an_input_folder_that_a_tool_keeps_is_its_content(site: Site) -> None:
    scene = site.folder / "package" / "scene"
    scene.mkdir(parents=True)
    (site.folder / "dem.tif").write_bytes(b"heights")
    (scene / "dem.tif").symlink_to("../../dem.tif")
    document = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "tool",
        "baseCommand": ["cp", "-a"],
        "arguments": ["$(inputs.scene.path)", "kept"],
        "inputs": {"scene": "Directory"},
        "outputs": {"result": {"type": "Directory", "outputBinding": {"glob": "kept"}}},
    }
    (site.folder / "package" / "tool.cwl").write_text(json.dumps(document))
    story = site.run(site.accept(f"{site.folder}/package/tool.cwl", None, f"scene={scene}"))
    assert story.outcome.diagnosis is None
    found = next(site.results.rglob("dem.tif"))
    assert found.read_bytes() == b"heights"
    assert not found.is_symlink()
