"""Folders whose links lead to each other."""

from pathlib import Path

import pytest

from zoo_staging import folders
from zoo_staging.folders import walk

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


def test_folders_that_all_link_to_each_other_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_LINKED_FOLDERS", 100)
    for folder in range(9):
        (tmp_path / str(folder)).mkdir()
        for other in range(9):
            (tmp_path / str(folder) / f"to{other}").symlink_to(tmp_path / str(other))
    with pytest.raises(OSError, match="100 links"):
        list(walk(tmp_path))
