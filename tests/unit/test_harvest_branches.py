"""What becomes of the branches of a source: which is harvested, undeployed, left alone; with a server in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.values import configuration_in
from zoo_runner.api_client import UnansweredError
from zoo_runner.harvest.git import Tree
from zoo_runner.harvest.harvester import Harvester, Report
from zoo_runner.harvest.planning import MOST_ATTEMPTS
from zoo_runner.harvest.records import FolderRecords
from zoo_runner.harvest.sources import Source, parse_harvest
from zoo_runner.harvest.workflows import Finding, Workflow
from zoo_runner.model.errors import EngineError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.findings import Severity


class Field:
    """A repository and a server in memory: of each branch the ids of its workflows with their digests."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.branches: dict[str, dict[str, str]] = {}
        self.listings: list[list[str] | EngineError] = []
        self.processes: dict[str, str] = {}
        self.away: set[str] = set()
        self.unreachable: set[str] = set()
        self.records, self.settings = FolderRecords(folder / "records"), configuration_in(folder).settings
        given = {"url": "https://git.example.org/w", "branches": ["main", "release/*"]}
        self.harvest = parse_harvest({"server": "https://ades.example.org", "sources": [given]}, folder)
        for name, replaced in (
            ("find_branches", self.find_branches),
            ("read_commit", self.read_commit),
            ("prepare_upload", self.prepare),
            ("ProcessServer", lambda *_: self),
        ):
            monkeypatch.setattr(f"zoo_runner.harvest.harvester.{name}", replaced)

    def find_branches(self, source: Source, _: Any) -> dict[str, str]:
        listed = self.listings.pop(0) if self.listings else list(self.branches)
        if isinstance(listed, EngineError):
            raise listed
        assert source.is_of_many
        return {name: repr(self.branches[name]) for name in listed}

    def read_commit(self, source: Source, _: Any, commit: str, scratch: Path) -> Tree:
        assert commit == repr(self.branches[source.branch])
        texts = {f"{name}.cwl": f"cwlVersion: {one}" for name, one in self.branches[source.branch].items()}
        return Tree(commit, texts, {})

    def prepare(self, texts: Mapping[str, str], path: str, *_: Any) -> Package:
        if path in self.unreachable:
            raise PackageError("it does not answer", "Wait.", code="package.unreachable")
        return Package({"class": "Workflow", "id": "#main"}, "#main", path.removesuffix(".cwl"), {}, texts[path][12:])

    def ensure_free(self, name: str) -> None:
        assert name not in self.processes

    def has(self, process: str) -> bool:
        return process in self.processes

    def deploy(self, workflow: Workflow, *, is_ours: bool) -> str:
        assert is_ours or workflow.process_id not in self.processes
        self.processes[workflow.process_id] = workflow.package.digest
        return workflow.process_id

    def replace(self, process: str, workflow: Workflow) -> str:
        if process in self.away:
            raise UnansweredError("it does not answer", "Wait.")
        self.processes[process] = workflow.package.digest
        return process

    def undeploy(self, process: str, name: str) -> None:
        del self.processes[process]

    def run(self, **choices: Any) -> dict[str, Report]:
        def resolve(*_: Any) -> Any:
            raise AssertionError

        harvester = Harvester(self.harvest, self.settings, self.records, resolve, **choices)
        return {report.source.partition("#")[2]: report for report in harvester.run()}

    def list_changes(self, **choices: bool) -> dict[str, list[str]]:
        return {
            branch: [f"{one.change.kind} {one.change.name}" for one in report.done]
            for branch, report in self.run(**choices).items()
        }


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Field:
    return Field(tmp_path, monkeypatch)


def test_each_branch_is_harvested_and_one_that_is_gone_is_undeployed_until_it_comes_again(field: Field) -> None:
    field.branches = {"main": {"a": "1"}, "release/1": {"b": "1"}}
    planned = {"main": ["deploy a"], "release/1": ["deploy b"]}
    assert (field.list_changes(dry=True), field.processes) == (planned, {})
    assert field.list_changes() == planned
    assert all(report.unchanged for report in field.run().values())
    gone = field.branches.pop("release/1")
    assert field.list_changes(dry=True) == {"release/1": ["undeploy b"], "main": []}
    assert field.list_changes() == {"release/1": ["undeploy b"], "main": []}
    assert (field.list_changes(), field.processes) == ({"main": []}, {"a": "1"})
    field.branches["release/1"] = gone
    assert field.list_changes() == {"main": [], "release/1": ["deploy b"]}


def test_a_listing_that_fails_or_lacks_a_branch_once_undeploys_nothing(field: Field) -> None:
    field.branches = {"main": {"a": "1"}, "release/1": {"b": "1"}}
    field.run()
    away = EngineError("it shows none", "Look.", code="harvest.repository")
    for listings in ([away], [["main"], away], [["main"], ["main", "release/1"]]):
        field.listings = [*listings]
        assert not any(field.list_changes().values())
        assert (field.listings, field.processes) == ([], {"a": "1", "b": "1"})
    field.listings = [["main"], ["main"]]
    assert field.list_changes() == {"release/1": ["undeploy b"], "main": []}


def list_errors(report: Report) -> list[Finding]:
    # the packages of this field are none
    errors = [one for one in report.findings if one.severity is Severity.ERROR]
    return [one for one in errors if one.code.startswith("harvest.")]


def test_an_id_belongs_to_the_first_branch_that_has_it_until_that_gives_it_up(field: Field) -> None:
    field.branches = {"main": {"a": "1"}, "release/1": {"a": "2", "b": "1"}}
    for choices in ({"dry": True}, {}, {"again": True}):
        reports = field.run(**choices)
        (found,) = list_errors(reports["release/1"])
        assert (found.code, found.path) == ("harvest.same-id", "a.cwl")
        assert all(branch in found.message for branch in ("main", "release/1"))
        assert list_errors(reports["main"]) == []
    assert field.processes == {"a": "1", "b": "1"}
    assert field.run()["release/1"].unchanged
    field.branches["main"] = {"c": "1"}
    # by the same run, although the commit of the other branch is the same
    assert field.list_changes() == {"main": ["undeploy a", "deploy c"], "release/1": ["deploy a"]}
    field.branches["main"] = {"a": "3", "c": "1"}
    assert [one.code for one in list_errors(field.run()["main"])] == ["harvest.same-id"]
    assert field.processes == {"a": "2", "b": "1", "c": "1"}
    # an id that a later branch gives up goes to the earlier one in the same run
    field.branches["release/1"] = {"b": "1"}
    assert field.list_changes() == {"main": ["deploy a"], "release/1": ["undeploy a"]}
    assert field.processes == {"a": "3", "b": "1", "c": "1"}
    assert all(report.unchanged and report.succeeded for report in field.run().values())


def test_a_branch_that_is_set_back_after_half_of_a_run_has_its_former_workflows_again(field: Field) -> None:
    field.branches = {"main": {"a": "1", "b": "1"}}
    field.run()
    field.branches["main"] = {"a": "2", "b": "2"}
    field.away = {"b"}
    assert not field.run()["main"].succeeded
    assert field.processes == {"a": "2", "b": "1"}
    # the commit that was wholly handled last
    field.branches["main"], field.away = {"a": "1", "b": "1"}, set()
    assert field.run()["main"].succeeded
    assert field.processes == {"a": "1", "b": "1"}
    assert field.run()["main"].unchanged


def test_a_harvest_that_is_stopped_ends_after_a_change_and_does_not_count_as_whole(field: Field) -> None:
    field.branches = {"main": {"a": "1", "b": "1"}, "release/1": {"c": "1"}}
    stopped = field.run(is_stopped=lambda: bool(field.processes))
    assert field.processes == {"a": "1"}
    assert [report.problem and report.problem.code for report in stopped.values()] == ["harvest.stopped"] * 2
    # what is asked to stop when all is done has done all
    assert field.run()["main"].succeeded
    assert field.processes == {"a": "1", "b": "1", "c": "1"}
    field.branches["main"] = {"a": "1", "b": "2"}
    assert field.run(is_stopped=lambda: field.processes["b"] == "2")["main"].succeeded


def test_what_may_be_resolved_later_is_tried_by_the_next_runs_until_it_is_given_up(field: Field) -> None:
    field.branches = {"main": {"a": "1", "b": "1"}}
    field.unreachable = {"b.cwl"}
    first = field.run()["main"]
    assert (first.succeeded, first.unresolved, first.given_up) == (False, ("b.cwl",), ())
    assert field.processes == {"a": "1"}
    field.unreachable.clear()
    assert field.run()["main"].succeeded
    assert field.processes == {"a": "1", "b": "1"}
    assert field.run()["main"].unchanged
    # its process stays, whatever its document has become
    field.branches["main"] = {"a": "1", "b": "2"}
    field.unreachable = {"b.cwl"}
    runs = [field.run()["main"] for _ in range(MOST_ATTEMPTS + 1)]
    assert [run.unchanged for run in runs] == [False] * MOST_ATTEMPTS + [True]
    assert {run.succeeded for run in runs} == {False}
    assert [run.given_up for run in runs[-3:]] == [(), ("b.cwl",), ("b.cwl",)]
    assert field.processes == {"a": "1", "b": "1"}
    field.unreachable.clear()
    assert field.run(again=True)["main"].succeeded
    assert field.processes == {"a": "1", "b": "2"}


def test_a_source_of_which_no_branch_matches_is_reported(field: Field) -> None:
    (report,) = field.run().values()
    assert (report.succeeded, report.unchanged, report.commit) == (True, True, "")
