"""The pod that reads a volume: the Job that starts it, and what is known of it until it can be asked.

What reads an artifact (`artifact_pod`) runs the same program, and is waited for in the same way.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pods import find_start_failure
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

PORT = 8080
MOUNT = "/volume"
_IDLE_SECONDS = 120
_PENDING_SECONDS = 300.0
# a Job whose caller is lost ends by itself, and Kubernetes removes it
_LEFT_SECONDS = 60
_SELECTOR = "batch.kubernetes.io/job-name"


class Reader(Protocol):
    """What a pod reads, and with which image; `what` names it in messages."""

    @property
    def namespace(self) -> str: ...  # noqa: D102

    @property
    def image(self) -> str: ...  # noqa: D102

    @property
    def what(self) -> str: ...  # noqa: D102

    def find_place(self, path: str) -> str:
        """Return where a file goes in a folder of downloads."""
        ...

    def find_source(self, path: str, version: str, /) -> str:
        """Return what identifies the content of a file; `version` is that of the file in the pod."""
        ...


@dataclass(frozen=True)
class ReaderPod:
    """How a pod reads a claim: an image with python3, an account, and the security context of those who wrote there."""

    namespace: str
    claim: str
    image: str
    account: str = ""
    security: dict[str, Any] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """Return what is read, for messages."""
        return f"volume claim {self.claim}"

    def find_place(self, path: str) -> str:
        """Return where a file of the volume goes in a folder of downloads."""
        return f"volumes/{self.claim}/{path}"

    def find_source(self, path: str, version: str) -> str:
        """Return what identifies the content of a file: it changes when the file is written."""
        return f"{self.claim}@{version}"


@dataclass(frozen=True)
class Running:
    """A pod that can be asked, and the word that requests carry."""

    pod: str
    token: str = field(repr=False)


@contextmanager
def running_reader(cluster: Cluster, reader: ReaderPod) -> Iterator[Running]:
    """Have a pod that reads a claim while the block runs.

    Raises `EngineError` if the claim does not exist or the pod does not start.
    """
    if cluster.get("PersistentVolumeClaim", reader.namespace, reader.claim) is None:
        raise EngineError(
            f"the volume claim {reader.claim} does not exist in namespace {reader.namespace}",
            "Check KUBEVOLUMECLAIMNAME. If Argo created it for the workflow, Argo has deleted it with its end; set"
            " `volumeClaimGC`, or write the results to an artifact or an existing claim.",
            level=Level.USER,
            code="cluster.volume",
        )
    name, token = name_reader(), secrets.token_urlsafe(32)
    cluster.create(build_reader(reader, name, token))
    try:
        yield Running(wait_until_ready(cluster, reader, f"{_SELECTOR}={name}"), token)
    finally:
        cluster.delete("Job", reader.namespace, name, 0)


def name_reader() -> str:
    """Name a new pod that reads."""
    return f"zoo-runner-results-{secrets.token_hex(4)}"


def build_container(image: str, token: str) -> dict[str, Any]:
    """Build the container that answers for what is mounted at `MOUNT`; it has the checksum of the token only; pure."""
    program = (Path(__file__).parent / "volume_server.py").read_text(encoding="utf-8")
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {
        "image": image,
        "command": ["python3", "-I", "-c", program, MOUNT, str(PORT), str(_IDLE_SECONDS), digest],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
    }


def build_reader(reader: ReaderPod, name: str, token: str) -> Manifest:
    """Build the Job that reads a volume; pure."""
    security: dict[str, Any] = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    if reader.security.get("runAsNonRoot"):
        security |= {"capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "main",
        **build_container(reader.image, token),
        "securityContext": security,
        "volumeMounts": [{"name": "volume", "mountPath": MOUNT, "readOnly": True}],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, **reader.security},
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": reader.claim, "readOnly": True}}],
        **({"serviceAccountName": reader.account} if reader.account else {}),
    }
    labels = {"app.kubernetes.io/name": "zoo-runner-results"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": reader.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _LEFT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def wait_until_ready(cluster: Cluster, reader: Reader, selector: str) -> str:
    """Wait until the pod with these labels is ready, and return its name; raises `EngineError`."""
    seen: list[str] = []

    def choose(pod: Manifest) -> str | None:
        if reason := read_reason(pod):
            seen.append(reason)
        return read_ready(pod, reader)

    try:
        return cluster.wait_for("Pod", reader.namespace, selector, choose, _PENDING_SECONDS)
    except TimeoutError as error:
        raise EngineError(
            f"the pod that reads the {reader.what} did not start within {_PENDING_SECONDS:g} s",
            "Look at the evidence; `zoo-runner diagnose` describes pods.",
            evidence=tuple(seen[-1:]),
            code="results.reader",
        ) from error


def read_ready(pod: Manifest, reader: Reader) -> str | None:
    """Return the name of the pod once it is ready; raises `EngineError` if it never will be; pure."""
    if failure := find_start_failure(pod):
        found = failure.diagnosis
        raise EngineError(
            f"the pod that reads the {reader.what} cannot start with the image {reader.image}",
            "Set KUBE_RESULTS_IMAGE to an image with python3 that the cluster can pull.",
            evidence=found.evidence,
            code="results.reader",
        )
    status = pod.get("status") or {}
    if status.get("phase") in ("Failed", "Succeeded"):
        raise EngineError(
            f"the pod that reads the {reader.what} ended at once",
            "Set KUBE_RESULTS_IMAGE to an image with python3, 3.8 or newer.",
            evidence=(str(status.get("message") or read_reason(pod)),),
            code="results.reader",
        )
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or []}
    return str(pod["metadata"]["name"]) if conditions.get("Ready") == "True" else None


def read_reason(pod: Manifest) -> str:
    """Return why a pod is not ready, as its status says; empty if it does not say."""
    status = pod.get("status") or {}
    for one in status.get("containerStatuses") or []:
        for state in (one.get("state") or {}).values():
            if reason := state.get("reason"):
                return f"{reason}: {state.get('message') or state.get('exitCode', '')}".rstrip(": ")
    conditions = [one for one in status.get("conditions") or [] if one["status"] == "False" and one.get("message")]
    return f"{conditions[0].get('reason', '')}: {conditions[0]['message']}" if conditions else ""
