"""All that an adapter reads from its environment, once, as values that are passed down."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zoo_runner.config.argo import ArgoSettings, load_argo_settings
from zoo_runner.config.kubernetes import KubernetesSettings, load_kubernetes_settings
from zoo_runner.config.settings import Settings, load_settings
from zoo_runner.config.workspace import load_workspace
from zoo_runner.model.workspace import Workspace


@dataclass(frozen=True)
class Configuration:
    """How this installation runs jobs, how it uses a cluster and Argo, and the workspace of a call."""

    settings: Settings
    kubernetes: KubernetesSettings
    workspace: Workspace
    argo: ArgoSettings

    def for_workspace(self, workspace: Workspace) -> "Configuration":
        """Return the same installation for another workspace, on a cluster in that one's namespace."""
        kubernetes = replace(self.kubernetes, workspace=workspace.name, namespace=workspace.namespace)
        return replace(self, kubernetes=kubernetes, workspace=workspace)


def load_configuration(environ: Mapping[str, str]) -> Configuration:
    """Read everything from an environment. Raises `SettingsError` naming the variable and its value."""
    kubernetes = load_kubernetes_settings(environ)
    workspace = replace(load_workspace(environ), namespace=kubernetes.namespace)
    return Configuration(load_settings(environ), kubernetes, workspace, load_argo_settings(environ))
