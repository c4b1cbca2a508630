"""Checks an installation before its first job: each line has what was found, what is expected, and the remedy."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.engines.kubernetes.disruptions import check_budget
from zoo_runner.engines.kubernetes.errors import ApiError, reaching
from zoo_runner.engines.kubernetes.expiry import check_expiry
from zoo_runner.engines.kubernetes.kept import describe_kept
from zoo_runner.engines.kubernetes.names import Manifest, Names, build_names
from zoo_runner.engines.kubernetes.namespace import create_tenant, mark_content, remove_namespace
from zoo_runner.engines.kubernetes.network_policies import StepsNotIsolatedError
from zoo_runner.engines.kubernetes.permissions import is_granted
from zoo_runner.engines.kubernetes.pod_network import read_network
from zoo_runner.engines.kubernetes.preflight import StepRequest, check_sizes, list_step_requests
from zoo_runner.engines.kubernetes.protections import (
    UNKNOWN,
    check_account,
    check_admission,
    check_network,
    check_pod_security,
    check_tokens,
    is_unknown,
)
from zoo_runner.engines.kubernetes.secrets import find_credentials
from zoo_runner.engines.kubernetes.smoke_test import SmokeJob, ask_for_images, run_smoke_test
from zoo_runner.engines.pipeline import probe_destination
from zoo_runner.engines.protocol import Check
from zoo_runner.model.errors import EngineError, RunnerError, StageOutError
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.destination import is_object_storage

Permission = tuple[str, str, tuple[str, ...]]
"""API group, resource, verbs."""
# what the runner does with the API, as listed in docs/kubernetes.md
PERMISSIONS = (
    ("batch", "jobs", ("create", "get", "list", "watch", "patch", "delete")),
    ("", "pods", ("list", "watch", "delete", "deletecollection")),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create", "get", "delete")),
    ("", "configmaps", ("create", "get")),
    ("", "persistentvolumeclaims", ("create", "get", "list", "watch", "patch")),
    ("", "events", ("list", "watch")),
)
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_STORE = "results store"
_POLICY_PERMISSIONS = ("networking.k8s.io", "networkpolicies", ("create", "get"))


@dataclass(frozen=True)
class Examined:
    """What an engine adds to the checks of a cluster.

    `subjects`: under which name a code of the smoke test's error is listed; `prepare`: what is checked before it, where
    the first that is not ok ends the checks; `describe`: what its pods show, and what is tried besides; `job_stays`:
    whether the pod of a job keeps its place while its steps run.
    """

    open_smoke_test: Callable[[Cluster, Names, str | None], SmokeJob]
    build_tenant: Callable[[Names], list[Manifest]]
    permissions: Sequence[Permission] = ()
    subjects: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], Iterator[Check]] = lambda: iter(())
    describe: Callable[[Cluster, Names, Sequence[Manifest]], Iterator[Check]] = lambda *_: iter(())
    job_stays: bool = True


def examine_cluster(
    configuration: Configuration, destination: str | None, examined: Examined, package: Package | None = None
) -> Iterator[Check]:
    """Check the cluster step by step; what cannot be checked because of an earlier finding is skipped.

    Of a package, the images and sizes of its steps are checked too.

    Whether results can be stored is tested from a pod, or from here if no pod started.
    """
    site, workspace = configuration.kubernetes, configuration.workspace
    storage = workspace.storage
    names = build_names(f"doctor-{uuid.uuid4().hex[:8]}", site, workspace)
    reported: set[str] = set()
    if destination and not is_object_storage(destination):
        expected, remedy = "object storage, which pods reach", "Name a place below s3:, gs: or az:."
        yield Check(False, _STORE, f"{destination}, a folder of this machine", expected, remedy)
        destination = None
    try:
        cluster = connect(site)
        version = cluster.read_version()
        yield Check(True, "API", f"Kubernetes {version}", "the API answers")
        yield Check.run("login", lambda: _check_login(cluster), "valid for an hour, or renewed")
        installation = _Installation(cluster, names, site, examined, list_step_requests(package, site))
        smoke_test = partial(_run_smoke_test, installation, storage, destination)
        for check in _examine(installation, smoke_test):
            reported.add(check.about)
            yield check
    except RunnerError as error:
        yield Check.refuse("API", error, "the API answers")
    if destination and _STORE not in reported:
        yield Check.run(_STORE, lambda: _probe(destination, storage), f"{destination} is writable from here")


def examine_images(configuration: Configuration, examined: Examined, package: Package) -> Iterator[RunnerError]:
    """Find images of a package that the nodes cannot pull, as jobs of it would; nothing of it stays.

    Nothing is found where this account may not ask. Raises `NotReachedError` where the API does not answer.
    """
    site = configuration.kubernetes
    names = build_names(f"dry-run-{uuid.uuid4().hex[:8]}", site, configuration.workspace)
    with reaching():
        cluster = connect(site)
        try:
            create_tenant(cluster, mark_content(examined.build_tenant(names)))
            yield from ask_for_images(
                examined.open_smoke_test(cluster, names, None), site, list_step_requests(package, site)
            )
        except StepsNotIsolatedError:
            # no pod is created there; each job says why
            return
        except ApiError as error:
            if not is_unknown(error):
                raise
        finally:
            if names.own_namespace:
                remove_namespace(cluster, names.namespace)


@dataclass(frozen=True)
class _Installation:
    """What is examined."""

    cluster: Cluster
    names: Names
    site: KubernetesSettings
    examined: Examined
    steps: Sequence[StepRequest] = ()

    def list_permissions(self) -> list[Permission]:
        """List the permissions that the runner's account needs."""
        policies = [_POLICY_PERMISSIONS] if self.site.isolated else []
        return [*PERMISSIONS, *policies, *self.examined.permissions]


def _examine(installation: _Installation, smoke_test: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    cluster, names, site = installation.cluster, installation.names, installation.site
    needed = installation.list_permissions()
    expected = f"{sum(len(verbs) for _, _, verbs in needed)} permissions in {names.namespace}"
    yield Check.run("permissions", lambda: _check_permissions(cluster, names, needed), expected)
    namespace = Check.run(
        "namespace", lambda: _prepare(installation), f"{names.namespace} and its accounts can be used"
    )
    yield namespace
    if not namespace.ok:
        return
    try:
        yield from _check_protections(cluster, names, site)
        yield from _check_quotas(cluster, names, site)
        sizes = partial(check_sizes, cluster, site, installation.steps, beside_job=installation.examined.job_stays)
        nodes = Check.run("nodes", sizes, "each request fits a node")
        yield nodes
        yield Check(True, "kept results", describe_kept(cluster, names.namespace), "published or removed in time")
        storage = Check.run("storage class", lambda: _find_class(cluster, site), "a class for a job's volume")
        yield storage
        prepared = list(installation.examined.prepare())
        yield from prepared
        if all(check.ok for check in (nodes, storage, *prepared)):
            yield from smoke_test()
    finally:
        if names.own_namespace:
            remove_namespace(cluster, names.namespace)


def _check_protections(cluster: Cluster, names: Names, site: KubernetesSettings) -> Iterator[Check]:
    rows: tuple[tuple[str, Callable[[], str], str], ...] = (
        ("pod security", lambda: check_pod_security(cluster, names), "the namespace refuses pods with privileges"),
        (
            "admission policy",
            lambda: check_admission(cluster, site),
            "the API server refuses foreign Secrets and volumes",
        ),
        ("network policy", lambda: check_network(cluster, names, site), "steps have no network by default"),
        ("disruption budget", lambda: check_budget(cluster, names, site), "drains of nodes wait for jobs"),
        ("tokens", lambda: check_tokens(cluster, names), "no token where packages are evaluated or steps run"),
        ("account", lambda: check_account(cluster, names, site), "the account of job pods cannot read Secrets"),
    )
    for about, look, expected in rows:
        yield Check.run(about, partial(_read, look), expected)


def _check_login(cluster: Cluster) -> str:
    fields = {name.lower(): value for name, value in cluster.access.headers().items()}
    kind, _, token = fields.get("authorization", "").partition(" ")
    if not token or kind.lower() != "bearer":
        return "without a token"
    if cluster.access.renews:
        return "a token that is renewed"
    return check_expiry(token, "cluster.login", "Log in to the cluster again, so that KUBECONFIG has a new token.")


def _read(look: Callable[[], str]) -> str:
    try:
        return look()
    except ApiError as error:
        if not is_unknown(error):
            raise
        return UNKNOWN


def _check_permissions(cluster: Cluster, names: Names, needed: Sequence[Permission]) -> str:
    refused = [
        f"{verb} {resource}"
        for group, resource, verbs in needed
        for verb in verbs
        if not is_granted(cluster, names.namespace, group, resource, verb)
    ]
    if refused:
        raise EngineError(
            f"missing: {', '.join(refused)}",
            "Grant them to the runner's account; docs/kubernetes.md has the role.",
            code="cluster.permission",
        )
    return "all granted"


def _prepare(installation: _Installation) -> str:
    cluster, names, site = installation.cluster, installation.names, installation.site
    create_tenant(cluster, mark_content(installation.examined.build_tenant(names)))
    if names.site_namespace and _is_missing(cluster, "Namespace", "", names.namespace):
        raise EngineError(
            f"the namespace {names.namespace} does not exist",
            "Create it, or correct ZOO_RUNNER_NAMESPACE.",
            code="cluster.not-found",
        )
    account = site.service_account
    if account and _is_missing(cluster, "ServiceAccount", names.namespace, account):
        raise EngineError(
            f"the service account {account} does not exist in {names.namespace}",
            "Create it with the permissions of the job's account, or correct ZOO_RUNNER_SERVICE_ACCOUNT.",
            code="cluster.service-account",
        )
    return "there"


def _is_missing(cluster: Cluster, kind: str, namespace: str, name: str) -> bool:
    """Whether an object is missing for certain; without the permission to read it, this is not known."""
    try:
        return cluster.get(kind, namespace, name) is None
    except ApiError:
        return False


def _check_quotas(cluster: Cluster, names: Names, site: KubernetesSettings) -> Iterator[Check]:
    expected = f"room for a job pod ({site.job_cpu} CPU, {site.job_ram}) and a step"
    try:
        quotas = cluster.find("ResourceQuota", names.namespace)
    except ApiError:
        yield Check(True, "quota", "this account may not read quotas", expected)
        return
    if not quotas:
        yield Check(True, "quota", "none is set", expected)
    for quota in quotas:
        tight = find_tight(quota.get("status", {}), site)
        remedy = "Wait until other jobs end, or ask the operator to raise the quota." if tight else ""
        yield Check(not tight, f"quota {quota['metadata']['name']}", "; ".join(tight) or "room", expected, remedy)


def find_tight(status: Mapping[str, Mapping[str, str]], site: KubernetesSettings) -> list[str]:
    """List the resources of a quota that leave no room for a job; pure."""
    cpu, memory = parse_quantity(site.job_cpu), parse_quantity(site.job_ram)
    needs = {
        "pods": 2.0,
        "cpu": cpu,
        "requests.cpu": cpu,
        "memory": memory,
        "requests.memory": memory,
        # of both containers of the job pod
        "limits.memory": 2 * parse_quantity(site.job_ram_limit),
        "limits.cpu": 2 * parse_quantity(site.job_cpu_limit),
        "persistentvolumeclaims": 1.0,
        "requests.storage": parse_quantity(site.volume_size),
        "secrets": 1.0,
        "configmaps": 1.0,
        "count/jobs.batch": 1.0,
    }
    used, hard = status.get("used", {}), status.get("hard", {})
    return [
        f"{resource}: {used.get(resource, '0')} of {hard[resource]} used"
        for resource, need in needs.items()
        if resource in hard and parse_quantity(used.get(resource, "0")) + need > parse_quantity(hard[resource])
    ]


def _find_class(cluster: Cluster, site: KubernetesSettings) -> str:
    try:
        classes = {item["metadata"]["name"]: item for item in cluster.find("StorageClass")}
    except ApiError:
        return "this account may not list storage classes; the smoke test below will show"
    marks = {name: item["metadata"].get("annotations") or {} for name, item in classes.items()}
    default = [name for name, mark in marks.items() if mark.get(_DEFAULT) == "true"]
    name = site.storage_class or next(iter(default), None)
    if name not in classes:
        there = ", ".join(sorted(classes)) or "none"
        raise EngineError(
            f"the storage class {name} does not exist" if name else "no storage class is the default",
            f"Set STORAGE_CLASS to one that offers {site.access_mode}; existing: {there}.",
            code="cluster.storage-class",
        )
    return f"{name}, which binds {classes[name].get('volumeBindingMode', 'Immediate')}"


def _run_smoke_test(installation: _Installation, storage: StorageProfile, destination: str | None) -> Iterator[Check]:
    """Run a job that does nothing: with a volume, with the images of job and steps, with everything that pods get."""
    site, examined = installation.site, installation.examined
    smoke = examined.open_smoke_test(installation.cluster, installation.names, destination)
    done = run_smoke_test(smoke, site, find_credentials(storage), installation.steps)
    error = done.error
    if done.bound:
        yield Check(True, "volume", "bound", f"{site.volume_size}, {site.access_mode}, is bound")
    yield from done.images
    yield from read_network(done.events)
    if error and not isinstance(error, StageOutError):
        expected = "a pod starts, with its images and its volume"
        about = examined.subjects.get(error.diagnosis.code or "", "smoke test")
        yield Check.refuse(about, error, expected)
        return
    yield from examined.describe(installation.cluster, installation.names, done.pods)
    yield Check(True, "images", "pulled", f"{site.image} and {site.step_image} are pulled")
    yield Check(True, "smoke test", "a pod has started, run and written", "a pod starts and writes to its volume")
    if error:
        yield Check.refuse(_STORE, error, _say_from_pod(destination))
    elif destination:
        yield Check(True, _STORE, "written and removed again", _say_from_pod(destination))


def _say_from_pod(destination: str | None) -> str:
    return f"{destination} is writable from a pod"


def _probe(destination: str, storage: StorageProfile) -> str:
    probe_destination(destination, storage, "doctor", "doctor")
    return "written and removed again"
