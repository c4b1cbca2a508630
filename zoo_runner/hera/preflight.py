"""What a workflow needs, checked before it is submitted: each check returns what it found, or raises what to do.

The same checks are assertions for scripts and the lines of `zoo-runner hera check`.
"""

import base64
import binascii
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest, Names, build_meta
from zoo_runner.engines.kubernetes.preflight import NO_PROGRAM, name_probe, pull_images
from zoo_runner.engines.kubernetes.protections import UNKNOWN, is_unknown
from zoo_runner.engines.kubernetes.scheduling import describe_largest, judge_unschedulable
from zoo_runner.engines.kubernetes.volumes import FIRST_CONSUMER
from zoo_runner.engines.protocol import Check
from zoo_runner.hera.argo_server import ArgoServer, Workflow
from zoo_runner.hera.configuration import HeraConfiguration
from zoo_runner.hera.needs import Needs, list_needs
from zoo_runner.hera.tokens import Tokens, open_cluster
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, UserSettingsError

T = TypeVar("T")

# such as KUBEVOLUMECLAIMNAME, VOLUME_CLAIM, pvc-name
_CLAIM_VARIABLE = re.compile(r"(?i)volume_?claim(_?name)?$|(^|[_-])pvc([_-]?name)?$")

_SHORT_SECONDS = 300.0
_PROBE_SECONDS = 600
# what the executor does in the pods of a workflow (Argo Workflows, "Workflow RBAC")
_EXECUTOR_VERBS = ("create", "patch")


class Preflight:
    """The checks of one configuration. Each raises `EngineError` or `SettingsError`, with a code and the remedy.

    >>> Preflight(configuration).assert_volume_claim("my-claim")  # doctest: +SKIP
    'Bound, 10Gi, ReadWriteMany'
    """

    def __init__(self, configuration: HeraConfiguration) -> None:
        self._configuration = configuration
        self._namespace = configuration.get("ARGO_NAMESPACE")
        self._opened: Cluster | None = None
        self._tokens = Tokens(configuration)

    def assert_cluster(self) -> str:
        """Check that the Kubernetes API answers to the kubeconfig."""
        return f"Kubernetes {self._cluster.read_version()}"

    def assert_nodes(self) -> str:
        """Check that a node is ready, if the account may see nodes."""
        nodes = _read(lambda: self._cluster.find_nodes())
        if nodes is None:
            return UNKNOWN
        ready = [node for node in nodes if _find_condition(node, "Ready") == "True"]
        if not ready:
            raise EngineError(
                f"none of {len(nodes)} nodes is ready",
                "Ask the cluster's operator; `kubectl get nodes` shows them.",
                level=Level.PLATFORM,
                code="cluster.unschedulable",
            )
        return f"{len(ready)} of {len(nodes)} ready"

    def assert_namespace(self) -> str:
        """Check that the namespace exists and its pods can be listed."""
        found = _read(lambda: [self._cluster.get("Namespace", "", self._namespace)])
        if found == [None]:
            raise EngineError(
                f"the namespace {self._namespace} does not exist",
                "Correct ARGO_NAMESPACE; the web page of Argo shows it.",
                level=Level.USER,
                code="cluster.not-found",
            )
        pods = self._cluster.find("Pod", self._namespace)
        return f"{self._namespace}, {len(pods)} pods"

    def assert_argo_server(self) -> str:
        """Check that the Argo server answers, accepts the token and lists the workflows of the namespace."""
        server = ArgoServer(self._configuration, self._tokens)
        try:
            return f"Argo {server.read_version()}, {len(server.find())} workflows"
        finally:
            server.close()

    def assert_token(self) -> str:
        """Check that the token for the Argo server does not end soon; one that is no JWT says nothing of that."""
        ends = read_end(self._tokens())
        if ends is None:
            return "does not say when it ends"
        left = ends - time.time()
        if left < _SHORT_SECONDS:
            raise UserSettingsError(
                f"the token for the Argo server {'ended' if left < 0 else 'ends in'} {abs(left):.0f} s"
                + " ago" * (left < 0),
                "Set ARGO_TOKEN to a new token, or unset it to have one requested and renewed.",
                code="engine.argo-login",
            )
        return f"valid for {left / 60:.0f} minutes"

    def assert_service_account(self, name: str = "") -> str:
        """Check that a service account exists; by default the one of the configuration."""
        name = name or self._configuration.get("ARGO_SERVICE_ACCOUNT")
        if not name:
            return "that of the namespace"
        self._find(
            "ServiceAccount", name, "cluster.service-account", "Correct ARGO_SERVICE_ACCOUNT, or ask the operator."
        )
        return name

    def assert_executor(self, name: str = "") -> str:
        """Check that a service account may do what Argo's executor does in the pods of a workflow."""
        name = name or self._configuration.get("ARGO_SERVICE_ACCOUNT") or "default"
        missing = [verb for verb in _EXECUTOR_VERBS if _read(partial(self._may, name, verb)) is False]
        if missing:
            raise EngineError(
                f"the service account {name} may not {' and '.join(missing)} workflowtaskresults in {self._namespace}",
                "Grant it; the role `executor` of Argo Workflows has these permissions.",
                code="engine.executor-permission",
            )
        return name

    def assert_volume_claim(self, name: str = "") -> str:
        """Check that a volume claim exists and has its volume, or gets it with its first pod."""
        name = name or self._configuration.get("KUBEVOLUMECLAIMNAME")
        claim = self._find(
            "PersistentVolumeClaim", name, "cluster.volume", "Correct KUBEVOLUMECLAIMNAME, or create it."
        )
        status, spec = claim.get("status") or {}, claim.get("spec") or {}
        if status.get("phase") == "Bound":
            size = (status.get("capacity") or {}).get("storage", "")
            return f"Bound, {size}, {', '.join(status.get('accessModes') or [])}"
        if status.get("phase") == "Pending" and self._waits_for_pod(str(spec.get("storageClassName") or "")):
            return "Pending, it gets its volume with its first pod"
        events = _read(lambda: self._cluster.find("Event", self._namespace)) or []
        said = [str(one.get("message")) for one in events if one.get("involvedObject", {}).get("name") == name]
        raise EngineError(
            f"the volume claim {name} is {status.get('phase')}: it has no volume",
            "Check its storage class, size and access mode; ask the operator for a volume.",
            evidence=tuple(said[-1:]),
            code="cluster.volume",
        )

    def assert_configmap(self, name: str = "", *keys: str) -> str:
        """Check that a ConfigMap exists and has some keys."""
        name = name or self._configuration.get("KUBECONFIGMAP")
        found = self._find("ConfigMap", name, "cluster.not-found", "Correct KUBECONFIGMAP, or create it.")
        data = found.get("data") or {}
        if missing := [key for key in keys if key not in data]:
            raise EngineError(
                f"the ConfigMap {name} in namespace {self._namespace} has no {missing[0]}",
                f"It has: {', '.join(sorted(data)) or 'nothing'}.",
                level=Level.USER,
                code="cluster.not-found",
            )
        return f"{len(data)} values"

    def assert_environment(self, name: str = "") -> str:
        """Check the ConfigMap with the environment of the cluster: each volume claim that it names is there.

        Where it names one, and the configuration names one too, it is the same; of several, one may be for a cache.
        """
        name = name or self._configuration.get("KUBECONFIGMAP")
        about = self.assert_configmap(name)
        data = (self._cluster.get("ConfigMap", self._namespace, name) or {}).get("data") or {}
        named = list_named_claims(data)
        note = judge_named_claims(named, self._configuration.get("KUBEVOLUMECLAIMNAME"), name)
        for claim in dict.fromkeys(named.values()):
            self.assert_volume_claim(claim)
        return f"{about}, names {', '.join(dict.fromkeys(named.values())) or 'no volume claim'}{note}"

    def assert_secret(self, name: str) -> str:
        """Check that a Secret exists, if the account may see it; its values are not read by anything here."""
        found = _read(lambda: self._find("Secret", name, "cluster.not-found", "Correct its name, or create it."))
        return UNKNOWN if found is None else f"{len(found.get('data') or {})} values"

    def assert_sizes(self, workflow: Workflow) -> str:
        """Check that each pod of a workflow fits a node, if the account may see nodes."""
        nodes = _read(lambda: self._cluster.find_nodes())
        if nodes is None:
            return UNKNOWN
        for pod in list_needs(workflow).pods:
            if failure := judge_unschedulable(pod, "", nodes):
                raise failure
        return f"the largest node has {describe_largest(nodes)}"

    def assert_images(self, workflow: Workflow) -> str:
        """Check that the nodes can pull the images of a workflow, with its pull secrets and service account.

        Pods that run nothing ask for them; this account needs to create, watch and delete pods.
        """
        needs = list_needs(workflow)
        names = Names(self._namespace, f"hera-check-{uuid.uuid4().hex[:8]}")
        pods = {
            image: self._build_probe(names, number, image, needs) for number, image in enumerate(sorted(needs.images))
        }
        for image, failure in pull_images(self._cluster, names, pods):
            if failure:
                found = failure.diagnosis
                raise EngineError(
                    f"the nodes cannot pull the image {image} of template {needs.images[image]!r}",
                    "Correct its name; if the registry wants a login, add a pull secret to the service account.",
                    evidence=found.evidence or (found.cause,),
                    level=Level.USER,
                    code=found.code,
                )
        return f"{len(pods)} pulled"

    def _build_probe(self, names: Names, number: int, image: str, needs: Needs) -> Manifest:
        account = needs.account or self._configuration.get("ARGO_SERVICE_ACCOUNT") or "default"
        container = {"name": "image", "image": image, "command": NO_PROGRAM}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": build_meta(name_probe(names, number), names, labels={JOB_LABEL: names.job}),
            "spec": {
                "restartPolicy": "Never",
                "activeDeadlineSeconds": _PROBE_SECONDS,
                "serviceAccountName": account,
                "automountServiceAccountToken": False,
                "imagePullSecrets": [dict(one) for one in needs.pull_secrets],
                "containers": [container],
            },
        }

    def list_workflow_checks(self, workflow: Workflow) -> Iterator[Check]:
        """Check what a workflow needs besides: what it mounts and reads, the sizes of its pods, its images."""
        needs = list_needs(workflow)
        for about, names, look in (
            ("volume claim", needs.claims, self.assert_volume_claim),
            ("ConfigMap", needs.configmaps, self.assert_configmap),
            ("Secret", needs.secrets, self.assert_secret),
        ):
            for name in names:
                yield Check.run(f"{about} {name}", partial(look, name), "it exists")
        yield Check.run("sizes", lambda: self.assert_sizes(workflow), "each pod fits a node")
        yield Check.run("images", lambda: self.assert_images(workflow), "the nodes can pull them")

    def list_checks(self) -> Iterator[Check]:
        """Make all checks that the configuration has values for; what builds on one that failed is left out."""
        yield (cluster := Check.run("cluster", self.assert_cluster, "the API answers"))
        if not cluster.ok:
            return
        yield Check.run("nodes", self.assert_nodes, "a node is ready")
        yield (namespace := Check.run("namespace", self.assert_namespace, "it exists, and its pods can be listed"))
        if namespace.ok:
            for about, look, expected in self._list_rows():
                yield Check.run(about, look, expected)
        yield (token := Check.run("token", self.assert_token, "valid for five minutes"))
        if token.ok:
            yield Check.run("Argo server", self.assert_argo_server, "it lists the workflows of the namespace")

    def _list_rows(self) -> Iterator[tuple[str, Callable[[], str], str]]:
        yield "service account", self.assert_service_account, "it exists"
        yield "executor", self.assert_executor, "the account may report the results of nodes"
        if self._configuration.get("KUBEVOLUMECLAIMNAME"):
            yield "volume claim", self.assert_volume_claim, "it exists, and has a volume"
        if self._configuration.get("KUBECONFIGMAP"):
            yield "ConfigMap", self.assert_environment, "it exists, and names no other volume claim"

    @property
    def _cluster(self) -> Cluster:
        self._opened = self._opened or open_cluster(self._configuration)
        return self._opened

    def _find(self, kind: str, name: str, code: str, remedy: str) -> Manifest:
        if not name:
            raise UserSettingsError(f"no name of a {kind} is given", remedy)
        found = self._cluster.get(kind, self._namespace, name)
        if found is None:
            raise EngineError(
                f"the {kind} {name} does not exist in namespace {self._namespace}", remedy, level=Level.USER, code=code
            )
        return found

    def _waits_for_pod(self, storage_class: str) -> bool:
        found = _read(lambda: self._cluster.get("StorageClass", "", storage_class)) if storage_class else None
        return found is not None and found.get("volumeBindingMode") == FIRST_CONSUMER

    def _may(self, account: str, verb: str) -> bool:
        """Whether a service account may do something to workflowtaskresults (LocalSubjectAccessReview)."""
        resource = {"group": "argoproj.io", "resource": "workflowtaskresults", "verb": verb}
        spec = {
            "user": f"system:serviceaccount:{self._namespace}:{account}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{self._namespace}"],
            "resourceAttributes": {"namespace": self._namespace, **resource},
        }
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview"}
        answer = self._cluster.create({**review, "metadata": {"namespace": self._namespace}, "spec": spec})
        return bool(answer["status"]["allowed"])


def list_named_claims(data: Mapping[str, str]) -> dict[str, str]:
    """List the volume claims that an environment names, by the variables that do; pure.

    >>> list_named_claims({"HTTP_PROXY": "proxy", "PVC_NAME": "data"})
    {'PVC_NAME': 'data'}
    """
    return {key: text.strip() for key, text in sorted(data.items()) if _CLAIM_VARIABLE.search(key) and text.strip()}


def judge_named_claims(named: Mapping[str, str], wanted: str, name: str) -> str:
    """Compare the claims that the ConfigMap `name` names by variable with that of the configuration; pure.

    Return what is odd and may be meant, as the end of a line; empty where nothing is. Raises `EngineError`.

    >>> judge_named_claims({"CACHE_PVC": "cache", "PVC_NAME": "data"}, "data", "environment")
    ''
    """
    claims = dict.fromkeys(named.values())
    if not wanted or not claims or wanted in claims:
        return ""
    if len(claims) > 1:
        return f"; none of them is {wanted}, which KUBEVOLUMECLAIMNAME names"
    key, claim = next(iter(named.items()))
    raise EngineError(
        f"the ConfigMap {name} names the volume claim {claim!r} ({key}), and the configuration {wanted!r}",
        f"Set KUBEVOLUMECLAIMNAME={claim}, or correct {key} of the ConfigMap.",
        level=Level.USER,
        code="cluster.volume",
    )


def read_end(token: str) -> float | None:
    """Return when a token ends, in seconds since 1970 (RFC 7519, `exp`); None for one that does not say it; pure."""
    try:
        _, payload, _ = token.split(".")
        return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None


def _find_condition(item: Manifest, kind: str) -> str:
    conditions = item.get("status", {}).get("conditions") or []
    return next((str(one["status"]) for one in conditions if one["type"] == kind), "")


def _read(look: Callable[[], T]) -> T | None:
    """Return what is found; None where this account may not look, which is no finding."""
    try:
        return look()
    except ApiError as error:
        if is_unknown(error):
            return None
        raise
