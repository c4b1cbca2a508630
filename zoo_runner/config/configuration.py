"""All that an adapter reads from its environment, once, as values that are passed down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from zoo_runner.config.argo import ArgoSettings, load_argo_settings
from zoo_runner.config.kubernetes import KubernetesSettings, load_kubernetes_settings
from zoo_runner.config.settings import Settings, load_settings
from zoo_runner.config.workspace import load_workspace
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class Configuration:
    """How this installation runs jobs, how it uses a cluster and Argo, and the workspace of a call.

    An invalid setting of a cluster is kept as its error, which only those raise who use the cluster.
    """

    settings: Settings
    workspace: Workspace
    kubernetes_settings: KubernetesSettings | SettingsError
    argo_settings: ArgoSettings | SettingsError

    @property
    def kubernetes(self) -> KubernetesSettings:
        """How jobs run on a cluster; raises `SettingsError`."""
        return _require(self.kubernetes_settings)

    @property
    def argo(self) -> ArgoSettings:
        """How jobs run on Argo Workflows; raises `SettingsError`."""
        return _require(self.argo_settings)


def load_configuration(environ: Mapping[str, str]) -> Configuration:
    """Read everything from an environment. Raises `SettingsError` naming the variable and its value."""
    return Configuration(
        load_settings(environ),
        load_workspace(environ),
        _try(load_kubernetes_settings, environ),
        _try(load_argo_settings, environ),
    )


def _try(load: Callable[[Mapping[str, str]], T], environ: Mapping[str, str]) -> T | SettingsError:
    try:
        return load(environ)
    except SettingsError as error:
        return error


def _require(read: T | SettingsError) -> T:
    if isinstance(read, SettingsError):
        raise read
    return read
