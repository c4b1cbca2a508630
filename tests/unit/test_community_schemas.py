"""Rules of the community's types without network, and of what packages say about themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.ogc_processes import PROCESS
from tests.unit.packed import build_package
from tests.values import PACKAGES, settings_in
from zoo_runner.inputs.joborder import read_execute_request
from zoo_runner.model.package import Package
from zoo_runner.package.community_schemas import find_document
from zoo_runner.package.cwltypes import Community, parse_parameters
from zoo_runner.package.describe import build_description
from zoo_runner.package.documents import Documents
from zoo_runner.package.loading import load_package
from zoo_runner.package.metadata import build_metadata

EOAP = "https://raw.githubusercontent.com/eoap/schemas"


def refuse_to_fetch(url: str, max_bytes: int) -> bytes:
    raise AssertionError(f"{url} was asked for")


Load = Callable[[str], Package]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Loads a package of a name; what was loaded already comes from a cache."""
    settings = settings_in(tmp_path_factory.mktemp("packages"))
    return lambda name: load_package(str(PACKAGES / name / f"{name}.cwl"), settings, refuse_to_fetch)


@pytest.mark.parametrize("ref", ["main", "refs/heads/main", "refs/tags/0.3.2", "v0.3.1", "0.1.0"])
@pytest.mark.parametrize("family", ["string_format", "ogc", "geojson", "stac"])
def test_the_communitys_documents_are_known_at_every_version(ref: str, family: str) -> None:
    types = json.loads(find_document(f"{EOAP}/{ref}/{family}.yaml") or b"[]")
    assert len({one["name"] for one in types}) == len(types) > 1


@pytest.mark.parametrize(
    "uri",
    [
        f"{EOAP}/main/other.yaml",
        f"{EOAP}/main/experimental/ogc.yaml",
        "https://raw.githubusercontent.com/somebody/schemas/main/ogc.yaml",
        "https://example.org/?https://raw.githubusercontent.com/eoap/schemas/main/ogc.yaml",
        "http://raw.githubusercontent.com/eoap/schemas/main/ogc.yaml",
    ],
)
def test_another_document_is_not_taken_for_one(uri: str) -> None:
    assert find_document(uri) is None


def test_a_package_of_community_types_loads_without_network(load: Load) -> None:
    kinds = {one.name: one.type for one in parse_parameters(load("community"))}
    names = {name: kind.name for name, kind in kinds.items() if isinstance(kind, Community)}
    assert names == {"from": "DateTime", "area": "BBox", "track": "LineString", "feature": "Feature", "item": "Item"}


def test_the_hosts_that_an_operator_allows_do_not_matter_for_known_documents(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, ZOO_RUNNER_PACKAGE_HOSTS="cwl.example.org")
    documents = Documents("https://cwl.example.org/a.cwl", settings, refuse_to_fetch)
    assert b"BBox" in documents.read(f"{EOAP}/main/ogc.yaml#BBox")


def test_community_values_of_a_request_become_what_the_engine_wants(load: Load) -> None:
    request = json.loads((PACKAGES / "community" / "inputs.json").read_text())
    values = read_execute_request(load("community"), request).values
    assert values["from"] == {"value": "2024-07-31T10:15:00Z"}
    assert values["area"] == {"bbox": [7.0, 45.0, 8.0, 46.0], "crs": "CRS84"}
    assert values["track"]["coordinates"] == [[7.0, 45.0], [8.0, 46.0]]
    assert (values["item"]["id"], values["item"]["properties"]) == ("i1", {"datetime": "2024-07-31T10:15:00Z"})


@pytest.mark.parametrize("name", ["community", "types", "multi", "graph"])
def test_each_package_has_a_description_that_fits_the_standard(load: Load, name: str) -> None:
    description = build_description(load(name))
    assert [error.message for error in Draft202012Validator(PROCESS).iter_errors(description)] == []


def test_people_licence_and_code_are_metadata(load: Load) -> None:
    assert build_description(load("community"))["metadata"] == [
        {"role": "https://schema.org/author", "title": "Ada Example <ada@example.org>"},
        {"role": "https://schema.org/license", "href": "https://spdx.org/licenses/Apache-2.0"},
    ]


@pytest.mark.parametrize(
    ("said", "entries"),
    [
        ("Ada", [{"title": "Ada"}]),
        ("https://example.org/ada", [{"href": "https://example.org/ada"}]),
        ([{"s:email": "mailto:a@example.org"}, "Bo"], [{"title": "a@example.org"}, {"title": "Bo"}]),
        (
            {"https://schema.org/name": "Ada", "s:identifier": "https://orcid.org/0"},
            [{"title": "Ada", "href": "https://orcid.org/0"}],
        ),
        ([None, {}, [], {"s:name": 3}, "http://["], [{"title": "http://["}]),
    ],
)
def test_an_author_may_be_written_in_several_ways(said: Any, entries: list[dict[str, str]]) -> None:
    written: dict[str, Any] = {"s:author": said}
    role = {"role": "https://schema.org/author"}
    assert build_metadata(build_package(**written)) == [role | entry for entry in entries]


# the names in stac.yaml of github.com/eoap/schemas, 0.3.2
STAC_TYPES = {
    *("Asset", "BasicDescriptiveFields", "Catalog", "Collection", "DateTime", "Extents", "Instrument", "Item"),
    *("Licensing", "Link", "Provider", "Range", "Role", "Spatial", "Temporal"),
}
COLLECTION = {
    "type": "Collection",
    "stac_version": "1.0.0",
    "id": "collection-id",
    "description": "a collection",
    "license": "CC-BY-SA-4.0",
    "links": [{"rel": "self", "href": "./collection.json"}],
}
EXTENT = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}}


def test_every_stac_type_of_the_community_is_known() -> None:
    types = json.loads(find_document(f"{EOAP}/main/stac.yaml") or b"[]")
    assert {one["name"] for one in types} >= STAC_TYPES


@pytest.fixture(scope="module")
def takes_a_collection(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package with an input of the community's type of a Collection."""
    folder = tmp_path_factory.mktemp("collection")
    source = folder / "collection.cwl"
    source.write_text(
        json.dumps(
            {
                "cwlVersion": "v1.2",
                "class": "CommandLineTool",
                "id": "echo",
                "baseCommand": "echo",
                "requirements": [{"class": "SchemaDefRequirement", "types": [{"$import": f"{EOAP}/main/stac.yaml"}]}],
                "inputs": {"x": f"{EOAP}/main/stac.yaml#Collection"},
                "outputs": {},
            }
        )
    )
    return load_package(str(source), settings_in(folder), refuse_to_fetch)


@pytest.mark.parametrize("more", [{}, {"extent": EXTENT}, {"providers": [{"name": "ESA", "roles": ["host"]}]}])
def test_a_collection_needs_no_extent_and_may_have_all_that_stac_has(takes_a_collection: Package, more: Any) -> None:
    value = read_execute_request(takes_a_collection, {"inputs": {"x": {**COLLECTION, **more}}}).values["x"]
    assert value.items() >= {**COLLECTION, **more}.items()
