from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagein.plan import build_hrefs_plan, build_job_order, build_plan
from tests.unit.messages import Check
from zoo_staging.checksum import Checksum
from zoo_staging.errors import StagingError

pytestmark = pytest.mark.unit

BASE = Path("/jobs/1")


def directory(location: str) -> dict[str, Any]:
    return {"class": "Directory", "location": location}


def file(location: str, **more: Any) -> dict[str, Any]:
    return {"class": "File", "location": location, **more}


def test_plain_values_are_never_touched() -> None:
    job_order = {"a": "s3://bucket/item.json", "b": 3, "c": None, "d": {"x": ["https://host/a"]}}
    assert build_plan(job_order, BASE) == ()
    assert build_job_order(job_order, {}) == job_order


def test_files_and_directories_are_found_anywhere() -> None:
    plan = build_plan(
        {
            "scene": directory("https://h/item.json"),
            "scenes": [directory("https://h/1.json"), directory("https://h/2.json")],
            "record": {"deep": [{"mask": file("s3://b/mask.tif")}]},
        },
        BASE,
    )
    assert [(one.where, one.place, one.name) for one in plan] == [
        (("scene",), "scene", ""),
        (("scenes", 0), "scenes-1", ""),
        (("scenes", 1), "scenes-2", ""),
        (("record", "deep", 0, "mask"), "record-1", "mask.tif"),
    ]


def test_local_paths_become_absolute_from_the_base_folder() -> None:
    plan = build_plan(
        {
            "a": {"class": "File", "path": "data/a b.tif"},
            "b": file("file:///data/a%20b.tif"),
            "c": directory("/data/scene"),
        },
        BASE,
    )
    assert [one.href for one in plan] == ["/jobs/1/data/a b.tif", "/data/a b.tif", "/data/scene"]
    assert all(one.is_local for one in plan)


@pytest.mark.parametrize("name", ["a#b.tif", "a?b.tif", "a%20b.tif", "12:30.tif", "é \U0001f600.tif"])
def test_a_path_is_a_path_whatever_characters_it_has(name: str) -> None:
    (reference,) = build_plan({"a": {"class": "File", "path": name}}, BASE)
    assert reference.href == f"/jobs/1/{name}"


def test_a_location_is_a_uri_reference_unless_only_the_name_as_written_exists(tmp_path: Path) -> None:
    (tmp_path / "a#b%20.tif").touch()
    locations = {"a%20%23.tif": "a #.tif", "a#b%20.tif": "a#b%20.tif"}
    for location, name in locations.items():
        (reference,) = build_plan({"a": file(location)}, tmp_path)
        assert reference.href == str(tmp_path / name)


def test_a_path_that_is_a_url_counts_as_remote() -> None:
    (reference,) = build_plan({"a": {"class": "File", "path": "s3://b/a.tif"}}, BASE)
    assert not reference.is_local


def test_secondary_files_go_beside_their_file_under_names_of_their_own() -> None:
    plan = build_plan({"a": file("https://h/x/a.tif", secondaryFiles=[file("https://h/y/a.tif")])}, BASE)
    assert [(one.place, one.name) for one in plan] == [("a", "a.tif"), ("a", "a-2.tif")]


def test_literals_stay_and_what_they_list_is_found() -> None:
    job_order = {
        "text": {"class": "File", "basename": "t.txt", "contents": "s3://x/y"},
        "folder": {"class": "Directory", "basename": "d", "listing": [file("https://h/a.tif")]},
    }
    (reference,) = build_plan(job_order, BASE)
    assert reference.where == ("folder", "listing", 0)


def test_size_and_checksum_of_a_cwl_file_are_expected() -> None:
    (reference,) = build_plan({"a": file("https://h/a", size=3, checksum="sha1$ab")}, BASE)
    assert (reference.size_bytes, reference.checksum) == (3, Checksum("sha1", "ab"))


def test_the_new_job_order_has_local_locations_and_keeps_the_rest() -> None:
    job_order = {"a": [file("https://h/a b.tif", format="tiff"), 5], "b": "x"}
    assert build_job_order(job_order, {("a", 0): Path("/in/a b.tif")}) == {
        "a": [
            {"class": "File", "location": "file:///in/a%20b.tif", "path": "/in/a b.tif", "format": "tiff"},
            5,
        ],
        "b": "x",
    }
    assert job_order["a"][0] == file("https://h/a b.tif", format="tiff")


def test_a_file_url_of_another_machine_is_an_error(check: Check) -> None:
    with pytest.raises(StagingError) as caught:
        build_plan({"a": file("file://server/share/a.tif")}, BASE)
    check.words(str(caught.value), "file://server/share/a.tif")


@pytest.mark.parametrize("location", [7, "", "a\0b", ["x"]])
def test_a_location_that_is_no_text_is_an_error_that_names_the_input(location: Any) -> None:
    with pytest.raises(StagingError, match=r"^scenes\.1: invalid `location`"):
        build_plan({"scenes": [1, {"class": "File", "location": location}]}, BASE)


@given(st.lists(st.text(), min_size=1, unique=True))
def test_hostile_input_names_get_folders_of_their_own_inside_the_folder(names: list[str]) -> None:
    plan = build_plan({name: directory("https://h/x.json") for name in names}, BASE)
    places = [one.place.casefold() for one in plan]
    assert len(set(places)) == len(names)
    assert not any("/" in place or place.startswith(".") for place in places)


def test_a_single_address_goes_into_the_folder_itself() -> None:
    job_order, (reference,) = build_hrefs_plan(["https://h/item.json"], BASE, as_files=False)
    assert job_order == {"staged": directory("https://h/item.json")}
    assert reference.place == ""
    _, several = build_hrefs_plan(["https://h/1", "https://h/2"], BASE, as_files=True)
    assert [one.place for one in several] == ["staged-1", "staged-2"]


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("https://h/special/50%2520off.txt", "50%20off.txt"),
        ("https://h/my%20file%20%C3%A4.tif", "my file ä.tif"),
        ("https://h/%E4%B8%AD(1)%23.tif?x=1", "中(1)#.tif"),
        ("s3://b/a b.tif", "a b.tif"),
        ("data:text/plain;charset=utf-8;base64,aGk=", "file"),
    ],
)
def test_a_remote_file_keeps_the_characters_of_its_name(href: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    (reference,) = build_plan({"a": file(href)}, BASE)
    assert reference.name == name
    assert caplog.records == []


@pytest.mark.parametrize(
    ("part", "name"), [("..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"), ("a%0Ab.tif", "a_b.tif"), ("x%00.tif", "x_.tif")]
)
def test_a_name_that_a_disk_does_not_take_is_another_one_with_a_warning(
    part: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (reference,) = build_plan({"a": file(f"https://h/{part}")}, BASE)
    assert reference.name == name
    assert [name in record.getMessage() for record in caplog.records] == [True]
