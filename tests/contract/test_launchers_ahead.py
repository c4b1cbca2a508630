"""Launchers that are started before their job is known: used once, without anything of their parent, and ended."""

import os
import sys
from pathlib import Path

import pytest

from tests.site import Site, watching
from tests.values import EXAMPLES, FAILING
from zoo_runner.engines.cwl_process.processes import descendants
from zoo_runner.engines.local.ahead import launcher_ahead
from zoo_runner.model.job import Status

ECHO = EXAMPLES / "echo"


def list_launchers() -> list[int]:
    below = descendants(os.getpid())
    return [pid for pid in below if b"engines.local.launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def wait_for_launcher() -> int:
    while not (found := list_launchers()):
        pass
    return found[0]


def test_the_first_job_takes_it_and_the_second_starts_its_own(site: Site) -> None:
    with launcher_ahead(sys.executable), watching(wait_for_launcher()) as ahead:
        for number in range(2):
            story = site.run(site.accept(ECHO / "echo.cwl", None, f"message=number {number}"))
            assert story.outcome.status is Status.SUCCESSFUL
            assert ahead[0].ends(0)
        assert list_launchers() == []


def test_a_job_that_fails_leaves_none(site: Site) -> None:
    with launcher_ahead(sys.executable):
        story = site.run(site.accept(FAILING / "tool-exit-code" / "tool-exit-code.cwl"))
        assert story.outcome.status is Status.FAILED
        assert list_launchers() == []


def test_one_that_no_job_takes_ends_with_its_block() -> None:
    with launcher_ahead(sys.executable):
        launcher = wait_for_launcher()
    assert not Path(f"/proc/{launcher}").exists()


def test_one_that_was_killed_meanwhile_is_not_used(site: Site) -> None:
    before = set(descendants(os.getpid()))
    with launcher_ahead(sys.executable):
        launcher = wait_for_launcher()
        # with its supervisor; servers of other tests are children of this process too
        started = [pid for pid in descendants(os.getpid()) if pid not in before]
        with watching(*started) as ahead:
            os.kill(launcher, 9)
            assert all(one.ends() for one in ahead)
        story = site.run(site.accept(ECHO / "echo.cwl", None, "message=hello"))
        assert story.outcome.status is Status.SUCCESSFUL


def test_one_of_another_python_is_not_used(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.symlink_to(sys.executable)
    with launcher_ahead(str(other)), watching(wait_for_launcher()) as ahead:
        story = site.run(site.accept(ECHO / "echo.cwl", None, "message=hello"))
        assert story.outcome.status is Status.SUCCESSFUL
        assert not ahead[0].ends(0)


def test_it_knows_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEOUT_AWS_SECRET_ACCESS_KEY", "canary")
    with launcher_ahead(sys.executable):
        assert b"canary" not in Path(f"/proc/{wait_for_launcher()}/environ").read_bytes()
