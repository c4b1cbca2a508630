"""Links among outputs that cannot be followed."""

from pathlib import Path

import pytest

from tests.unit.messages import Check
from zoo_runner.engines.cwl_process.links import find_fault
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
