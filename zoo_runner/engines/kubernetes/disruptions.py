"""What keeps the pods of jobs on their nodes: drains and autoscalers wait until they have ended.

A pod that is taken nevertheless, by force or with its node, is started again (`manifests.build_job`).
"""

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import JOB_LABEL, MANAGED, Manifest, Names, build_meta
from zoo_runner.model.errors import EngineError

BUDGET = "zoo-runner-jobs"
"""Name of the PodDisruptionBudget of a namespace of jobs."""
# Kubernetes knows no other budget for pods whose owner has no scale: a number of pods, here one that no namespace has
_MORE_THAN_THERE_ARE = 1_000_000
_KIND, _FORBIDDEN = "PodDisruptionBudget", 403


def build_budget(names: Names) -> Manifest:
    """Build the budget that refuses the eviction of each pod of a job that runs.

    Pods that wait for a node, or have ended, Kubernetes evicts regardless of it.

    Source: Kubernetes documentation, "Specifying a Disruption Budget for your Application", arbitrary workloads.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": _KIND,
        "metadata": build_meta(BUDGET, names, labels=MANAGED),
        "spec": {
            "minAvailable": _MORE_THAN_THERE_ARE,
            "selector": {
                "matchLabels": dict(MANAGED),
                "matchExpressions": [{"key": JOB_LABEL, "operator": "Exists"}],
            },
        },
    }


def check_budget(cluster: Cluster, names: Names, site: KubernetesSettings) -> str:
    """Check that drains wait for jobs, and create the budget where it is missing. Raises `EngineError`."""
    if not site.undisturbed:
        return "ZOO_RUNNER_DISRUPTION_BUDGET is false: drains take pods of jobs, which are started again"
    if cluster.get(_KIND, names.namespace, BUDGET):
        return "there"
    try:
        cluster.create(build_budget(names))
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        raise EngineError(
            f"there is no PodDisruptionBudget {BUDGET} in {names.namespace}, and this account may not create it",
            "Grant the runner's account create and get of poddisruptionbudgets (docs/kubernetes.md), or set"
            " ZOO_RUNNER_DISRUPTION_BUDGET=false.",
            code="cluster.disruption-budget",
        ) from error
    return "created"
