"""Tokens for the Argo server: the one that is configured, or those of the service account, renewed in time.

Source: Kubernetes API, TokenRequest. A service account has no Secret with a token since Kubernetes 1.24.
"""

from collections.abc import Callable
from datetime import datetime, timezone

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster, connect
from zoo_runner.hera.configuration import HeraConfiguration
from zoo_runner.model.errors import UserSettingsError

_LIFE_SECONDS = 3600
# a part of its life before the end, as the kubelet renews the tokens of pods
_RENEWED_AT = 0.8


class Tokens:
    """The token of a configuration; may be called, as Hera's `global_config.token` is. Threads may share it."""

    def __init__(self, configuration: HeraConfiguration, now: Callable[[], float] | None = None) -> None:
        self._configuration = configuration
        self._now = now or _read_clock
        self._token, self._renew_at = configuration.get("ARGO_TOKEN"), float("inf")
        if not self._token:
            self._renew_at = 0.0

    def __call__(self) -> str:
        """Return a token that is valid now. Raises `SettingsError` or `EngineError` if there is none."""
        if self._now() >= self._renew_at:
            self._renew()
        return self._token

    def _renew(self) -> None:
        account = self._configuration.get("ARGO_SERVICE_ACCOUNT")
        if not account:
            raise UserSettingsError(
                "there is no token for the Argo server: ARGO_TOKEN and ARGO_SERVICE_ACCOUNT are not set",
                "Set one of them; `zoo-runner hera config` shows where values are read from.",
            )
        begun = self._now()
        status = open_cluster(self._configuration).request_token(
            self._configuration.get("ARGO_NAMESPACE"), account, _LIFE_SECONDS
        )
        ends = datetime.fromisoformat(str(status["expirationTimestamp"]).replace("Z", "+00:00")).timestamp()
        # the cluster may give a shorter life than was asked for
        self._token, self._renew_at = str(status["token"]), begun + (ends - begun) * _RENEWED_AT


def open_cluster(configuration: HeraConfiguration) -> Cluster:
    """Return the access to the cluster of a configuration."""
    return connect(KubernetesSettings(kubeconfig=configuration.get("KUBECONFIG") or None))


def _read_clock() -> float:
    return datetime.now(timezone.utc).timestamp()
