"""Settings of the engine on Argo Workflows, besides those of the cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.model.errors import SettingsError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_TEMPLATE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?|[a-z0-9][-a-z0-9.]*\*|\*")
# a pod of more has no results for long, and loses more where it is lost
_MOST_JOBS_PER_POD = 100
_SEMAPHORE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-._a-zA-Z0-9]+")


def _setting(variable: str, default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True)
class ArgoSettings:
    """How Workflows are submitted: through the Kubernetes API, or through the Argo server where one is set."""

    server: str | None = _setting(
        "ARGO_SERVER",
        None,
        "URL of the Argo server, or host:port; unset: Workflows are submitted through the Kubernetes API.",
    )
    token: str | None = _setting(
        "ARGO_TOKEN", None, "Bearer token for the Argo server, with or without the word Bearer.", secret=True
    )
    base_path: str = _setting("ARGO_BASE_HREF", "", "Path below which the Argo server answers.")
    ca_bundle: str | None = _setting(
        "ARGO_CA_BUNDLE", None, "File of certificates by which the Argo server's is verified; unset: the system's."
    )
    instance_id: str | None = _setting(
        "ARGO_INSTANCE_ID", None, "Instance id of the controller, where the site runs several."
    )
    semaphore: str | None = _setting(
        "ZOO_RUNNER_ARGO_SEMAPHORE",
        None,
        "ConfigMap and key in the jobs' namespace, as <name>/<key>, with the number of jobs that run at a time.",
    )
    jobs_per_pod: int = _setting(
        "ZOO_RUNNER_ARGO_JOBS_PER_POD",
        10,
        "How many jobs of a scattered step may share a pod of argo-native, one after the other, where the step asks for"
        " at most 0.1 cores and 256 MiB, and has more than 10 jobs. 1: each job has a pod.",
    )
    templates: tuple[str, ...] = _setting(
        "ZOO_RUNNER_ARGO_TEMPLATES",
        (),
        "Names of the WorkflowTemplates that may be deployed and run as processes, comma-separated; one may"
        " end in `*`, which stands for anything. Unset: none.",
    )
    template_namespace: str | None = _setting(
        "ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE",
        None,
        "Namespace of these WorkflowTemplates and of their Workflows; unset: that of the workspace.",
    )
    template_account: str | None = _setting(
        "ZOO_RUNNER_ARGO_TEMPLATE_ACCOUNT",
        None,
        "Service account of Workflows that run a WorkflowTemplate; unset: that of the template, or the default.",
    )

    def allows_template(self, name: str) -> bool:
        """Whether a WorkflowTemplate may be deployed and run: what cannot be the name of one never may."""
        return bool(_NAME.fullmatch(name)) and any(fnmatchcase(name, pattern) for pattern in self.templates)


ARGO_SETTINGS = fields(ArgoSettings)
"""The documented settings, in order; `metadata` has `variable` and `meaning`."""


def load_argo_settings(environ: Mapping[str, str]) -> ArgoSettings:
    """Read the settings from an environment; an empty value counts as unset.

    Raises `SettingsError` naming the variable, its value and what is accepted.
    """
    values: dict[str, Any] = {}
    for one in ARGO_SETTINGS:
        variable = one.metadata["variable"]
        if not (text := environ.get(variable)):
            continue
        try:
            values[one.name] = _READERS.get(one.name, str)(text)
        except ValueError as error:
            raise SettingsError(f"{variable}={text!r} is invalid: {error}", one.metadata["meaning"]) from error
    return ArgoSettings(**values)


def _read_server(text: str) -> str:
    """Read a URL; of `host:port`, as Argo's own variable has it, the scheme is https."""
    url = text if "://" in text else f"https://{text}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://argo.example.org, or host:port")
    return url.rstrip("/")


def _read_base_path(text: str) -> str:
    path = text.strip("/")
    return f"/{path}" if path else ""


def _read_token(text: str) -> str:
    return re.sub(r"(?i)^bearer\s+", "", text.strip())


def _read_semaphore(text: str) -> str:
    if not _SEMAPHORE.fullmatch(text):
        raise ValueError("must be <name of a ConfigMap>/<key>")
    return text


def _read_jobs_per_pod(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_JOBS_PER_POD:
        raise ValueError(f"must be a number from 1 to {_MOST_JOBS_PER_POD}")
    return int(text)


def _read_templates(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, re.split(r"[,\s]+", text)))
    if wrong := [name for name in names if not _TEMPLATE.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} cannot name a WorkflowTemplate, not even with * as its last character")
    return names


def _read_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must name a Kubernetes object")
    return text


_READERS: dict[str, Any] = {
    "server": _read_server,
    "base_path": _read_base_path,
    "token": _read_token,
    "semaphore": _read_semaphore,
    "jobs_per_pod": _read_jobs_per_pod,
    "templates": _read_templates,
    "template_namespace": _read_name,
    "template_account": _read_name,
}
