"""Where pods reach the Kubernetes API, and the policy that lets them reach nothing else."""

from typing import Any, cast

import pytest

from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings, load_kubernetes_settings
from zoo_runner.engines.kubernetes.api_addresses import find_api_addresses
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.network_policies import build_reporting_policy, is_same_policy
from zoo_runner.model.errors import EngineError, SettingsError

SERVICE = {"spec": {"clusterIPs": ["10.96.0.1", "fd00::1"], "ports": [{"port": 443}]}}
SLICE = {"endpoints": [{"addresses": ["192.0.2.7"]}, {"addresses": ["192.0.2.6"]}], "ports": [{"port": 6443}]}


class ClusterOf:
    """A cluster that has one object of each kind, or refuses."""

    def __init__(self, status: int = 0, **there: Manifest) -> None:
        self._status, self._there = status, there

    def get(self, kind: str, namespace: str, name: str) -> Any:
        assert (namespace, name) == ("default", "kubernetes")
        if self._status:
            raise ApiError(f"reading {kind}", self._status, "Forbidden", f"{kind} is forbidden")
        return self._there.get(kind)


def find(double: ClusterOf, settings: KubernetesSettings | None = None) -> list[str]:
    return find_api_addresses(cast(Cluster, double), settings or KubernetesSettings())


def test_the_service_and_the_servers_behind_it_are_found() -> None:
    found = find(ClusterOf(Service=SERVICE, EndpointSlice=SLICE))
    assert found == ["10.96.0.1/32:443", "192.0.2.6/32:6443", "192.0.2.7/32:6443", "fd00::1/128:443"]


def test_addresses_of_the_settings_are_asked_of_no_cluster() -> None:
    settings = load_kubernetes_settings({"ZOO_RUNNER_API_ADDRESSES": "192.0.2.9/28:6443, [fd00::1]:443"})
    assert find(ClusterOf(403), settings) == ["192.0.2.0/28:6443", "fd00::1/128:443"]


@pytest.mark.parametrize("text", ["10.0.0.1", "api.example:443", "10.0.0.1:0", "10.0.0.1:x", ":443"])
def test_an_address_needs_a_network_and_a_port(text: str) -> None:
    with pytest.raises(SettingsError):
        load_kubernetes_settings({"ZOO_RUNNER_API_ADDRESSES": text})


@pytest.mark.parametrize("double", [ClusterOf(403), ClusterOf()], ids=["refused", "none"])
def test_addresses_that_are_not_known_have_a_remedy(double: ClusterOf) -> None:
    with pytest.raises(EngineError) as found:
        find(double)
    assert found.value.diagnosis.code == "cluster.network-policy"
    assert "ZOO_RUNNER_API_ADDRESSES" in found.value.diagnosis.remedy


def test_an_api_that_is_away_is_no_finding_about_its_addresses() -> None:
    with pytest.raises(ApiError):
        find(ClusterOf(503))


def test_the_policy_lets_the_api_through_and_nothing_else() -> None:
    names = build_names("j1", KubernetesSettings(), workspace_of())
    policy = build_reporting_policy(names, ["10.96.0.1/32:443", "fd00::1/128:443"])
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "zoo-runner", "zoo-runner/network": "api"}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": [
            {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"protocol": "TCP", "port": 443}]}
            for cidr in ("10.96.0.1/32", "fd00::1/128")
        ],
    }
    assert is_same_policy(policy, build_reporting_policy(names, ["10.96.0.1/32:443", "fd00::1/128:443"]))
    assert not is_same_policy(policy, build_reporting_policy(names, ["10.96.0.1/32:443"]))
