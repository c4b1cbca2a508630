"""Rules of the two forms of inputs: a job file, and an execute request."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.packed import COLOUR, DOUBLES, build_package, full, record
from tests.unit.refusals import Expected, assert_refused
from zoo_runner.inputs.community import compute_bounds
from zoo_runner.inputs.joborder import build_job_order, read_execute_request
from zoo_runner.model.errors import InputError
from zoo_runner.package.extensions import SECRETS

DIRECTORIES = {"type": "array", "items": "Directory"}
URL = "https://example.org/item.json"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def directory(location: str) -> dict[str, str]:
    return {"class": "Directory", "location": location}


def accept(cwl_type: Any, value: Any, base: str | None = None) -> Any:
    return build_job_order(build_package({"x": cwl_type}), {"x": value}, base=base).values["x"]


def request(cwl_type: Any, value: Any) -> Any:
    return read_execute_request(build_package({"x": cwl_type}), {"inputs": {"x": value}}).values["x"]


def assert_value_refused(cwl_type: Any, value: Any, *expected: Expected, base: str | None = None) -> None:
    assert_refused(lambda: accept(cwl_type, value, base), *expected)


# Plain values


@pytest.mark.parametrize(
    ("cwl_type", "value"),
    [
        ("string", "https://example.org/stays/text"),
        ("string", ""),
        ("int", -(2**31)),
        ("long", 2**63 - 1),
        ("float", 5),
        ("double", 1.5),
        ({"type": "array", "items": "double"}, [0.5, 10**400]),
        ("boolean", False),
        (COLOUR, "red"),
        (["null", "int"], None),
        (full("int", default=3), None),
        ({"type": "array", "items": "int"}, []),
        ("Any", {"a": [1, None, {"b": "c"}]}),
        (["int", "string"], "7"),
    ],
)
def test_a_value_of_the_type_stays_as_it_is(cwl_type: Any, value: Any) -> None:
    assert accept(cwl_type, value) == value


@pytest.mark.parametrize(
    ("cwl_type", "value", "expected"),
    [
        ("string", 5, ("inputs.type", "x", "5 (integer)", "string")),
        ("int", True, ("inputs.type", "x", "true (boolean)", "int")),
        ("int", 3.0, ("inputs.type", "x", "3.0 (number)", "int")),
        ("int", 2**31, ("inputs.value", "x", "2147483648 (integer)", "-2147483648 to 2147483647")),
        ("float", "1.5", ("inputs.type", "x", '"1.5" (string)', "float")),
        ("double", float("nan"), ("inputs.type", "x", "nan (number)", "double")),
        ("boolean", 1, ("inputs.type", "x", "1 (integer)", "boolean")),
        ("int", None, ("inputs.type", "x", "null", "int")),
        ("Any", None, ("inputs.type", "x", "null", "Any")),
        ("string", "half \ud800 pair", ("inputs.value", "x", "U+D800")),
        ("Any", {"a": ["null\0"]}, ("inputs.value", "x.a[0]", "U+0000")),
        ({"type": "array", "items": "string"}, ["a", "\udcff"], ("inputs.value", "x[1]", "U+DCFF")),
        (COLOUR, "blue", ("inputs.type", "x", '"blue" (string)', "red, green")),
        (["int", "string"], [1], ("inputs.type", "x", "1 item (list)", "int or string")),
        ({"type": "array", "items": "int"}, 7, ("inputs.type", "x", "7 (integer)", "array of int")),
        ({"type": "array", "items": "int"}, [1, "2"], ("inputs.type", "x[1]", '"2" (string)', "int")),
        (record("#main/x/r", a="int"), {"a": 1, "b": 2}, ("inputs.unknown", "x.b", "a")),
        (record("#main/x/r", a="int"), {}, ("inputs.missing", "x.a", "int")),
    ],
)
def test_another_value_is_refused_with_its_place_the_value_and_what_is_expected(
    cwl_type: Any, value: Any, expected: Expected
) -> None:
    assert_value_refused(cwl_type, value, expected)


@pytest.mark.parametrize("value", ["http://[broken/a.tif", {"class": "File", "location": "http://[broken/a.tif"}])
def test_an_invalid_address_of_a_file_is_refused_before_anything_starts(value: Any) -> None:
    where = "x" if isinstance(value, str) else "x.location"
    assert_value_refused("File", value, ("inputs.reference", where, "URL", '"http://..." (string)'))


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert_value_refused("int", "a" * 500, ("inputs.type", "x", f'"{"a" * 56}... (string)', "int"))


def test_no_password_or_signature_of_a_url_is_in_a_message() -> None:
    with pytest.raises(InputError) as caught:
        accept("int", "https://me:secret@example.org/a?X-Amz-Signature=secret")
    assert '"https://example.org/a?..."' in str(caught.value)
    assert "secret" not in str(caught.value.diagnosis)


def test_names_that_a_terminal_would_obey_are_escaped_in_a_message() -> None:
    with pytest.raises(InputError) as caught:
        build_job_order(build_package(), {"a\n\x1b[31m\ud800": 1})
    (line,) = caught.value.diagnosis.evidence
    assert line.startswith("a\\n\\x1b[31m\\ud800: ")


def test_a_union_of_objects_reports_the_problem_inside_the_nearest() -> None:
    near, far = record("#main/x/n", a="int", b="int"), record("#main/x/f", c="int", d="int", e="int")
    assert_value_refused([near, far], {"a": 1, "b": "2"}, ("inputs.type", "x.b", '"2" (string)', "int"))


@pytest.mark.parametrize("directive", ["$include", "$import", "$mixin", "$graph"])
@pytest.mark.parametrize("cwl_type", ["Any", "File", "#geojson.yaml/Point", record("#main/x/r", a="Any")])
def test_a_directive_that_would_read_a_file_of_the_engine_is_refused(cwl_type: Any, directive: str) -> None:
    smuggled = {directive: "/etc/passwd"}
    for value in (smuggled, {"class": "File", "contents": "", directive: "/etc/passwd"}, {"a": smuggled}):
        with pytest.raises(InputError) as caught:
            accept(cwl_type, value)
        problems = caught.value.diagnosis.problems
        assert any(directive in str(one) or one.code == "inputs.missing" for one in problems)


def test_nesting_without_end_is_refused() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(InputError) as caught:
        accept("Any", value)
    (problem,) = caught.value.diagnosis.problems
    assert problem.code == "inputs.value"
    assert "64 levels" in problem.message


# The whole job order


def test_all_problems_are_reported_at_once() -> None:
    package = build_package({"items": DIRECTORIES, "limit": "int", "colour": COLOUR})
    error = assert_refused(
        lambda: build_job_order(package, {"items": [URL, 4], "limt": 2, "colour": "blue"}),
        ("inputs.type", "items[1]", "4 (integer)", "Directory"),
        ("inputs.type", "colour", '"blue" (string)', "red, green"),
        ("inputs.missing", "limit", "int"),
        ("inputs.unknown", "limt", "limit"),
    )
    assert error.diagnosis.code == "inputs.invalid"
    assert "'water'" in str(error)
    assert "4 problems" in str(error)
    assert str(error).endswith(error.diagnosis.evidence[0])
    assert "zoo-runner describe" in error.diagnosis.remedy


def test_a_default_is_left_to_the_engine() -> None:
    assert build_job_order(build_package({"x": full("int", default=3)}), {}).values == {}


def test_inputs_that_are_no_object_are_refused() -> None:
    package = build_package()
    assert_refused(lambda: build_job_order(package, [1]), ("inputs.type", "inputs", "1 item (list)"))  # type: ignore[arg-type]


# Files and folders


@pytest.mark.parametrize(
    ("value", "base", "location"),
    [
        (URL, None, URL),
        ("s3://bucket/key/", None, "s3://bucket/key/"),
        ("/data/a b", None, "file:///data/a%20b"),
        ("items/one", "/jobs", "file:///jobs/items/one"),
        ("../one", "/jobs/today/", "file:///jobs/one"),
        ("one/item.json", "https://example.org/jobs/job.yml", "https://example.org/jobs/one/item.json"),
        ("../one", "s3://bucket/jobs/today/job.yml", "s3://bucket/jobs/one"),
        ({"class": "Directory", "path": "100%20"}, "/jobs", "file:///jobs/100%2520"),
        ({"class": "Directory", "location": "a%20b"}, "/jobs", "file:///jobs/a%20b"),
        ({"class": "Directory", "location": URL}, "/jobs", URL),
        ({"class": "Directory", "path": "x#1?y%20"}, "file:///jobs/job.yml", "file:///jobs/x%231%3Fy%2520"),
        ("S2A:B04#1", "file:///jobs/", "file:///jobs/S2A%3AB04%231"),
        ({"class": "Directory", "location": "a%20b"}, "file:///a%20b/job.yml", "file:///a%20b/a%20b"),
        ({"class": "Directory", "path": "x#1?"}, "https://example.org/jobs/j.yml", "https://example.org/jobs/x%231%3F"),
    ],
)
def test_a_reference_becomes_a_location(value: Any, base: str | None, location: str) -> None:
    assert accept("Directory", value, base) == directory(location)


def test_what_a_file_object_says_is_kept_and_what_an_engine_derives_is_not() -> None:
    given_file = {"class": "File", "path": "a.tif", "basename": "b.tif", "nameroot": "a", "size": 3}
    sidecars = [{"class": "File", "location": URL}, {"class": "Directory", "listing": []}]
    checked = accept("File", {**given_file, "secondaryFiles": sidecars}, "/jobs")
    assert checked == {
        "class": "File",
        "location": "file:///jobs/a.tif",
        "basename": "b.tif",
        "size": 3,
        "secondaryFiles": sidecars,
    }


def test_a_literal_file_needs_no_location() -> None:
    assert accept("File", {"class": "File", "contents": "x"}) == {"class": "File", "contents": "x"}


@pytest.mark.parametrize(
    "literal",
    [
        {"class": "File", "basename": "a.txt", "contents": "x"},
        {"class": "Directory", "basename": "a", "listing": [{"class": "File", "contents": "x"}]},
    ],
)
def test_a_literal_may_have_the_location_that_cwltool_prints_for_it(literal: dict[str, Any]) -> None:
    assert accept(literal["class"], {**literal, "location": "_:0a1b"}, "/jobs") == literal


def test_a_member_named_value_is_one_of_the_record_that_has_other_members() -> None:
    kind = record("#main/x/r", value="File", n="int")
    given_record = {"value": {"href": URL}, "n": 3}
    expected = {"value": {"class": "File", "location": URL}, "n": 3}
    assert request(kind, given_record) == expected
    assert request(kind, {"value": given_record}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, ("inputs.type", "x", "7 (integer)", "File")),
        ("a\0", ("inputs.reference", "x", '"a\\u0000" (string)')),
        ("", ("inputs.reference", "x", '"" (string)')),
        ("a.tif", ("inputs.reference", "x", '"a.tif" (string)')),
        ({"class": "Directory", "path": "/a"}, ("inputs.type", "x.class", '"Directory" (string)', '"File"')),
        ({"location": "/a"}, ("inputs.missing", "x.class", "File")),
        ({"href": URL}, ("inputs.missing", "x.class", "File")),
        ({"class": "File"}, ("inputs.missing", "x.location", "File")),
        (
            {"class": "File", "path": 3},
            ("inputs.reference", "x.path", "3 (integer)"),
        ),
        (
            {"class": "File", "path": "/a", "basename": "../b"},
            ("inputs.value", "x.basename", '"../b" (string)'),
        ),
        (
            {"class": "File", "path": "/a", "sise": 3},
            ("inputs.unknown", "x.sise", "size"),
        ),
        ({"class": "File", "path": "/a", "size": True}, ("inputs.type", "x.size", "true (boolean)", "integer")),
        (
            {"class": "File", "path": "/a", "secondaryFiles": "b"},
            ("inputs.type", "x.secondaryFiles", '"b" (string)', "array of File"),
        ),
    ],
)
def test_a_file_that_cannot_be_found_by_what_is_said_is_refused(value: Any, expected: Expected) -> None:
    assert_value_refused("File", value, expected)


def test_a_relative_path_is_named_as_an_option_only_where_there_is_something_it_is_relative_to() -> None:
    assert_value_refused("File", "", ("inputs.reference", "x", "job file"), base="/jobs")


@pytest.mark.parametrize("union", [["File", "string"], ["string", "File"], ["null", "string", "Directory"]])
def test_a_text_that_is_no_reference_is_a_string_whatever_the_order_of_the_union(union: Any) -> None:
    assert accept(union, "POLYGON((0 0,1 1,1 0,0 0))", "/jobs") == "POLYGON((0 0,1 1,1 0,0 0))"
    assert accept(union, "note: http://h/ is down", "/jobs") == "note: http://h/ is down"
    assert accept(union, URL, "/jobs")["location"] == URL
    assert request(union, "a.tif") == "a.tif"


def test_a_text_that_names_a_file_is_that_file_where_the_union_has_files(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("")
    assert accept(["string", "File"], "a.tif", str(tmp_path))["location"] == (tmp_path / "a.tif").as_uri()
    assert accept(["string", "File"], "b.tif", str(tmp_path)) == "b.tif"


def test_a_job_file_may_use_the_prefixes_of_the_package_and_state_its_version() -> None:
    package = build_package({"x": "File"})
    document = {**package.document, "$namespaces": {"edam": "http://edamontology.org/"}}
    file = {"class": "File", "location": URL, "format": "edam:format_2330"}
    order = build_job_order(replace(package, document=document), {"cwlVersion": "v1.2", "x": file})
    assert order.values["x"]["format"] == "http://edamontology.org/format_2330"


# Community types


@pytest.mark.parametrize("value", ["2024-07-31", {"value": "2024-07-31"}])
def test_a_date_may_be_given_as_text_or_as_the_record_that_the_engine_wants(value: Any) -> None:
    assert accept("#string_format.yaml/Date", value) == {"value": "2024-07-31"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Date", "31.7.2024", ("inputs.value", "x", '"31.7.2024" (string)', "2024-07-31")),
        ("DateTime", "noon", ("inputs.value", "x", '"noon" (string)', "2024-07-31T10:15:00Z")),
        ("URI", "no uri", ("inputs.value", "x", '"no uri" (string)', "https://example.org/item.json")),
        ("UUID", 3, ("inputs.type", "x", "3 (integer)", "UUID")),
        ("Password", "", ("inputs.value", "x", "Password")),
    ],
)
def test_a_text_of_another_form_is_refused(name: str, value: Any, expected: Expected) -> None:
    assert_value_refused(f"#string_format.yaml/{name}", value, expected)


@pytest.mark.parametrize("crs", [{}, {"crs": CRS84}, {"crs": "CRS84"}])
def test_a_bounding_box_has_the_crs_that_the_engine_knows(crs: dict[str, str]) -> None:
    box = {"bbox": [1, 2, 3, 4.5], **crs}
    assert request("#ogc.yaml/BBox", box) == {"bbox": [1, 2, 3, 4.5], "crs": "CRS84"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            [1, 2, 3, 4],
            ("inputs.type", "x", "4 items (list)", '"bbox": ['),
        ),
        ({"bbox": [1, 2]}, ("inputs.value", "x.bbox", "4 or 6", "2")),
        ({"bbox": [1, 2, 3, "4"]}, ("inputs.type", "x.bbox[3]", '"4" (string)', "double")),
        ({"bbox": [1, 2, 3, 4], "crs": "EPSG:1"}, ("inputs.type", "x.crs", '"EPSG:1" (string)', "CRS84")),
    ],
)
def test_another_bounding_box_is_refused(value: Any, expected: Expected) -> None:
    assert_value_refused("#ogc.yaml/BBox", value, expected)


def test_geojson_without_bbox_gets_the_one_that_the_type_demands_and_keeps_its_properties() -> None:
    point: dict[str, Any] = {"type": "Point", "coordinates": [7.5, 50]}
    feature: dict[str, Any] = {"type": "Feature", "id": "f", "geometry": point, "properties": {"a": None}}
    bounds = [7.5, 50, 7.5, 50]
    accepted = request("#geojson.yaml/Feature", feature)
    assert accepted == {"bbox": bounds, **feature, "geometry": {"bbox": bounds, **point}}


def build_rectangle(west: float, east: float) -> list[list[list[float]]]:
    return [[[west, -20], [east, -20], [east, -15], [west, -15], [west, -20]]]


@pytest.mark.parametrize(
    ("spans", "bounds"),
    [
        ([(177, 180), (-180, -178)], [177, -20, -178, -15]),
        ([(-180, -178), (177, 180), (170, 171)], [170, -20, -178, -15]),
        ([(-180, 0), (0, 180)], [-180, -20, 180, -15]),
        ([(-180, 180)], [-180, -20, 180, -15]),
        ([(-10, 20), (30, 180)], [-10, -20, 180, -15]),
    ],
)
def test_geojson_that_is_cut_at_the_antimeridian_gets_the_box_across_it(
    spans: list[tuple[float, float]], bounds: list[float]
) -> None:
    geometry = {"type": "MultiPolygon", "coordinates": [build_rectangle(*span) for span in spans]}
    assert compute_bounds({"type": "Feature", "geometry": geometry}) == bounds


# Execute requests


@pytest.mark.parametrize("value", [URL, {"href": URL, "type": "application/json"}, directory(URL), {"value": URL}])
def test_a_folder_may_be_given_as_text_link_or_cwl_object(value: Any) -> None:
    assert request("Directory", value) == directory(URL)


@pytest.mark.parametrize("value", [[URL], [{"href": URL}], URL, {"href": URL}, {"value": [URL]}])
def test_one_occurrence_of_an_array_may_stand_alone(value: Any) -> None:
    assert request(DIRECTORIES, value) == [directory(URL)]


@pytest.mark.parametrize(
    ("cwl_type", "value", "expected"),
    [
        ("int", {"value": 3}, 3),
        ("int", 3.0, 3),
        ({"type": "array", "items": "int"}, [{"value": 1}, 2.0], [1, 2]),
        ({"type": "array", "items": DOUBLES}, [[1, 2]], [[1, 2]]),
        (["null", {"type": "array", "items": "string"}], None, None),
        (record("#main/x/r", value="int"), {"value": 3}, {"value": 3}),
        (record("#main/x/r", value="int"), {"value": {"value": 3}}, {"value": 3}),
        ("string", {"value": "a", "mediaType": "text/plain", "encoding": "UTF-8"}, "a"),
        ("#string_format.yaml/URI", {"href": URL}, {"value": URL}),
    ],
)
def test_a_qualified_value_is_the_value(cwl_type: Any, value: Any, expected: Any) -> None:
    assert request(cwl_type, value) == expected


@pytest.mark.parametrize(
    ("cwl_type", "value", "expected"),
    [
        ("string", {"href": URL}, ("inputs.type", "x", "href", "string")),
        (
            "string",
            {"value": "YQ==", "encoding": "base64"},
            ("inputs.value", "x.encoding", '"base64" (string)', "utf-8"),
        ),
        ("File", {"href": 3}, ("inputs.reference", "x.href", "3 (integer)")),
        ("File", "a.tif", ("inputs.reference", "x", '"a.tif" (string)')),
    ],
)
def test_what_a_request_cannot_say_is_refused(cwl_type: Any, value: Any, expected: Expected) -> None:
    assert_refused(lambda: request(cwl_type, value), expected)


URL_TYPE = "https://raw.githubusercontent.com/eoap/schemas/main/url.yaml#URL"


@pytest.mark.parametrize(
    ("cwl_type", "value", "expected"),
    [
        ("Directory", {"class": URL_TYPE, "value": URL}, directory(URL)),
        ("File", {"class": URL_TYPE, "value": URL}, {"class": "File", "location": URL}),
        (DIRECTORIES, [{"class": URL_TYPE, "value": URL}], [directory(URL)]),
        ("string", {"class": f"{URL_TYPE}2", "value": "a"}, "a"),
        ("#string_format.yaml/Date", {"class": "x.yaml#Date", "value": "2024-07-31"}, {"value": "2024-07-31"}),
        ("#ogc.yaml/BBox", {"class": "ogc.yaml#BBox", "bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3, 4], "crs": "CRS84"}),
    ],
)
def test_a_value_may_have_the_uri_of_its_type_as_the_community_sends_it(
    cwl_type: Any, value: Any, expected: Any
) -> None:
    assert request(cwl_type, value) == expected


DESCRIBED = {"title": "URLs", "description": "A list.", "maxOccurs": 999, "schema": {"type": "string"}}


@pytest.mark.parametrize(
    ("cwl_type", "inner", "expected"),
    [
        ({"type": "array", "items": "string"}, ["a"], ["a"]),
        ("string", "a", "a"),
        ("Directory", URL, directory(URL)),
        ("#string_format.yaml/Date", "2024-07-31", {"value": "2024-07-31"}),
    ],
)
def test_a_value_may_stand_beside_descriptive_members(cwl_type: Any, inner: Any, expected: Any) -> None:
    assert request(cwl_type, {**DESCRIBED, "value": inner}) == expected


def test_unknown_members_beside_a_value_are_named() -> None:
    assert_refused(lambda: request("string", {"value": "a", "titel": "T"}), ("inputs.unknown", "x.titel", "'title'"))


def test_an_unknown_output_is_refused() -> None:
    package = build_package(outputs={"results": "Directory"})
    error = assert_refused(
        lambda: read_execute_request(package, {"outputs": {"result": {}, "results": {}}}),
        ("inputs.unknown", "outputs.result", "results"),
    )
    assert error.diagnosis.problems[0].pointer == "/outputs/result"


def test_each_problem_has_a_pointer_into_the_document_of_the_caller() -> None:
    package = build_package({"items": DIRECTORIES})
    request_error = assert_refused(
        lambda: read_execute_request(package, {"inputs": {"items": [URL, {"href": 3}]}}),
        ("inputs.reference", "items[1].href", "3"),
    )
    assert request_error.diagnosis.problems[0].pointer == "/inputs/items/1/href"
    job_error = assert_refused(
        lambda: build_job_order(package, {"items": [URL, 3]}), ("inputs.type", "items[1]", "3 (integer)")
    )
    assert job_error.diagnosis.problems[0].pointer == "/items/1"
    assert job_error.diagnosis.code == "inputs.type"


def test_a_request_without_inputs_is_one_with_none() -> None:
    assert read_execute_request(build_package(), {}).values == {}


@pytest.mark.parametrize("body", [[], "x", {"inputs": 3}, {"inputs": [], "outputs": []}, {"outputs": 3}])
def test_a_request_of_another_shape_is_refused(body: Any) -> None:
    with pytest.raises(InputError) as caught:
        read_execute_request(build_package(), body)
    assert {problem.code for problem in caught.value.diagnosis.problems} == {"inputs.type"}


# Anything

EVERYTHING = build_package(
    {
        "string": "string",
        "int": "int",
        "double": ["null", "double"],
        "any": "Any",
        "file": "File",
        "folders": DIRECTORIES,
        "colour": COLOUR,
        "uri": "#string_format.yaml/URI",
        "box": "#ogc.yaml/BBox",
        "feature": "#geojson.yaml/Feature",
        "either": ["int", COLOUR, record("#main/either/r", a="File"), DIRECTORIES],
        "tree": "#types.yml/Tree",
    }
)
KEYS = st.sampled_from(["class", "location", "path", "href", "value", "bbox", "coordinates", "a", "$include"])
WORDS = st.sampled_from(["File", "Directory", "red", URL, "Point", "CRS84", "//[", "http://[", "\0", "\ud800"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS | st.text(), inner, max_size=5),
    max_leaves=20,
)
INPUTS = st.dictionaries(
    st.sampled_from([entry["id"].removeprefix("#main/") for entry in EVERYTHING.process["inputs"]]), JSON
)


@given(INPUTS, st.sampled_from([None, "/jobs", "https://example.org/jobs/", "s3://["]))
def test_whatever_json_is_given_only_an_input_error_is_raised(inputs: dict[str, Any], base: str | None) -> None:
    for read, given_value in ((build_job_order, inputs), (read_execute_request, {"inputs": inputs})):
        try:
            order = read(EVERYTHING, given_value, base=base)
        except InputError as error:
            assert error.diagnosis.evidence
        else:
            assert json.loads(json.dumps(order.values, allow_nan=False)) == order.values


@given(JSON)
def test_what_any_accepts_can_be_written_as_json(value: Any) -> None:
    try:
        accepted = accept("Any", value)
    except InputError as error:
        assert all(line.startswith("x") for line in error.diagnosis.evidence)
    else:
        assert json.loads(json.dumps(accepted, allow_nan=False)) == accepted


@pytest.mark.parametrize(("cwl_type", "value"), [("int", 4711), ({"type": "array", "items": "string"}, ["canary"])])
def test_a_secret_input_that_is_no_string_is_refused_at_its_place_and_not_shown(cwl_type: Any, value: Any) -> None:
    package = build_package({"x": cwl_type}, hints=[{"class": SECRETS, "secrets": ["#main/x"]}])
    for read, document, pointer in (
        (build_job_order, {"x": value}, "/x"),
        (read_execute_request, {"inputs": {"x": value}}, "/inputs/x"),
    ):
        with pytest.raises(InputError) as caught:
            read(package, document)
        [problem] = caught.value.diagnosis.problems
        assert (problem.code, problem.pointer) == ("inputs.secret", pointer)
        assert not any(text in str(caught.value.diagnosis) for text in ("4711", "canary"))


@pytest.mark.parametrize("value", [{"value": "a", "language": "de"}, {"value": {"value": "a", "language": "de"}}])
def test_a_record_may_have_a_member_of_the_name_of_qualified_values(value: Any) -> None:
    assert request(record("#main/x/r", value="string", language="string"), value) == {"value": "a", "language": "de"}


def test_content_is_a_file_where_folders_are_possible_too() -> None:
    assert request(["File", "Directory"], {"value": "a", "mediaType": "text/plain"})["contents"] == "a"
    assert request(["File", "string"], {"value": "a", "mediaType": "text/plain"}) == "a"


LINKS = [{"href": f"{URL}?1"}, {"href": f"{URL}?2"}]
FILES_OF_LINKS = [{"class": "File", "location": link["href"]} for link in LINKS]
POINT = record("#main/x/point", x="double")
NAMED = record("#main/x/named", value="string", language="string")


@pytest.mark.parametrize(
    ("cwl_type", "value", "expected"),
    [
        (["File", {"type": "array", "items": "File"}], {"value": LINKS}, FILES_OF_LINKS),
        (["File", {"type": "array", "items": "int"}], {"value": [{"value": 1}, 2]}, [1, 2]),
        (["File", "int"], {"value": 5}, 5),
        (["null", "File", "double"], {"value": 2.5}, 2.5),
        (["null", "File", "boolean"], {"value": False}, False),
        (["null", "File", "int"], {"value": None}, None),
        (["File", "string"], {"value": "a", "mediaType": "text/plain"}, "a"),
        (["File", {"type": "enum", "symbols": ["#main/x/a"]}], {"value": "a", "mediaType": "text/plain"}, "a"),
        (["File", "#string_format.yaml/Date"], {"value": "2024-07-31"}, {"value": "2024-07-31"}),
        (["File", POINT], {"value": {"x": 1.5}}, {"x": 1.5}),
        (["File", NAMED], {"value": {"value": "a", "language": "de"}}, {"value": "a", "language": "de"}),
        (["File", "int"], {"value": LINKS[0]}, FILES_OF_LINKS[0]),
        (["File", "Directory"], {"value": {"class": "Directory", "location": URL}}, directory(URL)),
        (["File", "int"], {"value": URL}, {"class": "File", "location": URL}),
    ],
)
def test_a_qualified_value_goes_to_the_option_of_a_union_that_takes_it(
    cwl_type: Any, value: Any, expected: Any
) -> None:
    assert request(cwl_type, value) == expected


@pytest.mark.parametrize(
    ("cwl_type", "value", "contents"),
    [
        (["File", "int"], {"value": "5", "mediaType": "text/plain"}, "5"),
        (["File", {"type": "enum", "symbols": ["#main/x/a"]}], {"value": "b", "mediaType": "text/plain"}, "b"),
        (["File", "#string_format.yaml/Date"], {"value": "now", "mediaType": "text/plain"}, "now"),
        (["File", {"type": "array", "items": "File"}], {"value": {"a": 1}}, '{"a": 1}'),
        (["File", POINT], {"value": [1, 2]}, "[1, 2]"),
        (["string", "File"], {"value": "YQ==", "encoding": "base64"}, None),
    ],
)
def test_what_no_other_option_of_a_union_takes_is_the_content_of_a_file(
    cwl_type: Any, value: Any, contents: str | None
) -> None:
    file = request(cwl_type, value)
    assert (file["class"], file.get("contents")) == ("File", contents)


def test_a_list_with_a_wrong_item_is_no_content_where_a_union_has_an_array() -> None:
    files = ["File", {"type": "array", "items": "File"}]
    assert_refused(lambda: request(files, {"value": [LINKS[0], {"href": 5}]}), ("inputs.reference", "x[1].href", "5"))
