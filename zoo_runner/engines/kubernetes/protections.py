"""What protects a cluster from hostile packages, and may be missing: one function for each row of `doctor`.

Each returns what it found, and raises `EngineError` where the protection is missing. What this account may not read is
no finding: `doctor` needs no permission that jobs do not need.
"""

import json
import re
from collections.abc import Sequence

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT, STEP_ACCOUNT
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.namespace import POD_SECURITY
from zoo_runner.engines.kubernetes.network_policies import POLICY, build_policy, is_same_policy
from zoo_runner.model.errors import EngineError

ADMISSION_POLICIES = ("zoo-runner-pods", "zoo-runner-account")
"""Names of the policies and their bindings in deploy/kubernetes/admission.yaml."""
_APPLY = "Run `kubectl apply -f deploy/kubernetes/admission.yaml` (Kubernetes 1.30 or newer)."
UNKNOWN = "not known: this account may not read it"
_LEVELS = ("restricted", "baseline")


def check_pod_security(cluster: Cluster, names: Names) -> str:
    """Check the level of the Pod Security Standards that the namespace enforces."""
    namespace = cluster.get("Namespace", "", names.namespace) or {"metadata": {}}
    level = (namespace["metadata"].get("labels") or {}).get(POD_SECURITY)
    if level not in _LEVELS:
        raise EngineError(
            f"the namespace {names.namespace} enforces {f'the level {level}' if level else 'no level'}",
            f"Run `kubectl label namespace {names.namespace} {POD_SECURITY}=restricted`.",
            code="cluster.pod-security",
        )
    return f"the level {level}"


def check_admission(cluster: Cluster, site: KubernetesSettings, policies: Sequence[str] = ADMISSION_POLICIES) -> str:
    """Check that the API server judges the pods of jobs, and what their account does."""
    missing = [name for name in policies if not _denies(cluster, name)]
    if missing:
        raise EngineError(
            f"no ValidatingAdmissionPolicy with a binding denies by {' and '.join(missing)}",
            _APPLY,
            code="cluster.admission-policy",
        )
    account = site.service_account or JOB_ACCOUNT
    named = re.compile(rf":{re.escape(account)}(?![a-z0-9.-])")
    found = {name: cluster.get("ValidatingAdmissionPolicy", "", name) or {} for name in policies}
    unnamed = [name for name, policy in found.items() if not named.search(json.dumps(policy.get("spec")))]
    if unnamed:
        raise EngineError(
            f"{' and '.join(unnamed)} has no rules for {account}, the service account of job pods",
            f"Put {account} in the place of {JOB_ACCOUNT} in deploy/kubernetes/admission.yaml, and apply it.",
            code="cluster.admission-policy",
        )
    return "there"


def check_network(cluster: Cluster, names: Names, site: KubernetesSettings) -> str:
    """Check that steps are denied the network."""
    if not site.isolated:
        raise EngineError(
            "ZOO_RUNNER_ISOLATE_STEPS is false: every step has the network",
            "Unset it, if steps of packages that you do not trust run here.",
            code="cluster.network-policy",
        )
    found = cluster.get("NetworkPolicy", names.namespace, POLICY)
    if found is None or not is_same_policy(found, build_policy(names)):
        what = "does not exist" if found is None else "does not deny all steps the network"
        raise EngineError(
            f"the NetworkPolicy {POLICY} {what} in {names.namespace}",
            "Grant the runner's account create, get and patch of networkpolicies, or create it (docs/kubernetes.md).",
            code="cluster.network-policy",
        )
    return "there; a network plug-in has to enforce it"


def check_tokens(cluster: Cluster, names: Names) -> str:
    """Check that no pod has the token of an account of jobs in all of its containers."""
    accounts = {name: cluster.get("ServiceAccount", names.namespace, name) for name in (JOB_ACCOUNT, STEP_ACCOUNT)}
    mounted = [name for name, account in accounts.items() if account and _mounts_token(account)]
    if mounted:
        raise EngineError(
            f"mounted into every container by default: the token of {' and '.join(mounted)}",
            "Set automountServiceAccountToken: false in these accounts; the pods of jobs mount it where it is needed.",
            code="cluster.token-mounted",
        )
    return "mounted by the one container that needs it"


def check_account(cluster: Cluster, names: Names, site: KubernetesSettings) -> str:
    """Check that the account of job pods cannot read Secrets (authorization.k8s.io/v1, LocalSubjectAccessReview)."""
    account = site.service_account or JOB_ACCOUNT
    review = cluster.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": names.namespace},
            "spec": {
                "user": f"system:serviceaccount:{names.namespace}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{names.namespace}"],
                "resourceAttributes": {"namespace": names.namespace, "resource": "secrets", "verb": "get"},
            },
        }
    )
    if review["status"]["allowed"]:
        raise EngineError(
            f"the service account {account} may read Secrets in {names.namespace}",
            "Take that permission from it: the job pod needs pods and pods/log only (docs/kubernetes.md).",
            code="cluster.account-reads-secrets",
        )
    return f"{account} may not"


def is_unknown(error: ApiError) -> bool:
    """Whether an answer says only that this account may not ask."""
    return error.status in (401, 403)


def _denies(cluster: Cluster, name: str) -> bool:
    """Whether a policy exists, and its binding has it deny."""
    binding = cluster.get("ValidatingAdmissionPolicyBinding", "", name)
    spec = binding["spec"] if binding and cluster.get("ValidatingAdmissionPolicy", "", name) else {}
    return spec.get("policyName") == name and "Deny" in spec.get("validationActions", [])


def _mounts_token(account: Manifest) -> bool:
    return account.get("automountServiceAccountToken") is not False
