"""Rules of the two doors for inputs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.packed import COLOUR, DOUBLES, build_package, full, record
from zoo_runner.inputs.joborder import build_job_order, read_execute_request
from zoo_runner.model.errors import InputError

DIRECTORIES = {"type": "array", "items": "Directory"}
URL = "https://example.org/item.json"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def directory(location: str) -> dict[str, str]:
    return {"class": "Directory", "location": location}


def accept(cwl_type: Any, value: Any, base: str | None = None) -> Any:
    return build_job_order(build_package({"x": cwl_type}), {"x": value}, base=base).values["x"]


def request(cwl_type: Any, value: Any) -> Any:
    return read_execute_request(build_package({"x": cwl_type}), {"inputs": {"x": value}}).values["x"]


def refuse(cwl_type: Any, value: Any, base: str | None = None) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        accept(cwl_type, value, base)
    return caught.value.diagnosis.evidence


def refuse_request(cwl_type: Any, value: Any) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        request(cwl_type, value)
    return caught.value.diagnosis.evidence


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
    ("cwl_type", "value", "line"),
    [
        ("string", 5, "x: found 5 (integer); accepted: string"),
        ("int", True, "x: found true (boolean); accepted: int"),
        ("int", 3.0, "x: found 3.0 (number); accepted: int"),
        ("int", 2**31, "x: found 2147483648 (integer); accepted: int from -2147483648 to 2147483647"),
        ("float", "1.5", 'x: found "1.5" (string); accepted: float'),
        ("double", float("nan"), "x: found nan (number); accepted: double"),
        ("boolean", 1, "x: found 1 (integer); accepted: boolean"),
        ("int", None, "x: found null; accepted: int"),
        ("Any", None, "x: found null; accepted: Any"),
        (COLOUR, "blue", 'x: found "blue" (string); accepted: one of red, green'),
        (["int", "string"], [1], "x: found 1 item (list); accepted: int or string"),
        ({"type": "array", "items": "int"}, 7, "x: found 7 (integer); accepted: array of int"),
        ({"type": "array", "items": "int"}, [1, "2"], 'x[1]: found "2" (string); accepted: int'),
        (record("#main/x/r", a="int"), {"a": 1, "b": 2}, "x.b: found a member that the type does not have; "),
        (record("#main/x/r", a="int"), {}, "x.a: found nothing; accepted: int"),
    ],
)
def test_another_value_is_told_with_place_finding_and_what_is_accepted(cwl_type: Any, value: Any, line: str) -> None:
    (evidence,) = refuse(cwl_type, value)
    assert evidence.startswith(line)


def test_a_long_value_is_shortened_in_the_message() -> None:
    (line,) = refuse("int", "a" * 500)
    assert line == f'x: found "{"a" * 56}... (string); accepted: int'


def test_no_password_or_signature_of_a_url_is_in_a_message() -> None:
    (line,) = refuse("int", "https://me:secret@example.org/a?X-Amz-Signature=secret")
    assert line == 'x: found "https://example.org/a?..." (string); accepted: int'


def test_names_that_a_terminal_would_obey_are_escaped_in_a_message() -> None:
    with pytest.raises(InputError) as caught:
        build_job_order(build_package(), {"a\n\x1b[31m\ud800": 1})
    (line,) = caught.value.diagnosis.evidence
    assert line.startswith("a\\n\\x1b[31m\\ud800: found an input that the package does not have")


def test_a_union_of_objects_tells_the_problem_inside_the_nearest() -> None:
    near, far = record("#main/x/n", a="int", b="int"), record("#main/x/f", c="int", d="int", e="int")
    assert refuse([near, far], {"a": 1, "b": "2"}) == ('x.b: found "2" (string); accepted: int',)


@pytest.mark.parametrize("directive", ["$include", "$import", "$mixin", "$graph"])
@pytest.mark.parametrize("cwl_type", ["Any", "File", "#geojson.yaml/Point", record("#main/x/r", a="Any")])
def test_a_directive_that_would_read_a_file_of_the_engine_is_refused(cwl_type: Any, directive: str) -> None:
    smuggled = {directive: "/etc/passwd"}
    for value in (smuggled, {"class": "File", "contents": "", directive: "/etc/passwd"}, {"a": smuggled}):
        assert any(directive in line or "found nothing" in line for line in refuse(cwl_type, value))


def test_nesting_without_end_is_refused() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    (line,) = refuse("Any", value)
    assert line.endswith("found a deeper nesting; accepted: at most 64 levels")


# The whole job order


def test_all_problems_are_told_at_once() -> None:
    package = build_package({"items": DIRECTORIES, "limit": "int", "colour": COLOUR})
    with pytest.raises(InputError) as caught:
        build_job_order(package, {"items": [URL, 4], "limt": 2, "colour": "blue"})
    assert caught.value.diagnosis.evidence == (
        "items[1]: found 4 (integer); accepted: Directory, as a path or URL",
        'colour: found "blue" (string); accepted: one of red, green',
        "limit: found nothing; accepted: int",
        "limt: found an input that the package does not have; accepted: did you mean 'limit'?",
    )
    assert str(caught.value) == (
        "the inputs do not fit the package 'water' (4 problems): "
        "items[1]: found 4 (integer); accepted: Directory, as a path or URL"
    )
    assert "zoo-runner describe" in caught.value.diagnosis.remedy


def test_a_default_is_left_to_the_engine() -> None:
    assert build_job_order(build_package({"x": full("int", default=3)}), {}).values == {}


def test_inputs_that_are_no_object_are_refused() -> None:
    with pytest.raises(InputError, match=r"inputs: found 1 item \(list\); accepted: an object"):
        build_job_order(build_package(), [1])  # type: ignore[arg-type]


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
    ("value", "line"),
    [
        (7, "x: found 7 (integer); accepted: File, as a path or URL"),
        ("a\0", 'x: found "a\\u0000" (string); accepted: the URL or absolute path of a File'),
        ("", 'x: found "" (string); accepted: the URL or absolute path of a File'),
        ("a.tif", 'x: found "a.tif" (string); accepted: the URL or absolute path of a File'),
        ({"class": "Directory", "path": "/a"}, 'x.class: found "Directory" (string); accepted: "File"'),
        ({"location": "/a"}, 'x.class: found nothing; accepted: "File"'),
        ({"href": URL}, 'x.class: found nothing; accepted: "File"'),
        ({"class": "File"}, "x.location: found nothing; accepted: the path or URL of a File"),
        (
            {"class": "File", "path": 3},
            "x.path: found 3 (integer); accepted: the URL or absolute path of a File",
        ),
        (
            {"class": "File", "path": "/a", "basename": "../b"},
            'x.basename: found "../b" (string); accepted: a file name without folders',
        ),
        (
            {"class": "File", "path": "/a", "sise": 3},
            "x.sise: found a member that files do not have; accepted: did you mean 'size'?",
        ),
        ({"class": "File", "path": "/a", "size": True}, "x.size: found true (boolean); accepted: integer"),
        (
            {"class": "File", "path": "/a", "secondaryFiles": "b"},
            'x.secondaryFiles: found "b" (string); accepted: array of File or Directory',
        ),
    ],
)
def test_a_file_that_cannot_be_found_by_what_is_said_is_refused(value: Any, line: str) -> None:
    assert refuse("File", value) == (line,)


def test_a_relative_path_is_named_as_an_option_only_where_there_is_something_it_is_relative_to() -> None:
    (line,) = refuse("File", "", "/jobs")
    assert line.endswith("the URL or absolute path of a File, or a path relative to the job file")


# Community types


@pytest.mark.parametrize("value", ["2024-07-31", {"value": "2024-07-31"}])
def test_a_date_may_be_given_as_text_or_as_the_record_that_the_engine_wants(value: Any) -> None:
    assert accept("#string_format.yaml/Date", value) == {"value": "2024-07-31"}


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("Date", "31.7.2024", 'x: found "31.7.2024" (string); accepted: Date such as 2024-07-31'),
        ("DateTime", "noon", 'x: found "noon" (string); accepted: DateTime such as 2024-07-31T10:15:00Z'),
        ("URI", "no uri", 'x: found "no uri" (string); accepted: URI such as https://example.org/item.json'),
        ("UUID", 3, "x: found 3 (integer); accepted: UUID"),
        ("Password", "", "x: found another text; accepted: Password such as a text"),
    ],
)
def test_a_text_of_another_form_is_refused(name: str, value: Any, line: str) -> None:
    assert refuse(f"#string_format.yaml/{name}", value) == (line,)


@pytest.mark.parametrize("crs", [{}, {"crs": CRS84}, {"crs": "CRS84"}])
def test_a_bounding_box_has_the_crs_that_the_engine_knows(crs: dict[str, str]) -> None:
    box = {"bbox": [1, 2, 3, 4.5], **crs}
    assert request("#ogc.yaml/BBox", box) == {"bbox": [1, 2, 3, 4.5], "crs": "CRS84"}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            [1, 2, 3, 4],
            'x: found 4 items (list); accepted: an object such as {"bbox": [west, south, east, north]}',
        ),
        ({"bbox": [1, 2]}, "x.bbox: found 2 numbers; accepted: 4 or 6 numbers"),
        ({"bbox": [1, 2, 3, "4"]}, 'x.bbox[3]: found "4" (string); accepted: double'),
        ({"bbox": [1, 2, 3, 4], "crs": "EPSG:1"}, 'x.crs: found "EPSG:1" (string); accepted: one of CRS84'),
    ],
)
def test_another_bounding_box_is_refused(value: Any, line: str) -> None:
    assert refuse("#ogc.yaml/BBox", value) == (line,)


def test_geojson_without_bbox_gets_the_one_that_the_type_demands_and_keeps_its_properties() -> None:
    point: dict[str, Any] = {"type": "Point", "coordinates": [7.5, 50]}
    feature: dict[str, Any] = {"type": "Feature", "id": "f", "geometry": point, "properties": {"a": None}}
    bounds = [7.5, 50, 7.5, 50]
    accepted = request("#geojson.yaml/Feature", feature)
    assert accepted == {"bbox": bounds, **feature, "geometry": {"bbox": bounds, **point}}


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
    ("cwl_type", "value", "line"),
    [
        ("string", {"href": URL}, "x: found a link by href; accepted: string, given as the value itself"),
        (
            "string",
            {"value": "YQ==", "encoding": "base64"},
            'x.encoding: found "base64" (string); accepted: no encoding, or utf-8',
        ),
        ("File", {"href": 3}, "x.href: found 3 (integer); accepted: the URL or absolute path of a File"),
        ("File", "a.tif", 'x: found "a.tif" (string); accepted: the URL or absolute path of a File'),
    ],
)
def test_what_a_request_cannot_say_is_refused(cwl_type: Any, value: Any, line: str) -> None:
    assert refuse_request(cwl_type, value) == (line,)


def test_an_unknown_output_is_refused() -> None:
    package = build_package(outputs={"results": "Directory"})
    with pytest.raises(InputError) as caught:
        read_execute_request(package, {"outputs": {"result": {}, "results": {}}})
    assert caught.value.diagnosis.evidence == (
        "outputs.result: found an output that the package does not have; accepted: did you mean 'results'?",
    )


def test_a_request_without_inputs_is_one_with_none() -> None:
    assert read_execute_request(build_package(), {}).values == {}


@pytest.mark.parametrize("body", [[], "x", {"inputs": 3}, {"inputs": [], "outputs": []}, {"outputs": 3}])
def test_a_request_of_another_shape_is_refused(body: Any) -> None:
    with pytest.raises(InputError, match="accepted: an object with"):
        read_execute_request(build_package(), body)


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
    for door, given_value in ((build_job_order, inputs), (read_execute_request, {"inputs": inputs})):
        try:
            order = door(EVERYTHING, given_value, base=base)
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
