"""What scripts import from `hera_k8s_utils`."""

import json
from types import SimpleNamespace
from typing import Any

# beside this one, on the path of the script
from hera_utils import argo_server, k8s_cluster  # type: ignore[import-not-found]
from hera_utils import parser as _parser

__all__ = ["Struct", "argo_server", "k8s_cluster", "num_exp_environment", "parser"]


class Struct:
    """A place for attributes."""


class parser(_parser):  # type: ignore[misc]
    """Parser with the options of Kubernetes, which that of `hera_utils` has here too."""

    @staticmethod
    def verify_args(args: Any) -> None:
        """Raise `ValueError` if a value is missing that a numerical experiment needs."""
        for name in ("k8s_config_file", "argo_namespace", "k8s_volume_claim_name", "k8s_configmap_name"):
            if not getattr(args, name, None):
                raise ValueError(f"--{name} is not set; see `zoo-runner hera config`")


class num_exp_environment:
    """The environment of a numerical experiment: cluster, ConfigMap, volume claim; checked."""

    def __init__(self, args: Any, verbose: bool = False) -> None:
        parser.verify_args(args)
        self.k8s = k8s_cluster(args)
        for check in (self.k8s.assert_cluster, self.k8s.assert_namespace):
            check()
        self.k8s.assert_configmap(args.k8s_configmap_name)
        self.k8s.assert_volume_claim(args.k8s_volume_claim_name)
        self.cluster = SimpleNamespace(configmap=args.k8s_configmap_name, volume_claim=args.k8s_volume_claim_name)
        if verbose:
            self.print_config()

    def print_config(self) -> None:
        """Print the values."""
        print(self.toJSON())  # noqa: T201

    def toJSON(self) -> str:
        """Return the values as JSON."""
        return json.dumps(vars(self.cluster), indent=2)
