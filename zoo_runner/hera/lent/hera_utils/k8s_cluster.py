"""The cluster of a script."""

import sys
from typing import Any


class k8s_cluster:
    """The cluster of the kubeconfig, with the assertions that scripts make; one that fails ends the script."""

    def __init__(self, args: Any) -> None:
        from kubernetes import client, config

        config.load_kube_config(config_file=args.k8s_config_file)  # type: ignore[no-untyped-call]
        self.args = args
        self.namespace = getattr(args, "argo_namespace", None) or "default"
        self.v1 = client.CoreV1Api()

    def print_config(self) -> None:
        """Print which cluster it is."""
        print(f"kubeconfig: {self.args.k8s_config_file}\nnamespace: {self.namespace}")

    def assert_cluster(self) -> bool:
        """Check that the API answers."""
        return self._assert("the cluster", lambda: self.v1.get_api_resources())

    def assert_namespace(self) -> bool:
        """Check that the namespace can be used."""
        return self._assert(f"namespace {self.namespace}", lambda: self.v1.list_namespaced_pod(self.namespace, limit=1))

    def assert_volume_claim(self, name: str) -> bool:
        """Check that a volume claim exists."""
        read = self.v1.read_namespaced_persistent_volume_claim
        return self._assert(f"volume claim {name}", lambda: read(name, self.namespace))

    def assert_configmap(self, name: str) -> bool:
        """Check that a ConfigMap exists."""
        return self._assert(f"ConfigMap {name}", lambda: self.v1.read_namespaced_config_map(name, self.namespace))

    def _assert(self, what: str, read: Any) -> bool:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            read()
        except (ApiException, HTTPError, ValueError) as error:
            # ValueError: of an empty name
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            sys.exit(f"{what} cannot be used in namespace {self.namespace}: {reason}. See `zoo-runner hera config`.")
        return True
