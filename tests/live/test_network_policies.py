"""An account that may not create NetworkPolicies: its jobs are refused until an administrator has applied them."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cluster import applied, build_account, find_argo, kubectl
from tests.site import Site
from tests.values import EXAMPLES, ROOT
from zoo_runner.model.job import Status

_KINDS = "workflows,jobs,pods,secrets,persistentvolumeclaims,roles,serviceaccounts"


def read_deployed(path: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe", pure=True).load_all((ROOT / "deploy" / path).read_text()))


def list_rules() -> list[dict[str, Any]]:
    """All permissions of zoo-runner but those for NetworkPolicies, of which it has `get`."""
    documented = [*read_deployed("zoo/access.yaml")[0]["rules"], *read_deployed("argo/access.yaml")[0]["rules"]]
    rules = [{**rule, "verbs": ["get"]} if rule["resources"] == ["networkpolicies"] else rule for rule in documented]
    assert rules != documented
    return rules


@pytest.fixture
def restricted(site: Site, tmp_path: Path) -> Iterator[Site]:
    """The installation in a namespace of the site, with the token of such an account; the administrator is `site`."""
    find_argo()
    namespace, account = f"site-{uuid.uuid4().hex[:8]}", "zoo-runner"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    with applied(site, made, *build_account(account, namespace, list_rules())):
        token = kubectl(site, "create", "token", account, "-n", namespace).strip()
        config = json.loads(kubectl(site, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        path = tmp_path / "restricted.json"
        path.write_text(json.dumps(config))
        yield site.having(
            KUBECONFIG=str(path), ZOO_RUNNER_NAMESPACE=namespace, ZOO_RUNNER_API_ADDRESSES="10.96.0.1:443"
        )


def run_echo(site: Site, engine: str) -> Any:
    site = site.having(ZOO_RUNNER_ENGINE=engine)
    return site.run(site.accept(EXAMPLES / "echo" / "echo.cwl", None, destination="s3://results/policies")).outcome


def test_jobs_are_refused_before_anything_is_created_and_run_with_what_an_administrator_applied(
    site: Site, restricted: Site
) -> None:
    namespace = restricted.environ["ZOO_RUNNER_NAMESPACE"]
    before = kubectl(site, "get", _KINDS, "-n", namespace, "-o", "name")
    for engine in ("calrissian", "argo", "argo-native"):
        diagnosis = run_echo(restricted, engine).diagnosis
        assert (diagnosis.code, "zoo-runner-steps" in diagnosis.cause) == ("cluster.network-policy", True), diagnosis
    kubectl(site, "apply", "-n", namespace, "-f", str(ROOT / "deploy/kubernetes/network.yaml"))
    diagnosis = run_echo(restricted, "argo-native").diagnosis
    assert (diagnosis.code, "zoo-runner-reporting-steps" in diagnosis.cause) == ("cluster.network-policy", True)
    assert kubectl(site, "get", _KINDS, "-n", namespace, "-o", "name") == before
    kubectl(site, "apply", "-n", namespace, "-f", str(ROOT / "deploy/argo/network.yaml"))
    outcome = run_echo(restricted, "argo-native")
    assert outcome.status is Status.SUCCESSFUL, outcome.diagnosis
