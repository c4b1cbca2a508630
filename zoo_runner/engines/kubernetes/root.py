"""The root object of a job: it starts the job's pod and owns all other objects of the job."""

from dataclasses import dataclass
from typing import Any, Protocol

from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names

_DISMISSED = "zoo-runner/dismissed"


class Root(Protocol):
    """What an engine does with the root object of one job."""

    kind: str

    def create(self, manifest: Manifest) -> Manifest:
        """Create it, suspended, or adopt an existing one of its name."""
        ...

    def get(self) -> Manifest | None:
        """Read it; None if it does not exist."""
        ...

    def release(self) -> Manifest | None:
        """Resume it, so that it starts the job's pod, and return what it is then; None if that is not known."""
        ...

    def dismiss(self) -> None:
        """Stop it for good; one that does not exist is no error."""
        ...

    def delete(self) -> None:
        """Delete it with everything that it owns; one that does not exist is no error."""
        ...


class ClusterRoot:
    """A root object that is reached through the Kubernetes API; `stopped` is the part of its spec that stops it."""

    def __init__(self, cluster: Cluster, kind: str, names: Names, stopped: Manifest) -> None:
        self.kind = kind
        self._cluster, self._names = cluster, names
        self._dismissal: dict[str, Any] = {"metadata": {"annotations": {_DISMISSED: "true"}}, "spec": stopped}

    def create(self, manifest: Manifest) -> Manifest:
        """Create it, suspended, or adopt an existing one of its name."""
        return self._cluster.create(manifest)

    def get(self) -> Manifest | None:
        """Read it; None if it does not exist."""
        return self._cluster.get(self.kind, self._names.namespace, self._names.job)

    def release(self) -> Manifest | None:
        """Resume it, so that it starts the job's pod, and return what it is then; None if it does not exist."""
        return self._patch({"spec": {"suspend": False}})

    def dismiss(self) -> None:
        """Stop it for good; one that does not exist is no error."""
        self._patch(self._dismissal)

    def delete(self) -> None:
        """Delete it with everything that it owns; one that does not exist is no error."""
        self._cluster.delete(self.kind, self._names.namespace, self._names.job)

    def _patch(self, change: Manifest) -> Manifest | None:
        return self._cluster.patch(self.kind, self._names.namespace, self._names.job, change)


@dataclass(frozen=True)
class ClusterJob:
    """One job on a cluster: its names, its root object, and the access to everything else of it."""

    cluster: Cluster
    names: Names
    root: Root


def is_dismissed(root: Manifest | None) -> bool:
    """Whether a root object was stopped for good; one that does not exist was not.

    A Job is also suspended before its start, so that only the annotation shows a dismissal. A Workflow may have been
    terminated by others.
    """
    if root is None:
        return False
    return _DISMISSED in (root["metadata"].get("annotations") or {}) or "shutdown" in root["spec"]
