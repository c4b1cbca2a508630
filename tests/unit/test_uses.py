"""Which inputs take a file of a media type."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.model.process import Process
from zoo_runner.package.cwltypes import parse_parameters
from zoo_runner.package.describe import build_description
from zoo_runner.server.api import Api, Call
from zoo_runner.server.uses import judge_input, list_uses

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
    assert judge_input(parameter, media_type) == fits


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
