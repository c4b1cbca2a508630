"""What protects a cluster from hostile packages, and may be missing: one function for each row of `doctor`.

Each returns what it found, and raises `EngineError` where the protection is missing. What this account may not read is
no finding: `doctor` needs no permission that jobs do not need.
"""

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import JOB_ACCOUNT, STEP_ACCOUNT
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.namespace import POD_SECURITY, POLICY
from zoo_runner.model.errors import EngineError

ADMISSION_POLICIES = ("zoo-runner-pods", "zoo-runner-account")
"""Names of the policies and their bindings in deploy/kubernetes/admission.yaml."""
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


def check_admission(cluster: Cluster) -> str:
    """Check that the API server judges the pods of jobs."""
    found = {name: cluster.get("ValidatingAdmissionPolicyBinding", "", name) for name in ADMISSION_POLICIES}
    missing = [name for name, binding in found.items() if binding is None or not _denies(binding)]
    if missing:
        raise EngineError(
            f"no ValidatingAdmissionPolicyBinding denies by {' and '.join(missing)}",
            "Run `kubectl apply -f deploy/kubernetes/admission.yaml` (Kubernetes 1.30 or newer).",
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
    if cluster.get("NetworkPolicy", names.namespace, POLICY) is None:
        raise EngineError(
            f"the NetworkPolicy {POLICY} does not exist in {names.namespace}",
            "Grant the runner's account create and get of networkpolicies, or create it (docs/kubernetes.md).",
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


def _denies(binding: Manifest) -> bool:
    return "Deny" in binding["spec"].get("validationActions", [])


def _mounts_token(account: Manifest) -> bool:
    return account.get("automountServiceAccountToken") is not False
