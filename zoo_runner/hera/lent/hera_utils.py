"""What scripts import from `hera_utils`, of both generations (in a repository, 2024-04; and package 0.2).

The values are those that `zoo-runner hera config` prints; options on a script's command line override them. The token
is that of `zoo-runner hera run`: no Secret of the service account is read.
"""

import argparse
import os
import sys
from importlib.metadata import version
from typing import Any

from hera.shared import global_config
from hera.workflows import WorkflowsService

_ENVIRON = os.environ  # noqa: TID251 the door of a process of its own
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


def _add_options(made: Any) -> None:
    known = {name for action in made._actions for name in action.option_strings}
    for name, variable in _OPTIONS.items():
        if f"--{name}" not in known:
            made.add_argument(f"--{name}", default=_ENVIRON.get(variable) or None)


class parser:
    """Parser of a script's options; `.parser.add(...)` adds one."""

    def __init__(self, existing_parser: Any = None, logger: Any = None) -> None:
        self.logger = logger
        self.parser = existing_parser if existing_parser is not None else _Parser()
        _add_options(self.parser)

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


def parse_arguments(logger: Any = None) -> Any:
    """Return the values of the first generation's parser."""
    return parser(logger=logger).parse_args()


class k8s_cluster:
    """The cluster of the kubeconfig, with the assertions that scripts make; one that fails ends the script."""

    def __init__(self, args: Any) -> None:
        from kubernetes import client, config

        config.load_kube_config(config_file=args.k8s_config_file)  # type: ignore[no-untyped-call]
        self.args = args
        self.namespace = args.argo_namespace
        self.v1 = client.CoreV1Api()

    def print_config(self) -> None:
        """Print which cluster it is."""
        print(f"kubeconfig: {self.args.k8s_config_file}\nnamespace: {self.namespace}")  # noqa: T201

    def assert_cluster(self) -> None:
        """Check that the API answers."""
        self._assert("the cluster", lambda: self.v1.get_api_resources())

    def assert_namespace(self) -> None:
        """Check that the namespace can be used."""
        self._assert(f"namespace {self.namespace}", lambda: self.v1.list_namespaced_pod(self.namespace, limit=1))

    def assert_volume_claim(self, name: str) -> None:
        """Check that a volume claim exists."""
        read = self.v1.read_namespaced_persistent_volume_claim
        self._assert(f"volume claim {name}", lambda: read(name, self.namespace))

    def assert_configmap(self, name: str) -> None:
        """Check that a ConfigMap exists."""
        self._assert(f"ConfigMap {name}", lambda: self.v1.read_namespaced_config_map(name, self.namespace))

    def _assert(self, what: str, read: Any) -> None:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            read()
        except (ApiException, HTTPError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            sys.exit(f"{what} cannot be used in namespace {self.namespace}: {reason}. See `zoo-runner hera config`.")


class argo_server:
    """The Argo server; both generations: `argo_server(cluster, args)` and `argo_server(args)`."""

    def __init__(self, *given: Any) -> None:
        self.args = given[-1] if given and given[-1] is not None else parse_arguments()
        global_config.namespace = self.args.argo_namespace
        global_config.service_account_name = self.args.argo_service_account
        if len(given) < 2:
            self._check()

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
        print(f"Argo server: {global_config.host}\nnamespace: {global_config.namespace}")  # noqa: T201


def print_version() -> None:
    """Print the version of Hera."""
    print(f"Hera {version('hera')}")  # noqa: T201


def check_version(expected: str) -> bool:
    """Whether Hera has this version."""
    return version("hera") == expected


def assert_version(expected: str) -> None:
    """End the script if Hera has another version."""
    if not check_version(expected):
        sys.exit(f"this script is for Hera {expected}; installed is {version('hera')}")


def clear_workflow_template(name: str) -> None:
    """Delete a workflow template; one that does not exist is no error."""
    from hera.exceptions import NotFound

    try:
        WorkflowsService().delete_workflow_template(name, namespace=global_config.namespace)
    except NotFound:
        return


hera_assert_version = assert_version
hera_clear_workflow_template = clear_workflow_template
