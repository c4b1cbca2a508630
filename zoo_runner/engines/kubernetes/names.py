"""Names and labels of what a job has on a cluster, computed from its id; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from zoo_runner.config.kubernetes import KubernetesSettings, ensure_namespace
from zoo_runner.model.workspace import Workspace

Manifest = dict[str, Any]

JOB_LABEL = "zoo-runner/job"
MANAGED = {"app.kubernetes.io/managed-by": "zoo-runner"}

_NAME_LENGTH = 50


@dataclass(frozen=True)
class Names:
    """Names of a job's objects, computed from its id and its workspace.

    `own_namespace`: its namespace is created and deleted with the job; `site_namespace`: it belongs to the site, which
    created it. A job that continues a failed one has its volume, which has the name of the first of them (`first`);
    `generation` is how many there were before.
    """

    namespace: str
    job: str
    own_namespace: bool = False
    site_namespace: bool = False
    first: str = ""
    generation: int = 0

    @property
    def secret(self) -> str:
        """Secret with the credentials of stage-in and stage-out."""
        return f"{self.job}-staging"

    def pull_secrets(self, cluster: KubernetesSettings) -> list[str]:
        """Secrets with the registry credentials of the settings."""
        return [f"{self.job}-pull-{number}" for number in range(len(cluster.pull_credentials))]

    def list_secrets(self, cluster: KubernetesSettings) -> list[str]:
        """All Secrets of the job."""
        return [self.secret, *self.pull_secrets(cluster)]

    @property
    def claim(self) -> str:
        """Volume that the job pod shares with its steps."""
        return f"{self.first or self.job}-work"

    def build_next(self, job: str) -> "Names":
        """Build the names of a job that continues this one."""
        return replace(self, job=job, first=self.first or self.job, generation=self.generation + 1)

    @property
    def quota(self) -> str:
        """Resource quota of the job's own namespace."""
        return f"{self.job}-quota"

    @property
    def labels(self) -> dict[str, str]:
        """Labels by which all of a job is found again."""
        return {**MANAGED, JOB_LABEL: self.job}

    @property
    def selector(self) -> str:
        """Label selector of all of a job."""
        return f"{JOB_LABEL}={self.job}"


def dns_name(text: str, length: int = _NAME_LENGTH) -> str:
    """Turn any text into a DNS label; a changed text gets a hash, so that different texts give different labels."""
    safe = re.sub(r"[^a-z0-9-]+", "-", text.lower())[:length].strip("-")
    if safe == text:
        return safe
    # a name may be no Unicode
    digest = sha256(text.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{safe[: length - 9]}-{digest}".lstrip("-")


def build_names(job_id: str, cluster: KubernetesSettings, workspace: Workspace) -> Names:
    """Compute the names of a job: namespace of the site, `ws-<workspace>`, or one of its own.

    Raises `SettingsError` for an invalid namespace.
    """
    job, site = name_job(job_id), workspace.namespace is not None
    own = cluster.namespace_per == "job" and not site
    return Names(job if own else name_namespace(workspace), job, own, site)


def name_job(job_id: str) -> str:
    """Compute the name of a job's root object, which is also the value of its label."""
    return f"job-{dns_name(job_id)}"


def name_namespace(workspace: Workspace) -> str:
    """Compute the namespace that jobs share: the site's own, or the workspace's. Raises `SettingsError`."""
    return ensure_namespace(workspace.namespace) if workspace.namespace else f"ws-{dns_name(workspace.name)}"


def build_meta(name: str, names: Names, *, labels: Mapping[str, str] | None = None) -> Manifest:
    """Build the metadata of an object of a job."""
    return {"name": name, "namespace": names.namespace, "labels": dict(labels or names.labels)}
