"""A real policy agent decides for callers of a real Keycloak: what is public, what is not, and what if it fails."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.keycloak import find_keycloak, get_token
from tests.opa import POLICY, Agent, agent, find_opa
from tests.serving import ASYNC, LONGEST_SECONDS, Answer, Server, serving
from tests.site import Site
from tests.values import EXAMPLES
from tests.waiting import wait_for

HUB = "/catalogs/user/catalogs"
ALPHA = f"{HUB}/alpha"
ECHO = (EXAMPLES / "echo" / "echo.cwl").read_text()
PUBLIC = {"alpha": {"workflows": {"shown": {"access": "public"}}}}


@dataclass(frozen=True)
class Hub:
    """A server, its policy agent, and two users of different workspaces."""

    server: Server
    agent: Agent
    ada: dict[str, str]
    ben: dict[str, str]

    def ask(self, user: dict[str, str], path: str, method: str = "GET", body: Any = None) -> Answer:
        return self.server.request(method, f"{ALPHA}{path}", body, user | (ASYNC if body else {}))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    keycloak, folder = find_keycloak(), tmp_path_factory.mktemp("policy")
    with agent(folder, PUBLIC) as running:
        site = Site(folder, folder / "cache").having(
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE_PREFIX=HUB,
            ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
            ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
            ZOO_RUNNER_OPA_URL=running.url,
            ZOO_RUNNER_OPA_CACHE="0.001",
        )
        with serving(site.environ, folder) as server:
            users = ({"Authorization": f"Bearer {get_token(keycloak, name)}"} for name in ("ada", "ben"))
            yield Hub(server, running, *users)


@pytest.fixture(scope="module")
def jobs(hub: Hub) -> dict[str, str]:
    """A job of a public process and one of another, both at their end."""
    found = {}
    for process in ("shown", "hidden"):
        package = json.dumps({"processDescription": {"id": process}, "executionUnit": {"value": ECHO}}).encode()
        deploy = hub.ada | {"Content-Type": "application/ogcapppkg+json"}
        answer = hub.server.request("POST", f"{ALPHA}/processes", package, deploy)
        assert answer.status == 201, answer.body
        answer = hub.ask(hub.ada, f"/processes/{process}/execution", "POST", {"inputs": {"message": "x"}})
        found[process] = str(answer.json["jobID"])
    for job in found.values():
        wait_for(lambda job=job: hub.ask(hub.ada, f"/jobs/{job}").json["status"] == "successful", LONGEST_SECONDS)  # type: ignore[misc]
    return found


def read_code(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.json["diagnosis"]["code"])


def test_the_policy_passes_its_own_tests() -> None:
    done = subprocess.run([find_opa(), "test", str(POLICY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_others_read_what_is_public_and_nothing_else(hub: Hub, jobs: dict[str, str]) -> None:
    shown, hidden = (f"/jobs/{jobs[name]}" for name in ("shown", "hidden"))
    for path in ("/processes/shown", "/processes/shown/package", shown, f"{shown}/results", f"{shown}/logs"):
        assert hub.ask(hub.ben, path).status == 200, path
    for path in ("/processes/hidden", hidden, f"{hidden}/results", f"{hidden}/logs", f"{shown}/inputs", "/jobs/no-job"):
        assert read_code(hub.ask(hub.ben, path)) == (403, "policy.denied"), path
    # what changes something
    for method, path in (("DELETE", shown), ("DELETE", "/processes/shown"), ("POST", "/jobs")):
        assert read_code(hub.ask(hub.ben, path, method, {"inputs": {}})) == (403, "policy.denied"), path
    assert hub.ask(hub.ada, f"{hidden}/results").status == 200


def test_lists_show_what_the_caller_may_see(hub: Hub, jobs: dict[str, str]) -> None:
    def list_ids(user: dict[str, str], path: str, name: str = "id") -> list[str]:
        listed = hub.ask(user, path).json
        return sorted(one[name] for one in listed[path.strip("/").partition("?")[0]])

    assert list_ids(hub.ada, "/processes") == ["hidden", "shown"]
    assert list_ids(hub.ben, "/processes") == ["shown"]
    assert list_ids(hub.ben, "/processes?limit=1") == ["shown"]
    assert list_ids(hub.ben, "/jobs", "processID") == ["shown"]
    assert hub.ask(hub.ben, "/jobs").json["numberTotal"] == 1
    # a filter does not widen it
    assert list_ids(hub.ben, "/jobs?processID=hidden") == []
    assert hub.ask(hub.ben, "/jobs?processID=hidden").json["numberTotal"] == 0
    exported = hub.server.request("GET", f"{ALPHA}/jobs", headers=hub.ben | {"Accept": "application/x-ndjson"})
    assert [json.loads(line)["processID"] for line in exported.body.splitlines()] == ["shown"]


def test_what_is_public_may_change_at_any_time(hub: Hub, jobs: dict[str, str]) -> None:
    hub.agent.publish({})
    try:
        assert read_code(hub.ask(hub.ben, "/processes/shown")) == (403, "policy.denied")
        assert hub.ask(hub.ben, "/jobs").json["jobs"] == []
    finally:
        hub.agent.publish(PUBLIC)
    assert hub.ask(hub.ben, "/processes/shown").status == 200


def test_while_the_agent_fails_nobody_is_let_in_and_health_answers(hub: Hub, jobs: dict[str, str]) -> None:
    hub.agent.process.send_signal(signal.SIGSTOP)
    try:
        assert read_code(hub.ask(hub.ada, "/jobs")) == (503, "policy.unavailable")
        assert hub.server.request("GET", "/health").status == 200
    finally:
        hub.agent.process.send_signal(signal.SIGCONT)
    assert hub.ask(hub.ada, "/jobs").status == 200
    hub.agent.kill()
    try:
        assert read_code(hub.ask(hub.ada, f"/jobs/{jobs['shown']}/results")) == (503, "policy.unavailable")
    finally:
        hub.agent.start()
    assert hub.ask(hub.ada, "/jobs").status == 200


def test_decisions_are_logged_with_the_number_that_the_agent_gave_them(hub: Hub) -> None:
    hub.ask(hub.ben, "/processes/hidden")
    lines = [line for line in hub.server.log.read_text().splitlines() if "process.read of ben in alpha: denied" in line]
    found = re.search(r"decision ([0-9a-f-]{36})", lines[-1])
    assert found, lines
    assert found[1] in hub.agent.log.read_text()
