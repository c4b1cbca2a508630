"""`zoo-runner doctor --engine argo` on a real Argo Workflows: sound, and with what its Workflow finds missing."""

import pytest

from tests.cluster import ENVIRON, WORKSPACE, find_argo, kubectl
from tests.live.test_calrissian_diagnosis import having_no_rules
from tests.site import Site
from zoo_runner.engines.argo.engine import ArgoEngine
from zoo_runner.engines.protocol import Check

OWN_WORKSPACE = f"{WORKSPACE}-argo-doctor"
NAMESPACE = f"ws-{OWN_WORKSPACE}"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    find_argo()
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE, "ZOO_RUNNER_ENGINE": "argo"}


def examine(site: Site) -> dict[str, Check]:
    return {check.about: check for check in ArgoEngine(site.configuration).check("s3://results/doctor")}


def find_bad(site: Site) -> Check:
    (bad,) = [check for check in examine(site).values() if not check.ok]
    assert bad.expected
    assert bad.remedy
    return bad


def test_a_sound_argo(site: Site) -> None:
    found = examine(site)
    assert [check.found for check in found.values() if not check.ok] == []
    assert {"permissions", "account", "volume", "images", "smoke test", "results store"} <= found.keys()
    assert {"Argo controller", "Argo executor", "API from a pod", "DNS from a pod"} <= found.keys()
    assert "image " in found["Argo executor"].found
    left = kubectl(site, "get", "workflows,pvc,secrets", "-n", NAMESPACE, "-o", "name", "-l", "zoo-runner/role=job")
    assert left == ""


def test_a_controller_of_another_instance_id(site: Site) -> None:
    bad = find_bad(site.having(ARGO_INSTANCE_ID="nobody"))
    assert bad.about == "Argo controller"
    assert "ARGO_INSTANCE_ID" in bad.remedy


def test_an_executor_that_may_not_report(site: Site) -> None:
    assert examine(site)["namespace"].ok
    with having_no_rules(site, "zoo-runner-argo", NAMESPACE):
        bad = find_bad(site)
    assert bad.about == "Argo executor"
    assert f"system:serviceaccount:{NAMESPACE}:zoo-runner-job lacks" in bad.found
    assert "deploy/argo/access.yaml" in bad.remedy


def test_a_token_that_the_argo_server_refuses(site: Site) -> None:
    bad = find_bad(site.having(ARGO_SERVER=ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746"), ARGO_TOKEN="no-token"))
    assert bad.about == "Argo server"
    assert "no-token" not in bad.found
