"""What steps reach over the network: the NetworkPolicies of a namespace of jobs.

Nothing else fails where one is missing, so a job is refused unless each is there or may be created.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import NETWORK_API, NETWORK_LABEL
from zoo_runner.engines.kubernetes.names import MANAGED, Manifest, Names, build_meta
from zoo_runner.engines.kubernetes.permissions import is_granted
from zoo_runner.model.errors import EngineError

POLICY = "zoo-runner-steps"
"""Name of the NetworkPolicy of the steps in a namespace."""
REPORTING_POLICY = "zoo-runner-reporting-steps"
"""Name of the NetworkPolicy of steps in whose pods something reports to the Kubernetes API."""
_FILES = {POLICY: "deploy/kubernetes/network.yaml", REPORTING_POLICY: "deploy/argo/network.yaml"}
_GROUP, _REFUSED = "networking.k8s.io", 403


class StepsNotIsolatedError(EngineError):
    """Steps would have the network, or not what they need of it, and this account cannot change that."""


def build_policy(names: Names) -> Manifest:
    """Build the policy that denies steps the network, in both directions, unless their package asks for it."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": build_meta(POLICY, names, labels=MANAGED),
        "spec": {
            "podSelector": {
                "matchLabels": {**MANAGED, "zoo-runner/role": "step"},
                "matchExpressions": [{"key": NETWORK_LABEL, "operator": "DoesNotExist"}],
            },
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def build_reporting_policy(names: Names, addresses: Sequence[str]) -> Manifest:
    """Build the policy of pods in which Argo's executor is beside a step: they reach the Kubernetes API, and no more.

    `addresses` are networks with a port, `<network>:<port>`.
    """
    policy = build_policy(names)
    selector = {"matchLabels": {**MANAGED, NETWORK_LABEL: NETWORK_API}}
    egress = [
        {"to": [{"ipBlock": {"cidr": network}}], "ports": [{"protocol": "TCP", "port": int(port)}]}
        for network, _, port in (address.rpartition(":") for address in addresses)
    ]
    return {
        **policy,
        "metadata": {**policy["metadata"], "name": REPORTING_POLICY},
        "spec": {**policy["spec"], "podSelector": selector, "egress": egress},
    }


def ensure_permitted(cluster: Cluster, manifests: Iterable[Manifest]) -> None:
    """Ensure, before anything is created, that each NetworkPolicy is there, or may be created.

    Raises `StepsNotIsolatedError` where it is not, and where this account may not know.
    """
    for manifest in manifests:
        if manifest["kind"] != "NetworkPolicy":
            continue
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            found = cluster.get("NetworkPolicy", namespace, name)
        except ApiError as error:
            if error.status != _REFUSED:
                raise
            raise _build_refused(manifest, "may be missing: this account may not read it") from error
        if found is None and not is_granted(cluster, namespace, _GROUP, "networkpolicies", "create"):
            raise _build_refused(manifest, "is missing, and this account may not create it")


def ensure_let_through(found: Manifest, wanted: Manifest) -> None:
    """Ensure that a policy which could not be changed lets through what its pods have to reach."""
    allowed = (found.get("spec") or {}).get("egress") or []
    if wanted["kind"] == "NetworkPolicy" and any(rule not in allowed for rule in wanted["spec"].get("egress", ())):
        raise _build_refused(wanted, "has former addresses of the Kubernetes API, and this account may not change it")


def _build_refused(policy: Manifest, why: str) -> StepsNotIsolatedError:
    name = policy["metadata"]["name"]
    return StepsNotIsolatedError(
        f"the NetworkPolicy {name} of the namespace {policy['metadata']['namespace']} {why}",
        f"Grant the runner's account create, get and patch of networkpolicies, or get alone and apply {_FILES[name]};"
        " ZOO_RUNNER_ISOLATE_STEPS=false gives every step the network.",
        code="cluster.network-policy",
    )


def is_same_policy(found: Manifest, wanted: Manifest) -> bool:
    """Whether a NetworkPolicy selects and denies what the wanted one does; each further rule would allow something."""
    return _find_meaning(found) == _find_meaning(wanted)


def _find_meaning(policy: Manifest) -> dict[str, Any]:
    """Find what a policy says, without fields that are empty; `[{}]` as rules is not empty, and allows everything."""
    spec = policy.get("spec") or {}
    selector = spec.get("podSelector") or {}
    return {
        "labels": selector.get("matchLabels") or {},
        "expressions": [
            {key: value for key, value in one.items() if value} for one in selector.get("matchExpressions") or ()
        ],
        "types": sorted(spec.get("policyTypes") or ()),
        "allowed": (spec.get("ingress") or []) + (spec.get("egress") or []),
    }
