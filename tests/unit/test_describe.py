"""Rules of the process description."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.ogc_processes import PROCESS
from tests.unit.packed import COLOUR, DOUBLES, TYPE_NAMES, build_package, build_tool, full, record
from zoo_runner.model.package import Package
from zoo_runner.package.describe import build_description

URI = {"type": "string", "format": "uri"}
LINK = {
    "type": "object",
    "required": ["href"],
    "properties": {"href": URI, "type": {"type": "string"}, "title": {"type": "string"}},
}
HREF = "https://example.org/processes/water"


def describe_input(cwl_type: Any) -> dict[str, Any]:
    description: dict[str, Any] = build_description(build_package({"x": cwl_type}))["inputs"]["x"]
    return description


def describe_output(cwl_type: Any) -> dict[str, Any]:
    description: dict[str, Any] = build_description(build_package(outputs={"x": cwl_type}))["outputs"]["x"]
    return description


def test_a_description_of_every_type_fits_the_standard() -> None:
    types: dict[str, Any] = {
        **{name: name for name in ("boolean", "int", "long", "float", "double", "string", "File", "Any")},
        **{name.rsplit("/", 1)[-1]: name for name in TYPE_NAMES},
        "folders": full({"type": "array", "items": "Directory"}, label="Folders", doc="Where from."),
        "colour": full(COLOUR, default="red"),
        "bands": full({"type": "array", "items": "string"}, default=["red", "nir"]),
        "either": ["null", "int", COLOUR, record("#main/either/r", a="File")],
        "nothing": "null",
        "empty": record("#main/empty/r"),
        "tree": "#types.yml/Tree",
    }
    keywords: dict[str, Any] = {"https://schema.org/keywords": ["water", "ndwi"]}
    package = build_package(types, types, **keywords)
    description = build_description(package, self_href=HREF)
    assert [error.message for error in Draft202012Validator(PROCESS).iter_errors(description)] == []
    assert set(description["inputs"]) == set(description["outputs"]) == set(types)


def test_a_process_says_what_its_author_said_of_it() -> None:
    texts: dict[str, Any] = {"label": "Water", "doc": ["Finds water.", "With NDWI."]}
    version: dict[str, Any] = {"https://schema.org/softwareVersion": "1.4.0"}
    description = build_description(build_package(**texts, **version))
    assert description == {
        "id": "water",
        "version": "1.4.0",
        "title": "Water",
        "description": "Finds water.\nWith NDWI.",
        "jobControlOptions": ["async-execute"],
        "outputTransmission": ["value", "reference"],
        "inputs": {},
        "outputs": {},
    }


def test_what_has_no_label_is_titled_by_its_id_and_has_no_description() -> None:
    description = build_description(build_package({"x": "int"}, {"y": "int"}))
    titles = [entry["title"] for entry in (description, description["inputs"]["x"], description["outputs"]["y"])]
    assert titles == ["water", "x", "y"]
    assert "None" not in str(description)
    assert "description" not in description


@pytest.mark.parametrize(
    ("members", "version"),
    [
        ({"s:softwareVersion": "1.0"}, "1.0"),
        ({"https://schema.org/version": 2}, "2"),
        ({"http://schema.org/softwareVersion": "3"}, "3"),
        ({"s:softwareVersion": " "}, "0.0.0"),
        ({}, "0.0.0"),
    ],
)
def test_the_version_is_found_under_each_spelling_of_schema_org(members: dict[str, Any], version: str) -> None:
    assert build_description(build_package(**members))["version"] == version


def test_the_version_may_stand_at_the_document_under_a_prefix_of_its_own() -> None:
    namespaces = {"$namespaces": {"schema": "https://schema.org/"}, "schema:softwareVersion": "5.1"}
    document = {**build_package().document, **namespaces}
    assert build_description(Package(document, "#main", "water", {}, ""))["version"] == "5.1"


@pytest.mark.parametrize("keywords", [["water", "ndwi"], "water, ndwi"])
def test_keywords_may_be_a_list_or_one_text(keywords: Any) -> None:
    assert build_description(build_package(**{"s:keywords": keywords}))["keywords"] == ["water", "ndwi"]


def test_a_published_process_links_to_itself_and_to_its_execution() -> None:
    links = build_description(build_package(), self_href=HREF)["links"]
    assert [(link["rel"], link["href"]) for link in links] == [
        ("self", HREF),
        ("http://www.opengis.net/def/rel/ogc/1.0/execute", f"{HREF}/execution"),
    ]


@pytest.mark.parametrize(
    ("cwl_type", "occurs"),
    [
        ("int", (1, 1)),
        (["null", "int"], (0, 1)),
        (full("int", default=3), (0, 1)),
        ({"type": "array", "items": "int"}, (1, "unbounded")),
        (["null", {"type": "array", "items": "int"}], (0, "unbounded")),
        (full({"type": "array", "items": "int"}, default=[1, 2]), (0, 1)),
        (full({"type": "array", "items": "File"}, default=[]), (0, "unbounded")),
    ],
)
def test_occurrences_say_whether_and_how_often_an_input_may_be_given(cwl_type: Any, occurs: Any) -> None:
    described = describe_input(cwl_type)
    assert (described["minOccurs"], described["maxOccurs"]) == occurs


@pytest.mark.parametrize(
    ("cwl_type", "schema"),
    [
        ("int", {"type": "integer", "format": "int32"}),
        (["null", "double"], {"type": "number", "format": "double"}),
        (full("int", default=3), {"type": "integer", "format": "int32", "default": 3}),
        (COLOUR, {"type": "string", "enum": ["red", "green"]}),
        ("Any", {}),
        ("Directory", {"oneOf": [URI, LINK]}),
        (full("File", default={"class": "File", "location": "file:///here"}), {"oneOf": [URI, LINK]}),
        ({"type": "array", "items": "Directory"}, {"oneOf": [URI, LINK]}),
        (
            {"type": "array", "items": DOUBLES},
            {"type": "array", "items": {"type": "number", "format": "double"}},
        ),
        (["int", "string"], {"anyOf": [{"type": "integer", "format": "int32"}, {"type": "string"}]}),
        (
            record("#main/x/r", a="boolean", b=["null", "string"]),
            {
                "type": "object",
                "properties": {"a": {"type": "boolean"}, "b": {"type": "string", "nullable": True}},
                "required": ["a"],
            },
        ),
        ("#string_format.yaml/DateTime", {"type": "string", "format": "date-time"}),
        (
            full("#string_format.yaml/URI", default={"value": "urn:x"}),
            {"type": "string", "format": "uri", "default": "urn:x"},
        ),
        (
            full(["null", {"type": "array", "items": "string"}], default=["red", "nir"]),
            {"type": "array", "items": {"type": "string"}, "default": ["red", "nir"]},
        ),
        (
            full({"type": "array", "items": "#string_format.yaml/URI"}, default=[{"value": "urn:x"}]),
            {"type": "array", "items": {"type": "string", "format": "uri"}, "default": ["urn:x"]},
        ),
        ("#geojson.yaml/Feature", {"type": "object", "format": "geojson-feature"}),
        ("#geojson.yaml/Point", {"type": "object", "format": "geojson-geometry"}),
    ],
)
def test_a_schema_describes_how_one_occurrence_is_written(cwl_type: Any, schema: dict[str, Any]) -> None:
    assert describe_input(cwl_type)["schema"] == schema


@pytest.mark.parametrize(
    ("cwl_type", "default"),
    [("int", 3), ({"type": "array", "items": "int"}, [1, 2]), ({"type": "array", "items": DOUBLES}, [[0.5], []])],
)
def test_a_default_fits_the_schema_that_it_stands_in(cwl_type: Any, default: Any) -> None:
    schema = describe_input(full(cwl_type, default=default))["schema"]
    assert schema["default"] == default
    Draft202012Validator(schema).validate(default)


def test_a_bounding_box_is_the_one_of_the_standard() -> None:
    schema = describe_input("#ogc.yaml/BBox")["schema"]
    assert (schema["format"], schema["required"]) == ("ogc-bbox", ["bbox"])
    assert schema["properties"]["crs"]["default"] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


@pytest.mark.parametrize(
    ("cwl_type", "schema"),
    [
        ("Directory", LINK),
        (["null", "File"], {**LINK, "nullable": True}),
        ({"type": "array", "items": "Directory"}, {"type": "array", "items": LINK}),
        (["int", "File"], {"anyOf": [{"type": "integer", "format": "int32"}, LINK]}),
    ],
)
def test_a_file_as_result_is_a_link(cwl_type: Any, schema: dict[str, Any]) -> None:
    assert describe_output(cwl_type)["schema"] == schema


def test_a_single_tool_is_described_like_a_workflow() -> None:
    tool = build_tool("#main", cwlVersion="v1.0", inputs=[{"id": "#main/x", "type": "string"}])
    description = build_description(Package(tool, "#main", "echo", {}, ""))
    assert (description["id"], list(description["inputs"])) == ("echo", ["x"])
