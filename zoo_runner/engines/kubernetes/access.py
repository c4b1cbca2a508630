"""How to reach the API and log in to it; the only module that imports the `kubernetes` client.

Only its reader of kubeconfig files is used, and not in a pod.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from zoo_runner.config.extras import extra
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.model.errors import EngineError
from zoo_staging.curl import Tls

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Access(Protocol):
    """Where the API is (`url`, without a slash at its end), by which proxy, and how both sides prove who they are."""

    url: str
    tls: Tls
    proxy: str | None
    no_proxy: str
    renews: bool
    """Whether a token that ends is renewed without anybody's help."""
    is_quick: bool
    """Whether no program is asked for the headers, so that they may be read on an event loop."""

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request; may take a while if a program issues the tokens.

        Raises `OSError` if there are none.
        """
        ...


class InCluster:
    """Access with the service account of the pod that this runs in.

    Source: Kubernetes documentation, "Accessing the Kubernetes API from a Pod". The token is read for each request,
    because Kubernetes renews it.
    """

    proxy: str | None = None
    no_proxy = ""
    renews = True
    is_quick = True

    def __init__(self, host: str, port: str) -> None:
        self.url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self.tls = Tls(str(_ACCOUNT / "ca.crt"))

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {"Authorization": f"Bearer {(_ACCOUNT / 'token').read_text().strip()}"}


class Configured:
    """Access as a kubeconfig or the URL of a proxy says."""

    def __init__(self, kubeconfig: str | None, api_url: str | None) -> None:
        # importing the client takes half a second, which a pod does not need to spend
        with extra("kubernetes"):
            from kubernetes import client, config

        settings = self._settings = client.Configuration()
        if api_url:
            settings.host = api_url.rstrip("/")
        else:
            try:
                config.load_kube_config(config_file=kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
            except Exception as error:  # the client lets through whatever a file that is no kubeconfig does to it
                reason = " ".join(str(error).split())
                raise EngineError(
                    f"cannot read the kubeconfig {kubeconfig or '~/.kube/config'}: {reason}",
                    "Set KUBECONFIG to a kubeconfig file, or run in a pod with a service account.",
                    code="cluster.access",
                ) from error
        self.proxy, self.no_proxy = settings.proxy, settings.no_proxy or ""
        self.renews = settings.refresh_api_key_hook is not None
        self.is_quick = not self.renews
        self.url, connect_to = _apply_server_name(settings.host.rstrip("/"), settings.tls_server_name)
        self.tls = Tls(settings.ssl_ca_cert, settings.cert_file, settings.key_file, settings.verify_ssl, connect_to)

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request; an expired token is renewed."""
        try:
            parts: Mapping[str, Any] = self._settings.auth_settings()
        except Exception as error:  # the client lets through whatever goes wrong where tokens are renewed
            raise OSError(f"cannot log in: {error}") from error
        return {part["key"]: part["value"] for part in parts.values()}


def _apply_server_name(url: str, server_name: str | None) -> tuple[str, str | None]:
    """Ask for the name that the certificate has, and connect to where the server is (kubeconfig, `tls-server-name`)."""
    if not server_name:
        return url, None
    parts = urlsplit(url)
    port = parts.port or 443
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return parts._replace(netloc=f"{server_name}:{port}").geturl(), f"{server_name}:{port}:{host}:{port}"


def open_access(settings: KubernetesSettings) -> Access:
    """Choose the way to the API: a proxy, a kubeconfig, the pod's own account, else the usual kubeconfig."""
    host, elsewhere = settings.service_host, settings.kubeconfig or settings.api_url
    if host and not elsewhere and (_ACCOUNT / "token").exists():
        return InCluster(host, settings.service_port)
    return Configured(settings.kubeconfig, settings.api_url)
