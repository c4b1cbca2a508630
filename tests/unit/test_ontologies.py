"""Formats that an ontology beside the package calls kinds of another are accepted where the other one is."""

from pathlib import Path
from typing import Any

import pytest

from zoo_runner.config.settings import load_settings
from zoo_runner.model.package import Package
from zoo_runner.package.loading import load_package

ONTOLOGY = """
@prefix f: <http://formats.example/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
f:geotiff rdfs:subClassOf f:tiff .
f:tiff rdfs:subClassOf f:image .
f:cog rdfs:subClassOf f:geotiff .
f:picture owl:equivalentClass f:image .
f:png rdfs:subClassOf f:picture .
f:text rdfs:subClassOf f:anything .
"""
PACKAGE = """
cwlVersion: v1.2
class: CommandLineTool
id: tool
$namespaces: {{f: http://formats.example/}}
$schemas: [{schemas}]
baseCommand: cat
inputs:
  scene: {{type: File, format: {format}}}
  pair: {{type: {{type: record, fields: {{left: {{type: File, format: {format}}}}}}}}}
outputs: {{}}
"""


def load(folder: Path, schemas: str = "formats.ttl", wanted: str = "f:tiff") -> Package:
    (folder / "formats.ttl").write_text(ONTOLOGY)
    (folder / "tool.cwl").write_text(PACKAGE.format(schemas=schemas, format=wanted))
    return load_package(str(folder / "tool.cwl"), load_settings({"ZOO_RUNNER_CACHE": str(folder / "cache")}))


def read_formats(package: Package) -> list[str]:
    inputs: dict[str, Any] = {each["id"].rpartition("/")[2]: each for each in package.process["inputs"]}
    (field,) = inputs["pair"]["type"]["fields"]
    assert field["format"] == inputs["scene"]["format"]
    formats = inputs["scene"]["format"]
    return [
        each.removeprefix("http://formats.example/") for each in (formats if isinstance(formats, list) else [formats])
    ]


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        ("f:tiff", {"tiff", "geotiff", "cog"}),
        ("f:image", {"image", "picture", "png", "tiff", "geotiff", "cog"}),
        ("f:cog", {"cog"}),
        ("[f:png, f:text]", {"png", "text"}),
    ],
)
def test_what_is_below_a_format_is_accepted_too(wanted: str, accepted: set[str], tmp_path: Path) -> None:
    assert set(read_formats(load(tmp_path, wanted=wanted))) == accepted


def test_the_declared_format_comes_first(tmp_path: Path) -> None:
    assert read_formats(load(tmp_path))[0] == "tiff"


@pytest.mark.parametrize("schemas", ["https://formats.example/formats.ttl", "none.ttl", "tool.cwl"])
def test_an_ontology_from_the_web_or_that_cannot_be_read_changes_nothing(schemas: str, tmp_path: Path) -> None:
    assert read_formats(load(tmp_path, schemas)) == ["tiff"]


def test_a_changed_ontology_is_read_again(tmp_path: Path) -> None:
    before = load(tmp_path)
    (tmp_path / "formats.ttl").write_text(ONTOLOGY.replace("f:cog rdfs", "f:other rdfs"))
    again = load_package(str(tmp_path / "tool.cwl"), load_settings({"ZOO_RUNNER_CACHE": str(tmp_path / "cache")}))
    assert "cog" in read_formats(before)
    assert "cog" not in read_formats(again)
