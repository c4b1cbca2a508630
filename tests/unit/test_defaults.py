"""Rules of the defaults of a package."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.packed import COLOUR, build_package, build_tool, full
from zoo_runner.inputs.defaults import check_defaults
from zoo_runner.inputs.joborder import build_job_order
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.describe import build_description

URL = "https://example.org/item.json"
DIRECTORY = {"class": "Directory", "location": URL}


def package_with(cwl_type: Any, default: Any, origin: str = "file:///pkg/app.cwl") -> Package:
    package = build_package({"x": full(cwl_type, default=default)})
    return replace(package, origins={package.entry: origin})


@pytest.mark.parametrize(
    ("cwl_type", "default", "in_order"),
    [
        ("int", 3, None),
        (COLOUR, "red", None),
        ("Directory", DIRECTORY, DIRECTORY),
        ({"type": "array", "items": "Directory"}, [DIRECTORY], [DIRECTORY]),
        ("File", {"class": "File", "location": "a.txt"}, {"class": "File", "location": "file:///pkg/a.txt"}),
        ("File", {"class": "File", "contents": "x"}, {"class": "File", "contents": "x"}),
        ("Any", DIRECTORY, DIRECTORY),
        ("#string_format.yaml/Date", "2024-07-31", {"value": "2024-07-31"}),
        ("#string_format.yaml/Date", {"value": "2024-07-31"}, None),
    ],
)
def test_a_default_that_is_a_file_is_in_the_job_order_and_any_other_is_left_to_the_engine(
    cwl_type: Any, default: Any, in_order: Any
) -> None:
    for given in ({}, {"x": None}):
        assert build_job_order(package_with(cwl_type, default), given).values.get("x") == in_order


def test_a_given_value_replaces_the_default() -> None:
    other = {"class": "Directory", "location": f"{URL}2"}
    assert build_job_order(package_with("Directory", DIRECTORY), {"x": other}).values == {"x": other}


@pytest.mark.parametrize(
    ("cwl_type", "default", "facts"),
    [
        ("string", 1.1, ("string", "1.1 (number)")),
        ("int", "a", ("int", '"a" (string)')),
        ("File", {"class": "Directory", "location": URL}, ("File", "Directory")),
    ],
)
def test_a_default_of_the_wrong_type_is_the_author_s_to_correct(
    cwl_type: Any, default: Any, facts: tuple[str, ...]
) -> None:
    package = package_with(cwl_type, default)
    with pytest.raises(PackageError) as caught:
        build_job_order(package, {})
    assert (caught.value.diagnosis.code, caught.value.diagnosis.level) == ("package.default", Level.USER)
    assert all(fact in str(caught.value) for fact in ("'x", *facts))
    (finding,) = check_defaults(package)
    assert (finding.rule, finding.severity, finding.place) == (
        "package.default",
        "error",
        "/$graph/0/inputs/0/default",
    )
    assert all(fact in finding.message for fact in facts)


def test_a_package_from_the_web_cannot_reach_files_of_this_machine() -> None:
    package = package_with("File", {"class": "File", "location": "file:///etc/hostname"}, "https://example.org/app.cwl")
    with pytest.raises(PackageError) as caught:
        build_job_order(package, {})
    assert caught.value.diagnosis.code == "package.refused"


def test_a_default_address_is_described_and_a_file_of_the_package_is_not() -> None:
    assert describe(package_with("Directory", DIRECTORY))["default"] == URL
    assert "default" not in describe(package_with("File", {"class": "File", "location": "file:///pkg/a.txt"}))


def describe(package: Package) -> dict[str, Any]:
    schema: dict[str, Any] = build_description(package)["inputs"]["x"]["schema"]
    return schema


@pytest.mark.parametrize(
    ("entry", "severities"),
    [
        ({"default": 5}, ["error"]),
        ({"default": 5, "source": "#main/given"}, ["warning"]),
        ({"default": "five"}, []),
        ({"default": 5, "valueFrom": "$(self)"}, []),
    ],
)
def test_the_default_of_a_step_fits_what_the_step_runs(entry: dict[str, Any], severities: list[str]) -> None:
    step = {"id": "#main/detect", "in": [{"id": "#main/detect/x", **entry}], "out": [], "run": "#tool"}
    package = build_package({"given": "string"}, steps=[step])
    tool = build_tool(inputs=[{"id": "#tool/x", "type": "string"}])
    document = {**package.document, "$graph": [package.process, tool]}
    found = list(check_defaults(Package(document, "#main", "water", {}, "")))
    assert [str(one.severity) for one in found] == severities
    assert all(one.place == "/$graph/0/steps/0/in/0/default" for one in found)
