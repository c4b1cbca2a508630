"""From a kernel's texts to typed values."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo_runner.model.errors import InputError
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import AnyType, Array, Community, Enum, Primitive, Record, Union
from zoo_runner.package.loading import build_package
from zoo_runner.zoo.values import InputReader, convert_text, read_items


def make_package(**inputs: Any) -> Package:
    process = {
        "class": "CommandLineTool",
        "id": "#main",
        "inputs": [{"id": f"#main/{name}", "type": kind} for name, kind in inputs.items()],
        "outputs": [],
    }
    return build_package({"cwlVersion": "v1.2", "$graph": [process]}, "#main", "made", {}, ())


def read(package: Package, inputs: dict[str, Any], **given: Any) -> Any:
    return InputReader(**given).read(package, inputs, {}).values


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Primitive("int"), "7", 7),
        (Primitive("double"), "10000000000.0", 1e10),
        (Primitive("boolean"), "true", True),
        (Primitive("boolean"), "false", False),
        (Primitive("boolean"), "maybe", "maybe"),
        (Primitive("int"), "true", "true"),
        (Primitive("string"), "7", "7"),
        (Enum(("red",)), "red", "red"),
        (Union((Primitive("string"), Primitive("int"))), "7", 7),
        (Union((Primitive("string"), Primitive("int"))), "seven", "seven"),
        (Community("string_format", "Date", Record(())), "2024-07-31", "2024-07-31"),
        (Community("ogc", "BBox", Record(())), "[ 1, 2, 3, 4 ]", {"bbox": [1, 2, 3, 4]}),
        (Community("geojson", "Point", Record(())), '{"type": "Point"}', {"type": "Point"}),
        (Record(()), '{ "a": 1 }', {"a": 1}),
        (AnyType(), "[1]", [1]),
        (Array(Primitive("int")), "[1, 2]", [1, 2]),
    ],
)
def test_a_text_becomes_what_the_packages_type_says(kind: Any, text: str, value: Any) -> None:
    assert convert_text(kind, text) == value


def test_items_are_read_by_length_and_numbered_keys_whatever_the_list_holds() -> None:
    entry = {"isArray": "true", "length": "3", "value": ["a"], "value_1": "b", "value_2": "c"}
    assert [item.text for item in read_items(entry)] == ["a", "b", "c"]


def test_a_value_of_one_array_element_is_an_array() -> None:
    assert read(make_package(words={"type": "array", "items": "string"}), {"words": {"value": "only"}}) == {
        "words": ["only"]
    }


def test_what_is_not_in_the_request_is_left_to_the_package() -> None:
    package = make_package(size=["null", "int"])
    assert read(package, {"size": {"value": "NULL", "inRequest": "false"}}) == {}
    assert read(package, {"size": {"value": "5", "inRequest": "false"}}) == {}


def test_a_missing_value_of_an_array_is_an_empty_one() -> None:
    package = make_package(words={"type": "array", "items": "string"})
    assert read(package, {"words": {"inRequest": "true"}}) == {"words": []}


def test_what_the_kernel_lost_is_taken_from_the_request_as_it_was_sent() -> None:
    sent = {"note": {"class": "File", "location": "https://example.org/n.txt"}}
    assert read(make_package(note="File"), {"note": {"inRequest": "true"}}, sent=sent) == sent


def test_a_downloaded_file_keeps_the_name_of_its_link(tmp_path: Path) -> None:
    cached = tmp_path / "0123.zca"
    cached.write_text("x")
    entry = {"value": "x", "Reference": "https://example.org/a%20b.tif?x=1", "cache_file": str(cached)}
    reader = InputReader(folders=(tmp_path,))
    order = reader.read(make_package(scene="File"), {"scene": entry}, {})
    assert order.values["scene"] == {"class": "File", "location": cached.as_uri(), "basename": "a b.tif"}
    assert reader.local_files == [cached]


def test_a_cache_file_that_is_not_in_the_kernels_folders_was_made_up_and_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    entry = {"value": "x", "Reference": "https://example.org/a", "cache_file": str(secret)}
    values = read(make_package(scene="File"), {"scene": entry}, folders=(tmp_path / "cache",))
    assert values["scene"]["location"] == "https://example.org/a"


def test_a_downloaded_catalog_stays_a_link_because_its_own_links_are_relative_to_it(tmp_path: Path) -> None:
    cached = tmp_path / "0123.zca"
    cached.write_text("{}")
    entry = {"value": "{}", "Reference": "https://example.org/catalog.json", "cache_file": str(cached)}
    values = read(make_package(scenes="Directory"), {"scenes": entry}, folders=(tmp_path,))
    assert values["scenes"] == {"class": "Directory", "location": "https://example.org/catalog.json"}


def test_content_by_value_becomes_a_file() -> None:
    entry = {"value": "a,b", "mediaType": "text/csv", "mimeType": "text/csv"}
    assert read(make_package(table="File"), {"table": entry}) == {
        "table": {"class": "File", "basename": "table.csv", "contents": "a,b"}
    }


def test_a_bare_text_that_is_no_address_is_refused_as_a_file() -> None:
    with pytest.raises(InputError, match="scene: "):
        read(make_package(scene="File"), {"scene": {"value": "scene.tif", "mimeType": "application/json"}})


def test_the_crs_of_a_bounding_box_is_kept() -> None:
    crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    entry = {"value": "[ 1, 2, 3, 4 ]", "crs": crs, "lowerCorner": "[ 1  2", "upperCorner": " 3  4 ]"}
    reader = InputReader()
    package = make_package(area="Any")
    assert json.loads(json.dumps(reader.read(package, {"area": {**entry, "crs": ""}}, {}).values))["area"] == [
        1,
        2,
        3,
        4,
    ]


def test_names_of_the_platform_are_passed_over_and_others_refused() -> None:
    inputs = {"workspace": {"value": "alice"}}
    assert read(make_package(), inputs, platform_inputs=("workspace",)) == {}
    with pytest.raises(InputError, match="workspace: ") as caught:
        read(make_package(), inputs)
    assert caught.value.diagnosis.code == "inputs.unknown"


RECORDED = json.loads((Path(__file__).parents[1] / "data" / "kernel" / "recorded-inputs.json").read_text())


def test_inputs_as_a_real_kernel_hands_them_over_become_what_was_sent() -> None:
    inputs = {**RECORDED["deployed process, asynchronous"]}
    inputs["file"] = {**inputs["file"], "value": "s3://bucket/x.tif"}
    inputs["dir"] = {**inputs["dir"], "value": "https://example.org/catalog.json"}
    package = make_package(
        str="string", strdef="string", stropt=["null", "string"], i="int", l=["null", "long"], f="float",
        dbl=["null", "double"], b="boolean", en={"type": "enum", "symbols": ["red", "green"]},
        sarr={"type": "array", "items": "string"}, iarr=["null", {"type": "array", "items": "int"}],
        file="File", fileopt=["null", "File"], files=["null", {"type": "array", "items": "File"}],
        dir="Directory", dirs=["null", {"type": "array", "items": "Directory"}],
    )  # fmt: skip
    assert read(package, inputs) == {
        "str": "hello",
        "strdef": "given",
        "i": 3,
        "f": 1.5,
        "b": True,
        "en": "red",
        "sarr": ["a", "b"],
        "file": {"class": "File", "location": "s3://bucket/x.tif"},
        "dir": {"class": "Directory", "location": "https://example.org/catalog.json"},
    }


@pytest.mark.parametrize(
    ("kind", "name", "wanted", "value"),
    [
        ("arr0", "sa", {"type": "array", "items": "string"}, []),
        ("arr1", "sa", {"type": "array", "items": "string"}, ["only"]),
        ("single-for-array", "sa", {"type": "array", "items": "string"}, ["lone"]),
        ("bbox", "bb", {"type": "array", "items": "double"}, None),
        ("boolfalse", "b", "boolean", False),
        ("floatval", "f", "float", 2.25),
        ("intstr", "n", "int", 7),
        ("valobj", "n", "int", 3),
        ("cvalobj", "c", "Any", {"a": [1, 2], "u": "h\u00e9"}),
        ("cstring", "c", "string", "bare string"),
        ("cvalstr", "c", "File", {"class": "File", "basename": "c.txt", "contents": "plain"}),
        ("chreft", "c", "Directory", {"class": "Directory", "location": "http://127.0.0.1:18999/x.json"}),
        ("caval", "ca", {"type": "array", "items": "Any"}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_each_recorded_kind_of_value_is_understood(kind: str, name: str, wanted: Any, value: Any) -> None:
    if value is None:
        assert convert_text(Community("ogc", "BBox", Record(())), RECORDED[kind][name]["value"]) == {
            "bbox": [1, 2, 3, 4]
        }
        return
    assert read(make_package(**{name: wanted}), {name: RECORDED[kind][name]}) == {name: value}


@pytest.mark.parametrize("length", ["999999999999999", "-1", "many", ["2"]])
def test_a_length_that_no_kernel_writes_costs_nothing(length: Any) -> None:
    assert len(read_items({"isArray": "true", "length": length, "value": "a"})) <= 3


def test_a_text_that_is_nested_too_deeply_stays_a_text() -> None:
    text = "[" * 100_000
    assert convert_text(AnyType(), text) == text


def test_of_the_parameters_of_the_handler_a_package_receives_those_that_the_operator_lists() -> None:
    package = make_package(APP=["null", "string"], DB_PASSWORD=["null", "string"])
    extra = {"APP": "zoo", "DB_PASSWORD": "canary"}
    assert InputReader().read(package, {}, extra).values == {}
    assert InputReader(platform_inputs=("APP", "other")).read(package, {}, extra).values == {"APP": "zoo"}


def test_inputs_whose_values_the_handler_has_and_the_operator_does_not_list_are_named() -> None:
    package = make_package(APP=["null", "string"], MODE=["null", "string"], USER=["null", "string"])
    reader = InputReader(platform_inputs=("USER",))
    inputs = {"MODE": {"value": "fast"}, "APP": {"value": "NULL", "inRequest": "false"}}
    assert reader.read(package, inputs, {"APP": "zoo", "MODE": "slow", "USER": "ada", "OTHER": "x"}).values == {
        "MODE": "fast",
        "USER": "ada",
    }
    assert reader.withheld == ["APP"]


@pytest.mark.parametrize(("extra", "named"), [({"APP": "canary"}, True), ({"OTHER": "canary"}, False)])
def test_the_setting_is_named_where_a_required_input_has_a_value_of_the_handler(
    extra: dict[str, str], named: bool
) -> None:
    with pytest.raises(InputError, match="APP: ") as caught:
        InputReader().read(make_package(APP="string"), {}, extra)
    found = caught.value.diagnosis
    assert found.code == "inputs.missing"
    assert ("ZOO_RUNNER_PLATFORM_INPUTS" in found.remedy) is named
    assert "canary" not in found.remedy
