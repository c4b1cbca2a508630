"""Which changes a harvest plans, which documents it sends, which files of sources and messages it reads."""

import hmac
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.access_documents import Kind as Use
from zoo_runner.cli.harvest import repeat_runs
from zoo_runner.harvest.access import FILE, Access, list_strange, plan_access, plan_closing, read_access
from zoo_runner.harvest.addresses import find_place, is_over_ssh
from zoo_runner.harvest.branches import order_branches
from zoo_runner.harvest.commit_status import build_status
from zoo_runner.harvest.git import Tree, build_ssh_command
from zoo_runner.harvest.hooks import find_pushed, is_genuine
from zoo_runner.harvest.packed import encode_workflow, rename_process, shorten_ids
from zoo_runner.harvest.patterns import build_matcher
from zoo_runner.harvest.planning import MOST_ATTEMPTS, Change, Deployed, Kind, list_left, plan_changes
from zoo_runner.harvest.pushes import Pushes
from zoo_runner.harvest.sources import Harvest, Source, load_harvest, parse_harvest
from zoo_runner.harvest.workflows import LONGEST_SECONDS, Found, Workflow, find_workflows
from zoo_runner.model.errors import PackageError, SettingsError
from zoo_runner.model.package import Package, SourceFile
from zoo_runner.package.findings import Severity
from zoo_runner.package.sent_documents import build_not_sent, refer_to_upload

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


def read_workflow_access(text: str) -> Access:
    return read_access(Tree("0" * 40, {FILE: text}, {}))


def test_the_access_document_of_a_source_says_who_may_use_its_processes() -> None:
    access = read_workflow_access(
        '{"workflows": {"a": {"access": "public"}, "b": {"access": "public", "type": "user-service"}}}'
    )
    before = {name: Deployed(f"{name}.cwl", "1", f"process-{name}") for name in "abcd"}
    before |= {"new": Deployed("new.cwl", "1", "", done=False)}
    assert access.document
    after = {name: one for name, one in before.items() if name != "d"}
    # before anything else is changed: what is not named, or is to go
    closed = {"process-c": Use.PRIVATE, "process-d": Use.PRIVATE}
    assert plan_closing(access.document, before, {"d"}) == closed
    assert plan_closing(None, before, {"d"}) == {"process-d": Use.PRIVATE}
    assert plan_access(access.document, after) == {
        "process-a": Use.PUBLIC,
        "process-b": Use.USER_SERVICE,
        "process-c": Use.PRIVATE,
    }
    found = build_found("b.cwl", c="1")
    (strange,) = list_strange(access, found, before)
    assert (strange.code, "'a'" in strange.message) == ("harvest.access", True)
    assert read_access(Tree("0" * 40, {}, {})) == Access()


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("{", "cannot be read"),
        ("[]", "workflows"),
        ("{}", "workflows"),
        ('{"workflows": []}', "workflows"),
        ('{"workflows": {"a": {"access": "everybody"}}}', "'a'"),
        ('{"workflows": {"a": {"access": "public", "type": "service"}}}', "'a'"),
        ('{"workflows": {"a": "public"}}', "'a'"),
    ],
)
def test_an_access_document_that_is_invalid_is_a_finding_and_nothing_of_it_is_followed(text: str, fact: str) -> None:
    access = read_workflow_access(text)
    assert access.document is None
    ((severity, code, message),) = [(one.severity, one.code, one.message) for one in access.findings]
    assert (severity, code) == (Severity.ERROR, "harvest.access")
    assert fact in message


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


def test_records_of_earlier_releases_are_found_whichever_branches_are_chosen() -> None:
    def key(**source: Any) -> str:
        harvest = read(server=SERVER, sources=[{"url": "https://git.example.org/a", "folder": "cwl", **source}])
        return harvest.build_key(harvest.sources[0])

    # what the first release has written
    assert key(branch="main") == "e00f46df4f181b3aad0f696e"
    assert key(branches=["main"]) == key(branches=["release/*"])
    assert key(branches=["main"]) not in (key(), key(branch="main"))
    several = read(server=SERVER, sources=[{"url": "https://git.example.org/a", "folder": "cwl", "branches": ["*"]}])
    assert several.build_key(replace(several.sources[0], branch="main")) == key(branch="main")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["main", "release/*"], ["main", "release/1", "release/2"]),
        (["release/*", "main"], ["release/1", "release/2", "main"]),
        (["release/**"], ["release/1", "release/1/fix", "release/2"]),
        (["r?lease/[1]", "m.in", "x"], []),
        (["*"], ["main", "other"]),
    ],
)
def test_branches_are_chosen_by_name_and_pattern(patterns: list[str], expected: list[str]) -> None:
    branches = {"main", "other", "release/1", "release/1/fix", "release/2"}
    assert order_branches(patterns, branches) == expected


def test_what_is_gone_is_removed_before_others_are_deployed() -> None:
    kinds = [one.kind for one in plan_changes(build_found(b="1"), {"a": Deployed("a.cwl", "1", "a")})]
    assert kinds == [Kind.UNDEPLOY, Kind.DEPLOY]


@pytest.mark.parametrize("text", ["server: [", "a: " + "[" * 10_000, "a: 1\na: 2", "\x00", "- server"])
def test_a_file_that_is_no_yaml_is_refused_as_such(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.yml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_harvest(path)
    assert caught.value.diagnosis.code == "harvest.sources"


def test_what_was_in_a_folder_that_cannot_be_read_stays() -> None:
    known = {"a": Deployed("lib/a.cwl", "1", "a"), "b": Deployed("library/b.cwl", "1", "b")}
    assert plan_changes(build_found("lib"), known) == [Change(Kind.UNDEPLOY, "b", "library/b.cwl")]


def test_what_exists_counts_as_ones_own_on_request() -> None:
    (change,) = plan_changes(build_found(a="1"), {}, adopt=True)
    assert (change.kind, change.is_ours) == (Kind.DEPLOY, True)


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


def test_ids_of_a_packed_document_are_relative_to_what_they_stand_in() -> None:
    step = {"id": "#main/s", "run": "#tool.cwl", "in": [{"id": "#main/s/x", "source": "#main/x"}], "out": ["#main/s/y"]}
    flow = {"id": "#main", "inputs": [{"id": "#main/x", "default": {"id": "#main/x"}}], "steps": [step]}
    # an author's document with an id of its own, and an id that stands elsewhere
    tool = {"id": "#tool.cwl", "inputs": [{"id": "#tool.cwl/tool/x"}], "hints": [{"id": "https://example.org/#a"}]}
    shortened = shorten_ids({"$graph": [flow, tool]})["$graph"]
    assert shortened == [
        {
            "id": "main",
            "inputs": [{"id": "x", "default": {"id": "#main/x"}}],
            "steps": [{"id": "s", "run": "#tool.cwl", "in": [{"id": "x", "source": "#main/x"}], "out": ["#main/s/y"]}],
        },
        {"id": "tool.cwl", "inputs": [{"id": "tool/x"}], "hints": [{"id": "https://example.org/#a"}]},
    ]


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
        {"server": SERVER, "sources": [{"url": "git@x:y", "password-file": "z"}]},
        {"server": SERVER, "sources": [{"url": "https://x", "key-file": "z"}]},
        {"server": SERVER, "sources": [{"url": "https://x", "known-hosts-file": "z"}]},
        {"server": SERVER, "sources": [{"url": "x", "branches": ["*"]}, {"url": "x", "branches": ["main"]}]},
        {"server": SERVER, "sources": [{"url": "x", "branches": ["m*"]}, {"url": "x", "branch": "main"}]},
        {"server": SERVER, "sources": [{"url": "x", "branches": ["m*"], "branch": "main"}]},
        {"server": SERVER, "sources": [{"url": "x", "branches": []}]},
        {"server": SERVER, "sources": [{"url": "x", "branches": [""]}]},
    ],
)
def test_a_file_of_sources_that_is_wrong_is_refused_with_the_place(document: dict[str, Any], check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**document)
    check(caught.value, code="harvest.sources")
    assert "secret" not in caught.value.diagnosis.cause


@pytest.mark.parametrize(
    ("url", "expected"),
    [("ssh://git@x/y", True), ("git@x:y/z.git", True), ("x:y", True), ("https://x/y", False), ("/srv/y", False)],
)
def test_addresses_of_ssh_are_known(url: str, expected: bool) -> None:
    assert is_over_ssh(url) is expected


def test_ssh_asks_nobody_and_takes_no_unknown_host() -> None:
    source = read(server=SERVER, sources=[{"url": "git@x:y", "key-file": "a b", "known-hosts-file": "%h"}]).sources[0]
    words = shlex.split(build_ssh_command(source))
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes"} <= set(words)
    assert any(word.startswith("-oIdentityFile=") and word.endswith('a b"') for word in words)
    assert any(word.startswith("-oUserKnownHostsFile=") and word.endswith('%%h"') for word in words)
    plain = build_ssh_command(read(server=SERVER, sources=[{"url": "git@x:y"}]).sources[0])
    assert "StrictHostKeyChecking=yes" in plain
    assert "IdentityFile" not in plain


BODY = b'{"ref": "refs/heads/main"}'
SIGNED = hmac.new(b"hook", BODY, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("headers", "genuine"),
    [
        ({"x-hub-signature-256": f"sha256={SIGNED}"}, True),
        ({"x-gitea-signature": SIGNED}, True),
        ({"x-gitlab-token": "hook"}, True),
        ({"x-hub-signature-256": f"sha256={SIGNED[:-1]}0"}, False),
        # a signature that is there is not passed by
        ({"x-hub-signature-256": "sha256=0", "x-gitlab-token": "hook"}, False),
        ({"x-gitlab-token": "h\u00e9"}, False),
        ({}, False),
    ],
)
def test_a_message_counts_if_its_sender_knows_the_secret(headers: dict[str, str], genuine: bool) -> None:
    assert is_genuine(headers, BODY, "hook") is genuine


@pytest.mark.parametrize(
    "url",
    [
        "https://Git.example.org/eo/Flows.git",
        "https://reader@git.example.org/eo/flows",
        "ssh://git@git.example.org:22/eo/flows.git",
        "git@git.example.org:eo/flows.git",
    ],
)
def test_a_repository_has_one_place_whatever_its_address(url: str) -> None:
    assert find_place(url) == ("git.example.org", "eo/flows")


@pytest.mark.parametrize(
    ("holder", "member"), [("repository", "clone_url"), ("project", "git_http_url"), ("repository", "ssh_url")]
)
def test_a_push_concerns_the_sources_of_its_repository_and_branch(holder: str, member: str) -> None:
    url = "https://git.example.org/eo/flows"
    sources = (Source(url), Source(url, branch="main"), Source(url, branch="old"), Source(f"{url}-other"))
    message = {"ref": "refs/heads/main", holder: {member: f"{url}.git"}}
    assert find_pushed(json.dumps(message).encode(), sources) == sources[:2]
    several = tuple(Source(url, branches=(pattern,)) for pattern in ("m*", "release/*"))
    assert find_pushed(json.dumps(message).encode(), several) == several[:1]
    deleted = {**message, "ref": "refs/heads/release/1", "after": "0" * 40}
    assert find_pushed(json.dumps(deleted).encode(), several) == several[1:]
    assert find_pushed(json.dumps(message | {"ref": "refs/tags/v1"}).encode(), sources) == ()
    for body in (b"payload=%7B%7D", b"[]", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            find_pushed(body, sources)


@pytest.mark.parametrize(
    ("url", "kind", "address", "state"),
    [
        ("https://github.com/EO/flows.git", "github", "https://api.github.com/repos/EO/flows/statuses/c0", "failure"),
        ("https://git.example.org/eo/f", "github", "https://git.example.org/api/v3/repos/eo/f/statuses/c0", "failure"),
        ("ssh://git@git.example.org/eo/f", "gitea", "https://git.example.org/api/v1/repos/eo/f/statuses/c0", "failure"),
        ("http://h:3000/a/b/f", "gitlab", "http://h:3000/api/v4/projects/a%2Fb%2Ff/statuses/c0", "failed"),
        ("git@git.example.org:eo/f", "gitea", "https://git.example.org/api/v1/repos/eo/f/statuses/c0", "failure"),
    ],
)
def test_a_status_is_sent_as_each_git_server_takes_it(url: str, kind: str, address: str, state: str) -> None:
    base, path, document = build_status(Source(url, commit_status=kind), "c0", False, "x" * 200)
    assert (base + path, document["state"], len(document["description"])) == (address, state, 140)
    other = Source(url, commit_status=kind, status_api="https://api.example.org")
    assert build_status(other, "c0", True, "good")[0] == "https://api.example.org"
    assert build_status(other, "c0", True, "good")[2]["state"] == "success"
    # a second source of the commit does not hide what the first one has found
    names = {tuple(build_status(replace(other, folder=one), "c0", True, "")[2].items()) for one in ("a", "b")}
    assert len(names) == 2
    branches = [replace(other, branches=("*",), branch=one) for one in ("main", "release/1")]
    assert len({tuple(build_status(one, "c0", True, "")[2].items()) for one in branches}) == 2


def test_what_waits_for_pushes_shows_all_the_while_that_it_goes_on() -> None:
    pushes = Pushes()
    beats: list[int] = []
    assert pushes.wait(0.01, lambda: beats.append(1)) == frozenset()
    assert beats == [1]
    source = Source("https://git.example.org/w", "forest")
    pushes.add((source,))
    assert pushes.wait(None) == frozenset({source.place})
    pushes.stop()
    assert pushes.wait(None) is None


def test_what_a_push_could_not_bring_is_tried_again_later_each_time() -> None:
    pushed = frozenset({("url",)})
    outcomes = iter([False, False, True, True])
    pushes = iter([pushed, frozenset[tuple[str, ...]](), pushed, pushed, None])
    runs, pauses = list[frozenset[tuple[str, ...]]](), list[float | None]()

    def run(places: frozenset[tuple[str, ...]]) -> bool:
        runs.append(places)
        return next(outcomes)

    def wait(seconds: float | None) -> frozenset[tuple[str, ...]] | None:
        pauses.append(seconds)
        return next(pushes)

    assert repeat_runs(run, wait, None, True)
    assert pauses == [None, 60.0, 120.0, None, None]
    # all sources, where something is left of an earlier run
    assert runs == [pushed, frozenset(), frozenset(), pushed]


def test_a_finding_names_documents_as_the_repository_does() -> None:
    def load(texts: Mapping[str, str], path: str) -> Package:
        address = refer_to_upload(texts, path, None)
        if path == "several.cwl":
            raise PackageError(f"{address} has several processes", "Choose one.", code="package.entry")
        raise build_not_sent(address.replace(path, "lib/run.sh"))

    texts = dict.fromkeys(("part.cwl", "several.cwl"), "cwlVersion: v1.2")
    part, several = find_workflows(Tree("0" * 40, texts, {}), lambda _: True, load).findings
    assert several.message.startswith("several.cwl ")
    assert "lib/run.sh" in part.message
    # nobody sends a request here
    assert not any(word in part.message + part.remedy for word in ("sent", "request", "multipart"))


def test_a_document_that_may_be_a_workflow_and_was_not_read_is_an_error() -> None:
    def load(*_: Any) -> Package:
        raise AssertionError

    def find(*, whole: bool) -> dict[str, str]:
        tree = Tree("0" * 40, {}, {"large.cwl": "too large", "notes.txt": "not UTF-8"}, whole)
        return {one.path: one.severity.value for one in find_workflows(tree, is_workflow, load).findings}

    is_workflow = build_matcher(["*.cwl"], [])
    assert find(whole=True) == {"large.cwl": "error", "notes.txt": "warning"}
    assert find(whole=False) == {"large.cwl": "error", "notes.txt": "error"}


def test_a_document_without_the_id_of_its_workflow_is_sent_with_it() -> None:
    process = {"class": "CommandLineTool", "id": "#main", "inputs": [], "outputs": []}
    texts = {
        "noted.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\nid: noted # mine\n",
        "nameless.cwl": "cwlVersion: v1.2\nclass: CommandLineTool\n",
        "graph.cwl": "cwlVersion: v1.2\n$graph: [{class: CommandLineTool, id: '#graph'}]\n",
    }

    def load(texts: Mapping[str, str], path: str) -> Package:
        file = SourceFile(refer_to_upload(texts, path, None), "0" * 64)
        name = path.removesuffix(".cwl")
        return Package({"cwlVersion": "v1.2", "$graph": [process]}, "#main", name, {}, path, (file,))

    workflows = find_workflows(Tree("0" * 40, texts, {}), lambda _: True, load).workflows
    sent = {name: encode_workflow(workflow).decode() for name, workflow in workflows.items()}
    assert (sent["noted"], sent["graph"]) == (texts["noted.cwl"], texts["graph.cwl"])
    assert json.loads(sent["nameless"])["$graph"] == [{**process, "id": "nameless"}]
