"""A budget that keeps pods of jobs on their nodes: made where that is permitted, never a reason to refuse a job."""

from collections.abc import Sequence
from typing import cast

import pytest

from tests.unit.messages import Check
from tests.values import workspace_of
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.disruptions import BUDGET, build_budget, check_budget
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.engines.kubernetes.namespace import build_tenant, create_tenant, mark_content
from zoo_runner.model.errors import EngineError

USUAL = KubernetesSettings(isolated=False)
NAMES = build_names("1", USUAL, workspace_of(name="alpha"))


class Site:
    """An API that refuses to create budgets with a status, and has those that were created."""

    def __init__(self, status: int = 0) -> None:
        self._status = status
        self.there: dict[tuple[str, str], Manifest] = {}

    def create(self, manifest: Manifest) -> Manifest:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind == "PodDisruptionBudget" and self._status:
            raise ApiError(f"creating {kind}", self._status, "Refused", f"{kind} is refused")
        return self.there.setdefault((kind, name), manifest)

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return self.there.get((kind, name))

    def get_each(self, manifests: Sequence[Manifest]) -> list[Manifest | ApiError | None]:
        return [self.there.get((one["kind"], one["metadata"]["name"])) for one in manifests]


def create(site: Site) -> list[str]:
    create_tenant(cast(Cluster, site), mark_content(build_tenant(NAMES, USUAL)))
    return [kind for kind, _ in site.there]


def test_an_account_that_may_not_create_budgets_runs_jobs_without() -> None:
    kinds = create(Site())
    assert "PodDisruptionBudget" in kinds
    assert create(Site(403)) == [kind for kind in kinds if kind != "PodDisruptionBudget"]


def test_a_budget_that_somebody_deleted_is_there_again_for_the_next_job() -> None:
    site = Site()
    create(site)
    del site.there["PodDisruptionBudget", BUDGET]
    assert "PodDisruptionBudget" in create(site)


def test_an_api_that_is_away_is_no_refusal() -> None:
    with pytest.raises(ApiError):
        create(Site(503))


def test_a_budget_is_more_than_the_pods_of_any_namespace() -> None:
    budget = build_budget(NAMES)
    assert budget["spec"]["minAvailable"] >= 100_000
    assert (budget["metadata"]["name"], budget["metadata"]["namespace"]) == (BUDGET, "ws-alpha")


def test_doctor_creates_a_budget_that_is_missing() -> None:
    site = Site()
    assert check_budget(cast(Cluster, site), NAMES, USUAL) == "created"
    assert check_budget(cast(Cluster, site), NAMES, USUAL) == "there"


def test_doctor_names_a_budget_that_it_may_not_create(check: Check) -> None:
    with pytest.raises(EngineError) as caught:
        check_budget(cast(Cluster, Site(403)), NAMES, USUAL)
    check(caught.value, "cluster.disruption-budget", "ws-alpha", BUDGET)
    with pytest.raises(ApiError):
        check_budget(cast(Cluster, Site(503)), NAMES, USUAL)


def test_doctor_says_that_budgets_are_switched_off() -> None:
    off = KubernetesSettings(undisturbed=False)
    assert "false" in check_budget(cast(Cluster, Site(403)), NAMES, off)
