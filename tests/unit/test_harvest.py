"""Which changes a harvest plans, which documents it sends, and which files of sources it reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.harvest.git import Tree
from zoo_runner.harvest.packed import rename_process
from zoo_runner.harvest.patterns import build_matcher
from zoo_runner.harvest.planning import MOST_ATTEMPTS, Change, Deployed, Kind, list_left, plan_changes
from zoo_runner.harvest.sources import Harvest, parse_harvest
from zoo_runner.harvest.workflows import LONGEST_SECONDS, Found, Workflow, find_workflows
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.package import Package

SERVER = "https://ades.example.org/api"
FAILED = Deployed("a.cwl", "1", "a", done=False, attempts=MOST_ATTEMPTS)


def build_found(*held: str, **digests: str) -> Found:
    workflows = {
        name: Workflow(f"{name}.cwl", Package({}, "#main", name, {}, digest)) for name, digest in digests.items()
    }
    return Found(workflows, (), frozenset(held))


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        ({}, build_found(a="1"), [Change(Kind.DEPLOY, "a", "a.cwl", "1", is_ours=False)]),
        ({"a": Deployed("a.cwl", "1", "a")}, build_found(a="1"), []),
        ({"a": Deployed("old.cwl", "1", "a")}, build_found(a="1"), []),
        ({"a": Deployed("a.cwl", "1", "a")}, build_found(a="2"), [Change(Kind.REPLACE, "a", "a.cwl", "2")]),
        ({"a": Deployed("a.cwl", "1", "a")}, build_found(), [Change(Kind.UNDEPLOY, "a", "a.cwl")]),
        ({"a": Deployed("a.cwl", "1", "a")}, build_found("a.cwl"), []),
        # begun by a run that was killed
        ({"a": Deployed("a.cwl", "1", "", done=False)}, build_found(a="1"), [Change(Kind.DEPLOY, "a", "a.cwl", "1")]),
        (
            {"a": Deployed("a.cwl", "1", "", done=False, ours=False)},
            build_found(a="1"),
            [Change(Kind.DEPLOY, "a", "a.cwl", "1", is_ours=False)],
        ),
        ({"a": FAILED}, build_found(a="1"), []),
        ({"a": FAILED}, build_found(a="2"), [Change(Kind.REPLACE, "a", "a.cwl", "2")]),
    ],
)
def test_only_what_differs_is_changed(known: dict[str, Deployed], found: Found, expected: list[Change]) -> None:
    assert plan_changes(found, known) == expected


def test_nothing_is_removed_where_not_all_documents_are_known() -> None:
    assert plan_changes(replace(build_found(), whole=False), {"a": Deployed("a.cwl", "1", "a")}) == []


def test_what_takes_too_long_to_resolve_is_left_and_keeps_its_process() -> None:
    moments = iter([0.0, 1.0, LONGEST_SECONDS + 1])
    texts = dict.fromkeys(("a.cwl", "b.cwl"), "cwlVersion: v1.2")
    found = find_workflows(
        Tree("0" * 40, texts, {}),
        lambda path: True,
        lambda texts, path: Package({"class": "Workflow", "id": "#main"}, "#main", path, {}, "1"),
        lambda: next(moments),
    )
    assert (sorted(found.workflows), sorted(found.held)) == (["a.cwl"], ["b.cwl"])


def test_each_server_has_a_record_of_its_own() -> None:
    source = {"url": "https://git.example.org/a"}
    here, there = (read(server=server, sources=[source]) for server in (SERVER, f"{SERVER}/other"))
    assert here.build_key(here.sources[0]) != there.build_key(there.sources[0])


def test_what_is_gone_is_removed_before_others_are_deployed() -> None:
    kinds = [one.kind for one in plan_changes(build_found(b="1"), {"a": Deployed("a.cwl", "1", "a")})]
    assert kinds == [Kind.UNDEPLOY, Kind.DEPLOY]


def test_what_was_given_up_is_tried_again_on_request() -> None:
    assert plan_changes(build_found(a="1"), {"a": FAILED}, again=True) == [Change(Kind.REPLACE, "a", "a.cwl", "1")]
    assert list_left({"a": FAILED, "b": replace(FAILED, attempts=1)}) == ["b"]


def test_a_process_is_renamed_where_it_is_named_and_nowhere_else() -> None:
    document = {
        "$graph": [
            {
                "id": "#main",
                "doc": "#main is the entry",
                "inputs": [{"id": "#main/x", "default": {"id": "#main/x"}}],
                "outputs": [{"id": "#main/y", "outputSource": ["#main/s/y"]}],
                "steps": [
                    {
                        "id": "#main/s",
                        "run": "#tool",
                        "in": [{"id": "#main/s/x", "source": "#main/x", "valueFrom": "#main/x"}],
                        "out": ["#main/s/y"],
                        "scatter": "#main/s/x",
                    }
                ],
            },
            {"id": "#tool", "arguments": ["#main"], "inputs": [{"id": "#tool/x"}]},
            {"id": "#mainly"},
        ]
    }
    renamed = rename_process(document, "main", "water")["$graph"]
    process, step = renamed[0], renamed[0]["steps"][0]
    assert (process["id"], process["doc"]) == ("#water", "#main is the entry")
    assert process["inputs"][0] == {"id": "#water/x", "default": {"id": "#main/x"}}
    assert process["outputs"][0]["outputSource"] == ["#water/s/y"]
    assert (step["run"], step["out"], step["scatter"]) == ("#tool", ["#water/s/y"], "#water/s/x")
    assert step["in"][0] == {"id": "#water/s/x", "source": "#water/x", "valueFrom": "#main/x"}
    assert (renamed[1]["arguments"], renamed[2]["id"]) == (["#main"], "#mainly")


@pytest.mark.parametrize(
    ("path", "chosen"),
    [("a.cwl", True), ("x/a.cwl", True), ("a.yml", False), ("tests/a.cwl", False), ("x/tests/b/a.cwl", False)],
)
def test_patterns_are_those_of_gitignore(path: str, chosen: bool) -> None:
    assert build_matcher(["*.cwl"], ["tests/"])(path) is chosen


def read(**document: Any) -> Harvest:
    return parse_harvest(document, Path("/etc/sources.yml"))


def test_each_workspace_has_its_own_api() -> None:
    source = {"url": "https://git.example.org/a", "workspace": "forest fire"}
    harvest = read(server=f"{SERVER}/{{workspace}}/", sources=[source])
    assert harvest.build_base(harvest.sources[0].workspace) == f"{SERVER}/forest%20fire"


@pytest.mark.parametrize(
    "document",
    [
        {"sources": []},
        {"server": "ftp://x", "sources": []},
        {"server": SERVER, "sources": []},
        {"server": SERVER, "sources": [{}]},
        {"server": SERVER, "sources": [{"url": "x", "brunch": "y"}]},
        {"server": SERVER, "sources": [{"url": "x", "include": [1]}]},
        {"server": SERVER, "sources": [{"url": "https://u:secret@x"}]},
        {"server": SERVER, "sources": [{"url": "x"}, {"url": "x"}]},
        {"server": SERVER + "/{workspace}", "sources": [{"url": "x"}]},
        {"server": SERVER, "sources": [{"url": "x", "workspace": "a"}, {"url": "x", "workspace": "b"}]},
    ],
)
def test_a_file_of_sources_that_is_wrong_is_refused_with_the_place(document: dict[str, Any], check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**document)
    check(caught.value, code="harvest.sources")
    assert "secret" not in caught.value.diagnosis.cause
