"""Files of outputs that get a name in the folder of the results instead of being copied."""

import os
import stat
from pathlib import Path

import pytest

from stageout.model import StageOutOptions
from stageout.stage import stage_out
from zoo_staging.errors import StagingError


def publish(folder: Path, destination: Path, *, takes_files: bool = True) -> Path:
    """Publish a folder as the output `data`; return where it lies."""
    options = StageOutOptions(job_id="7", takes_files=takes_files, outputs_folder=folder.parent)
    outputs = {"data": {"class": "Directory", "location": folder.as_uri(), "basename": folder.name}}
    stage_out(outputs, str(destination), options)
    return destination / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs" / "tiles"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    return folder


def is_same(first: Path, second: Path) -> bool:
    return first.samefile(second)


def test_a_file_that_nobody_else_has_is_not_copied(folder: Path, tmp_path: Path) -> None:
    there = publish(folder, tmp_path / "results")
    assert is_same(there / "a.txt", folder / "a.txt")


def test_files_are_copied_where_they_may_not_be_taken(folder: Path, tmp_path: Path) -> None:
    there = publish(folder, tmp_path / "results", takes_files=False)
    assert (there / "a.txt").read_text() == "a"
    assert not is_same(there / "a.txt", folder / "a.txt")


def test_a_file_with_another_name_is_copied_because_it_could_be_changed_by_that(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "of-the-user.txt").hardlink_to(folder / "a.txt")
    there = publish(folder, tmp_path / "results")
    (tmp_path / "of-the-user.txt").write_text("changed later")
    assert (there / "a.txt").read_text() == "a"


def test_what_a_link_leads_to_is_copied(folder: Path, tmp_path: Path) -> None:
    (folder / "b.txt").symlink_to("a.txt")
    there = publish(folder, tmp_path / "results")
    assert not (there / "b.txt").is_symlink()
    assert (there / "b.txt").read_text() == "a"
    assert not is_same(there / "b.txt", folder / "a.txt")


@pytest.mark.parametrize("mode", [0o600, 0o777, 0o4755])
def test_results_have_the_permissions_of_new_files_whatever_the_tool_gave_them(
    folder: Path, tmp_path: Path, mode: int
) -> None:
    (folder / "a.txt").chmod(mode)
    (tmp_path / "new.txt").touch()
    there = publish(folder, tmp_path / "results")
    assert stat.S_IMODE((there / "a.txt").stat().st_mode) == stat.S_IMODE((tmp_path / "new.txt").stat().st_mode)


def test_results_of_an_earlier_run_are_not_changed_by_the_files_of_a_later_one(folder: Path, tmp_path: Path) -> None:
    publish(folder, tmp_path / "results")
    (folder / "a.txt").unlink()
    (folder / "a.txt").write_text("later")
    publish(folder, tmp_path / "results")
    assert sorted(path.read_text() for path in (tmp_path / "results").rglob("a.txt")) == ["later"]


def test_a_folder_whose_new_files_have_a_group_of_its_own_gets_copies(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (results / "data").mkdir(parents=True)
    try:
        os.chown(results / "data", -1, next(group for group in (*os.getgroups(), 4242) if group != os.getegid()))
        (results / "data").chmod(0o2775)
    except PermissionError:
        pytest.skip("this user has one group only and may not choose others")
    there = publish(folder, results)
    assert (there / "a.txt").stat().st_gid == (results / "data").stat().st_gid
    assert not is_same(there / "a.txt", folder / "a.txt")


def test_nothing_is_put_behind_a_link_in_the_folder_of_the_results(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StagingError):
        publish(folder, tmp_path / "results")
    assert not list((tmp_path / "elsewhere").iterdir())
