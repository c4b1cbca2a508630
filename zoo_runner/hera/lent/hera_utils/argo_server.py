"""The Argo server of a script."""

from typing import Any

from hera.shared import global_config
from hera.workflows import WorkflowsService

from .parse_arguments import parse_arguments


class argo_server:
    """The Argo server; both generations: `argo_server(cluster, args)` and `argo_server(args)`."""

    def __init__(self, *given: Any) -> None:
        self.args = given[-1] if given and given[-1] is not None else parse_arguments()
        self.server, self.service_account = global_config.host, self.args.argo_service_account
        global_config.namespace = self.args.argo_namespace
        global_config.service_account_name = self.args.argo_service_account
        if len(given) < 2:
            self._check()
        else:
            self.k8s_cluster = given[0]

    def _check(self) -> None:
        try:
            WorkflowsService().list_workflows(self.args.argo_namespace)
        except ValueError as error:
            # Hera 5.6 refuses the answer for a namespace without workflows, whose list is null
            if type(error).__name__ != "ValidationError":
                raise

    def define_argo_server_part_of_environment(self) -> None:
        """Do nothing more: the server is configured already."""

    def print_config(self) -> None:
        """Print which server it is, without the token."""
        print(f"Argo server: {global_config.host}\nnamespace: {global_config.namespace}")
