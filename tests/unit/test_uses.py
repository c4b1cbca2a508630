"""Which inputs take a file of a media type."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.model.process import Process
from zoo_runner.package.cwltypes import CwlType, Field, FileType, Parameter, Record, parse_parameters
from zoo_runner.package.describe import build_description
from zoo_runner.server.api import Api, Call
from zoo_runner.server.uses import judge_place, list_places, list_uses

TIFF, GEOJSON = "image/tiff", "application/geo+json"
IANA_TIFF = "https://www.iana.org/assignments/media-types/image/tiff"
EDAM_TIFF, UNKNOWN = "http://edamontology.org/format_3591", "https://eo.example/own-format"
BASE = "http://eo.example"


@pytest.mark.parametrize(
    ("type_", "formats", "media_type", "fits"),
    [
        ("File", [], TIFF, (True, False)),
        (["null", "File"], [IANA_TIFF], TIFF, (True, True)),
        ({"type": "array", "items": "File"}, [EDAM_TIFF], TIFF, (True, True)),
        ("File", [IANA_TIFF], "text/csv", (False, False)),
        ("File", [IANA_TIFF], "", (True, False)),
        ("File", [IANA_TIFF, UNKNOWN], "text/csv", (True, False)),
        (["null", "string", {"type": "array", "items": ["null", "File"]}], [], TIFF, (True, False)),
        ("Directory", [], GEOJSON, (True, True)),
        ({"type": "array", "items": "Directory"}, [], "application/json", (True, True)),
        ("Directory", [], TIFF, (False, False)),
        ("Directory", [], "", (True, False)),
        (["File", "Directory"], [], GEOJSON, (True, False)),
        ("string", [], TIFF, (False, False)),
        ({"type": "record", "name": "r", "fields": [{"name": "image", "type": "File"}]}, [], TIFF, (False, False)),
    ],
    ids=str,
)
def test_an_input_takes_what_fits_its_type_and_format(
    type_: Any, formats: list[str], media_type: str, fits: tuple[bool, bool]
) -> None:
    package = small_package(inputs=[{"id": "#main/x", "type": type_, **({"format": formats} if formats else {})}])
    (parameter,) = parse_parameters(package)
    assert judge_place(list_places(parameter)[0], media_type) == fits


IMAGE = {"name": "image", "type": "File", "format": IANA_TIFF}
SCENE = {"type": "record", "name": "#main/x/scene", "fields": [{"name": "cloud", "type": "double"}, IMAGE]}
LIST = {"type": "array", "items": SCENE}
HREF = {"href": "s3://b/x.tif"}
SERIES = {"type": "record", "name": "#main/x/series", "fields": [{"name": "scenes", "type": ["null", LIST]}]}


@pytest.mark.parametrize(
    ("type_", "found"),
    [
        (SCENE, {"/image": {"image": HREF}}),
        (["null", SCENE, "File"], {"": HREF, "/image": {"image": HREF}}),
        ({"type": "array", "items": SCENE}, {"/0/image": [{"image": HREF}]}),
        ({"type": "array", "items": {"type": "array", "items": SCENE}}, {"/0/0/image": [[{"image": HREF}]]}),
        (SERIES, {"/scenes/0/image": {"scenes": [{"image": HREF}]}}),
        ([SCENE, {**SCENE, "name": "#main/x/other"}], {"/image": {"image": HREF}}),
        ({"type": "array", "items": "File"}, {"": HREF}),
    ],
    ids=["record", "optional", "list", "lists", "nested", "twice", "files"],
)
def test_files_in_records_and_in_lists_of_records_are_listed(api: Api, type_: Any, found: dict[str, Any]) -> None:
    deploy(api, "deep", {"id": "#main/x", "type": type_})
    listed = list_uses(api, Call("ws", BASE), "s3://b/x.tif", TIFF)["uses"]
    assert {one.get("pointer", ""): one["inputs"] for one in listed} == {
        at: {"x": value} for at, value in found.items()
    }
    # a member names its format as an input does
    others = list_uses(api, Call("ws", BASE), "s3://b/x.csv", "text/csv")["uses"]
    assert {one.get("pointer", "") for one in others} == set(found) & {""}


def deploy(api: Api, name: str, *inputs: dict[str, Any]) -> None:
    package = small_package(inputs=list(inputs), label=name)
    described = {**build_description(package), "id": name}
    api.store.processes.deploy(Process("ws", name, package.digest, described, "", "", None), package)


def test_inputs_that_name_the_format_come_first_and_only_processes_that_are_seen(api: Api) -> None:
    deploy(api, "any", {"id": "#main/file", "type": "File", "label": "A file"})
    deploy(api, "tiff", {"id": "#main/image", "type": "File", "format": IANA_TIFF}, {"id": "#main/n", "type": "int"})
    deploy(api, "stac", {"id": "#main/item", "type": "Directory"})
    found = list_uses(api, Call("ws", BASE), "s3://b/x.tif", TIFF)
    assert [(one["processID"], one["input"], one.get("inputTitle")) for one in found["uses"]] == [
        ("tiff", "image", None),
        ("any", "file", "A file"),
    ]
    assert list_uses(api, Call("ws", BASE, visible=frozenset({"stac"})), "x", TIFF)["uses"] == []


def test_records_of_records_without_end_have_as_many_places_as_are_looked_at() -> None:
    """As types that are named once and used in many places: these are 2 ** 40 places."""
    kind: CwlType = FileType()
    for number in range(40):
        members = tuple(Field(f"m{number}{side}", kind) for side in "ab")
        kind = Record(members)
    assert len(list_places(Parameter("x", kind))) == 50
