"""Who asked for jobs: members know it of their workspace, operators of all, others of none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.issuer import issuer
from tests.serving import ASYNC, Answer, Server, serving
from tests.site import Site
from tests.values import EXAMPLES

PREFIX = "/ws"
ECHO = (EXAMPLES / "echo" / "echo.cwl").read_text()


@dataclass(frozen=True)
class Hub:
    """A server of two workspaces without a policy: ada and amy are of alpha, ben of beta, olu of none and operates."""

    server: Server
    users: dict[str, dict[str, str]]

    def ask(self, user: str, path: str) -> Answer:
        return self.server.request("GET", f"{PREFIX}{path}", headers=self.users[user])

    def list_jobs(self, user: str, path: str) -> set[tuple[str, str | None]]:
        answer = self.ask(user, path)
        assert answer.status == 200, answer.body
        assert answer.json["numberTotal"] == len(answer.json["jobs"])
        return {(job["jobID"], job.get("caller")) for job in answer.json["jobs"]}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("people")
    with issuer(folder / "issuer") as provider:
        site = Site(folder, folder / "cache").having(
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
            # nothing runs: a list has what waits too
            ZOO_RUNNER_WORKERS="0",
            **provider.settings,
        )
        users = {
            "ada": provider.sign("ada", "alpha"),
            "amy": provider.sign("amy", "alpha"),
            "ben": provider.sign("ben", "beta"),
            "olu": provider.sign("olu", roles=["operator"]),
            "head": provider.sign("head", "alpha", roles=["operator"]),
            "nobody": provider.sign("nobody"),
        }
        with serving(site.environ, folder) as server:
            yield Hub(server, users)


@pytest.fixture(scope="module")
def jobs(hub: Hub) -> dict[str, list[str]]:
    """The ids of the jobs of each."""
    made: dict[str, list[str]] = {}
    for user, workspace in (("ada", "alpha"), ("ada", "alpha"), ("amy", "alpha"), ("ben", "beta")):
        if not made.get(user):
            deployed = {"id": f"echo-{user}", "title": f"Says it for {user}"}
            body = json.dumps({"processDescription": deployed, "executionUnit": {"value": ECHO}}).encode()
            kind = {"Content-Type": "application/ogcapppkg+json"}
            path = f"{PREFIX}/{workspace}/processes"
            assert hub.server.request("POST", path, body, hub.users[user] | kind).status == 201
        path = f"{PREFIX}/{workspace}/processes/echo-{user}/execution"
        asked = {"inputs": {"message": f"words of {user}"}}
        answer = hub.server.request("POST", path, asked, hub.users[user] | ASYNC)
        assert answer.status == 201, answer.body
        made.setdefault(user, []).append(answer.json["jobID"])
    return made


def of(jobs: dict[str, list[str]], *users: str) -> set[tuple[str, str | None]]:
    return {(job, user) for user in users for job in jobs[user]}


def test_a_member_sees_and_narrows_by_who_asked_in_the_own_workspace(hub: Hub, jobs: dict[str, list[str]]) -> None:
    assert hub.list_jobs("ada", "/alpha/jobs") == of(jobs, "ada", "amy")
    assert hub.list_jobs("ada", "/alpha/jobs?caller=amy") == of(jobs, "amy")
    assert hub.list_jobs("amy", "/alpha/jobs?caller=ada&status=accepted") == of(jobs, "ada")
    assert hub.list_jobs("ada", "/alpha/jobs?caller=a") == hub.list_jobs("ada", "/alpha/jobs?caller=%25") == set()
    for path in (f"/alpha/jobs/{jobs['amy'][0]}.html", "/alpha/jobs.html"):
        assert f'href="{hub.server.url}{PREFIX}/alpha/jobs?caller=amy"' in hub.ask("ada", path).body.decode()


def test_no_workspace_learns_who_is_of_another(hub: Hub, jobs: dict[str, list[str]]) -> None:
    assert jobs["ben"]
    assert hub.list_jobs("ada", "/alpha/jobs?caller=ben") == set()
    assert hub.list_jobs("ada", "/alpha/jobs?q=ben") == set()
    # the answer is the same for somebody who is nowhere
    seen = [hub.ask("ada", f"/alpha/jobs?caller={name}").json for name in ("ben", "eve")]
    assert [one["jobs"] for one in seen] == [[], []]
    for path in ("/beta/jobs?caller=ben", "/beta/jobs", "/beta/jobs?caller=eve"):
        assert hub.ask("ada", path).json["diagnosis"]["code"] == "identity.workspace"
    for user in ("ada", "ben"):
        answer = hub.ask(user, f"/{'alpha' if user == 'ada' else 'beta'}/operations/people")
        assert (answer.status, answer.json["diagnosis"]["code"]) == (403, "identity.role")


def test_an_operator_goes_from_people_to_their_jobs_and_logs(hub: Hub, jobs: dict[str, list[str]]) -> None:
    # the path of a workspace of which the operator is no member leads to no operations
    assert hub.ask("olu", "/alpha/operations/people").json["diagnosis"]["code"] == "identity.workspace"
    olu = hub.users["olu"]
    assert hub.list_jobs("olu", "/alpha/jobs?caller=ada") == of(jobs, "ada")
    assert hub.list_jobs("olu", "/beta/jobs") == of(jobs, "ben")
    job = f"{PREFIX}/alpha/jobs/{jobs['ada'][0]}"
    assert hub.server.request("GET", job, headers=olu).json["status"] == "accepted"
    assert hub.server.request("GET", f"{job}/logs", headers=olu).status == 200
    for path in ("inputs", "definition", "results", "validation"):
        assert hub.server.request("GET", f"{job}/{path}", headers=olu).json["diagnosis"]["code"] == "identity.workspace"
    assert hub.server.request("DELETE", job, headers=olu).status == 403
    page = hub.server.request("GET", f"{job}.html", headers=olu).body.decode()
    assert "words of ada" not in page
    assert "Dismiss" not in page
    # nor are inputs found out by searching them
    assert hub.list_jobs("olu", "/alpha/jobs?q=words+of+ada") == set()
    assert hub.list_jobs("ada", "/alpha/jobs?q=WORDS+of+ada") == of(jobs, "ada")
    assert hub.list_jobs("olu", "/alpha/jobs?q=says+it+for+amy") == of(jobs, "amy")


def test_the_people_of_all_workspaces_are_counted_for_an_operator(hub: Hub, jobs: dict[str, list[str]]) -> None:
    assert jobs
    found: list[Any] = hub.ask("head", "/alpha/operations/people").json["people"]
    assert {(one["caller"], one["workspace"], one["jobs"], one["waiting"], one["failed"]) for one in found} == {
        ("ada", "alpha", 2, 2, 0),
        ("amy", "alpha", 1, 1, 0),
        ("ben", "beta", 1, 1, 0),
    }
    assert found[0]["caller"] == "ben"
    links = {link["rel"]: link["href"] for link in found[0]["links"]}
    assert links["item"] == f"{hub.server.url}{PREFIX}/beta/jobs?caller=ben"
    assert links["related"] == f"{hub.server.url}{PREFIX}/beta/jobs?caller=ben&status=failed"
    page = hub.ask("head", "/alpha/operations/people.html").body.decode()
    assert 'jobs?caller=ben">1</a>' in page


@pytest.mark.parametrize("path", ["/alpha/jobs?caller=ada", "/alpha/jobs"])
def test_who_has_no_workspace_and_no_role_sees_nobody(hub: Hub, jobs: dict[str, list[str]], path: str) -> None:
    assert jobs
    assert hub.ask("nobody", path).status == 403
