"""The words that start a container of a step."""

from pathlib import Path

import pytest

from zoo_runner.engines.cwl_process.realfiles import RealFiles
from zoo_runner.engines.local.observed import Reporting, limit_container
from zoo_staging.boundary import Boundary

COMMAND = ["podman", "run", "-i", "--memory=256m", "--user=1000:1000", "image", "sh"]


@pytest.fixture
def files(tmp_path: Path) -> RealFiles:
    return RealFiles(tmp_path, lambda _: None, Boundary(()))


def share(files: RealFiles, *, keeps_user: bool, isolated: bool) -> Reporting:
    return Reporting(lambda _: None, files, "podman", True, True, keeps_user, isolated, True)


def test_containers_of_an_ordinary_user_have_that_user_in_them(files: RealFiles) -> None:
    words = limit_container(COMMAND, 256, share(files, keeps_user=True, isolated=False))
    assert words == ["podman", "run", "--userns=keep-id", *COMMAND[2:]]


def test_containers_of_root_keep_the_users_of_the_machine(files: RealFiles) -> None:
    assert limit_container(COMMAND, 256, share(files, keeps_user=False, isolated=False)) == COMMAND


def test_an_isolated_container_has_no_privileges_and_the_limit_of_its_step(files: RealFiles) -> None:
    words = limit_container(COMMAND, 512, share(files, keeps_user=False, isolated=True))
    assert {"--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never", "--memory=512m"} <= set(words)
    assert "--memory=256m" not in words
