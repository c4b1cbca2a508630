"""Whether a package has files of its own is found without what reads them."""

from typing import Any

import pytest

from zoo_runner.inputs.file_objects import find_remote_files, refers_to_files
from zoo_runner.model.package import Package


def build_package(default: Any) -> Package:
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "#main",
        "baseCommand": "cat",
        "inputs": [],
        "outputs": [],
        "arguments": [],
        "hints": {"InitialWorkDirRequirement": {"listing": [default]}},
    }
    return Package(tool, "#main", "main", {}, "c" * 64)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"a": [1, {"class": "File"}]}, True),
        ([[{"class": "Directory"}]], True),
        ({"class": "CommandLineTool", "inputs": [{"type": "File"}]}, False),
        ([1, 2, 3], False),
        ("File", False),
    ],
)
def test_objects_are_found_at_any_depth_and_types_are_none(node: Any, expected: bool) -> None:
    assert refers_to_files(node) is expected


def test_a_package_with_an_address_of_another_machine_has_its_files_found() -> None:
    remote = {"class": "File", "location": "https://example.com/aux.txt"}
    assert [one["location"] for one in find_remote_files(build_package(remote)).values()] == [remote["location"]]
    assert find_remote_files(build_package({"class": "File", "location": "file:///aux.txt"})) == {}
    assert find_remote_files(build_package("a text")) == {}
