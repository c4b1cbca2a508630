"""What a workflow has left: artifacts, and the volume claims that its pods mounted; pure.

Source: Argo Workflows, "Field Reference" (NodeStatus, Artifact), and Kubernetes API v1 (Volume).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.hera.argo_server import Workflow, read_phase
from zoo_runner.hera.nodes import list_outputs
from zoo_runner.model.errors import SettingsError
from zoo_staging.names import safe_name, unique_name

_LOCATIONS = ("s3", "gcs", "azure", "oss", "hdfs", "artifactory", "http", "git", "raw", "plugin")


@dataclass(frozen=True)
class Artifact:
    """An output artifact of a node; `path` is where it is downloaded to, within a folder.

    `deleted`: Argo has removed it from its repository (artifact garbage collection).
    """

    node: str
    node_id: str
    name: str
    path: str
    finished: str
    deleted: bool = False

    @property
    def source(self) -> str:
        """Return what identifies its content: it changes when the node runs again."""
        return f"{self.node_id}/{self.name}/{self.finished}"

    def describe(self) -> dict[str, object]:
        """Return it as JSON-like data."""
        return {name: value for name, value in asdict(self).items() if name != "finished"}


def list_artifacts(workflow: Workflow) -> tuple[Artifact, ...]:
    """List the output artifacts of all nodes, in the order in which the nodes began.

    One that a step passes on as its own output is listed once, at the node that wrote it.
    """
    taken: set[str] = set()
    known: set[str] = set()
    return tuple(_read_artifacts(workflow, known, taken))


def _read_artifacts(workflow: Workflow, known: set[str], taken: set[str]) -> Iterator[Artifact]:
    for node_id, node in _list_nodes(workflow):
        for one in (node.get("outputs") or {}).get("artifacts") or []:
            key = _find_key(one)
            if key and key in known:
                continue
            known.add(key)
            name = str(one["name"])
            shown = safe_name(str(node.get("displayName") or node_id))
            path = unique_name(f"{shown}/{safe_name(name)}{_find_suffix(key)}", taken)
            finished, deleted = str(node.get("finishedAt") or ""), bool(one.get("deleted"))
            yield Artifact(str(node.get("displayName") or node_id), node_id, name, path, finished, deleted)


def _list_nodes(workflow: Workflow) -> list[tuple[str, dict[str, Any]]]:
    nodes = ((workflow.get("status") or {}).get("nodes") or {}).items()
    # pods first, since steps repeat the artifacts of their pods as their own
    return sorted(nodes, key=lambda one: (one[1].get("type") != "Pod", str(one[1].get("startedAt") or ""), one[0]))


def _find_key(artifact: dict[str, Any]) -> str:
    places = (artifact.get(kind) or {} for kind in _LOCATIONS)
    return next((str(place["key"]) for place in places if place.get("key")), "")


def _find_suffix(key: str) -> str:
    suffixes = PurePosixPath(key).suffixes[-2:]
    return "".join(suffixes) if len("".join(suffixes)) <= 16 else ""


@dataclass(frozen=True, order=True)
class Mount:
    """Where containers see a volume, and which folder of it, if not the whole."""

    path: str
    folder: str = ""


@dataclass(frozen=True)
class Claim:
    """A persistent volume claim that a workflow mounts."""

    name: str
    mounts: tuple[Mount, ...] = ()

    def describe(self) -> dict[str, object]:
        """Return it as JSON-like data."""
        return asdict(self)

    def find_path(self, path: str) -> str:
        """Return the path on the volume for one as containers see it; a relative path is that already.

        >>> Claim("data", (Mount("/mnt", "results"),)).find_path("/mnt/map.tif")
        'results/map.tif'

        Raises `SettingsError` for a path that is in no mount.
        """
        if not path.startswith("/"):
            return path
        for mount in sorted(self.mounts, key=lambda one: len(one.path), reverse=True):
            if PurePosixPath(path).is_relative_to(mount.path):
                return str(mount.folder / PurePosixPath(path).relative_to(mount.path))
        mounted = ", ".join(one.path for one in self.mounts) or "nowhere"
        raise SettingsError(
            f"{path} is in no mount of volume claim {self.name}",
            f"The workflow mounts it at: {mounted}. A relative path is one on the volume.",
        )


def choose_claim(workflow: Workflow, name: str) -> Claim:
    """Return the claim with a name, which the workflow need not mount; without a name, the only one that it mounts.

    Raises `SettingsError` where there are none or several.
    """
    claims = list_claims(workflow)
    if name:
        return next((one for one in claims if one.name == name), Claim(name))
    if len(claims) == 1:
        return claims[0]
    names = ", ".join(one.name for one in claims) or "none"
    raise SettingsError(f"which volume claim? The workflow mounts {names}", "Name it with --claim.")


def list_claims(workflow: Workflow) -> tuple[Claim, ...]:
    """List the volume claims of a workflow, those included that Argo created for it and has not deleted."""
    spec = _read_spec(workflow)
    volumes = [*(spec.get("volumes") or []), *((workflow.get("status") or {}).get("persistentVolumeClaims") or [])]
    for template in _list_templates(spec):
        volumes += template.get("volumes") or []
    claims = {
        str(one["name"]): str(one["persistentVolumeClaim"]["claimName"])
        for one in volumes
        if one.get("persistentVolumeClaim")
    }
    mounts = _list_mounts(spec)
    return tuple(
        Claim(name, tuple(sorted({mount for volume, mount in mounts if claims.get(volume) == name})))
        for name in dict.fromkeys(claims.values())
    )


def _read_spec(workflow: Workflow) -> dict[str, Any]:
    """Return the spec that ran; that of a workflow from a template is stored in its status."""
    stored = (workflow.get("status") or {}).get("storedWorkflowTemplateSpec")
    return {**(stored or {}), **(workflow.get("spec") or {})}


def _list_templates(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in spec.get("templates") or [] if isinstance(one, dict)]


def _list_mounts(spec: dict[str, Any]) -> list[tuple[str, Mount]]:
    containers: list[dict[str, Any]] = []
    for template in _list_templates(spec):
        containers += [template[kind] for kind in ("container", "script") if template.get(kind)]
        containers += (template.get("containerSet") or {}).get("containers") or []
    mounts = [mount for one in containers for mount in one.get("volumeMounts") or []]
    return [(str(one["name"]), Mount(str(one["mountPath"]), str(one.get("subPath") or ""))) for one in mounts]


def find_security(workflow: Workflow) -> dict[str, Any]:
    """Return the security context of a workflow's pods; empty if it has none."""
    return dict(_read_spec(workflow).get("securityContext") or {})


def describe_results(workflow: Workflow) -> dict[str, object]:
    """Return parameters, artifacts and claims as JSON-like data."""
    return {
        "workflow": workflow["metadata"]["name"],
        "phase": read_phase(workflow),
        "parameters": list_outputs(workflow),
        "artifacts": [one.describe() for one in list_artifacts(workflow)],
        "claims": [one.describe() for one in list_claims(workflow)],
    }
