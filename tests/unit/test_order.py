"""The order of inputs and outputs, through the real loader and packing."""

from pathlib import Path

import pytest

from zoo_runner.config.settings import load_settings
from zoo_runner.package.describe import build_description
from zoo_runner.package.loading import load_package

TOOL = """\
class: CommandLineTool
{id}baseCommand: echo
inputs:
  scene: string
  bands: {{type: "string[]", default: [red, nir]}}
  area: {{type: int, default: 3}}
outputs:
  mask: {{type: stdout}}
  counts: {{type: stderr}}
"""
LISTED = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs: [{id: scene, type: string}, {id: bands, type: string}, {id: area, type: int}]
outputs: [{id: mask, type: stdout}, {id: counts, type: stderr}]
"""
IN_GRAPH = "cwlVersion: v1.2\n$graph:\n- " + TOOL.format(id="id: other\n").replace("\n", "\n  ")
ALONE = "cwlVersion: v1.2\n" + TOOL.format(id="")
IN_JSON = (
    '{"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "echo",'
    ' "inputs": {"scene": "string", "bands": "string", "area": "int"},'
    ' "outputs": {"mask": "stdout", "counts": "stderr"}}'
)


@pytest.mark.parametrize("text", [ALONE, IN_GRAPH, LISTED, IN_JSON])
def test_inputs_and_outputs_come_as_the_author_wrote_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tool.cwl"
    path.write_text(text)
    settings = load_settings({"ZOO_RUNNER_CACHE": str(tmp_path / "cache")})
    for _ in ("resolved", "kept"):
        description = build_description(load_package(str(path), settings))
        assert list(description["inputs"]) == ["scene", "bands", "area"]
        assert list(description["outputs"]) == ["mask", "counts"]
