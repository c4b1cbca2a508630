"""The boundary of a job: where its paths may lead."""

import os
from pathlib import Path

import pytest

from zoo_staging.boundary import Boundary, OutsideError, list_links


@pytest.fixture
def job(tmp_path: Path) -> Path:
    for name in ("job/out/a", "job/inputs", "data/deep", "host"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("job/out/a/x", "job/inputs/i", "job/run.json", "data/deep/d", "host/secret"):
        (tmp_path / name).write_text(name)
    return tmp_path


def bound(job: Path) -> Boundary:
    return Boundary.build([job / "job/out"], [job / "job/inputs", job / "data"])


@pytest.mark.parametrize("path", ["job/out/a/x", "job/out", "job/inputs/i", "data/deep/d", "job/out/nothing/here"])
def test_paths_of_the_job_are_its_own(job: Path, path: str) -> None:
    assert bound(job).resolve(job / path) == job / path


@pytest.mark.parametrize(
    "path", ["host/secret", "job/run.json", "job", "job/out/../run.json", "job/out/a/../../../host"]
)
def test_other_paths_are_refused(job: Path, path: str) -> None:
    with pytest.raises(OutsideError):
        bound(job).resolve(job / path)


@pytest.mark.parametrize(
    "target", ["{}/host/secret", "../../../host/secret", "../../run.json", "hop", "{}/data/../host"]
)
def test_a_link_of_a_tool_must_stay_in_the_job(job: Path, target: str) -> None:
    (job / "job/out/a/hop").symlink_to(job / "host")
    (job / "job/out/a/link").symlink_to(target.format(job))
    with pytest.raises(OutsideError):
        bound(job).resolve(job / "job/out/a/link")


def test_a_step_up_behind_a_link_is_one_from_where_the_link_leads(job: Path) -> None:
    (job / "job/out/a/link").symlink_to(job / "data/deep")
    assert bound(job).resolve(job / "job/out/a/link/../deep/d") == job / "data/deep/d"
    with pytest.raises(OutsideError):
        bound(job).resolve(job / "job/out/a/link/../../host/secret")


def test_links_of_tools_may_lead_to_inputs_and_outputs(job: Path) -> None:
    (job / "job/out/a/link").symlink_to(job / "data/deep/d")
    (job / "job/out/a/other").symlink_to("x")
    assert bound(job).resolve(job / "job/out/a/link") == job / "data/deep/d"
    assert bound(job).resolve(job / "job/out/a/other") == job / "job/out/a/x"


def test_links_in_inputs_are_those_of_the_owner_of_the_data(job: Path) -> None:
    (job / "data/link").symlink_to(job / "host")
    boundary = bound(job)
    assert boundary.resolve(job / "data/link/secret") == job / "host/secret"
    assert boundary.resolve(job / "host/secret") == job / "host/secret"


def test_a_folder_that_tools_write_to_inside_of_an_input_is_no_input(job: Path) -> None:
    (job / "job/out/a/link").symlink_to(job / "host")
    with pytest.raises(OutsideError):
        Boundary.build([job / "job/out"], [job / "job"]).resolve(job / "job/out/a/link")


def test_links_in_a_circle_end(job: Path) -> None:
    (job / "job/out/a/p").symlink_to("q")
    (job / "job/out/a/q").symlink_to("p")
    with pytest.raises(OutsideError):
        bound(job).resolve(job / "job/out/a/p")


def test_only_regular_files_are_opened_and_a_pipe_does_not_block(job: Path) -> None:
    os.mkfifo(job / "job/out/pipe")
    for name in ("pipe", "a"):
        with pytest.raises(OutsideError):
            bound(job).open(job / "job/out" / name)
    with os.fdopen(bound(job).open(job / "job/out/a/x")) as stream:
        assert stream.read() == "job/out/a/x"


def test_a_link_put_in_place_after_the_check_is_not_followed(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boundary, path = bound(job), job / "job/out/a/x"

    def resolve_then_swap(self: Boundary, given: object) -> Path:
        path.unlink()
        path.symlink_to(job / "host/secret")
        return path

    monkeypatch.setattr(Boundary, "resolve", resolve_then_swap)
    with pytest.raises(OSError, match="Too many levels"):
        boundary.open(path)


def test_a_path_behind_a_link_is_found_where_it_is_and_not_where_it_is_written(job: Path) -> None:
    (job / "job/out/folder").symlink_to(job / "data")
    assert bound(job).resolve(job / "job/out/folder/deep/d") == job / "data/deep/d"
    (job / "job/out/out").symlink_to(job / "host")
    with pytest.raises(OutsideError):
        bound(job).resolve(job / "job/out/out/secret")


@pytest.mark.parametrize("path", ["job/out//a/x", "job/out/./a/x", "job/out/a/x/", "job/out/a/../a/x"])
def test_a_path_may_be_written_in_any_way(job: Path, path: str) -> None:
    assert bound(job).find(f"{job}/{path}") == f"{job}/job/out/a/x"


def test_all_links_below_a_folder_are_listed_and_none_is_followed(job: Path) -> None:
    deep = job / "job/out" / "/".join("d" * 300)
    deep.mkdir(parents=True)
    (deep / "link").symlink_to("nothing")
    (job / "job/out/a/folder").symlink_to(job / "host")
    assert set(list_links(job / "job/out")) == {deep / "link", job / "job/out/a/folder"}
