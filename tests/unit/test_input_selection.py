"""Rules of what a package and a caller select of the STAC documents of a Directory input."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.packed import build_package, full
from tests.unit.refusals import assert_refused
from zoo_runner.inputs.joborder import build_job_order, read_execute_request
from zoo_runner.inputs.selection import check_selections
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import SELECT
from zoo_runner.package.findings import Severity

URL = "https://example.org/item.json"
FOLDER = {"class": "Directory", "location": URL}
FOLDERS = {"type": "array", "items": "Directory"}
RED = {"assets": ["red"], "roles": ["data"]}


def package_with(cwl_type: Any, **members: Any) -> Package:
    package = build_package({"x": full(cwl_type, **members)})
    return replace(package, origins={package.entry: "file:///pkg/app.cwl"})


def order(package: Package, value: Any) -> Any:
    return build_job_order(package, {"x": value}).values["x"]


def test_what_a_caller_selects_stays_with_its_folder() -> None:
    assert order(package_with("Directory"), {**FOLDER, "select": RED}) == {**FOLDER, "select": RED}


def test_a_request_selects_beside_its_link() -> None:
    request = {"inputs": {"x": {"href": URL, "select": RED}}}
    assert read_execute_request(package_with("Directory"), request).values["x"] == {**FOLDER, "select": RED}


@pytest.mark.parametrize("value", [FOLDER, URL])
def test_what_a_package_selects_holds_for_every_folder_of_the_input(value: Any) -> None:
    assert order(package_with("Directory", **{SELECT: RED}), value) == {**FOLDER, "select": RED}
    assert order(package_with(FOLDERS, **{SELECT: RED}), [value]) == [{**FOLDER, "select": RED}]


def test_members_of_the_caller_replace_those_of_the_package() -> None:
    given = {**FOLDER, "select": {"assets": ["nir"]}}
    selected = order(package_with("Directory", **{SELECT: RED}), given)["select"]
    assert selected == {"assets": ["nir"], "roles": ["data"]}


def test_what_a_package_selects_holds_for_its_default_too() -> None:
    package = package_with("Directory", default=FOLDER, **{SELECT: RED})
    assert build_job_order(package, {}).values["x"] == {**FOLDER, "select": RED}
    assert package.process["inputs"][0]["default"] == FOLDER


@pytest.mark.parametrize(
    ("selection", "path"), [({"bbox": [1]}, "x.select.bbox"), ({"asset": ["a"]}, "x.select.asset"), (3, "x.select")]
)
def test_an_invalid_selection_of_a_caller_is_refused_with_its_path(selection: Any, path: str) -> None:
    value = {**FOLDER, "select": selection}
    assert_refused(lambda: order(package_with("Directory"), value), ("inputs.value", path))


@pytest.mark.parametrize("selection", ["red", ["red"], 3])
def test_an_invalid_selection_is_refused_where_the_package_selects_too(selection: Any) -> None:
    value = {**FOLDER, "select": selection}
    assert_refused(lambda: order(package_with("Directory", **{SELECT: RED}), value), ("inputs.value", "x.select"))


def test_a_folder_that_has_no_address_selects_nothing() -> None:
    literal = {"class": "Directory", "basename": "here", "listing": []}
    assert order(package_with("Directory", **{SELECT: RED}), literal) == literal


def test_a_file_has_nothing_to_select() -> None:
    value = {"class": "File", "location": URL, "select": RED}
    assert_refused(lambda: order(package_with("File"), value), ("inputs.unknown", "x.select"))


def test_an_invalid_selection_of_a_package_is_its_author_s_to_correct() -> None:
    package = package_with("Directory", **{SELECT: {"bands": "red"}})
    (finding,) = check_selections(package)
    assert (finding.rule, finding.severity, finding.place) == (
        "package.selection",
        Severity.ERROR,
        "/$graph/0/inputs/0",
    )
    with pytest.raises(PackageError) as caught:
        order(package, FOLDER)
    assert caught.value.diagnosis.code == "package.selection"


def test_a_selection_that_nothing_can_use_is_a_warning() -> None:
    (finding,) = check_selections(package_with("string", **{SELECT: RED}))
    assert finding.severity is Severity.WARNING
    assert not list(check_selections(package_with("Directory", **{SELECT: RED})))
    assert not list(check_selections(package_with("Directory")))
