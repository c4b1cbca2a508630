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
    package = package_with([at(f"{WEB}/a.txt"), at("file:///b.txt")])
    package.process["steps"][0]["hints"] = [{"class": "InitialWorkDirRequirement", "listing": [at(f"{WEB}/c.txt")]}]
    copies = {place: at(f"file:///in/{number}") for number, place in enumerate(find_remote_files(package))}
    placed = place_files(package.document, copies)
    assert placed["$graph"][1]["inputs"][0]["default"] == [at("file:///in/1"), at("file:///b.txt")]
    assert placed["$graph"][0]["steps"][0]["hints"][0]["listing"] == [at("file:///in/0")]
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


OWN = {"id": "#main/own", "type": "File"}
FORMER = {"id": "#main/before", "in": [], "out": ["#main/before/made"], "run": "#former"}
MADE = {"id": "#former/made", "type": "File"}
MAYBE = ["null", "File"]


def link(entry: Any, *, own: Any = OWN, before: Any = FORMER, made: Any = MADE, **step: Any) -> Package:
    """A workflow whose step `detect` gives the input `x` of its tool by an entry; the tool has a remote default."""
    package = package_with(at(f"{WEB}/a.txt"))
    detect = {**package.process["steps"][0], "in": [{"id": "#main/detect/x", **entry}], **step}
    main = {**package.process, "inputs": [own], "steps": [before, detect]}
    graph = [main, package.document["$graph"][1], build_tool("#former", outputs=[made])]
    return replace(package, document={**package.document, "$graph": graph})


SOURCE, FORMER_SOURCE = {"source": "#main/own"}, {"source": "#main/before/made"}


@pytest.mark.parametrize(
    "package",
    [
        link(SOURCE),
        link({"source": ["#main/own"]}),
        link({"source": ["#main/own", "#main/before/made"]}),
        link(SOURCE, own={**OWN, "type": MAYBE, "default": at("file:///a.txt")}),
        link({"default": at("file:///b.txt")}),
        link(FORMER_SOURCE),
        link(FORMER_SOURCE, before={**FORMER, "scatter": "#main/before/y"}, made={**MADE, "type": MAYBE}),
        link({**SOURCE, "default": at(f"{WEB}/b.txt")}),
    ],
)
def test_a_default_that_nobody_can_use_is_not_fetched(package: Package) -> None:
    assert find_remote_files(package) == {}


@pytest.mark.parametrize(
    "package",
    [
        link({}),
        link(SOURCE, own={**OWN, "type": MAYBE}),
        link({**SOURCE, "valueFrom": "$(null)"}),
        link(SOURCE, scatter="#main/detect/x"),
        link(SOURCE, scatter=["#main/detect/x"]),
        link(FORMER_SOURCE, made={**MADE, "type": MAYBE}),
        link(FORMER_SOURCE, before={**FORMER, "when": "$(false)"}),
    ],
)
def test_a_default_that_may_be_used_is_fetched(package: Package) -> None:
    assert list(find_remote_files(package)) == [f"{TOOL}/inputs/0/default"]


def test_of_a_default_of_a_step_and_one_of_its_tool_that_of_the_step_is_fetched() -> None:
    package = link({"default": at(f"{WEB}/b.txt")})
    assert list(find_remote_files(package)) == ["/$graph/0/steps/1/in/0/default"]
