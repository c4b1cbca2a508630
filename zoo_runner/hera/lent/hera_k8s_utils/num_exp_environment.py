"""The environment of a numerical experiment; scripts derive theirs from it, and put into `cluster` what they need."""

import json
from types import SimpleNamespace
from typing import Any

# beside this one, on the path of the script
from hera_utils import argo_server  # type: ignore[import-not-found]

from .k8s_cluster import k8s_cluster
from .parser import parser

__all__ = ["Struct", "num_exp_environment"]


class Struct:
    """A place for attributes."""

    def toJSON(self) -> str:
        """Return the attributes as JSON."""
        return json.dumps(_list_members(self), sort_keys=True, indent=4)


class num_exp_environment(Struct):
    """Cluster and Argo server, both checked; `cluster` has ConfigMap and registry of the configuration."""

    def __init__(self, args: Any, verbose: bool = False) -> None:
        parser.verify_args(args)
        self.k8s = k8s_cluster(args)
        self.k8s.assert_cluster()
        server = argo_server(args)
        self.cluster = SimpleNamespace(configmap=getattr(args, "k8s_configmap_name", None))
        if verbose:
            self.k8s.print_config()
            server.print_config()

    def print_config(self) -> None:
        """Print the values."""
        print(self.toJSON())


def _list_members(node: Any) -> Any:
    """Return the values below an object; of a connection, there are none to show."""
    if isinstance(node, k8s_cluster):
        return {"namespace": node.namespace}
    if isinstance(node, Struct | SimpleNamespace):
        return {name: _list_members(one) for name, one in vars(node).items()}
    return node if isinstance(node, str | int | float | bool | list | dict | None) else str(node)
