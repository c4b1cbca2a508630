"""Links among outputs that cannot be followed."""

import os
from pathlib import Path

import pytest
from cwltool.pathmapper import PathMapper

from tests.unit.messages import Check
from zoo_runner.engines.cwl_process.links import find_fault, replace_links_to_inputs, translate_container_links
from zoo_staging.boundary import Boundary

pytestmark = pytest.mark.unit
AS_CWLTOOL = "Error collecting output for parameter "


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "an out"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    return folder


def find(folder: Path) -> str | None:
    return find_fault(
        {"n": 1, "folder": [{"class": "Directory", "location": folder.as_uri()}]}, Boundary.build([folder])
    )


def test_a_name_that_is_not_utf8_is_reported_escaped_with_its_output(out: Path) -> None:
    Path(os.fsdecode(os.fsencode(out / "deep") + b"/o\xff.tif")).write_text("")
    fault = find(out) or ""
    assert fault.startswith(f"{AS_CWLTOOL}'folder': ")
    assert fault.endswith(r"'o\xff.tif'")


def test_links_that_lead_to_files_and_folders_are_valid(out: Path) -> None:
    (out / "deep" / "file").symlink_to("../a.txt")
    (out / "folder").symlink_to("deep")
    assert find(out) is None


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("deep/link", "nowhere", "nothing"),
        ("link", "link", "nothing"),
        ("deep/up", "..", "circle"),
        ("self", ".", "circle"),
    ],
)
def test_a_link_that_cannot_be_followed_is_named(out: Path, name: str, target: str, why: str, check: Check) -> None:
    (out / name).symlink_to(target)
    check.words(str(find(out)), AS_CWLTOOL, "'folder'", f"'an out/{name}'", why, f"({target})")


def test_an_output_that_is_itself_a_dangling_link_is_named(tmp_path: Path, check: Check) -> None:
    link = tmp_path / "scene.tif"
    link.symlink_to("gone.tif")
    fault = find_fault({"scene": {"class": "File", "path": str(link)}}, Boundary.build([tmp_path]))
    check.words(str(fault), AS_CWLTOOL, "'scene'", "'scene.tif'", "(gone.tif)")


def test_a_link_out_of_the_job_is_named(out: Path) -> None:
    (out / "deep" / "link").symlink_to("../../secret.txt")
    fault = find(out)
    assert fault is not None
    assert "'an out/deep/link'" in fault


@pytest.fixture
def job(tmp_path: Path) -> Path:
    for name in ("out", "fetched", "theirs/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "beside").write_text("beside")
    return tmp_path


def replace(job: Path, aim: str) -> str | None:
    (job / "out" / "link").symlink_to(job / aim)
    boundary = Boundary.build([job / "out"], [job / "fetched", job / "theirs"], job / "fetched")
    return replace_links_to_inputs(
        {"o": {"class": "Directory", "path": str(job / "out" / "link")}}, job / "out", boundary
    )


def test_links_in_an_input_folder_are_replaced_too(job: Path) -> None:
    (job / "theirs" / "beside").symlink_to("../beside")
    (job / "theirs" / "again").symlink_to("deep")
    assert replace(job, "theirs") is None
    placed = job / "out" / "link"
    assert not [path for path in (placed, *placed.rglob("*")) if path.is_symlink()]
    assert (placed / "beside").read_text() == "beside"
    assert (placed / "again" / "file").read_text() == "theirs/deep"


def test_a_copy_of_a_folder_that_cannot_be_written_can_be(job: Path) -> None:
    (job / "theirs" / "deep").chmod(0o555)
    assert replace(job, "theirs") is None
    assert (job / "out" / "link" / "deep").stat().st_mode & 0o700 == 0o700


def test_what_was_fetched_for_the_job_is_not_copied(job: Path) -> None:
    assert replace(job, "fetched") is None
    assert (job / "out" / "link" / "file").samefile(job / "fetched" / "file")


def test_files_of_the_user_are_copied(job: Path) -> None:
    assert replace(job, "theirs") is None
    assert not (job / "out" / "link" / "deep" / "file").samefile(job / "theirs" / "deep" / "file")


@pytest.mark.parametrize(("name", "aim"), [("theirs/deep/up", "../../fetched"), ("theirs/gone", "nowhere")])
def test_a_link_in_an_input_that_cannot_be_followed_is_named(job: Path, name: str, aim: str, check: Check) -> None:
    (job / "fetched" / "down").symlink_to(job / "theirs" / "deep")
    (job / name).symlink_to(aim)
    check.words(str(replace(job, "theirs")), AS_CWLTOOL, "'o'", "'link'")


@pytest.mark.parametrize(
    ("written", "leads_to"),
    [
        ("/inputs/stg1/dem.tif", "theirs/dem.tif"),
        ("../../inputs/stg2/deep/a", "theirs/folder/deep/a"),
        ("/shown/deep/a", "out/deep/a"),
    ],
)
def test_a_link_made_in_a_container_leads_to_what_the_tool_saw(job: Path, written: str, leads_to: str) -> None:
    mapper = PathMapper([], "/", "/inputs")
    mapper.update("a", str(job / "theirs/dem.tif"), "/inputs/stg1/dem.tif", "File", True)
    mapper.update("b", str(job / "theirs/folder"), "/inputs/stg2", "Directory", True)
    (job / "out" / "deep").mkdir()
    (job / "out" / "deep" / "link").symlink_to(written)
    translate_container_links(job / "out", Path("/shown"), mapper)
    assert (job / "out" / "deep" / "link").readlink() == job / leads_to


@pytest.mark.parametrize("written", ["/etc/passwd", "../a", "/inputs/stg3/x", "/inputs/stg1/../../etc/passwd"])
def test_other_links_made_in_a_container_stay(job: Path, written: str) -> None:
    mapper = PathMapper([], "/", "/inputs")
    mapper.update("a", str(job / "theirs"), "/inputs/stg1", "Directory", True)
    (job / "out" / "deep").mkdir()
    (job / "out" / "deep" / "link").symlink_to(written)
    translate_container_links(job / "out", Path("/shown"), mapper)
    assert str((job / "out" / "deep" / "link").readlink()) == written
