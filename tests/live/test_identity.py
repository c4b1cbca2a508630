"""Callers with tokens of a real Keycloak: who may do what, and what is refused."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.keycloak import find_keycloak, get_service_token, get_token, rotate_keys
from tests.serving import ASYNC, Server, serving
from tests.site import Site
from tests.values import EXAMPLES
from tests.waiting import wait_for
from zoo_runner.server.access.provider import PAUSE_SECONDS

ECHO = EXAMPLES / "echo" / "echo.cwl"
HUB = "/catalogs/user/catalogs"
# what anybody may see: what this server is, and whether it works
OPEN = ("/", "/conformance", "/health", "/health/live", "/health/ready", "/metrics", "/api", "/api/3.0")
# the link itself is the permission
BY_LINK = "/shared/{token}"


@pytest.fixture(scope="module")
def keycloak() -> str:
    return find_keycloak()


@pytest.fixture(scope="module")
def server(keycloak: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("identity")
    site = Site(folder, folder / "cache").having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE="alpha",
        ZOO_RUNNER_WORKSPACE_PREFIX=HUB,
        ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
        ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
        ZOO_RUNNER_OIDC_LEEWAY="0",
    )
    with serving(site.environ, folder) as running:
        yield running


def bear(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def read_code(answer: Any) -> str:
    return str(answer.json["diagnosis"]["code"])


def test_members_of_a_workspace_deploy_run_and_read(server: Server, keycloak: str) -> None:
    ada = bear(get_token(keycloak, "ada"))
    for base in ("", f"{HUB}/alpha"):
        package = {**ada, "Content-Type": "application/cwl+yaml"}
        assert server.request("POST", f"{base}/processes?w=echo", ECHO.read_bytes(), package).status in (201, 409)
        started = server.request("POST", f"{base}/processes/echo/execution", {"inputs": {"message": "x"}}, ada | ASYNC)
        assert started.status == 201
        job = f"{base}/jobs/{started.json['jobID']}"
        wait_for(lambda job=job: server.request("GET", job, headers=ada).json["status"] == "successful", 60)  # type: ignore[misc]
        # a program of the same workspace reads them too
        assert server.request("GET", f"{job}/results", headers=bear(get_service_token(keycloak))).status == 200


def test_every_operation_asks_who_calls_and_lets_in_members_only(server: Server, keycloak: str) -> None:
    ben, nobody = bear(get_token(keycloak, "ben")), bear(get_token(keycloak, "nobody"))
    refused = 0
    for template, operations in server.openapi["paths"].items():
        if template in (*OPEN, BY_LINK):
            continue
        path = re.sub(r"\{\w+\}", "1", template.replace("{workspace}", "alpha"))
        for method in map(str.upper, operations):
            assert operations[method.lower()]["security"] == [{"bearer": []}], template
            answer = server.request(method, path, {})
            assert (answer.status, read_code(answer)) == (401, "identity.missing"), f"{method} {path}"
            assert answer.headers["www-authenticate"] == "Bearer"
            for other in (ben, nobody):
                answer = server.request(method, path, {}, other)
                assert (answer.status, read_code(answer)) == (403, "identity.workspace"), f"{method} {path}"
            refused += 1
    assert refused > 40


def test_what_the_server_is_and_whether_it_works_is_open(server: Server) -> None:
    assert {path: server.request("GET", path).status for path in ("/", "/conformance", "/health", "/api")} == {
        "/": 200,
        "/conformance": 200,
        "/health": 200,
        "/api": 200,
    }


def test_tokens_of_the_provider_that_are_not_for_this_service_are_refused(server: Server, keycloak: str) -> None:
    short = get_token(keycloak, "ada", "short")
    expiring = time.monotonic()
    tokens = {
        "identity.audience": get_token(keycloak, "ada", "elsewhere"),
        "identity.kind": get_token(keycloak, "ada", kind="id_token"),
        # refresh tokens are signed with a secret of Keycloak's own
        "identity.algorithm": get_token(keycloak, "ada", kind="refresh_token"),
        "identity.token": "YWRh",
        "identity.expired": short,
    }
    wait_for(lambda: time.monotonic() - expiring > 2, 10)
    for code, token in tokens.items():
        answer = server.request("GET", "/jobs", headers=bear(token))
        assert (answer.status, read_code(answer)) == (401, code)
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert token not in answer.body.decode()
    basic = server.request("GET", "/jobs", headers={"Authorization": "Basic YWRhOmFkYQ=="})
    assert (basic.status, read_code(basic)) == (401, "identity.missing")


def test_tokens_that_a_new_key_signs_are_accepted(server: Server, keycloak: str) -> None:
    before = bear(get_token(keycloak, "ada"))
    assert server.request("GET", "/jobs", headers=before).status == 200
    rotate_keys(keycloak)
    after = bear(get_token(keycloak, "ada"))
    assert after != before
    wait_for(lambda: server.request("GET", "/jobs", headers=after).status == 200, 2 * PAUSE_SECONDS)
    # the former key still verifies, as the provider goes on to publish it
    assert server.request("GET", "/jobs", headers=before).status == 200


def test_without_the_provider_nobody_is_let_in_and_health_answers(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        site = Site(tmp_path, tmp_path / "cache").having(
            ZOO_RUNNER_OIDC_ISSUER=f"http://127.0.0.1:{silent.getsockname()[1]}/realms/eo",
            ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
        )
        with serving(site.environ, tmp_path) as server:
            answer = server.request("GET", "/jobs", headers=bear("a.b.c"))
            assert (answer.status, read_code(answer)) == (503, "identity.provider")
            assert server.request("GET", "/health").status == 200
            assert server.request("GET", "/jobs").status == 401
