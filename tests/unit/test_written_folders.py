"""A step whose pod was lost starts again in folders as they were, or not at all."""

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from zoo_runner.engines.kubernetes.job_pod import written_folders
from zoo_runner.engines.kubernetes.job_pod.request import Mount, StepRequest
from zoo_runner.engines.kubernetes.job_pod.steppod import Owner
from zoo_runner.engines.kubernetes.job_pod.steprunner import StepRunner
from zoo_runner.engines.kubernetes.job_pod.written_folders import MarkRoom, WrittenFolders
from zoo_runner.engines.kubernetes.pods import Ending
from zoo_runner.model.events import EngineLine, Event

LOST = Ending(-1, "Lost", "gone")
DONE = Ending(0, "Completed", "")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "copy").mkdir(parents=True)
    (work / "copy" / "a.txt").write_text("a")
    (work / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_text("b")
    return work


def list_all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def add(work: Path) -> None:
    (work / "half.tif").write_text("half")
    (work / "copy" / "deep" / "er").mkdir(parents=True)
    (work / "copy" / "deep" / "er" / "c.txt").write_text("c")
    (work / "new").symlink_to(work.parent / "elsewhere")


def replace(path: Path) -> None:
    path.unlink()
    path.symlink_to("/")


CHANGES: dict[str, Callable[[Path], object]] = {
    "appended to": lambda path: path.write_text("aa"),
    "touched": lambda path: os.utime(path, (1, 1)),
    "removed": Path.unlink,
    "replaced": replace,
}


def note(*roots: Path, most: int = 1000) -> WrittenFolders:
    return WrittenFolders(roots, MarkRoom(most)).__enter__()


def test_what_an_attempt_added_is_removed_and_nothing_else(work: Path) -> None:
    before = list_all(work)
    folders = note(work, work / "late", work.parent / "later")
    add(work)
    (work / "late").mkdir()
    (work.parent / "later").mkdir()
    (work / "copy" / "deep").chmod(0o500)
    assert folders.restore() is None
    assert list_all(work) == before
    assert not (work.parent / "later").exists()
    assert (work.parent / "elsewhere" / "b.txt").read_text() == "b"
    assert folders.restore() is None


@pytest.mark.parametrize("how", CHANGES)
def test_what_an_attempt_changed_is_named_and_nothing_is_removed(how: str, work: Path) -> None:
    folders = note(work)
    add(work)
    CHANGES[how](work / "copy" / "a.txt")
    assert folders.restore() == f"it has changed {work / 'copy' / 'a.txt'}"
    assert (work / "half.tif").exists()


def test_a_folder_that_an_attempt_replaced_by_a_link_is_not_followed(work: Path) -> None:
    folders = note(work)
    (work / "copy").rename(work / "moved")
    (work / "copy").symlink_to(work.parent / "elsewhere")
    assert folders.restore() == f"it has changed {work / 'copy'}"
    assert (work.parent / "elsewhere" / "b.txt").exists()


def test_other_numbers_of_inodes_are_no_change(work: Path) -> None:
    folders, copy = note(work), work / "copy"
    other = shutil.copytree(copy, work.parent / "other", copy_function=shutil.copy2)
    shutil.rmtree(copy)
    other.rename(copy)
    assert folders.restore() is None


def test_what_python_cannot_remove_is_removed_by_another_process(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    before, folders = list_all(work), note(work)
    add(work)
    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert folders.restore() is None
    assert list_all(work) == before


def test_what_cannot_be_removed_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = note(work)
    add(work)
    # as by another user: what removes a tree raises nothing
    monkeypatch.setattr(written_folders, "remove_tree", lambda path: None)
    why = folders.restore()
    assert why
    assert str(work / "copy" / "deep") in why


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_folder_that_cannot_be_looked_into_counts_as_changed(
    when: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", folder)

    folders = note(work) if when == "after" else None
    monkeypatch.setattr(written_folders, "_open", refuse)
    reason = (folders or note(work)).restore() or ""
    assert str(work) in reason and "Permission denied" in reason


def test_of_too_many_files_none_is_said_to_be_as_it_was(work: Path) -> None:
    assert "only 2 files" in (note(work, most=2).restore() or "")


def test_steps_that_run_together_share_what_is_remembered_and_give_it_back(work: Path) -> None:
    room = MarkRoom(6)
    with WrittenFolders([work, work / "copy"], room) as first:
        assert first.restore() is None
        with WrittenFolders([work], room) as second:
            assert "only 6 files" in (second.restore() or "")
    with WrittenFolders([work], room) as third:
        assert third.restore() is None


class Quiet:
    """A cluster on which nothing changes."""

    def watch(self, *_: Any) -> None:
        """Report nothing."""


def run(work: Path, attempts: list[Callable[[Path], object]], monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Run a step whose attempts do this and are lost, but for the last of three."""
    events: list[Event] = []
    settings = {"namespace": "ws-a", "job": "job-1", "retries": 2}
    volume = work.parent
    cluster: Any = Quiet()
    runner: Any = StepRunner(cluster, settings, Owner("pod", "uid"), events.append, volume)
    mount = Mount("/work", "work", read_only=False)
    request = StepRequest("s", "run", "image", (), "/work", {}, (mount,), 1, 1, 1, 1)
    endings = iter([LOST, LOST, DONE])

    def attempt(request: StepRequest, tag: str) -> tuple[Ending, Mapping[str, Any]]:
        attempts.pop(0)(work)
        return next(endings), {"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {}}

    monkeypatch.setattr(runner, "_attempt", attempt)
    runner._attempt_repeatedly(request)
    return events


def test_each_attempt_begins_in_the_same_folder(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def look_and_add(folder: Path) -> None:
        seen.append(list_all(folder))
        add(folder)

    events = run(work, [look_and_add] * 3, monkeypatch)
    assert [type(event).__name__ for event in events] == ["EngineLine", "StepStarted"] * 2
    assert seen[0] == seen[1] == seen[2]
    assert (work / "half.tif").exists(), "those of the attempt that succeeded stay"


def test_a_step_that_changed_its_input_is_not_started_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[Callable[[Path], object]] = [lambda folder: (folder / "copy" / "a.txt").write_text("aa")]
    (event,) = run(work, attempts, monkeypatch)
    assert isinstance(event, EngineLine)
    assert "not started again: it has changed" in event.text and "a.txt" in event.text
