"""Rules of reading CWL types from a packed document."""

from typing import Any

import pytest

from tests.unit.packed import COLOUR, EOAP, build_package, full, record
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.cwltypes import (
    AnyType,
    Array,
    Community,
    CwlType,
    DirectoryType,
    Enum,
    Field,
    FileType,
    NullType,
    Parameter,
    Primitive,
    Record,
    Union,
    describe_type,
    holds,
    parse_outputs,
    parse_parameters,
    without_null,
)


def parse_type(cwl_type: Any) -> CwlType:
    return parse_parameters(build_package({"x": cwl_type}))[0].type


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("string", Primitive("string")),
        ("File", FileType()),
        ("Directory", DirectoryType()),
        ("Any", AnyType()),
        (["null", "int"], Union((NullType(), Primitive("int")))),
        ({"type": "array", "items": {"type": "array", "items": "File"}}, Array(Array(FileType()))),
        (COLOUR, Enum(("red", "green"))),
        (record("#main/x/pair", a="int"), Record((Field("a", Primitive("int")),), "pair")),
    ],
)
def test_each_packed_type_expression_has_its_type(written: Any, expected: CwlType) -> None:
    assert parse_type(written) == expected


def test_a_symbol_written_as_uri_is_known_by_its_last_part() -> None:
    crs = parse_type({"type": "enum", "symbols": ["http://example.org/crs/CRS84"]})
    assert crs == Enum(("CRS84",), {"http://example.org/crs/CRS84": "CRS84"})


def test_a_community_type_is_recognised_by_the_url_that_the_author_wrote() -> None:
    assert parse_type("#string_format.yaml/URI") == Community(
        "string_format", "URI", Record((Field("value", Primitive("string")),), "URI")
    )


def test_a_community_type_is_recognised_behind_whatever_name_packing_gave_it() -> None:
    process = build_package().process
    definition = {"class": "SchemaDefRequirement", "types": [record("#renamed/1", value="string")]}
    inputs = [{"id": "#main/x", "type": "#renamed/1"}]
    document = {**process, "cwlVersion": "v1.2", "hints": [definition], "inputs": inputs}
    package = Package(document, "#main", "water", {"#renamed/1": f"{EOAP}/string_format.yaml#Date"}, "")
    assert describe_type(parse_parameters(package)[0].type) == "Date"


def test_an_own_record_called_like_a_community_type_is_a_plain_record() -> None:
    assert parse_type(record("#main/x/URI", value="string")) == Record((Field("value", Primitive("string")),), "URI")


def test_a_type_that_holds_itself_ends_in_any() -> None:
    tree = parse_type("#types.yml/Tree")
    assert isinstance(tree, Record)
    assert without_null(tree.fields[1].type) == AnyType()


def test_types_that_multiply_the_places_of_others_are_refused() -> None:
    process = build_package().process
    doubled = [record(f"#types/t{one}", a=f"#types/t{one - 1}", b=f"#types/t{one - 1}") for one in range(1, 40)]
    definition = {"class": "SchemaDefRequirement", "types": [record("#types/t0", a="File"), *doubled]}
    inputs = [{"id": "#main/x", "type": "#types/t39"}]
    document = {**process, "cwlVersion": "v1.2", "hints": [definition], "inputs": inputs}
    with pytest.raises(PackageError) as caught:
        parse_parameters(Package(document, "#main", "water", {}, ""))
    assert caught.value.diagnosis.code == "package.too-large"


def test_a_type_that_is_nowhere_defined_is_a_package_error() -> None:
    with pytest.raises(PackageError, match=r"'#other.yml/T'") as caught:
        parse_type("#other.yml/T")
    assert caught.value.diagnosis.code == "package.type"


def test_something_that_is_no_type_is_a_package_error() -> None:
    with pytest.raises(PackageError, match=r"\{'size': 3\}") as caught:
        parse_type({"size": 3})
    assert caught.value.diagnosis.code == "package.type"


def test_a_parameter_keeps_what_the_author_said() -> None:
    text = full("File", label="Image", doc=["One.", "Two."], format="edam:1", streamable=True)
    (parameter,) = parse_parameters(build_package({"image": text}))
    assert parameter == Parameter("image", FileType(), "Image", "One.\nTwo.", formats=("edam:1",), streamable=True)


@pytest.mark.parametrize(
    ("written", "optional"),
    [
        ("int", False),
        (["null", "int"], True),
        (full("int", default=0), True),
        (full("int", default=None), False),
        (full("boolean", default=False), True),
    ],
)
def test_null_or_a_default_makes_an_input_optional(written: Any, optional: bool) -> None:
    assert parse_parameters(build_package({"x": written}))[0].optional is optional


def test_outputs_are_read_like_inputs() -> None:
    (output,) = parse_outputs(build_package(outputs={"results": {"type": "array", "items": "Directory"}}))
    assert (output.name, output.type) == ("results", Array(DirectoryType()))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("long", "long"),
        ("Any", "Any"),
        (["null", "int", "string"], "int or string or null"),
        ({"type": "array", "items": "Directory"}, "array of Directory"),
        ({"type": "array", "items": ["int", "string"]}, "array of (int or string)"),
        (COLOUR, "one of red, green"),
        ({"type": "record", "fields": [{"name": "#main/x/a", "type": "int"}]}, "object with a"),
        ("#ogc.yaml/BBox", "BBox"),
        ("#geojson.yaml/Feature", "GeoJSON Feature"),
    ],
)
def test_each_type_has_words(written: Any, words: str) -> None:
    assert describe_type(parse_type(written)) == words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"type": "array", "items": ["null", "Directory"]}, True),
        (record("#main/x/r", inner="Directory"), True),
        ("#string_format.yaml/URI", False),
        ("string", False),
    ],
)
def test_a_directory_is_found_however_deep_it_lies(written: Any, expected: bool) -> None:
    assert holds(parse_type(written), DirectoryType) is expected
