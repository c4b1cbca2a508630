"""What a workflow has left: artifacts, and the volume claims that its pods mounted; pure.

Source: Argo Workflows, "Field Reference" (NodeStatus, Artifact), and Kubernetes API v1 (Volume).
"""

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.engines.argo.results.listing import list_artifacts
from zoo_runner.hera.argo_server import Workflow, read_phase
from zoo_runner.hera.nodes import list_outputs
from zoo_runner.model.errors import UserSettingsError


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
        raise UserSettingsError(
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
    raise UserSettingsError(f"which volume claim? The workflow mounts {names}", "Name it with --claim.")


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
