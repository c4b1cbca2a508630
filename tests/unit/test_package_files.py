"""Rules of the files that a package itself refers to."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.packed import build_package, build_tool, full
from zoo_runner.inputs.joborder import build_job_order
from zoo_runner.inputs.package_files import find_remote_files, place_files
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package

pytestmark = pytest.mark.unit
WEB = "https://example.org/app"
TOOL = "/$graph/1"


def at(location: str, **more: Any) -> dict[str, Any]:
    return {"class": "File", "location": location, **more}


def package_with(
    default: Any = None, *, own: Any = None, step: Any = None, origin: str = f"{WEB}/app.cwl", **tool: Any
) -> Package:
    """A workflow with the input `own`, whose step runs a tool with the input `x`."""
    package = build_package({"own": full("File", default=own)} if own else {})
    entry = {"id": "#main/detect/x", **({"default": step} if step else {})}
    main = {**package.process, "steps": [{"id": "#main/detect", "in": [entry], "out": [], "run": "#tool"}]}
    parameter = {"id": "#tool/x", "type": ["Any", "File"], **tool, **({"default": default} if default else {})}
    graph = [main, build_tool(inputs=[parameter])]
    document = {**package.document, "$graph": graph}
    return replace(package, document=document, origins={package.entry: origin})


@pytest.mark.parametrize(
    ("default", "places"),
    [
        (at(f"{WEB}/a.txt"), ["default"]),
        (at("s3://bucket/a.txt"), ["default"]),
        ([at("file:///a.txt"), at(f"{WEB}/b.txt")], ["default/1"]),
        ({"a/b": {"class": "Directory", "location": f"{WEB}/item.json"}}, ["default/a~1b"]),
        ({"class": "Directory", "listing": [at(f"{WEB}/a.txt")]}, ["default"]),
        ({"class": "File", "path": f"{WEB}/a.txt"}, ["default"]),
        (at("file:///a.txt", secondaryFiles=[at(f"{WEB}/b.txt")]), ["default"]),
        (at("file:///a.txt"), []),
        ({"class": "File", "contents": WEB}, []),
        (WEB, []),
    ],
)
def test_what_is_on_another_machine_is_found_in_the_default_of_a_tool(default: Any, places: list[str]) -> None:
    assert list(find_remote_files(package_with(default))) == [f"{TOOL}/inputs/0/{place}" for place in places]


def test_it_is_found_in_steps_and_requirements_too() -> None:
    listing = {"class": "InitialWorkDirRequirement", "listing": [at(f"{WEB}/b.txt"), {"entry": "x", "entryname": "y"}]}
    package = package_with(step=at(f"{WEB}/a.txt"))
    package.process["steps"][0]["hints"] = [listing]
    assert set(find_remote_files(package)) == {
        "/$graph/0/steps/0/in/0/default",
        "/$graph/0/steps/0/hints/0/listing/0",
    }


def test_the_default_of_an_own_input_is_left_to_the_job_order() -> None:
    package = package_with(own=at(f"{WEB}/a.txt"))
    assert find_remote_files(package) == {}
    assert build_job_order(package, {}).values == {"own": at(f"{WEB}/a.txt")}


@pytest.mark.parametrize("holder", ["default", "step"])
def test_a_default_gets_the_secondary_files_that_its_input_requires(holder: str) -> None:
    declared = [{"pattern": ".idx"}, {"pattern": "^.txt", "required": False}, {"pattern": "$(self.basename)"}]
    parts: dict[str, Any] = {holder: at(f"{WEB}/a.tif"), "secondaryFiles": declared}
    package = package_with(**parts)
    (found,) = find_remote_files(package).values()
    assert found == at(f"{WEB}/a.tif", secondaryFiles=[at(f"{WEB}/a.tif.idx")])


def test_those_of_records_and_arrays_get_them_too() -> None:
    field = {"name": "scene", "type": {"type": "array", "items": "File"}, "secondaryFiles": [{"pattern": ".idx"}]}
    package = package_with({"scene": [at(f"{WEB}/a.tif")]}, type={"type": "record", "fields": [field]})
    expected = at(f"{WEB}/a.tif", secondaryFiles=[at(f"{WEB}/a.tif.idx")])
    assert find_remote_files(package) == {f"{TOOL}/inputs/0/default/scene/0": expected}


def test_the_default_of_an_own_input_gets_them_as_well() -> None:
    package = build_package({"own": full("File", default=at(f"{WEB}/a.tif"), secondaryFiles=[{"pattern": ".idx"}])})
    expected = at(f"{WEB}/a.tif", secondaryFiles=[at(f"{WEB}/a.tif.idx")])
    assert build_job_order(package, {}).values == {"own": expected}


def test_local_copies_take_their_places_and_nothing_else_changes() -> None:
    package = package_with([at(f"{WEB}/a.txt"), at("file:///b.txt")], step=at(f"{WEB}/c.txt"))
    copies = {place: at(f"file:///in/{number}") for number, place in enumerate(find_remote_files(package))}
    placed = place_files(package.document, copies)
    assert placed["$graph"][1]["inputs"][0]["default"] == [at("file:///in/1"), at("file:///b.txt")]
    assert placed["$graph"][0]["steps"][0]["in"][0]["default"] == at("file:///in/0")
    assert place_files(package.document, {}) == package.document


@pytest.mark.parametrize("location", ["file:///etc/hostname", "FILE:///etc/hostname"])
def test_a_package_from_the_web_cannot_refer_to_files_of_this_machine(location: str) -> None:
    build_job_order(package_with(at(location), origin="file:///pkg/app.cwl"), {})
    with pytest.raises(PackageError) as caught:
        build_job_order(package_with(at(location)), {})
    assert caught.value.diagnosis.code == "package.refused"
    assert location in str(caught.value)
    assert f"{TOOL}/inputs/0/default" in str(caught.value)


@pytest.mark.parametrize(
    ("cwl_type", "default"),
    [
        ("File", at(f"{WEB}/a.tif", secondaryFiles="oops")),
        ("File", at(f"{WEB}/a.tif", format=["text/plain"])),
        ("Directory", {"class": "Directory", "location": f"{WEB}/item.json", "select": "red"}),
    ],
)
def test_a_default_that_does_not_fit_is_found_as_it_is_for_the_engine_to_report(cwl_type: str, default: Any) -> None:
    declared = [{"pattern": ".idx"}]
    package = package_with(
        default, type=cwl_type, secondaryFiles=declared, format="http://edamontology.org/format_3591"
    )
    assert list(find_remote_files(package).values()) == [default]
