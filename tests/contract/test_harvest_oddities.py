"""What repositories, servers and operators do that a harvest must not take for something else."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.harvesting import TOOL, Field, Running, list_changes, open_field, running_server
from tests.loopback import serving_handler
from tests.waiting import wait_for
from zoo_runner.harvest.sources import load_harvest


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Running]:
    with running_server(tmp_path_factory.mktemp("harvest"), package_cache) as one:
        yield one


@pytest.fixture
def field(running: Running, tmp_path: Path) -> Iterator[Field]:
    with open_field(running, tmp_path) as one:
        yield one


def test_what_takes_the_place_of_documents_is_reported_and_they_stay(field: Field) -> None:
    work, git = field.repository.work, field.repository.git
    names = ("a", "in/b", "in/c/d")
    field.repository.push({f"{name}.cwl": TOOL.format(id=name.replace("/", "-"), doc="one") for name in names})
    field.harvest()
    (work / "a.cwl").unlink()
    (work / "a.cwl").symlink_to("elsewhere.cwl")
    field.repository.push({"in/c/d.cwl": None})
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},in/c")
    (work / os.fsdecode(b"\xff.cwl")).write_text(TOOL.format(id="e", doc="one"))
    git("add", "--", os.fsdecode(b"\xff.cwl"))
    git("commit", "--quiet", "--message", "oddities")
    git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    report = field.harvest()
    found = {one["path"]: one["message"] for one in report["findings"] if one["code"] == "harvest.unread"}
    assert sorted(found) == ["\\xff.cwl", "a.cwl", "in/c"]
    assert ("symbolic link" in found["a.cwl"], "UTF-8" in found["\\xff.cwl"]) == (True, True)
    assert (list_changes(report), field.list_processes()) == ([], ["a", "in-b", "in-c-d"])


def test_a_folder_that_is_no_folder_any_more_keeps_what_was_in_it_and_one_that_is_gone_does_not(field: Field) -> None:
    field.write(url=field.url, folder="in/here")
    field.repository.push({"in/here/a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    shutil.move(field.repository.work / "in", field.repository.work / "out")
    (field.repository.work / "in").symlink_to("out")
    field.repository.push({})
    report = field.harvest()
    assert [(one["path"], one["code"]) for one in report["findings"]] == [(".", "harvest.unread")]
    assert (list_changes(report), field.list_processes()) == ([], ["a"])
    (field.repository.work / "in").unlink()
    field.repository.push({})
    report = field.harvest()
    assert [one["path"] for one in report["findings"]] == ["/in/here"]
    assert list_changes(report) == [("undeploy", "a")]


def test_a_branch_that_was_deleted_and_made_anew_and_a_tag_of_its_name(field: Field) -> None:
    field.write(url=field.url, branch="stable")
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")}, branch="stable")
    field.harvest()
    field.repository.git("push", "--quiet", "origin", ":refs/heads/stable", "HEAD:refs/tags/stable")
    assert field.harvest(works=False)["problem"]["code"] == "harvest.repository"
    assert field.list_processes() == ["a"]
    field.repository.git("checkout", "--quiet", "--orphan", "anew")
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="two")}, branch="stable")
    assert list_changes(field.harvest()) == [("replace", "a")]


def test_lost_records_leave_the_processes_to_others_until_they_are_adopted(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    shutil.rmtree(field.site.folder / "records")
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="two")})
    (refused,) = field.harvest(works=False)["done"]
    assert ("--adopt" in refused["problem"]["remedy"], field.describe("a")) == (True, "one")
    assert list_changes(field.harvest(adopt=True)) == [("deploy", "a")]
    assert (field.describe("a"), field.harvest()["unchanged"]) == ("two", True)


def test_a_harvest_goes_on_in_a_database_with_what_a_folder_had(field: Field, tmp_path: Path) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    field.harvest()
    place = f"sqlite:///{tmp_path / 'harvest.db'}"

    def harvest(*words: str) -> dict[str, Any]:
        done = field.site.command("harvest", str(field.file), "--records", place, "--format", "json", *words)
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        return dict(json.loads(line))

    assert harvest("--take-over", str(field.site.folder / "records"))["unchanged"]
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="two")})
    assert list_changes(harvest()) == [("replace", "a")]
    assert (field.describe("a"), harvest()["unchanged"]) == ("two", True)
    left = sorted(path.name for path in tmp_path.glob("*.db*"))
    assert left == ["harvest.db", "harvest.db.harvest", "harvest.db.in-use"]


class Impostor:
    """A server that lets requests pass to another one, or answers those of a method itself."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.answers: dict[str, tuple[int, str, bytes]] = {}

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yields the address."""
        impostor = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, kind, content = impostor.answers.get(self.command) or self.pass_on(body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Location", "/login")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def pass_on(self, body: bytes) -> tuple[int, str, bytes]:
                headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
                request = Request(f"{impostor.behind}{self.path}", body or None, headers, method=self.command)
                try:
                    with urlopen(request, timeout=60) as answer:
                        return answer.status, answer.headers.get("Content-Type", ""), answer.read()
                except HTTPError as error:
                    return error.code, error.headers.get("Content-Type", ""), error.read()

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_: object) -> None:
                pass

        with serving_handler(Handler) as url:
            yield url


PAGE = (200, "text/html; charset=utf-8", b"<p>Log in</p>")
NOT_FOUND = (404, "text/plain", b"default backend - 404")
MOVED = (302, "text/html", b"")
DENIED = (401, "application/json", b'{"detail": "expired"}')


def test_a_login_a_redirect_a_proxy_without_the_api_or_an_old_token_is_no_success_and_no_attempt(field: Field) -> None:
    impostor = Impostor(field.server.url)
    with impostor.serving() as url:
        field.write(server=url, url=field.url)
        field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
        for answers, said in (
            ({"GET": PAGE}, "web page"),
            ({"POST": PAGE}, "web page"),
            ({"POST": MOVED}, "/login"),
            ({"GET": NOT_FOUND}, "HTTP 404"),
            ({"POST": DENIED}, "HTTP 401"),
        ):
            impostor.answers = answers
            report = field.harvest(works=False)
            assert (report["done"], report["problem"]["code"]) == ([], "harvest.refused")
            assert [one.deployed for one in field.records.list_all().values()] == [{}]
            assert said in report["problem"]["cause"]
        impostor.answers = {}
        field.harvest()
        field.repository.push({"a.cwl": TOOL.format(id="a", doc="two")})
        for answer in (PAGE, NOT_FOUND):
            # a proxy whose backend is away says it of each path
            impostor.answers = {"PUT": answer} | ({"GET": answer} if answer == NOT_FOUND else {})
            field.harvest(works=False)
            assert field.describe("a") == "one"
        impostor.answers = {}
        assert list_changes(field.harvest()) == [("replace", "a")]
        field.repository.push({"a.cwl": None})
        for answer in (PAGE, NOT_FOUND):
            impostor.answers = {"DELETE": answer, "GET": answer}
            field.harvest(works=False)
        impostor.answers = {}
        assert (list_changes(field.harvest()), field.list_processes()) == ([("undeploy", "a")], [])


def test_what_was_done_before_the_server_went_away_is_reported(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one"), "b.cwl": TOOL.format(id="b", doc="one")})
    field.harvest()
    field.repository.push({"a.cwl": None, "b.cwl": TOOL.format(id="b", doc="two")})
    impostor = Impostor(field.server.url)
    with impostor.serving() as url:
        record = next((field.site.folder / "records").glob("*.json"))
        field.write(server=url, url=field.url)
        harvest = load_harvest(field.file)
        # the same server by another address
        record.rename(record.with_name(f"{harvest.build_key(harvest.sources[0])}.json"))
        impostor.answers = {"PUT": (503, "application/json", b"{}")}
        report = field.harvest(works=False)
    assert (list_changes(report), report["problem"]["code"]) == ([("undeploy", "a")], "api.unreachable")


def test_a_run_that_is_killed_leaves_no_process_open_that_it_was_to_close(field: Field) -> None:
    place = field.site.folder / "access"
    place.mkdir()
    field.write(access=str(place), url=field.url, workspace="alpha")
    public = json.dumps({"workflows": {"a": {"access": "public"}, "b": {"access": "public"}}})
    files = {f"{name}.cwl": TOOL.format(id=name, doc="one") for name in "ab"}
    field.repository.push({**files, "workflow-access.json": public})
    field.harvest()
    field.repository.push({"a.cwl": None, "workflow-access.json": '{"workflows": {}}'})
    killing = """
import os, signal
from zoo_runner.harvest import server
server.ProcessServer.undeploy = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
from zoo_runner.cli.main import main
main()
"""
    records = field.site.folder / "records"
    left = records / ".fetched-of-a-killed-run"
    left.mkdir()
    words = ("-c", killing, "harvest", str(field.file), "--records", str(records))
    done = subprocess.run([sys.executable, *words], env=field.site.environ, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    written = json.loads((place / "alpha.json").read_text())["workflows"]
    assert written == {"a": {"access": "private"}, "b": {"access": "private"}}
    assert list_changes(field.harvest()) == [("undeploy", "a")]
    assert list(records.glob(".fetched-*")) == []


def test_a_file_of_sources_that_is_being_edited_ends_no_harvest_that_goes_on(field: Field) -> None:
    field.repository.push({"a.cwl": TOOL.format(id="a", doc="one")})
    right = field.file.read_text()
    with field.site.started("harvest", field.file, "--every", "1") as running:
        wait_for(lambda: field.list_processes() == ["a"], 60)
        field.file.write_text("server: [")
        said = running.stderr
        assert said
        wait_for(lambda: "harvest.sources" in said.readline(), 60)
        field.file.write_text(right)
        field.repository.push({"b.cwl": TOOL.format(id="b", doc="one")})
        wait_for(lambda: field.list_processes() == ["a", "b"], 60)
