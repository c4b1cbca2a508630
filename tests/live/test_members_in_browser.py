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
from tests.servers import serve_files
from tests.serving import serving
from tests.site import Site
from tests.values import EXAMPLES, ROOT

PACKAGES = [ROOT / "tests" / "data" / "pages" / f"{name}.cwl" for name in ("scene", "survey", "patient", "stations")]
JOURNEY = "tests.live.use_browser_as_member"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    axe, keycloak, client = find_axe(), find_keycloak(), f"members-{uuid4()}"
    folder = tmp_path_factory.mktemp("members")
    with agent(folder, {}) as running, serve_files(ROOT / "examples" / "data") as web:
        site = Site(folder, folder / "cache").having(
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE="alpha",
            ZOO_RUNNER_LINK_SECRET="only-for-tests-0123456789abcdef0123",
            ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
            ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
            ZOO_RUNNER_OIDC_CLIENT=client,
            ZOO_RUNNER_OIDC_CLIENT_SECRET=PASSWORD,
            ZOO_RUNNER_OPA_URL=running.url,
            ZOO_RUNNER_CATALOGS=f"{web.url}/catalog.json",
            STAGEIN_PRIVATE_HOSTS="127.0.0.1",
        )
        with serving(site.environ, folder) as server:
            add_client(keycloak, client, f"{server.url}/login/callback")
            words = (server.url, axe, EXAMPLES / "echo" / "echo.cwl", "ada", PASSWORD, "ben", *PACKAGES)
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


def test_packages_are_deployed_from_files_and_one_is_corrected(seen: dict[str, Any]) -> None:
    found = seen["journeys"]
    assert found["files"][0] == "Vegetation of a scene"
    assert len(found["files"]) == len(PACKAGES)
    assert found["correct"] == "Says <b>something</b>"


def test_forms_are_filled_in_and_corrected(seen: dict[str, Any]) -> None:
    found = seen["journeys"]
    assert found["refused"]["kept"] == "many"
    assert found["fill in"] == {"drawn": True, "wrong": 1, "sent": True, "pasted": ["savi", "7"]}
    assert found["members"]["kept"] == ["Elbe", "Müritz"]
    assert found["members"]["has a scene"] is True


def test_jobs_are_followed_explained_and_run_again(seen: dict[str, Any]) -> None:
    found = seen["journeys"]
    assert (found["run"]["same page"], found["run"]["log grew"]) == (True, True)
    assert (found["fail"]["log"], found["raise"]["suggested"]) == ("join.log", "60")
    assert (found["choose"]["count"], found["choose"]["listed"]) == (3, 1)
    assert found["narrow"] == {"statuses": ["failed"]}


def test_results_are_seen_on_maps_shared_and_used(seen: dict[str, Any]) -> None:
    found = seen["journeys"]
    assert (found["survey"]["vectors"], found["survey"]["leads to a job"]) == (1, True)
    assert (found["pass on"]["opened"], found["pass on"]["changed"], found["pass on"]["filled"]) == (200, 403, 1)
    assert found["search"]["filled"] is True


def test_the_operations_are_for_operators(seen: dict[str, Any]) -> None:
    assert seen["operations"] is False


def test_the_browser_complains_about_nothing_on_the_way(seen: dict[str, Any]) -> None:
    assert (seen["errors"], seen["barriers"], seen["too wide"]) == ([], {}, [])
