"""A member in a real browser, with Keycloak and Open Policy Agent: login, deployment, run, result, a shared link."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.keycloak import PASSWORD, add_client, find_keycloak
from tests.live.chromium import PYTHON, find_axe
from tests.opa import agent
from tests.serving import serving
from tests.site import Site
from tests.values import EXAMPLES, ROOT

JOURNEY = "tests.live.use_browser_as_member"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    axe, keycloak, client = find_axe(), find_keycloak(), f"members-{uuid4()}"
    folder = tmp_path_factory.mktemp("members")
    with agent(folder, {}) as running:
        site = Site(folder, folder / "cache").having(
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE="alpha",
            ZOO_RUNNER_LINK_SECRET="only-for-tests-0123456789abcdef0123",
            ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
            ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
            ZOO_RUNNER_OIDC_CLIENT=client,
            ZOO_RUNNER_OIDC_CLIENT_SECRET=PASSWORD,
            ZOO_RUNNER_OPA_URL=running.url,
        )
        with serving(site.environ, folder) as server:
            add_client(keycloak, client, f"{server.url}/login/callback")
            words = (server.url, axe, EXAMPLES / "echo" / "echo.cwl", "ada", PASSWORD, "ben")
            command = [str(PYTHON), "-m", JOURNEY, *map(str, words)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            assert done.returncode == 0, done.stderr
            yield json.loads(done.stdout)


def test_a_member_logs_in_deploys_runs_and_sees_the_result(seen: dict[str, Any]) -> None:
    assert seen["process"].endswith("/processes/echo")
    assert seen["shown"] == "seen by others"


def test_a_shared_result_is_read_without_a_login_and_nothing_else_is(seen: dict[str, Any]) -> None:
    assert seen["outside"] == {"shared": [200, "seen by others"], "job": 401, "revoked": 401}
    assert "policy.denied" in seen["other"]


def test_the_operations_are_for_operators(seen: dict[str, Any]) -> None:
    assert seen["operations"] is False


def test_the_browser_complains_about_nothing_on_the_way(seen: dict[str, Any]) -> None:
    assert (seen["errors"], seen["barriers"], seen["too wide"]) == ([], {}, [])
