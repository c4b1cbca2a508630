"""The system test of an operator, against the server that is running, and against none."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.serving import Server, find_free_port, serving
from tests.site import Site
from zoo_runner.files import write_atomically


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[tuple[Site, Server]]:
    folder = tmp_path_factory.mktemp("system-test")
    site = Site(folder, package_cache)
    with serving(site.environ, folder) as server:
        yield site, server


def test_a_deployment_that_works_passes_and_is_left_as_it_was(running: tuple[Site, Server], tmp_path: Path) -> None:
    site, server = running
    write_atomically(tmp_path / "backups" / "db.zip", b"")
    done = site.command("system-test", server.url, "--junit", tmp_path / "r.xml", "--backup", tmp_path / "backups")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, summary = done.stdout.splitlines()
    verdicts = {line.split()[1]: line.split()[0] for line in lines if line[0] != " "}
    passed = ("landing", "deploy", "run", "results", "logs", "failure", "dismiss", "backup", "undeploy")
    assert verdicts == dict.fromkeys(passed, "passed") | {
        "login": "skipped",
        "isolation": "skipped",
        "access": "skipped",
    }
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert summary.startswith(f"{server.url}: 9 passed, 0 failed, 3 skipped in ")
    # what was found is there of those that have passed too
    assert "the file has" in done.stdout
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("12", "0", "3")
    begun = datetime.fromisoformat(f"{suite.get('timestamp')}+00:00")
    assert 0 <= (datetime.now(timezone.utc) - begun).total_seconds() < 300
    said = {case.get("name"): case.findtext("system-out") for case in suite}
    assert "with success: job " in str(said["run"])
    assert server.request("GET", "/processes").json["processes"] == []


def test_each_check_that_fails_says_what_was_found_and_what_to_do(running: tuple[Site, Server], tmp_path: Path) -> None:
    site, server = running
    done = site.command("system-test", server.url, "--longest", "0", "--backup", tmp_path, "--format", "json")
    assert done.returncode == 7
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    failed = {name for name, one in found.items() if one["verdict"] == "failed"}
    assert failed >= {"run", "backup"}
    assert {name: ("run" in found[name]["found"], found[name]["verdict"]) for name in ("results", "logs")} == {
        "results": (True, "skipped"),
        "logs": (True, "skipped"),
    }
    assert all(found[name]["found"] and found[name]["remedy"] for name in failed)
    assert "no back-up at" in found["backup"]["found"]
    # its jobs are dismissed and its processes removed whatever was found
    assert found["undeploy"]["verdict"] == "passed"


def test_a_server_that_does_not_answer_is_one_finding(tmp_path: Path, package_cache: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}"
    done = Site(tmp_path, package_cache).command("system-test", url, "--format", "json")
    assert done.returncode == 7
    first, *others = map(json.loads, done.stdout.splitlines())
    assert (first["name"], first["verdict"]) == ("landing", "failed")
    assert url in first["found"]
    assert {(one["verdict"], "landing" in one["found"]) for one in others[:-2]} == {("skipped", True)}
    assert {one["verdict"] for one in others} == {"skipped"}


def test_what_has_failed_is_in_the_last_line_and_whole_in_the_report(tmp_path: Path, package_cache: Path) -> None:
    """As of somebody whose variable with the host is empty."""
    report = tmp_path / "report.xml"
    done = Site(tmp_path, package_cache).command("system-test", "http://:8080", "--junit", report)
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1].startswith("http://:8080: 0 passed, 1 failed, 11 skipped (landing) in ")
    failure = ElementTree.parse(report).getroot().find("testcase/failure")
    assert failure is not None
    text = str(failure.text)
    assert str(failure.get("message")) in text
    assert "http://:8080" in text
    assert "what to do: " in text


def test_an_address_may_leave_the_workspace_open(tmp_path: Path, package_cache: Path) -> None:
    site = Site(tmp_path, package_cache)
    url = f"http://127.0.0.1:{find_free_port()}"
    unnamed = site.command("system-test", f"{url}/{{workspace}}/ogc-api")
    assert (unnamed.returncode, "--workspace" in unnamed.stderr) == (2, True)
    half = site.command(
        "system-test", f"{url}/{{workspace}}", "--workspace", "a", "--other-url", f"{url}/{{workspace}}/x"
    )
    assert (half.returncode, "--other-workspace" in half.stderr) == (2, True)
    named = site.command("system-test", f"{url}/{{workspace}}/ogc-api", "--workspace", "forest", "--format", "json")
    assert f"{url}/forest/ogc-api" in json.loads(named.stdout.splitlines()[0])["found"]
