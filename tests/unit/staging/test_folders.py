"""Folders whose links lead to each other."""

import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo_staging.folders import ignores_case, walk

pytestmark = pytest.mark.unit


def test_links_lead_out_of_a_folder_only_where_they_are_checked(tmp_path: Path) -> None:
    for path in (tmp_path / "top/a", tmp_path / "outside/b"):
        path.parent.mkdir()
        path.write_text("x")
    link = tmp_path / "top/link"
    link.symlink_to(tmp_path / "outside")
    assert [(entry.name, entry.is_link) for entry in walk(tmp_path / "top")] == [("a", False), ("link", True)]
    checked: list[Path] = []
    assert [entry.name for entry in walk(tmp_path / "top", checked.append)] == ["a", "link/b"]
    assert checked == [link]


def test_folders_that_all_link_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    for folder in range(9):
        (tmp_path / str(folder)).mkdir()
        for other in range(9):
            (tmp_path / str(folder) / f"to{other}").symlink_to(tmp_path / str(other))
    with pytest.raises(OSError, match="100 links"):
        list(walk(tmp_path, most_links=100))


def test_folders_may_be_deeper_than_calls(tmp_path: Path) -> None:
    depth, most = 200, sys.getrecursionlimit()
    (tmp_path / "/".join("d" * depth)).mkdir(parents=True)
    (tmp_path / "/".join("d" * depth) / "file").touch()
    sys.setrecursionlimit(len(inspect.stack(0)) + depth // 2)
    try:
        names = [entry.name for entry in walk(tmp_path)]
    finally:
        sys.setrecursionlimit(most)
    assert names == ["d/" * depth + "file"]


def test_a_folder_that_may_not_be_read_is_passed_over_only_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "scene.tif").touch()
    scandir = os.scandir

    # the superuser may read everything
    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("lost+found"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [entry.name for entry in walk(tmp_path, skips_unreadable=True)] == ["scene.tif"]
    with pytest.raises(PermissionError):
        list(walk(tmp_path))
    with pytest.raises(PermissionError):
        list(walk(tmp_path / "lost+found", skips_unreadable=True))


def test_the_disk_is_asked_for_links_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a")
    asked, isdir = list[str](), os.path.isdir

    def look(path: str) -> bool:
        asked.append(path)
        return isdir(path)

    monkeypatch.setattr(os.path, "isdir", look)
    assert [entry.name for entry in walk(tmp_path)] == ["a/b", "c", "link/b"]
    assert asked == [str(tmp_path / "link")]


def test_a_disk_is_asked_whether_it_ignores_case(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert ignores_case(tmp_path / "not/yet") == (tmp_path / "A").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
