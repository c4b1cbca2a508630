"""The pod that reads an artifact: a workflow of one node that Argo gives it as its input.

The Argo server answers no ranges; this way a download that broke off goes on where it broke, and the keys of the
artifact repository stay in the cluster. Source: Argo Workflows, "Field Reference" (Artifact, Template).
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from zoo_runner.engines.argo.results.download import Take
from zoo_runner.engines.argo.results.folder import ResultsFolder
from zoo_runner.engines.argo.results.listing import Artifact
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.hera.argo_server import ArgoServer, Workflow
from zoo_runner.hera.results.listing import find_security
from zoo_runner.hera.results.reader_pod import (
    MOUNT,
    Running,
    build_container,
    name_reader,
    wait_until_ready,
)
from zoo_runner.hera.results.volume import Volume
from zoo_runner.model.errors import EngineError

_NAME = "artifact"
_SELECTOR = "workflows.argoproj.io/workflow"
_LEFT_SECONDS = 60
# of an output artifact, what says how it was made and not where it lies
_OF_OUTPUT = ("name", "path", "from", "fromExpression", "archive", "artifactGC", "deleted", "mode", "recurseMode")


@dataclass(frozen=True)
class ArtifactPod:
    """How a pod reads an artifact: with an image that has python3, as the user of the workflow that wrote it."""

    namespace: str
    artifact: Artifact
    location: dict[str, Any] = field(repr=False)
    image: str
    repository: dict[str, Any] | None = None
    security: dict[str, Any] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """Return what is read, for messages."""
        return f"artifact {self.artifact.name} of node {self.artifact.node}"

    def find_place(self, path: str) -> str:
        """Return where the artifact, or a file of it, goes in a folder of downloads."""
        return self.artifact.path + path.removeprefix(_NAME)

    def find_source(self, path: str, _version: str) -> str:
        """Return what identifies the content of a file: the same whichever pod reads it, each its own copy."""
        return self.artifact.source + path.removeprefix(_NAME)


def download_by_pod(server: ArgoServer, cluster: Cluster, pod: ArtifactPod, folder: ResultsFolder, take: Take) -> None:
    """Download an artifact, a folder file by file, and call `take` with each file when it is there.

    Files that are there and intact are not fetched again; one that was left unfinished is continued. Raises
    `EngineError`.
    """
    if stored := folder.find_stored(pod.artifact.path, pod.artifact.source):
        take(stored)
        return
    with running_artifact_reader(server, cluster, pod) as running:
        volume = Volume(cluster, pod, running)
        for file in volume.list_files(_NAME):
            take(volume.download(file, folder))


def find_artifact_pod(workflow: Workflow, artifact: Artifact, image: str) -> ArtifactPod:
    """Find how a pod reads an artifact of a workflow; raises `EngineError` where it does not say where that lies."""
    outputs = workflow["status"]["nodes"][artifact.node_id].get("outputs") or {}
    written = next(one for one in outputs["artifacts"] if one["name"] == artifact.name)
    location = {name: value for name, value in written.items() if name not in _OF_OUTPUT}
    if not location:
        raise EngineError(
            f"the workflow does not say where the artifact {artifact.name} of node {artifact.node} lies",
            "Download it through the Argo server: leave --by-pod out.",
            code="results.artifact",
        )
    status = workflow["status"].get("artifactRepositoryRef") or {}
    # the name of a ConfigMap; what the status has beside it was read from there
    repository = {name: status[name] for name in ("configMap", "key") if status.get(name)} or None
    security = find_security(workflow)
    return ArtifactPod(str(workflow["metadata"]["namespace"]), artifact, location, image, repository, security)


def build_artifact_reader(pod: ArtifactPod, name: str, token: str) -> Workflow:
    """Build the workflow whose only node gets the artifact as it is, and answers for it; pure."""
    # of an archive its bytes, as the Argo server gives them; whoever the pod runs as may read it
    as_it_is = {"archive": {"none": {}}, "mode": 0o755, "recurseMode": True}
    given = {"name": _NAME, "path": f"{MOUNT}/{_NAME}", **as_it_is, **pod.location}
    container = {**build_container(pod.image, token), "securityContext": {"allowPrivilegeEscalation": False}}
    template = {"name": "read", "inputs": {"artifacts": [given]}, "container": container}
    spec: dict[str, Any] = {
        "entrypoint": "read",
        "templates": [template],
        "ttlStrategy": {"secondsAfterCompletion": _LEFT_SECONDS},
        "podMetadata": {"labels": {"app.kubernetes.io/name": "zoo-runner-results"}},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, **pod.security},
    }
    if pod.repository:
        spec["artifactRepositoryRef"] = pod.repository
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": pod.namespace},
        "spec": spec,
    }


@contextmanager
def running_artifact_reader(server: ArgoServer, cluster: Cluster, pod: ArtifactPod) -> Iterator[Running]:
    """Have a pod that reads an artifact while the block runs; raises `EngineError` if it does not start."""
    name, token = name_reader(), secrets.token_urlsafe(32)
    server.create(build_artifact_reader(pod, name, token))
    try:
        yield Running(_wait(cluster, pod, name), token)
    finally:
        server.delete(name)


def _wait(cluster: Cluster, pod: ArtifactPod, name: str) -> str:
    try:
        return wait_until_ready(cluster, pod, f"{_SELECTOR}={name}")
    except EngineError as error:
        for started in cluster.find("Pod", pod.namespace, f"{_SELECTOR}={name}"):
            if failure := find_failure(started, pod):
                raise failure from error
        raise


def find_failure(started: Manifest, pod: ArtifactPod) -> EngineError | None:
    """Find why Argo could not give a pod the artifact; None where that is not what failed; pure."""
    # the container that fetches artifacts is Argo's own
    for one in started.get("status", {}).get("initContainerStatuses") or []:
        ended = one.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            said = str(ended.get("message") or f"{one['name']}: exit code {ended['exitCode']}")
            return EngineError(
                f"Argo cannot read the {pod.what}",
                "Check that it still is in the artifact repository, and that the account of the workflow may read it.",
                evidence=tuple(said.strip().splitlines()[-3:]),
                code="results.artifact",
            )
    return None
