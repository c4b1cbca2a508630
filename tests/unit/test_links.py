"""Links among outputs that nobody can follow."""

from pathlib import Path

import pytest

from zoo_runner.engines.cwl_process.links import find_fault

pytestmark = pytest.mark.unit


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "an out"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    return folder


def find(folder: Path) -> str | None:
    return find_fault({"n": 1, "folder": [{"class": "Directory", "location": folder.as_uri()}]})


def test_links_that_lead_to_files_and_folders_are_sound(out: Path) -> None:
    (out / "deep" / "file").symlink_to("../a.txt")
    (out / "folder").symlink_to("deep")
    assert find(out) is None


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("deep/link", "nowhere", "the link 'an out/deep/link' leads to nothing (nowhere)"),
        ("link", "link", "the link 'an out/link' leads to nothing (link)"),
        ("deep/up", "..", "the link 'an out/deep/up' leads in a circle (..)"),
        ("self", ".", "the link 'an out/self' leads in a circle (.)"),
    ],
)
def test_a_link_that_nobody_can_follow_is_named(out: Path, name: str, target: str, said: str) -> None:
    (out / name).symlink_to(target)
    assert find(out) == f"Error collecting output for parameter 'folder': {said}"


def test_an_output_that_is_such_a_link_itself(tmp_path: Path) -> None:
    link = tmp_path / "scene.tif"
    link.symlink_to("gone.tif")
    said = "Error collecting output for parameter 'scene': the link 'scene.tif' leads to nothing (gone.tif)"
    assert find_fault({"scene": {"class": "File", "path": str(link)}}) == said
