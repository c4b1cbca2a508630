"""What a cluster shows of one workflow at one moment, whoever started it: its nodes, pods, events, claims, controller.

Nothing is required but the pods: what the account may not read is named, and left out.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.engines.argo.server import ServerRoot
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest, Names
from zoo_runner.engines.kubernetes.owners import WORKFLOW_LABEL
from zoo_runner.engines.kubernetes.pod_judgement import Surroundings, list_claims
from zoo_runner.model.errors import RunnerError

_T = TypeVar("_T")
_CONTROLLER = "app=workflow-controller"
_LOG_LINES = 2000
_BAD = re.compile(r"level=\"?(warn|error|fatal)", re.IGNORECASE)


@dataclass(frozen=True)
class Subject:
    """What is looked at: a workflow of this name, or if `is_pod` a pod of this name that is of no workflow."""

    namespace: str
    name: str
    is_pod: bool = False


@dataclass(frozen=True)
class Evidence:
    """What was found: `workflow` is None where Argo has none of this name.

    `log` has the warnings of the controller about it; `unread` says what the account may not read.
    """

    subject: Subject
    workflow: Manifest | None = None
    pods: Sequence[Manifest] = ()
    around: Surroundings = field(default_factory=Surroundings)
    log: Sequence[str] = ()
    unread: Sequence[str] = ()


def find_subject(cluster: Cluster, namespace: str, name: str) -> Subject:
    """Return the workflow of a name, or that of the pod of this name."""
    pod = _find_pod(cluster, namespace, name)
    labels = (pod["metadata"].get("labels") or {}) if pod else {}
    owner = labels.get(WORKFLOW_LABEL) or labels.get(JOB_LABEL)
    return Subject(namespace, owner or name, is_pod=pod is not None and owner is None)


def _find_pod(cluster: Cluster, namespace: str, name: str) -> Manifest | None:
    try:
        return cluster.get("Pod", namespace, name)
    except ApiError:
        return None


def read_evidence(cluster: Cluster, argo: ArgoSettings, subject: Subject) -> Evidence:
    """Read all that the account may read. Raises `EngineError` if that is not even the pods."""
    reading = _Reading(cluster, argo, subject)
    workflow = None if subject.is_pod else reading.look("workflows", reading.read_workflow, None)
    pods = reading.find_pods()
    none: list[Manifest] = []
    around = Surroundings(
        reading.look("events", lambda: cluster.find("Event", subject.namespace), none),
        reading.look("nodes", cluster.find_nodes, none),
        reading.look("volume claims", lambda: reading.read_claims(pods), {}),
        time.time(),
    )
    log: list[str] = reading.look("the log of the workflow controller", reading.read_log, [])
    return Evidence(subject, workflow, pods, around, log, tuple(reading.unread))


class _Reading:
    """Reads what there is of a subject, and notes what may not be read."""

    def __init__(self, cluster: Cluster, argo: ArgoSettings, subject: Subject) -> None:
        self._cluster, self._argo, self._subject = cluster, argo, subject
        self.unread: list[str] = []

    def look(self, what: str, read: Callable[[], _T], otherwise: _T) -> _T:
        """Return what is read, or `otherwise` where that is refused."""
        try:
            return read()
        except RunnerError as error:
            self.unread.append(f"{what}: {error.diagnosis.cause}")
            return otherwise

    def read_workflow(self) -> Manifest | None:
        """Read the Workflow: through the Argo server where one is set, which has the archived and offloaded too."""
        namespace, name = self._subject.namespace, self._subject.name
        if self._argo.server:
            try:
                return ServerRoot(self._argo, Names(namespace, name)).get()
            except RunnerError as error:
                self.unread.append(f"the Argo server: {error.diagnosis.cause}")
        return self._cluster.get("Workflow", namespace, name)

    def find_pods(self) -> list[Manifest]:
        """List the pods of the workflow, and of the steps that its pods start."""
        namespace, name = self._subject.namespace, self._subject.name
        if self._subject.is_pod:
            pod = self._cluster.get("Pod", namespace, name)
            return [pod] if pod else []
        found = {
            pod["metadata"]["uid"]: pod
            for label in (WORKFLOW_LABEL, JOB_LABEL)
            for pod in self._cluster.find("Pod", namespace, f"{label}={name}")
        }
        return sorted(found.values(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def read_claims(self, pods: Sequence[Manifest]) -> dict[str, Manifest]:
        """Read the volume claims that the pods mount."""
        names = {name for pod in pods for name in list_claims(pod)}
        every = self._cluster.find("PersistentVolumeClaim", self._subject.namespace) if names else []
        return {one["metadata"]["name"]: one for one in every if one["metadata"]["name"] in names}

    def read_log(self) -> list[str]:
        """Read the newest warnings of the workflow controller about the workflow, where it runs as a pod."""
        name = re.compile(rf"\b{re.escape(self._subject.name)}\b")
        lines: list[str] = []
        for pod in self._cluster.find("Pod", None, _CONTROLLER):
            meta = pod["metadata"]
            lines += self._cluster.read_last_lines(meta["namespace"], meta["name"], _LOG_LINES)
        return [line for line in lines if _BAD.search(line) and name.search(line)][-5:]
