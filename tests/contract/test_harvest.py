"""Workflows of a git repository that git serves, harvested to the server that is running."""

import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.gitserver import PASSWORD, USER, serving_git
from tests.harvesting import TOOL, Field, Running, list_changes, open_field, running_server
from tests.serving import Server, find_free_port
from tests.waiting import wait_for
from zoo_runner.harvest.fetching import Limits, find_commit, read_commit
from zoo_runner.harvest.sources import load_harvest
from zoo_runner.model.errors import EngineError

FLOW = """\
cwlVersion: v1.2
class: Workflow
id: {id}
inputs: {{note: {{type: string, default: "#main/said"}}}}
outputs: {{said: {{type: File, outputSource: greet/said}}}}
steps:
  greet: {{run: ../lib/tool.cwl, in: {{}}, out: [said]}}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("harvest"), package_cache) as one:
        yield one


@pytest.fixture
def field(running: Running, tmp_path: Path) -> Iterator[Field]:
    with open_field(running, tmp_path) as one:
        yield one


def test_the_access_document_beside_the_workflows_reaches_the_place_from_which_servers_read_it(field: Field) -> None:
    place, public = field.site.folder / "access", {"access": "public"}
    place.mkdir()
    (place / "alpha.json").write_text(json.dumps({"workflows": {"of-others": public}, "more": 1}))
    field.write(access=str(place), url=field.url, workspace="alpha")

    def read() -> Any:
        return json.loads((place / "alpha.json").read_text())

    single = {"single.cwl": TOOL.format(id="single", doc="one")}
    field.repository.push(
        {**single, "workflow-access.json": json.dumps({"workflows": {"single": public, "none": public}})}
    )
    report = field.harvest()
    assert report["access"] == {"single": "public"}
    assert [one["code"] for one in report["findings"] if one["path"] == "workflow-access.json"] == ["harvest.access"]
    assert read() == {"workflows": {"of-others": public, "single": public}, "more": 1}
    assert field.harvest()["unchanged"]
    # an invalid one changes nothing, and one that is not there either
    for document in ("{", None):
        field.repository.push({"workflow-access.json": document})
        assert field.harvest()["access"] == {}
        assert read()["workflows"]["single"] == public
    # what is gone is public for no other process of its id
    field.repository.push({"single.cwl": None, "workflow-access.json": '{"workflows": {}}'})
    assert field.harvest()["access"] == {"single": "private"}
    assert read()["workflows"] == {"of-others": public, "single": {"access": "private"}}


def test_new_changed_renamed_and_removed_workflows_reach_the_server(field: Field) -> None:
    push = field.repository.push
    push(
        {
            "flows/greet.cwl": FLOW.format(id="greet"),
            "lib/tool.cwl": TOOL.format(id="tool", doc="hello"),
            "single.cwl": TOOL.format(id="single", doc="one"),
            "README.md": "cwlVersion: v1.2 is what the workflows have",
        }
    )
    # the tool is part of a workflow, and no process
    assert list_changes(field.harvest()) == [("deploy", "greet"), ("deploy", "single")]
    assert field.list_processes() == ["greet", "single"]
    assert field.harvest()["unchanged"]

    push({"README.md": "nothing of a workflow"})
    assert list_changes(field.harvest()) == []
    push({"single.cwl": None, "moved/single.cwl": TOOL.format(id="single", doc="one")})
    assert list_changes(field.harvest()) == []

    # the tool is in another document, and what is made of it has changed
    push(
        {"lib/tool.cwl": TOOL.format(id="tool", doc="changed"), "moved/single.cwl": TOOL.format(id="single", doc="two")}
    )
    assert list_changes(field.harvest()) == [("replace", "greet"), ("replace", "single")]
    assert field.describe("single") == "two"

    push({"moved/single.cwl": TOOL.format(id="third", doc="three")})
    assert list_changes(field.harvest()) == [("undeploy", "single"), ("deploy", "third")]
    assert field.list_processes() == ["greet", "third"]


def test_a_process_says_which_commit_of_which_repository_it_is_from(field: Field) -> None:
    field.repository.push({"flows/öne.cwl": TOOL.format(id="one", doc="one")})
    field.write(url=field.url, folder="flows")
    report = field.harvest()
    source = field.server.request("GET", "/processes/one").json["source"]
    assert {name: source[name] for name in ("kind", "href", "commit", "path")} == {
        "kind": "repository",
        "href": field.url,
        "commit": report["commit"],
        "path": "flows/öne.cwl",
    }


def test_what_is_packed_runs_and_texts_of_the_author_stay(field: Field) -> None:
    files = {"flows/greet.cwl": FLOW.format(id="greet"), "lib/tool.cwl": TOOL.format(id="tool", doc="hello")}
    field.repository.push(files)
    field.harvest()
    described = field.server.request("GET", "/processes/greet").json
    assert described["inputs"]["note"]["schema"]["default"] == "#main/said"
    job = field.server.execute("greet", {})
    assert field.server.wait(job)["status"] == "successful"


def test_a_forced_push_is_a_commit_like_any_other(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one"), "b.cwl": TOOL.format(id="b", doc="one")})
    field.harvest()
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="two"), "b.cwl": None}, rewrite=True)
    assert list_changes(field.harvest()) == [("undeploy", "b"), ("replace", "a")]


def test_a_workflow_that_became_invalid_stays_as_it_was_and_is_reported(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="two").replace("stdout: said.txt", "stdot: said.txt")})
    report = field.harvest()
    assert (list_changes(report), field.describe("a")) == ([], "one")
    found = next(one for one in report["findings"] if one["severity"] == "error")
    assert (found["path"], found["code"]) == ("a.cwl", "package.invalid")


def test_two_workflows_of_one_id_change_nothing(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="same", doc="one")})
    field.harvest()
    field.repository.push({"b.cwl": TOOL.format(id="same", doc="two")})
    report = field.harvest()
    assert [one["path"] for one in report["findings"] if one["code"] == "harvest.same-id"] == ["a.cwl", "b.cwl"]
    assert (list_changes(report), field.describe("same")) == ([], "one")


def test_a_process_of_somebody_else_is_not_replaced(field: Field) -> None:
    theirs = field.site.folder / "a.cwl"
    theirs.write_text(TOOL.format(id="a", doc="theirs"))
    field.server.deploy(theirs)
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="ours")})
    report = field.harvest(works=False)
    assert report["done"][0]["problem"]["code"] == "harvest.refused"
    assert "409" in report["done"][0]["problem"]["cause"]
    assert field.describe("a") == "theirs"
    # once it is gone, the next run deploys ours, though the commit is the same
    field.server.request("DELETE", "/processes/a")
    assert list_changes(field.harvest()) == [("deploy", "a")]


def test_what_a_killed_run_has_begun_is_finished_by_the_next(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    (record,) = (field.site.folder / "records").glob("*.json")
    document = json.loads(record.read_text())
    # as it is written before the request that deployed it
    document["deployed"]["a"] |= {"done": False, "process": ""}
    record.write_text(json.dumps(document | {"commit": ""}))
    assert list_changes(field.harvest()) == [("deploy", "a")]
    assert (field.list_processes(), field.harvest()["unchanged"]) == (["a"], True)


def test_a_server_that_is_away_is_asked_again_by_the_next_run(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    away = Server(find_free_port(), field.site.environ, field.site.folder / "away.log")
    field.write(server=away.url, url=field.url)
    assert field.harvest(works=False)["problem"]["code"] == "api.unreachable"
    (record,) = (field.site.folder / "records").glob("*.json")
    # nothing was sent: what is there by the next run is somebody else's
    assert json.loads(record.read_text())["deployed"] == {}
    # another server is another place
    field.write(url=field.url)
    assert list_changes(field.harvest()) == [("deploy", "a")]


def test_a_process_that_somebody_removed_from_the_server_comes_back_when_that_is_asked_for(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one"), "b.cwl": TOOL.format(id="b", doc="one")})
    field.harvest()
    assert field.server.request("DELETE", "/processes/a").status == 204
    # what is undeployed stays so until somebody asks
    assert field.harvest()["unchanged"] is True
    assert list_changes(field.harvest(again=True, dry=True)) == [("deploy", "a")]
    assert field.list_processes() == ["b"]
    assert list_changes(field.harvest(again=True)) == [("deploy", "a")]
    assert field.list_processes() == ["a", "b"]
    assert list_changes(field.harvest(again=True)) == []


def test_a_dry_run_shows_the_changes_and_makes_none(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    assert list_changes(field.harvest(dry=True)) == [("deploy", "a")]
    assert field.list_processes() == []
    assert list_changes(field.harvest()) == [("deploy", "a")]


def test_branch_folder_and_patterns_choose_the_workflows(field: Field) -> None:
    files = {f"{place}.cwl": TOOL.format(id=place.replace("/", "-"), doc="one") for place in ("x", "in/a", "in/t/b")}
    field.repository.push(files, branch="stable")
    field.write(url=field.url, branch="stable", folder="in", exclude=["t/"])
    assert list_changes(field.harvest()) == [("deploy", "in-a")]
    field.write(url=field.url, branch="gone")
    problem = field.harvest(works=False)["problem"]
    assert (problem["code"], "stable" in problem["cause"]) == ("harvest.repository", True)


def test_documents_in_lfs_and_submodules_are_reported_and_what_was_deployed_stays(field: Field) -> None:
    field.repository.push(
        {"large.cwl": TOOL.format(id="large", doc="one"), "odd.cwl": TOOL.format(id="odd", doc="one")}
    )
    field.harvest()
    (field.repository.work / "odd.cwl").write_bytes(b"\xff")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    field.repository.push({"large.cwl": pointer})
    field.repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},other")
    field.repository.git("commit", "--quiet", "--message", "a submodule")
    field.repository.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    report = field.harvest()
    found = {one["path"]: one["message"] for one in report["findings"]}
    assert ("LFS" in found["large.cwl"], "submodule" in found["other"], "UTF-8" in found["odd.cwl"]) == (True,) * 3
    assert (list_changes(report), field.list_processes()) == ([], ["large", "odd"])


def test_a_renamed_document_that_becomes_invalid_keeps_its_process(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    field.repository.push({"a.cwl": None, "b.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    field.repository.push({"b.cwl": "cwlVersion: v1.2\nclass: ["})
    assert (list_changes(field.harvest()), field.list_processes()) == ([], ["a"])


def test_the_tool_of_a_workflow_that_is_broken_is_not_deployed_for_itself(field: Field) -> None:
    files = {"flows/greet.cwl": FLOW.format(id="greet") + "hint: 1\n", "lib/tool.cwl": TOOL.format(id="tool", doc="x")}
    field.repository.push(files)
    assert list_changes(field.harvest()) == []
    field.repository.push({"flows/greet.cwl": FLOW.format(id="greet")})
    assert list_changes(field.harvest()) == [("deploy", "greet")]


def test_a_workflow_that_was_refused_may_be_taken_out(field: Field) -> None:
    theirs = field.site.folder / "a.cwl"
    theirs.write_text(TOOL.format(id="a", doc="theirs"))
    field.server.deploy(theirs)
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="ours"), "b.cwl": TOOL.format(id="b", doc="ours")})
    field.harvest(works=False)
    field.repository.push({"a.cwl": None})
    field.harvest()
    assert (field.describe("a"), field.list_processes()) == ("theirs", ["a", "b"])


def test_other_patterns_apply_to_the_same_commit(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one"), "b.cwl": TOOL.format(id="b", doc="one")})
    field.write(url=field.url, exclude=["b.cwl"])
    assert list_changes(field.harvest()) == [("deploy", "a")]
    field.write(url=field.url)
    assert list_changes(field.harvest()) == [("deploy", "b")]


def test_a_repository_that_takes_too_much_memory_is_refused(field: Field, tmp_path: Path) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    (source,), settings = load_harvest(field.file).sources, field.site.settings
    # the real limit is two gibibytes, which take a minute to write and to read
    limits = Limits(memory_bytes=384 << 20)
    assert read_commit(source, settings, find_commit(source, settings), tmp_path, limits).documents
    with (field.repository.work / "large.cwl").open("wb") as file:
        file.truncate(256 << 20)
    field.repository.push({})
    with pytest.raises(EngineError) as caught:
        read_commit(source, settings, find_commit(source, settings), tmp_path, limits)
    assert caught.value.diagnosis.code == "harvest.repository"


def test_a_package_of_a_repository_reads_nothing_of_this_machine(field: Field, tmp_path: Path) -> None:
    secret = tmp_path / "secret.cwl"
    secret.write_text(TOOL.format(id="secret", doc="canary"))
    flow = FLOW.format(id="thief").replace("../lib/tool.cwl", secret.as_uri())
    field.repository.push({"flows/thief.cwl": flow})
    report = field.harvest()
    assert (list_changes(report), report["workflows"]) == ([], [])
    assert "canary" not in json.dumps(report)


def test_a_password_comes_from_a_file_and_is_shown_nowhere(field: Field, tmp_path: Path) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with serving_git(tmp_path / "served", login=True) as git:
        url = f"{git}/repository.git"
        field.write(url=url)
        assert field.harvest(works=False)["problem"]["code"] == "harvest.repository"
        login: dict[str, Any] = {"user": USER, "password-file": "password"}
        field.write(url=url, **login)
        report = field.harvest()
        assert (list_changes(report), PASSWORD in json.dumps(report)) == ([("deploy", "a")], False)
        assert PASSWORD not in "".join(path.read_text() for path in (tmp_path / "records").glob("*.json"))
        (tmp_path / "password").write_text(f"{PASSWORD}-wrong\n")
        assert field.harvest(works=False, again=True)["problem"]["code"] == "harvest.repository"


def test_text_for_people_says_what_was_done_and_a_file_has_the_report(field: Field, tmp_path: Path) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    words = ("harvest", str(field.file), "--report", str(tmp_path / "report.json"))
    done = field.site.command(*words)
    assert done.returncode == 0, done.stderr
    assert "deploy a (a.cwl)" in done.stdout
    (report,) = json.loads((tmp_path / "report.json").read_text())
    assert (report["workflows"], report["succeeded"]) == (["a"], True)


@contextmanager
def serving_statuses() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str]]]]]:
    """Be the status API of a git server; yields its address, and what was sent to it."""
    got: list[tuple[str, str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append((self.path, self.headers.get("Authorization", ""), body))
            self.send_response(201 if self.headers.get("Authorization") == "Bearer status-token" else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1", got
        server.shutdown()


def test_the_outcome_is_shown_at_the_commit(field: Field, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("status-token")
    with serving_statuses() as (api, got):
        status: dict[str, Any] = {"commit-status": "gitea", "status-api": api, "status-token-file": "token"}
        field.write(url=field.url, **status)
        commit = field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
        assert field.harvest()["unposted"] is None
        assert field.harvest()["unchanged"]
        ((path, _, document),) = got
        assert path == f"/api/v1/repos/repository/statuses/{commit}"
        assert document["state"] == "success"
        field.repository.push({"a.cwl": "cwlVersion: v1.2\nclass: ["})
        field.harvest()
        assert (got[-1][2]["state"], got[-1][2]["description"].startswith("a.cwl: ")) == ("failure", True)
        # what the git server refuses fails no harvest
        (tmp_path / "token").write_text("another")
        field.repository.push({"a.cwl": TOOL.format(id="a", doc="two")})
        report = field.harvest()
        assert (report["unposted"]["code"], list_changes(report)) == ("harvest.status", [("replace", "a")])
        assert "another" not in json.dumps(report)


def test_an_outcome_that_the_git_server_did_not_take_is_shown_by_the_next_run(field: Field, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("status-token")
    status: dict[str, Any] = {"commit-status": "gitea", "status-token-file": "token"}
    field.write(url=field.url, **{**status, "status-api": f"http://127.0.0.1:{find_free_port()}/api/v1"})
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    assert field.harvest()["unposted"]["code"] == "api.unreachable"
    with serving_statuses() as (api, got):
        field.write(url=field.url, **{**status, "status-api": api})
        report = field.harvest()
        assert (report["unchanged"], report["unposted"], field.harvest()["unposted"]) == (True, None, None)
    assert [document["description"] for _, _, document in got] == ["1 workflows are deployed"]


def send_push(port: int, url: str, secret: str) -> int:
    body = json.dumps({"ref": "refs/heads/main", "repository": {"clone_url": url}}).encode()
    signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"}
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}/webhook", body, headers), timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_what_is_pushed_is_deployed_at_once_if_the_message_is_genuine(field: Field, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the hook\n")
    sources = {"server": field.server.url, "webhook-secret-file": "secret", "sources": [{"url": field.url}]}
    field.file.write_text(json.dumps(sources))
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    port = find_free_port()
    with field.site.started("harvest", field.file, "--listen", f"127.0.0.1:{port}"):
        wait_for(lambda: field.list_processes() == ["a"], 60)
        field.repository.push({"b.cwl": TOOL.format(id="b", doc="one")})
        assert send_push(port, field.url, "a guess") == 401
        assert field.list_processes() == ["a"]
        assert send_push(port, field.url, "of the hook") == 202
        wait_for(lambda: field.list_processes() == ["a", "b"], 60)


def test_a_workflow_without_an_id_has_the_name_of_its_file(field: Field) -> None:
    nameless = TOOL.format(id="x", doc="one").replace("id: x\n", "")
    field.repository.push({"cwl/nameless.cwl": nameless, "b.cwl": TOOL.format(id="part/of", doc="one")})
    field.harvest()
    assert field.list_processes() == ["nameless", "of"]
    field.repository.push({"cwl/nameless.cwl": nameless.replace("one", "two")})
    assert list_changes(field.harvest()) == [("replace", "nameless")]
    assert field.describe("nameless") == "two"
