"""A source of several branches: each is harvested by itself, and one that goes away takes its workflows along."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gitserver import create_repository
from tests.harvesting import TOOL, Field, Running, list_changes, open_field, running_server
from zoo_runner.cli.harvest import describe_report
from zoo_runner.harvest.harvester import Harvester
from zoo_runner.harvest.sources import load_harvest


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("server"), package_cache) as running:
        yield running


@pytest.fixture
def field(running: Running, tmp_path: Path) -> Iterator[Field]:
    with open_field(running, tmp_path) as field:
        field.write(url=field.url, branches=["main", "release/*"])
        yield field


def push(field: Field, branch: str, **workflows: str) -> None:
    """Push a branch that has these workflows and nothing else."""
    gone: dict[str, str | None] = {path.name: None for path in field.repository.work.glob("*.cwl")}
    files = {f"{name}.cwl": TOOL.format(id=name, doc=doc) for name, doc in workflows.items()}
    field.repository.push(gone | files, branch=branch)


def delete(field: Field, branch: str) -> None:
    field.repository.git("push", "--quiet", "origin", f":refs/heads/{branch}")


def harvest(field: Field, **choices: Any) -> dict[str, dict[str, Any]]:
    """Harvest once; return the reports by branch."""
    harvester = Harvester(load_harvest(field.file), field.site.settings, field.records, field.resolver, **choices)
    reports = map(describe_report, harvester.run())
    return {report["source"].partition("#")[2]: report for report in reports}


def changes(field: Field, **choices: Any) -> dict[str, list[tuple[str, str]]]:
    return {branch: list_changes(report) for branch, report in harvest(field, **choices).items()}


def list_errors(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in report["findings"] if one["severity"] == "error"]


def test_each_branch_that_matches_is_harvested_and_one_that_is_gone_is_undeployed(field: Field) -> None:
    push(field, "main", a="one")
    push(field, "release/1", b="one")
    push(field, "release/old/1", c="one")
    push(field, "other", d="one")
    planned = {"main": [("deploy", "a")], "release/1": [("deploy", "b")]}
    assert (changes(field, dry=True), field.list_processes()) == (planned, [])
    assert changes(field) == planned
    push(field, "release/2", e="one")
    push(field, "release/1", b="two")
    expected = {"main": [], "release/1": [("replace", "b")], "release/2": [("deploy", "e")]}
    assert changes(field) == expected
    assert all(report["unchanged"] for report in harvest(field).values())
    delete(field, "release/1")
    assert changes(field, dry=True)["release/1"] == [("undeploy", "b")]
    assert changes(field) == {"release/1": [("undeploy", "b")], "main": [], "release/2": []}
    assert (list(harvest(field)), field.list_processes()) == (["main", "release/2"], ["a", "e"])
    # one that comes again, with the very commit
    field.repository.git("push", "--quiet", "origin", "HEAD:refs/heads/release/1")
    assert changes(field)["release/1"] == [("deploy", "b")]


def test_a_record_of_a_branch_is_the_same_where_patterns_choose_it(field: Field) -> None:
    field.write(url=field.url, branch="main")
    push(field, "main", a="one")
    field.harvest()
    field.write(url=field.url, branches=["ma*"])
    assert harvest(field)["main"]["unchanged"]
    # a branch that the patterns no longer choose is gone, too
    field.write(url=field.url, branches=["none"])
    assert (changes(field), field.list_processes()) == ({"main": [("undeploy", "a")]}, [])
    assert harvest(field) == {"none": harvest(field)["none"]}


@pytest.mark.parametrize("away", ["empty", "absent"])
def test_a_server_that_has_lost_its_branches_undeploys_nothing(field: Field, tmp_path: Path, away: str) -> None:
    push(field, "main", a="one")
    harvest(field)
    bare = field.repository.bare
    bare.rename(tmp_path / "lost")
    if away == "empty":
        create_repository(tmp_path / "new").bare.rename(bare)
    (report,) = harvest(field).values()
    assert (report["problem"]["code"], report["succeeded"]) == ("harvest.repository", False)
    assert field.list_processes() == ["a"]


def test_a_workflow_of_two_branches_is_that_of_the_first_until_it_goes(field: Field) -> None:
    push(field, "main", a="one", b="one")
    push(field, "release/1", a="two", c="one")
    for again in (False, True):
        reports = harvest(field, again=again)
        (finding,) = list_errors(reports["release/1"])
        assert (finding["code"], finding["path"]) == ("harvest.same-id", "a.cwl")
        assert all(branch in finding["message"] for branch in ("release/1", "main"))
        assert (list_errors(reports["main"]), field.describe("a")) == ([], "one")
    assert field.list_processes() == ["a", "b", "c"]
    assert harvest(field)["release/1"]["unchanged"]
    push(field, "main", b="one")
    # by the same run, although the commit of the other branch is the same
    assert changes(field) == {"main": [("undeploy", "a")], "release/1": [("deploy", "a")]}
    assert field.describe("a") == "two"
    # who has it keeps it
    push(field, "main", a="three", b="one")
    reports = harvest(field)
    assert [one["code"] for one in list_errors(reports["main"])] == ["harvest.same-id"]
    assert (field.describe("a"), list_changes(reports["main"])) == ("two", [])


def test_more_branches_than_a_source_may_have_change_nothing(field: Field) -> None:
    field.write(url=field.url, branches=["**"])
    push(field, "main", a="one")
    field.repository.git("push", "--quiet", "origin", *(f"HEAD:refs/heads/b{number}" for number in range(100)))
    (report,) = harvest(field).values()
    assert (report["problem"]["code"], "101" in report["problem"]["cause"]) == ("harvest.repository", True)
    assert field.list_processes() == []


def test_a_branch_of_which_a_run_was_killed_is_not_forgotten(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    push(field, "release/9", a="one")

    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("zoo_runner.harvest.harvester.plan_access", die)
        patch.setattr("zoo_runner.harvest.harvester.list_left", die)
        with pytest.raises(KilledError):
            harvest(field)
    assert field.list_processes() == ["a"]
    push(field, "release/1", b="one")
    delete(field, "release/9")
    assert changes(field) == {"release/9": [("undeploy", "a")], "release/1": [("deploy", "b")]}


def test_the_command_shows_the_branches(field: Field) -> None:
    push(field, "main", a="one")
    push(field, "release/1", b="one")
    done = field.site.command("harvest", str(field.file), "--format", "json")
    assert done.returncode == 0, done.stderr
    sources = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert sources == [f"{field.url}#main", f"{field.url}#release/1"]
