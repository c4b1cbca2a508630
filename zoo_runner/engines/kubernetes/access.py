"""How the API is reached and logged in to; the one door to the `kubernetes` client.

Of the client only configuration and connection pool are used, and in a pod not even these.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

from zoo_runner.config.extras import extra
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.model.errors import EngineError

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class InCluster:
    """Access with the service account of the pod that this runs in.

    Source: Kubernetes documentation, "Accessing the Kubernetes API from a Pod". The token is read for each request,
    because Kubernetes renews it.
    """

    def __init__(self, host: str, port: str) -> None:
        self.host = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self.pool = urllib3.PoolManager(ca_certs=str(_ACCOUNT / "ca.crt"), maxsize=32)

    def headers(self) -> dict[str, str]:
        """Return what logs a request in."""
        return {"Authorization": f"Bearer {(_ACCOUNT / 'token').read_text().strip()}"}


class Configured:
    """Access as a kubeconfig or the URL of a proxy says."""

    def __init__(self, kubeconfig: str | None, api_url: str | None) -> None:
        # loading the client takes half a second, which a pod does not have to spend
        with extra("kubernetes"):
            from kubernetes import client, config

        self._settings = client.Configuration()
        if api_url:
            self._settings.host = api_url.rstrip("/")
        else:
            try:
                config.load_kube_config(config_file=kubeconfig, client_configuration=self._settings)  # type: ignore[no-untyped-call]
            except Exception as error:  # the client lets through whatever a file that is no kubeconfig does to it
                reason = " ".join(str(error).split())
                raise EngineError(
                    f"there is no access to a cluster by {kubeconfig or '~/.kube/config'}: {reason}",
                    "Set KUBECONFIG to a kubeconfig file, or run in a pod with a service account.",
                ) from error
        self.host = self._settings.host
        self.pool = client.ApiClient(self._settings).rest_client.pool_manager

    def headers(self) -> dict[str, str]:
        """Return what logs a request in."""
        parts: Mapping[str, Any] = self._settings.auth_settings()
        return {part["key"]: part["value"] for part in parts.values()}


def open_access(settings: KubernetesSettings) -> InCluster | Configured:
    """Choose the way to the API: a proxy, a kubeconfig, the pod's own account, else the usual kubeconfig."""
    host, elsewhere = settings.service_host, settings.kubeconfig or settings.api_url
    if host and not elsewhere and (_ACCOUNT / "token").exists():
        return InCluster(host, settings.service_port)
    return Configured(settings.kubeconfig, settings.api_url)
