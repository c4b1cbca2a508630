"""Where control groups of steps may lie, and whose they are; real groups are in tests/attacks."""

from pathlib import Path

import pytest

from zoo_runner.engines.cwl_process.control_groups import find_candidates, find_parents, name_groups
from zoo_runner.engines.cwl_process.supervisor import remove_groups


@pytest.mark.parametrize(
    ("name", "value"),
    [("memory.max", "1073741824"), ("memory.high", "1073741824"), ("pids.max", "100"), ("cpu.max", "50000 100000")],
)
def test_steps_do_not_leave_a_group_that_has_a_limit(name: str, value: str, tmp_path: Path) -> None:
    own = tmp_path / "zoo.service"
    own.mkdir()
    for file in ("memory.max", "pids.max"):
        (own / file).write_text("max\n")
    (own / "cpu.max").write_text("max 100000\n")
    assert find_candidates(own) == (own, tmp_path)
    (own / name).write_text(f"{value}\n")
    assert find_candidates(own) == (own,)


def test_groups_lie_beside_one_in_which_nothing_is_counted(tmp_path: Path) -> None:
    assert find_candidates(tmp_path / "own") == (tmp_path / "own", tmp_path)


def test_a_machine_that_does_not_say_in_which_groups_a_process_is_has_none(tmp_path: Path) -> None:
    assert find_parents(tmp_path, tmp_path / "cgroup") == ()


def test_the_groups_of_a_job_are_not_those_of_a_job_whose_id_begins_with_its_id(tmp_path: Path) -> None:
    ids = ["water", "water.1", "water-1", "water_1"]
    groups = {job: tmp_path / f"{name_groups(job)}step-x" for job in ids}
    for group in groups.values():
        group.mkdir()
    remove_groups([f"{tmp_path}/{name_groups('water')}*"])
    assert [job for job in ids if groups[job].exists()] == ids[1:]
