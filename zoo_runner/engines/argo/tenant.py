"""Permissions of Argo's executor, which runs beside the nodes of a job with the account of the job; pure."""

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT
from zoo_runner.engines.kubernetes.names import MANAGED, Manifest, Names, build_meta

_NAME = "zoo-runner-argo"


def build_executor_access(names: Names, cluster: KubernetesSettings) -> list[Manifest]:
    """Build the role that lets the job's account report to Argo; a service account of the site has it from the site.

    Source: Argo Workflows documentation, "Workflow RBAC".
    """
    if cluster.service_account:
        return []
    group, rbac = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    meta = build_meta(_NAME, names, labels=MANAGED)
    return [
        {
            "apiVersion": rbac,
            "kind": "Role",
            "metadata": meta,
            "rules": [
                {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
            ],
        },
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": JOB_ACCOUNT, "namespace": names.namespace}],
        },
    ]
