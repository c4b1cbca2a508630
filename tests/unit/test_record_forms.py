"""Fields for the members of records, the items of lists and values of several types."""

from typing import Any

import pytest

from tests.markup import EVIL, Page
from tests.unit.packed import build_package, full
from tests.unit.test_process_form import describe, show
from zoo_runner.model.errors import InputError
from zoo_runner.package.describe import build_description
from zoo_runner.server.api import Call
from zoo_runner.server.documents import ProblemAt
from zoo_runner.server.pages.form_shapes import build_shapes
from zoo_runner.server.pages.form_values import MOST_ITEMS, add_item, remove_item
from zoo_runner.server.pages.process_form import (
    Field,
    build_example,
    build_fields,
    fill_in,
    has_boxes,
    read_form,
    start_form,
)
from zoo_runner.server.pages.process_page import build_process_page, build_refused_page


def record(called: str, /, **members: Any) -> dict[str, Any]:
    fields = [{"name": f"#main/{called}/{one}", **kind} for one, kind in members.items()]
    return {"type": "record", "name": f"#main/{called}", "fields": fields}


def member(kind: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


STATION = record(
    "station",
    name=member("string", label="Name", doc="Of a river."),
    height=member(["null", "double"]),
    wet=member(["null", "boolean"]),
    levels=member(["null", {"type": "array", "items": "int"}]),
    scene=member(["null", "File"]),
    box=member(["null", "#ogc.yaml/BBox"]),
)
ORIGIN = record("origin", x=member("double"), y=member("double"))
GRID = record("grid", width=member("int"), origin=member(["null", ORIGIN]))
METHOD = ["null", record("nearest", distance=member("int")), "string"]
TYPES: dict[str, Any] = {
    "label": "string",
    "stations": {"type": "array", "items": STATION},
    "grid": full(GRID, default={"width": 10}),
    "origin": ["null", ORIGIN],
    "method": METHOD,
    "boxes": {"type": "array", "items": "#ogc.yaml/BBox"},
    "either": ["File", "string"],
    "anything": ["null", "Any"],
}
PACKAGE = build_package(TYPES)
INPUTS = build_description(PACKAGE)["inputs"]
WHOLE = {
    "label": "a",
    "stations": [
        {
            "name": "Elbe & co",
            "height": 3.5,
            "wet": False,
            "levels": [1, 2],
            "scene": {"href": "https://eo.example/1.tif"},
            "box": {"bbox": [1, 2, 3, 4]},
        },
        {"name": "two\nlines"},
    ],
    "grid": {"width": 3, "origin": {"x": 1, "y": 2.5}},
    "origin": {"x": 0, "y": 0},
    "method": {"distance": 5},
    "boxes": [{"bbox": [1, 2, 3, 4]}, {"bbox": [5, 6, 7, 8]}],
    "either": {"href": "https://eo.example/2.tif"},
    "anything": {"a": [1]},
}
LEAST = {"label": "a", "stations": [], "method": "free text", "boxes": [], "either": "a text"}


def read(texts: dict[str, str]) -> Any:
    return read_form(INPUTS, texts.items(), PACKAGE)["inputs"]


def get(name: str, fields: tuple[Field, ...]) -> Field:
    return next(one for one in fields if one.name == name)


@pytest.mark.parametrize("given", [WHOLE, LEAST], ids=["whole", "least"])
def test_values_with_members_are_filled_in_and_read_again_as_they_were(given: dict[str, Any]) -> None:
    texts = fill_in(INPUTS, given)
    assert read(texts) == given
    # and by the fields that the page shows
    shown = {part.key: part.value for one in build_fields(INPUTS, texts) for part in one.walk() if not part.parts}
    assert {name: text for name, text in texts.items() if text.strip()}.items() >= {
        name: text for name, text in shown.items() if text.strip()
    }.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stations", {"name": "a"}),
        ("stations", [{"name": "a", "other": 1}]),
        ("stations", [{"name": "a"}] * (MOST_ITEMS + 1)),
        ("stations", ["a"]),
        ("grid", {"width": 1, "origin": 5}),
        ("grid", "wide"),
        ("origin", {}),
        ("method", [1]),
        ("either", {"href": "https://eo.example/2.tif", "type": "image/tiff"}),
    ],
)
def test_a_value_that_does_not_fit_its_fields_is_kept_as_json(name: str, value: Any) -> None:
    assert read({**fill_in(INPUTS, {name: value}), "label": "a"})[name] == value


def test_an_input_as_json_under_its_name_is_read_as_before() -> None:
    assert read({"grid": '{"width": 4}', "/grid/width": "5"})["grid"] == {"width": 4}
    assert read({"grid": "wide"})["grid"] == "wide"


def test_a_new_form_has_the_members_of_a_default_and_one_item_of_each_list_that_is_needed() -> None:
    fields = build_fields(INPUTS, start_form(INPUTS))
    grid, stations = get("grid", fields), get("stations", fields)
    assert [part.value for part in grid.parts[:1]] == ["10"]
    assert grid.default == '{"width": 10}'
    assert [part.title for part in stations.parts] == ["stations 1"]
    assert [part.must_fill for part in stations.parts[0].parts[:2]] == [True, False]
    # members of a record that may be left out hold nobody up
    assert [part.must_fill for part in get("origin", fields).parts] == [False, False]
    assert not get("method", fields).parts
    assert read(start_form(INPUTS)) == {"stations": [{}], "grid": {"width": 10}, "boxes": [None]}


def test_members_are_called_as_the_package_calls_them() -> None:
    name = get("stations", build_fields(INPUTS, start_form(INPUTS))).parts[0].parts[0]
    assert (name.title, name.about, name.name) == ("Name", "Of a river.", "name")


def test_what_is_wrong_stands_beside_the_member() -> None:
    pointers = {
        "/inputs/stations/1/name": "no name",
        "/inputs/stations/0/levels/1": "no int",
        "/inputs/stations/0": "no record",
        "/inputs/grid/origin/x": "no x",
        "/inputs/grid/more": "unknown",
        "/inputs/method/distance": "too far",
        "/inputs/either": "no file",
        "/inputs/stations/0/scene/href": "not found",
    }
    problems: list[ProblemAt] = [{"code": "c", "pointer": at, "message": text} for at, text in pointers.items()]
    fields = build_fields(INPUTS, fill_in(INPUTS, WHOLE), problems)
    found = {part.pointer + part.kind: part.problems for one in fields for part in one.walk() if part.problems}
    assert found == {
        "/stations/1/nametext": ("no name",),
        "/stations/0/levelswhole": ("value 2: no int",),
        "/stations/0record": ("no record",),
        "/grid/origin/xnumber": ("no x",),
        "/gridrecord": ("more: unknown",),
        "/method/distancewhole": ("too far",),
        "/eitherlink": ("no file",),
        "/stations/0/scenelink": ("not found",),
    }
    assert get("stations", fields).is_wrong
    assert not get("boxes", fields).is_wrong


def test_items_are_added_and_removed_and_those_after_move_up() -> None:
    shapes, texts = build_shapes(INPUTS), fill_in(INPUTS, WHOLE)
    more = add_item(shapes, "/stations", texts)
    assert len(read(more)["stations"]) == 3
    less = remove_item("/stations/0", more)
    assert read(less)["stations"] == [{"name": "two\nlines"}, {}]
    assert read(less)["boxes"] == WHOLE["boxes"]
    for pointer in ("", "/", "/grid", "/grid/origin", "/label", "/nobody", "/stations/0/name", "/stations/x"):
        assert add_item(shapes, pointer, texts) == texts
    for pointer in ("", "/", "/grid", "/stations/x", "/stations/99"):
        assert remove_item(pointer, texts) == texts


def test_a_list_has_no_more_items_than_a_form_can_show() -> None:
    texts = fill_in(INPUTS, {"stations": [{"name": "a"}] * MOST_ITEMS})
    with pytest.raises(InputError) as refused:
        add_item(build_shapes(INPUTS), "/stations", texts)
    assert refused.value.diagnosis.code == "request.too-large"
    with pytest.raises(InputError):
        build_fields(INPUTS, {"/stations/9999": ""})


def test_fields_that_nest_are_not_built_without_end() -> None:
    kind: Any = "int"
    for level in range(5):
        kind = {"type": "array", "items": record(f"r{level}", a=member(kind), b=member("int"))}
    inputs = build_description(build_package({"deep": kind}))["inputs"]
    texts = {f"/deep/{a}/a/{b}/a/{c}": "" for a in range(20) for b in range(20) for c in range(20)}
    with pytest.raises(InputError):
        build_fields(inputs, texts)


def test_what_has_too_many_members_or_levels_is_one_field() -> None:
    wide = record("wide", **{f"m{number}": member("int") for number in range(300)})
    deep: Any = "int"
    for level in range(20):
        deep = record(f"r{level}", a=member(deep))
    inputs = build_description(build_package({"wide": wide, "deep": deep}))["inputs"]
    fields = build_fields(inputs, {})
    assert (fields[0].kind, fields[0].key) == ("json", "wide")
    inner = [part.kind for part in fields[1].walk()]
    assert inner == ["record"] * 6 + ["json"]


def test_many_inputs_with_members_make_no_endless_page() -> None:
    one = record("one", **{f"m{number}": member("int") for number in range(100)})
    inputs = build_description(build_package({f"i{number}": one for number in range(40)}))["inputs"]
    kinds = [field.kind for field in build_fields(inputs, start_form(inputs))]
    assert (kinds.count("record"), kinds.count("json")) == (19, 21)


def test_an_example_has_the_members_that_are_needed() -> None:
    assert build_example(INPUTS) == {
        "label": "text",
        "stations": [{"name": "text"}],
        "boxes": [{"bbox": [5.8, 47.2, 15.1, 55.1]}],
        "either": {"href": "https://example.org/data"},
    }


def test_a_map_is_there_for_boxes_that_can_be_added() -> None:
    assert has_boxes(INPUTS)
    assert not has_boxes({name: INPUTS[name] for name in ("label", "grid")})


def test_each_field_of_a_group_has_a_label_and_what_was_written_is_text() -> None:
    hostile = record("evil", text=member("string", label=EVIL, doc=EVIL), more=member(["null", "string"]))
    inputs = build_description(build_package({"list": full({"type": "array", "items": hostile}, label=EVIL)}))["inputs"]
    given = {"list": [{"text": EVIL, "more": EVIL}]}
    problems: tuple[ProblemAt, ...] = (
        {"code": "c", "pointer": "/inputs/list/0/text", "message": EVIL},
        {"code": "c", "pointer": f"/inputs/list/0/{EVIL}", "message": EVIL},
    )
    call = Call("alpha", "http://eo.example")
    for view in (
        build_process_page(describe(inputs), call, given),
        build_refused_page(describe(inputs), call, fill_in(inputs, given), problems),
    ):
        page = Page(show({"inputs": inputs}, view))
        page.ensure_safe()
        assert EVIL in page.text
        labels = {one["for"] for one in page.list_all("label")}
        fields = [one for one in page.list_all("input") if one.get("type") != "hidden"]
        assert {one["id"] for one in fields} <= labels
        assert {one["name"] for one in page.list_all("button") if "name" in one} == {"[add]", "[remove]"}
