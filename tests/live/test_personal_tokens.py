"""Personal tokens: what a program may do with one, under a real policy agent, and what becomes of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.hub import PREFIX, Hub, hub, read_code
from tests.serving import Answer, serving
from tests.site import Site
from tests.waiting import wait_for

DEVELOPMENT = "only-for-tests-of-development"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "s3" / "access").mkdir(parents=True)
    with hub(folder) as running:
        yield running


def bear(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def create(site: Hub, *scopes: str, workspace: str = "alpha", **more: Any) -> Any:
    answer = site.ask(site.ada, f"/{workspace}/tokens", "POST", {"scopes": list(scopes), **more})
    assert answer.status == 201, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


def test_a_program_does_with_a_token_what_it_is_for_and_nothing_else(site: Hub) -> None:
    made = create(site, "process.*", "job.status", title="nightly")
    program = bear(made["token"])
    job = site.execute(program, "alpha", "hidden")["jobID"]
    assert site.wait(program, f"/alpha/jobs/{job}")["status"] == "successful"
    for method, path in (("GET", f"/alpha/jobs/{job}/results"), ("GET", "/alpha/jobs"), ("POST", "/alpha/files")):
        assert read_code(site.ask(program, path, method)) == (403, "identity.scope"), path
    # it makes no others, nor does it see or revoke them
    for method, path in (
        ("POST", "/alpha/tokens"),
        ("GET", "/alpha/tokens"),
        ("DELETE", f"/alpha/tokens/{made['id']}"),
    ):
        body = {"scopes": ["job.*"]} if method == "POST" else None
        assert read_code(site.ask(program, path, method, body)) == (403, "identity.scope"), path
    # it is for one workspace, and where others are let in it is one of these
    assert read_code(site.ask(program, "/beta/processes/inner")) == (403, "policy.denied")
    # the agent is asked about it, and knows what it is
    questions = [json.loads(line).get("input") for line in site.agent.log.read_text().splitlines() if "input" in line]
    callers = [one["caller"] for one in questions if one and one["caller"] and one["caller"]["by"] == "personal-token"]
    expected = {"name": "ada", "workspaces": ["alpha"], "roles": [], "scopes": ["job.status", "process.*"]}
    assert callers[0] == {**expected, "by": "personal-token"}


def test_a_token_is_listed_for_its_owner_and_revoked(site: Hub) -> None:
    made = create(site, "job.list", title="seldom")
    (listed,) = [one for one in site.ask(site.ada, "/alpha/tokens").json["tokens"] if one["id"] == made["id"]]
    assert listed == {name: value for name, value in made.items() if name != "token"}
    assert site.ask(bear(made["token"]), "/alpha/jobs").status == 200
    # nobody else of the workspace revokes it
    other = site.provider.sign("eve", "alpha")
    assert made["id"] not in site.ask(other, "/alpha/tokens").body.decode()
    assert read_code(site.ask(other, f"/alpha/tokens/{made['id']}", "DELETE")) == (404, "token.not-found")
    assert site.ask(site.ada, f"/alpha/tokens/{made['id']}", "DELETE").status == 204
    assert read_code(site.ask(bear(made["token"]), "/alpha/jobs")) == (401, "identity.revoked")
    assert read_code(site.ask(site.ada, f"/alpha/tokens/{made['id']}", "DELETE")) == (404, "token.not-found")
    entries = [json.loads(line) for line in site.ask(site.olu, "/alpha/audit").body.splitlines()]
    found = [(one["action"], one["caller"], one["status"]) for one in entries if one["token"] == made["id"]]
    assert found == [
        ("token.create", "ada", 201),
        ("token.revoke", "eve", 404),
        ("token.revoke", "ada", 204),
        ("token.revoke", "ada", 404),
    ]
    kept = [site.server.log.read_bytes(), *(path.read_bytes() for path in site.folder.rglob("runner.db*"))]
    assert len(kept) > 1
    assert not any(made["token"].encode() in data for data in kept)


def test_a_token_expires(site: Hub) -> None:
    program = bear(create(site, "job.list", days=0.00002)["token"])
    wait_for(lambda: site.ask(program, "/alpha/jobs").status == 401, 20)
    assert read_code(site.ask(program, "/alpha/jobs")) == (401, "identity.revoked")


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["token.create"]},
        {"scopes": ["audit.read"]},
        {"scopes": ["job.*"], "days": 91},
        {"scopes": ["job.*"], "days": 0},
        {"scopes": ["job.*"], "roles": ["operator"]},
    ],
)
def test_a_token_that_nobody_may_have_is_not_made(site: Hub, request_body: dict[str, Any]) -> None:
    assert read_code(site.ask(site.ada, "/alpha/tokens", "POST", request_body)) == (400, "request.invalid")


def test_an_operator_makes_lists_and_revokes_tokens_at_the_server(site: Hub) -> None:
    command = Site(site.folder, site.folder / "cache")
    text = command.command("tokens", "create", "beta", "ben", "--scope", "job.list", "--title", "report").stdout.strip()
    assert site.ask(bear(text), "/beta/jobs").status == 200
    listed = json.loads(command.command("tokens", "list", "--owner", "ben").stdout)["tokens"]
    assert [(one["workspace"], one["title"]) for one in listed] == [("beta", "report")]
    assert text not in json.dumps(listed)
    command.command("tokens", "revoke", listed[0]["id"])
    assert read_code(site.ask(bear(text), "/beta/jobs")) == (401, "identity.revoked")
    entries = [json.loads(line) for line in command.command("audit", "--workspace", "beta").stdout.splitlines()]
    assert [one["action"] for one in entries if one["caller"] == "(command line)"] == ["token.create", "token.revoke"]


def test_a_development_token_lets_in_from_this_machine_only(tmp_path: Path) -> None:
    site = Site(tmp_path, tmp_path / "cache").having(
        ZOO_RUNNER_DEVELOPMENT_TOKEN=DEVELOPMENT,
        ZOO_RUNNER_DEVELOPMENT_WORKSPACES="alpha",
        ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
    )
    developer = bear(DEVELOPMENT)
    with serving(site.environ, tmp_path) as server:

        def ask(path: str, headers: dict[str, str]) -> Answer:
            return server.request("GET", path, headers=headers)

        assert read_code(ask("/jobs", {})) == (401, "identity.missing")
        assert read_code(ask("/jobs", bear(f"{DEVELOPMENT}s"))) == (401, "identity.token")
        assert ask("/jobs", developer).status == 200
        assert ask(f"{PREFIX}/alpha/jobs", developer).status == 200
        assert read_code(ask(f"{PREFIX}/beta/jobs", developer)) == (403, "identity.workspace")
        # what a proxy on this machine hands on comes from elsewhere
        elsewhere = {**developer, "X-Forwarded-For": "192.0.2.7"}
        assert read_code(ask("/jobs", elsewhere)) == (403, "identity.development")
        assert DEVELOPMENT not in server.log.read_text()
