"""Settings of the engine on Argo Workflows, besides those of the cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.model.errors import SettingsError

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


_READERS: dict[str, Any] = {
    "server": _read_server,
    "base_path": _read_base_path,
    "token": _read_token,
    "semaphore": _read_semaphore,
}
