"""Real files in place of the links that cwltool hands out."""

import os
from pathlib import Path

import pytest

from zoo_runner.engines.cwl_process.realfiles import RealFiles
from zoo_staging.boundary import Boundary, OutsideError


@pytest.fixture
def files(tmp_path: Path) -> RealFiles:
    (tmp_path / "scratch").mkdir()
    return RealFiles(tmp_path / "scratch", lambda _: None, Boundary.build([tmp_path / "scratch"]))


def link(tmp_path: Path, source: Path) -> Path:
    shown = tmp_path / "scratch" / f"shown-{source.name}"
    shown.symlink_to(source)
    return shown


def test_a_file_of_the_job_is_shown_without_a_copy(files: RealFiles, tmp_path: Path) -> None:
    own = tmp_path / "scratch" / "own.tif"
    own.write_text("x")
    shown = link(tmp_path, own)
    files.replace_links([str(shown)])
    assert not shown.is_symlink()
    assert shown.samefile(own)


def test_a_file_of_somebody_else_is_copied_once_for_all_steps(files: RealFiles, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.tif"
    theirs.write_text("x")
    theirs.chmod(0o640)
    first = link(tmp_path, theirs)
    files.replace_links([str(first)])
    second = tmp_path / "scratch" / "second"
    second.symlink_to(theirs)
    files.replace_links([str(second)])
    assert not first.samefile(theirs)
    assert first.samefile(second)
    assert first.stat().st_mtime_ns == theirs.stat().st_mtime_ns
    assert first.stat().st_mode & 0o777 == 0o640


def test_a_folder_is_shown_with_all_that_is_in_it(files: RealFiles, tmp_path: Path) -> None:
    theirs = tmp_path / "scene"
    (theirs / "deep" / "empty").mkdir(parents=True)
    (theirs / "deep" / "a.tif").write_text("a")
    (theirs / "inside").symlink_to("deep/a.tif")
    (theirs / "outside").symlink_to(os.devnull)
    (theirs / "loop").symlink_to(".")
    shown = link(tmp_path, theirs)
    files.replace_links([str(shown)])
    assert (shown / "deep" / "empty").is_dir()
    assert (shown / "deep" / "a.tif").read_text() == "a"
    assert str((shown / "inside").readlink()) == "deep/a.tif"
    assert str((shown / "outside").readlink()) == os.devnull
    assert str((shown / "loop").readlink()) == "."


def test_a_file_changed_in_place_is_found(files: RealFiles, tmp_path: Path) -> None:
    own = tmp_path / "scratch" / "own.txt"
    own.write_text("x")
    shown = link(tmp_path, own)
    given = files.replace_links([str(shown)])
    assert list(given.changed()) == []
    with shown.open("a") as stream:
        stream.write("more")
    assert list(given.changed()) == [shown]


def test_a_file_replaced_or_removed_harms_nobody(files: RealFiles, tmp_path: Path) -> None:
    own = tmp_path / "scratch" / "own.txt"
    own.write_text("x")
    shown = link(tmp_path, own)
    given = files.replace_links([str(shown)])
    shown.unlink()
    shown.write_text("something else")
    assert list(given.changed()) == []
    assert own.read_text() == "x"


def give_link_out(tmp_path: Path, folder: Path, inputs: list[Path]) -> tuple[Boundary, Path]:
    folder.mkdir()
    (tmp_path / "dem.tif").write_text("x")
    (folder / "dem.tif").symlink_to(tmp_path / "dem.tif")
    boundary = Boundary.build([tmp_path / "scratch"], inputs)
    shown = link(tmp_path, folder)
    RealFiles(tmp_path / "scratch", lambda _: None, boundary).replace_links([str(shown)])
    return boundary, shown / "dem.tif"


def test_what_a_link_in_an_input_leads_to_belongs_to_the_job(files: RealFiles, tmp_path: Path) -> None:
    boundary, shown = give_link_out(tmp_path, tmp_path / "theirs", [tmp_path / "theirs"])
    assert shown.is_symlink()
    assert boundary.resolve(shown) == tmp_path / "dem.tif"


def test_what_a_link_of_a_tool_leads_to_does_not(files: RealFiles, tmp_path: Path) -> None:
    boundary, shown = give_link_out(tmp_path, tmp_path / "scratch" / "made", [])
    with pytest.raises(OutsideError):
        boundary.resolve(shown)
