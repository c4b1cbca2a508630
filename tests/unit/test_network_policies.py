"""Where NetworkPolicies may not be created or read, a job is refused before anything is created."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from tests.values import ROOT, workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.namespace import build_tenant, create_tenant, mark_content
from zoo_runner.engines.kubernetes.network_policies import (
    REPORTING_POLICY,
    StepsNotIsolatedError,
    build_policy,
    build_reporting_policy,
    is_same_policy,
)

SITE = KubernetesSettings()
NAMES = build_names("j1", SITE, workspace_of())
ADDRESSES = ("10.96.0.1/32:443", "192.0.2.7/32:6443")
*_BEFORE, _LAST = mark_content(build_tenant(NAMES, SITE))
TENANT = [*_BEFORE, build_reporting_policy(NAMES, ADDRESSES), _LAST]
"""What argo-native needs in a namespace."""


class ClusterWhereAccountMay:
    """A cluster of an account that may do `verbs` with NetworkPolicies, and all with other kinds."""

    def __init__(self, *verbs: str, there: tuple[Manifest, ...] = ()) -> None:
        self._verbs = verbs
        self.objects = {(one["kind"], one["metadata"]["name"]): one for one in there}
        self.changed: list[str] = []

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        self._ensure("get", kind)
        return self.objects.get((kind, name))

    def get_each(self, manifests: Sequence[Manifest]) -> list[Manifest | ApiError | None]:
        found: list[Manifest | ApiError | None] = []
        for one in manifests:
            try:
                found.append(self.get(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]))
            except ApiError as error:
                found.append(error)
        return found

    def create(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == "SelfSubjectAccessReview":
            asked = manifest["spec"]["resourceAttributes"]
            assert (asked["namespace"], asked["resource"]) == (NAMES.namespace, "networkpolicies")
            return {"status": {"allowed": asked["verb"] in self._verbs}}
        self._ensure("create", manifest["kind"])
        return self.objects.setdefault((manifest["kind"], manifest["metadata"]["name"]), manifest)

    def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> None:
        self._ensure("patch", kind)
        self.changed.append(name)

    def _ensure(self, verb: str, kind: str) -> None:
        if kind == "NetworkPolicy" and verb not in self._verbs:
            raise ApiError(f"{verb} {kind}", 403, "Forbidden", f"{kind} is forbidden")


def prepare(double: ClusterWhereAccountMay) -> None:
    create_tenant(cast(Cluster, double), TENANT)


def read_deployed(folder: str) -> Manifest:
    text = (ROOT / "deploy" / folder / "network.yaml").read_text()
    return cast(Manifest, YAML(typ="safe", pure=True).load(text))


DEPLOYED = (read_deployed("kubernetes"), read_deployed("argo"))


@pytest.mark.parametrize(
    ("double", "missing"),
    [
        (ClusterWhereAccountMay(), "zoo-runner-steps"),
        (ClusterWhereAccountMay("get"), "zoo-runner-steps"),
        (ClusterWhereAccountMay("create"), "zoo-runner-steps"),
        (ClusterWhereAccountMay("get", there=DEPLOYED[:1]), REPORTING_POLICY),
    ],
    ids=["nothing", "get alone", "create alone", "one of two"],
)
def test_a_policy_that_is_not_known_to_be_there_ends_it_before_anything_is_created(
    double: ClusterWhereAccountMay, missing: str
) -> None:
    before = dict(double.objects)
    with pytest.raises(StepsNotIsolatedError) as found:
        prepare(double)
    diagnosis = found.value.diagnosis
    assert diagnosis.code == "cluster.network-policy"
    assert missing in diagnosis.cause
    assert NAMES.namespace in diagnosis.cause
    assert (ROOT / "deploy" / ("argo" if missing == REPORTING_POLICY else "kubernetes") / "network.yaml").is_file()
    assert double.objects == before


@pytest.mark.parametrize(
    "double",
    [ClusterWhereAccountMay("get", "create"), ClusterWhereAccountMay("get", there=DEPLOYED)],
    ids=["may create", "applied by an administrator"],
)
def test_a_policy_that_may_be_created_or_is_there_is_enough(double: ClusterWhereAccountMay) -> None:
    prepare(double)
    assert {one["metadata"]["name"] for one in TENANT} == {name for _, name in double.objects}
    assert double.changed == []


FORMER = build_reporting_policy(NAMES, ["192.0.2.1/32:6443"])


@pytest.mark.parametrize("verbs", [("get", "create", "patch"), ("get", "patch")], ids=["may create", "may not"])
def test_former_addresses_of_the_api_are_replaced(verbs: tuple[str, ...]) -> None:
    double = ClusterWhereAccountMay(*verbs, there=(build_policy(NAMES), FORMER))
    prepare(double)
    assert double.changed == [REPORTING_POLICY]


def test_former_addresses_that_cannot_be_replaced_end_it() -> None:
    with pytest.raises(StepsNotIsolatedError) as found:
        prepare(ClusterWhereAccountMay("get", there=(build_policy(NAMES), FORMER)))
    assert REPORTING_POLICY in found.value.diagnosis.cause


def test_what_an_administrator_applies_is_what_zoo_runner_creates() -> None:
    wanted: Any = (build_policy(NAMES), build_reporting_policy(NAMES, ADDRESSES))
    for found, policy in zip(DEPLOYED, wanted, strict=True):
        assert found["metadata"]["name"] == policy["metadata"]["name"]
        assert is_same_policy(found, policy)
        # without the label of what zoo-runner may change, and `gc` remove
        assert "labels" not in found["metadata"]
