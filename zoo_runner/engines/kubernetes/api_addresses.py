"""Where pods reach the Kubernetes API: what the NetworkPolicy of pods that report to Argo lets through.

Which address a network plug-in compares is not defined where one is rewritten on the way (Kubernetes documentation,
"Network Policies"), so both are let through: that of the Service, and those of the API servers behind it.
"""

import ipaddress
from collections.abc import Iterator

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.errors import EngineError

_NAMESPACE, _NAME = "default", "kubernetes"
_REFUSED = 403


def find_api_addresses(cluster: Cluster, site: KubernetesSettings) -> list[str]:
    """Find the addresses of the API, each as `<network>:<port>`: those of the settings, else those of the cluster.

    Raises `EngineError` where they are not known.
    """
    if site.api_addresses:
        return sorted(site.api_addresses)
    try:
        found = [cluster.get(kind, _NAMESPACE, _NAME) for kind in ("Service", "EndpointSlice")]
    except ApiError as error:
        if error.status != _REFUSED:
            raise
        raise _build_unknown(error.message) from error
    service, behind = (one or {} for one in found)
    addresses = sorted({*_list_of_service(service), *_list_behind(behind)})
    if not addresses:
        raise _build_unknown(f"the Service {_NAME} of the namespace {_NAMESPACE} has none")
    return addresses


def _list_of_service(service: Manifest) -> Iterator[str]:
    spec = service.get("spec") or {}
    for address in spec.get("clusterIPs") or ():
        for port in spec.get("ports") or ():
            yield _write(address, port["port"])


def _list_behind(behind: Manifest) -> Iterator[str]:
    for endpoint in behind.get("endpoints") or ():
        for address in endpoint["addresses"]:
            for port in behind.get("ports") or ():
                yield _write(address, port["port"])


def _write(address: str, port: int) -> str:
    return f"{ipaddress.ip_network(address)}:{port}"


def _build_unknown(why: str) -> EngineError:
    return EngineError(
        f"the addresses of the Kubernetes API, all that steps without NetworkAccess may reach, are not known: {why}",
        "Grant get of the Service and the EndpointSlice kubernetes in the namespace default (deploy/argo/access.yaml),"
        " or set ZOO_RUNNER_API_ADDRESSES; ZOO_RUNNER_ISOLATE_STEPS=false gives every step the network.",
        code="cluster.network-policy",
    )
