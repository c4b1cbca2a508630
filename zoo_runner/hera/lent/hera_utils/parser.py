"""The parser of a script's options."""

import argparse
import os
from typing import Any

_ENVIRON = os.environ  # noqa: TID251 the entry point of a process of its own
_OPTIONS = {
    "argo_server": "ARGO_SERVER",
    "argo_token": "ARGO_TOKEN",
    "argo_namespace": "ARGO_NAMESPACE",
    "argo_service_account": "ARGO_SERVICE_ACCOUNT",
    "k8s_config_file": "KUBECONFIG",
    "k8s_configmap_name": "KUBECONFIGMAP",
    "k8s_volume_claim_name": "KUBEVOLUMECLAIMNAME",
}


class _Parser(argparse.ArgumentParser):
    def add(self, *names: str, **options: Any) -> Any:
        """Add an option, as configargparse's parser does; its own keywords are ignored."""
        for only in ("env_var", "is_config_file"):
            options.pop(only, None)
        return self.add_argument(*names, **options)


class parser:
    """Parser of a script's options; `.parser.add(...)` adds one, or replaces one of those that it has."""

    def __init__(self, existing_parser: Any = None, logger: Any = None) -> None:
        self.logger = logger
        # scripts add options for ConfigMap and volume claim themselves
        self.parser = existing_parser if existing_parser is not None else _Parser(conflict_handler="resolve")
        known = {name for action in self.parser._actions for name in action.option_strings}
        for name, variable in _OPTIONS.items():
            if f"--{name}" not in known:
                self.parser.add_argument(f"--{name}", default=_ENVIRON.get(variable) or None)

    def get_parser(self) -> Any:
        """Return the parser itself."""
        return self.parser

    def parse_args(self) -> Any:
        """Return the values; arguments that no option has are an error."""
        return self.parser.parse_args()

    @staticmethod
    def get_config_files() -> list[str]:
        """Return no file: the command has read them all."""
        return []
