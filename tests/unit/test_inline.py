"""Rules of file content inside a request, formats, and secondary files."""

import base64
from typing import Any

import pytest

from tests.unit.packed import build_package, full
from tests.unit.refusals import Expected, assert_refused
from zoo_runner.inputs.formats import media_type_of
from zoo_runner.inputs.inline import LARGEST_INLINE_BYTES
from zoo_runner.inputs.joborder import build_job_order, read_execute_request
from zoo_runner.package.secondary import apply_pattern

URL = "https://example.org/data/scene.tar.gz"
IANA = "https://www.iana.org/assignments/media-types"
TIFF, PNG = f"{IANA}/image/tiff", f"{IANA}/image/png"
EDAM_TIFF = "http://edamontology.org/format_3591"
FILES = {"type": "array", "items": "File"}


def request(value: Any, cwl_type: Any = "File", **members: Any) -> Any:
    package = build_package({"x": full(cwl_type, **members)})
    return read_execute_request(package, {"inputs": {"x": value}}).values["x"]


def assert_value_refused(expected: Expected, value: Any, cwl_type: Any = "File", **members: Any) -> None:
    assert_refused(lambda: request(value, cwl_type, **members), expected)


# Content by value


def test_text_becomes_a_file_with_contents() -> None:
    assert request({"value": "a,b\n1,2\n", "mediaType": "text/csv"}) == {
        "class": "File",
        "basename": "x.csv",
        "format": f"{IANA}/text/csv",
        "contents": "a,b\n1,2\n",
    }


@pytest.mark.parametrize("value", [{"type": "FeatureCollection", "features": []}, [1, 2]])
def test_json_becomes_a_file_of_json(value: Any) -> None:
    file = request({"value": value, "mediaType": "application/geo+json"})
    assert (file["basename"], file["contents"]) == ("x.geojson", str(value).replace("'", '"'))
    assert request({"value": value})["basename"] == "x.json"


@pytest.mark.parametrize("data", [b"", b"II*\0", bytes(range(256))])
def test_base64_becomes_a_data_url_that_stage_in_writes(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert request({"value": text, "mediaType": "image/tiff; application=geotiff", "encoding": "base64"}) == {
        "class": "File",
        "basename": "x.tif",
        "format": TIFF,
        "location": f"data:image/tiff;base64,{text}",
    }


def test_media_type_and_encoding_may_stand_in_format() -> None:
    file = request({"value": "SUkq", "format": {"mediaType": "image/tiff", "encoding": "base64"}})
    assert file["location"] == "data:image/tiff;base64,SUkq"


def test_each_occurrence_of_an_array_may_be_a_link_or_content() -> None:
    files = request([{"href": URL}, {"value": "a", "mediaType": "text/plain"}], FILES)
    assert [file.get("location", file.get("basename")) for file in files] == [URL, "x_1.txt"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"value": "no base64!", "encoding": "base64"},
            ("inputs.value", "x.value", "10", "base64"),
        ),
        ({"value": 3, "encoding": "base64"}, ("inputs.type", "x.value", "3 (integer)", "base64")),
        (
            {"value": "a", "encoding": "rot13"},
            ("inputs.value", "x.encoding", '"rot13" (string)', "utf-8", "base64"),
        ),
        (
            {"value": "a", "mediaType": "../tiff"},
            ("inputs.value", "x.mediaType", '"../tiff" (string)', "image/tiff"),
        ),
        (
            {"value": 3, "mediaType": "text/plain"},
            ("inputs.type", "x.value", "3 (integer)", "base64"),
        ),
        (
            {"value": "\ud800", "mediaType": "text/plain"},
            ("inputs.value", "x.value", "surrogate"),
        ),
        ({"href": URL, "type": 3}, ("inputs.value", "x.type", "3 (integer)", "image/tiff")),
    ],
)
def test_content_that_cannot_be_a_file_is_refused(value: Any, expected: Expected) -> None:
    assert_value_refused(expected, value)


@pytest.mark.parametrize("encoding", ["utf-8", "base64"])
def test_content_has_a_largest_size(encoding: str) -> None:
    size = LARGEST_INLINE_BYTES + 4
    text = "A" * (size if encoding == "utf-8" else size * 4 // 3)
    expected = ("inputs.too-large", "x.value", "10485760", "href")
    assert_value_refused(expected, {"value": text, "mediaType": "text/plain", "encoding": encoding})


def test_a_folder_has_no_content_of_its_own() -> None:
    expected = ("inputs.reference", "x", "Directory", "href")
    assert_value_refused(expected, {"value": "SUkq", "encoding": "base64"}, "Directory")


# Formats


@pytest.mark.parametrize("declared", [TIFF, EDAM_TIFF, [PNG, TIFF], "https://example.org/formats#special"])
def test_a_link_of_a_declared_format_gets_that_format(declared: Any) -> None:
    formats = declared if isinstance(declared, list) else [declared]
    assert request({"href": URL, "type": "image/tiff"}, format=declared)["format"] == formats[-1]


def test_a_file_without_format_gets_the_declared_one_because_engines_ask_for_it() -> None:
    assert request({"href": URL}, format=EDAM_TIFF)["format"] == EDAM_TIFF
    assert "format" not in request({"href": URL})


@pytest.mark.parametrize("declared", [TIFF, EDAM_TIFF])
def test_another_media_type_than_the_declared_is_refused(declared: str) -> None:
    expected = ("inputs.format", "x[1].format", "image/png", "image/tiff")
    assert_value_refused(expected, [{"href": URL}, {"href": URL, "type": "image/png"}], FILES, format=declared)


def test_a_format_that_is_computed_is_left_to_the_engine() -> None:
    assert request({"href": URL}, format="$(inputs.other.format)") == {"class": "File", "location": URL}


def test_media_types_of_format_uris_are_known_for_iana_and_edam() -> None:
    assert [media_type_of(uri) for uri in (TIFF, EDAM_TIFF, "https://example.org")] == ["image/tiff"] * 2 + [None]


def test_a_job_file_may_declare_prefixes_of_formats() -> None:
    package = build_package({"x": full("File", format=EDAM_TIFF)})
    file = {"class": "File", "location": URL, "format": "edam:format_3591"}
    order = build_job_order(package, {"$namespaces": {"edam": "http://edamontology.org/"}, "x": file})
    assert order.values == {"x": {"class": "File", "location": URL, "format": EDAM_TIFF}}


# Secondary files


@pytest.mark.parametrize(
    ("pattern", "name"),
    [(".idx", "a.tar.gz.idx"), ("^.idx", "a.tar.idx"), ("^^.idx", "a.idx"), ("^^^^.idx", "a.idx"), ("", "a.tar.gz")],
)
def test_a_caret_drops_an_extension(pattern: str, name: str) -> None:
    assert apply_pattern(pattern, "a.tar.gz") == name


@pytest.mark.parametrize("declared", [[".idx", "^.xml"], [{"pattern": ".idx"}, {"pattern": "^.xml", "required": True}]])
def test_a_remote_file_brings_its_required_secondary_files(declared: Any) -> None:
    file = request({"href": URL}, secondaryFiles=declared)
    assert [one["location"] for one in file["secondaryFiles"]] == [f"{URL}.idx", f"{URL.removesuffix('gz')}xml"]


@pytest.mark.parametrize("declared", [".idx?", {"pattern": ".idx", "required": False}, "$(self.basename).idx"])
def test_optional_and_computed_secondary_files_are_left_to_the_engine(declared: Any) -> None:
    assert "secondaryFiles" not in request({"href": URL}, secondaryFiles=[declared])


def test_the_engine_looks_beside_a_local_file() -> None:
    assert "secondaryFiles" not in request({"href": "file:///data/a.tif"}, secondaryFiles=[".idx"])


def test_secondary_files_that_are_given_must_be_all() -> None:
    package = build_package({"x": full("File", secondaryFiles=[".idx", ".xml"])})
    file = {"class": "File", "location": URL, "secondaryFiles": [{"class": "File", "location": f"{URL}.idx"}]}
    expected = ("inputs.missing", "x.secondaryFiles", '"scene.tar.gz.xml"')
    assert_refused(lambda: build_job_order(package, {"x": file}), expected)


@pytest.mark.parametrize("value", [{"value": "a", "mediaType": "text/plain"}, {"href": f"{URL}?sig=1"}])
def test_secondary_files_of_content_and_signed_links_must_be_given(value: Any) -> None:
    assert_value_refused(("inputs.missing", "x.secondaryFiles", ".idx"), value, secondaryFiles=[".idx"])


# Members of records


def build_scene(kind: Any = "File", **declared: Any) -> Any:
    fields = [{"name": "x/scene/image", "type": kind, **declared}, {"name": "x/scene/name", "type": "string"}]
    return {"name": "x/scene", "type": "record", "fields": fields}


def give_scene(cwl_type: Any, value: Any) -> Any:
    return build_job_order(build_package({"x": cwl_type}), {"x": value}).values["x"]


def test_a_file_in_a_record_gets_the_format_and_the_secondary_files_that_its_member_declares() -> None:
    scene = build_scene(format=TIFF, secondaryFiles=[".aux.xml"])
    image = {"class": "File", "location": "https://h/a.tif"}
    value = {"image": image, "name": "a"}
    expected = {
        **image,
        "format": TIFF,
        "secondaryFiles": [{"class": "File", "location": "https://h/a.tif.aux.xml"}],
    }
    assert give_scene(scene, value)["image"] == expected
    assert give_scene({"type": "array", "items": scene}, [value])[0]["image"] == expected
    other = {"name": "x/other", "type": "record", "fields": [{"name": "x/other/image", "type": "File"}]}
    assert give_scene([other, scene], value)["image"] == expected


def test_a_file_in_a_record_that_has_another_format_is_refused_with_its_place() -> None:
    image = {"class": "File", "location": "https://h/a.png", "format": TIFF.replace("tiff", "png")}
    scene = build_scene({"type": "array", "items": "File"}, format=TIFF)
    assert_refused(
        lambda: give_scene(scene, {"image": [image], "name": "a"}),
        ("inputs.format", "x.image[0].format", "image/png", "image/tiff"),
    )
