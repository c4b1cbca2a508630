"""The form of a process: a field for each input of its description, read as the parameters of an address are."""

import json
from typing import Any

import pytest

from tests.markup import EVIL, Page
from tests.unit.messages import Check
from tests.unit.packed import COLOUR, DOUBLES, build_package, full
from zoo_runner.package.describe import build_description
from zoo_runner.server.api import Call
from zoo_runner.server.documents import ProblemAt
from zoo_runner.server.key_values import read_key_values
from zoo_runner.server.pages.frame import build_frame
from zoo_runner.server.pages.process_form import build_example, build_fields, build_query, fill_in, find_input
from zoo_runner.server.pages.process_page import build_pasted_page, build_process_page, build_refused_page
from zoo_runner.server.pages.rendering import render

BASE = "http://eo.example"
SOURCE = {"kind": "text", "at": "2026-01-31T12:00:00Z", "digest": "0" * 64}
TYPES: dict[str, Any] = {
    "name": "string",
    "most": ["null", "double"],
    "count": "int",
    "check": "boolean",
    "colour": COLOUR,
    "colours": {"type": "array", "items": COLOUR},
    "bands": {"type": "array", "items": "string"},
    "weights": DOUBLES,
    "scene": "Directory",
    "scenes": {"type": "array", "items": "File"},
    "day": "#string_format.yaml/Date",
    "box": "#ogc.yaml/BBox",
    "place": "#geojson.yaml/Point",
}
PACKAGE = build_package(TYPES)
INPUTS = build_description(PACKAGE)["inputs"]
WHOLE = {
    "name": "a, b & c=d",
    "most": 20.5,
    "count": 3,
    "check": True,
    "colour": "red",
    "colours": ["red", "green"],
    "bands": ["B04", "B08, narrow"],
    "weights": [0.5, 2],
    "scene": {"href": "https://eo.example/item.json?a=1,2"},
    "scenes": [{"href": "https://eo.example/1.tif"}, {"href": "https://eo.example/2.tif"}],
    "day": "2026-01-31",
    "box": {"bbox": [5.8, 47.2, 15.1, 55.1]},
    "place": {"type": "Point", "coordinates": [5.8, 47.2]},
}


def test_each_input_has_the_field_that_fits_it() -> None:
    kinds = {field.name: (field.kind, field.is_list) for field in build_fields(INPUTS, {})}
    assert kinds == {
        "name": ("text", False),
        "most": ("number", False),
        "count": ("whole", False),
        "check": ("yes-no", False),
        "colour": ("choice", False),
        "colours": ("choice", True),
        "bands": ("text", True),
        "weights": ("number", True),
        "scene": ("link", False),
        "scenes": ("link", True),
        "day": ("date", False),
        "box": ("box", False),
        "place": ("json", False),
    }
    assert {field.name for field in build_fields(INPUTS, {}) if not field.is_required} == {"most"}


def test_what_a_job_was_given_is_filled_in_and_read_again_as_it_was() -> None:
    query = build_query(INPUTS, fill_in(INPUTS, WHOLE).items())
    assert read_key_values(query, PACKAGE).request["inputs"] == WHOLE


def test_a_field_that_is_empty_is_no_input() -> None:
    assert build_query(INPUTS, [("name", ""), ("bands", "\n \n"), ("most", " "), ("box", "1, 2,\t3,4")]) == (
        "box=1%2C2%2C3%2C4"
    )


def test_what_is_wrong_stands_beside_its_field_and_keeps_what_was_written() -> None:
    problems: list[ProblemAt] = [
        {"code": "inputs.type", "pointer": "/inputs/count", "message": "expected int"},
        {"code": "inputs.type", "pointer": "/inputs/bands/1", "message": "expected string"},
    ]
    fields = {field.name: field for field in build_fields(INPUTS, {"count": "many"}, problems)}
    assert (fields["count"].problems, fields["count"].value) == (("expected int",), "many")
    assert (fields["bands"].problems, fields["name"].problems) == (("value 2: expected string",), ())


@pytest.mark.parametrize(
    ("pointer", "name"),
    [("/inputs/a~1b~0c/0", "a/b~c"), ("/inputs/a", "a"), ("/inputs", ""), ("/outputs/a", ""), ("", ""), ("a", "")],
)
def test_a_pointer_leads_to_an_input_or_to_none(pointer: str, name: str) -> None:
    assert find_input(pointer) == name


def test_an_example_has_what_a_process_needs() -> None:
    assert set(build_example(INPUTS)) == set(TYPES) - {"most"}
    assert build_example(INPUTS)["colours"] == ["red"]


@pytest.mark.parametrize("may_execute", [True, False])
def test_the_form_is_shown_to_who_may_execute(may_execute: bool) -> None:
    call = Call("alpha", BASE, may=lambda action: action != "process.execute" or may_execute)
    page = Page(show({"inputs": INPUTS}, build_process_page(describe(INPUTS), call)))
    assert bool(page.list_all("form")) is may_execute


def describe(inputs: Any) -> dict[str, Any]:
    modes = {"jobControlOptions": ["async-execute"], "outputTransmission": ["value"]}
    return {"id": "scene", "version": "1", **modes, "inputs": inputs, "outputs": {}, "links": [], "source": SOURCE}


def show(document: dict[str, Any], view: Any) -> str:
    frame = build_frame({"method": "GET", "path": "/processes/scene", "query_string": b""}, BASE)
    return render("process", {**describe({}), **document}, frame, view)


def test_every_field_has_a_label_and_says_what_it_is_described_by() -> None:
    problems: list[ProblemAt] = [{"code": "c", "pointer": f"/inputs/{name}", "message": "wrong"} for name in INPUTS]
    call = Call("alpha", BASE)
    page = Page(show({"inputs": INPUTS}, build_refused_page(describe(INPUTS), call, {}, tuple(problems))))
    labels = {one["for"] for one in page.list_all("label")}
    every = [one for tag in ("input", "select", "textarea") for one in page.list_all(tag)]
    assert {one["id"] for one in every} == labels
    fields = [one for one in every if one.get("name", "inputs") != "inputs"]
    assert len(fields) == len(TYPES)
    ids = {one.get("id") for _, one in page.elements}
    assert all(set((one["aria-describedby"] or "").split()) <= ids for one in fields)
    assert all(one["aria-invalid"] == "true" for one in fields)


@pytest.mark.parametrize("kind", ["address", "repository", "files", "text", "template", "server"])
def test_what_packages_and_callers_have_written_is_text_in_the_form(kind: str) -> None:
    inputs = build_description(build_package({"text": full("string", label=EVIL, doc=EVIL, default=EVIL)}))["inputs"]
    hostile = {EVIL: {**inputs["text"], "schema": {"enum": [EVIL], "default": EVIL}}, **inputs}
    problems: tuple[ProblemAt, ...] = ({"code": EVIL, "pointer": "", "message": EVIL},)
    source = {**SOURCE, "kind": kind, "href": EVIL, "commit": EVIL, "path": EVIL, "names": [EVIL], "by": EVIL}
    process = {**describe(hostile), "id": EVIL}
    call = Call("alpha", BASE)
    for view in (
        build_process_page(process, call, {"text": EVIL, EVIL: EVIL}, EVIL),
        build_refused_page(process, call, {"text": EVIL}, problems, EVIL),
    ):
        page = Page(show({"inputs": hostile, "source": source}, view))
        page.ensure_safe()
        assert EVIL in page.text


@pytest.mark.parametrize("pasted", ['{"inputs": {"name": "a"}}', '{"name": "a"}'])
def test_inputs_are_filled_in_from_an_execute_request_or_from_inputs_alone(pasted: str) -> None:
    page = build_pasted_page(describe(INPUTS), Call("alpha", BASE), pasted)
    assert {field.name: field.value for field in page.fields}["name"] == "a"
    assert json.loads(page.request) == {"inputs": {"name": "a"}}
    assert page.problems == ()


@pytest.mark.parametrize("pasted", ["", "{", "[]", '{"inputs": 1}', "[" * 100_000])
def test_json_that_has_no_inputs_is_shown_with_what_is_wrong(pasted: str) -> None:
    page = build_pasted_page(describe(INPUTS), Call("alpha", BASE), pasted)
    assert (page.pasted, page.problems[0]["code"]) == (pasted, "request.invalid")


def test_inputs_that_the_process_does_not_have_are_named() -> None:
    page = build_pasted_page(describe(INPUTS), Call("alpha", BASE), '{"other": 1}')
    assert [one["code"] for one in page.problems] == ["inputs.unknown"]


@pytest.mark.parametrize("levels", [150, 350, 900])
def test_inputs_that_are_too_deep_to_be_shown_are_left_out_and_named(levels: int, check: Check) -> None:
    pasted = '{"name": "a", "deep": ' + "[" * levels + "]" * levels + "}"
    call, process = Call("alpha", BASE), describe(INPUTS)
    page = build_pasted_page(process, call, pasted)
    for one in page.problems:
        check.words(one["message"], "'deep'")
    assert len(page.problems) == 2
    for shown in (page, build_refused_page(process, call, {}, (), inputs=json.loads(pasted))):
        assert json.loads(shown.request) == {"inputs": {"name": "a"}}


def test_inputs_of_many_levels_are_shown() -> None:
    pasted = '{"name": ' + "[" * 100 + "1" + "]" * 100 + "}"
    page = build_pasted_page(describe(INPUTS), Call("alpha", BASE), pasted)
    assert json.loads(page.request) == {"inputs": json.loads(pasted)}
    assert page.problems == ()


def test_files_are_sent_only_by_who_may() -> None:
    call = Call("alpha", BASE, may=lambda action: action != "file.send")
    page = Page(show({"inputs": INPUTS}, build_process_page(describe(INPUTS), call)))
    assert not any("data-send-to" in one for one in page.list_all("input"))
