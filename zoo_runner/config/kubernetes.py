"""Settings of the engines on Kubernetes: read once, each with its variable, default and meaning."""

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from zoo_runner.config.version import VERSION
from zoo_runner.model.errors import SettingsError

NamespacePer = Literal["workspace", "job"]
# the two other modes of Kubernetes are for readers only and for a single pod
AccessMode = Literal["ReadWriteMany", "ReadWriteOnce"]
_MIB = 2**20
_SECRETS = ("pull_credentials",)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?")


def _setting(variable: str, default: Any, meaning: str, *aliases: str) -> Any:
    kept = {"default_factory": default} if callable(default) else {"default": default}
    return field(**kept, metadata={"variables": (variable, *aliases), "meaning": meaning})


@dataclass(frozen=True)
class KubernetesSettings:
    """How jobs run on a Kubernetes cluster."""

    kubeconfig: str | None = _setting(
        "KUBECONFIG", None, "Access to the cluster; unset: the pod's service account, else ~/.kube/config."
    )
    api_url: str | None = _setting(
        "ZOO_RUNNER_KUBERNETES_URL", None, "URL of an API proxy such as `kubectl proxy`, which logs in by itself."
    )
    service_host: str | None = _setting(
        "KUBERNETES_SERVICE_HOST", None, "Host of the API, which Kubernetes sets in every pod."
    )
    service_port: str = _setting(
        "KUBERNETES_SERVICE_PORT", "443", "Port of the API, which Kubernetes sets in every pod."
    )
    namespace_per: NamespacePer = _setting(
        "ZOO_RUNNER_NAMESPACE_PER",
        "workspace",
        "workspace: one namespace for all jobs, never deleted; job: created and deleted with each job.",
    )
    service_account: str | None = _setting(
        "ZOO_RUNNER_SERVICE_ACCOUNT",
        None,
        "An existing service account for job pods, with its permissions; unset: zoo-runner-job, which is created.",
        "USE_SERVICE_ACCOUNT",
    )
    image: str = _setting(
        "ZOO_RUNNER_JOB_IMAGE",
        f"docker.io/zoo-runner/job:{VERSION}",
        "The job image (deploy/job), by default that of this release.",
        "CALRISSIAN_IMAGE",
    )
    storage_class: str | None = _setting("STORAGE_CLASS", None, "Storage class of a job's volume; unset: the default.")
    volume_size: str = _setting(
        "DEFAULT_VOLUME_SIZE", "10Gi", "Size of a job's volume, unless the package asks for more; a plain number: MiB."
    )
    access_mode: AccessMode = _setting(
        "ZOO_RUNNER_ACCESS_MODE",
        "ReadWriteMany",
        "Access mode of a job's volume: ReadWriteMany, or ReadWriteOnce if all pods of a job run on one node.",
    )
    max_cores: float = _setting("DEFAULT_MAX_CORES", 4.0, "Cores that the steps of a job use at the same time.")
    max_ram: str = _setting(
        "DEFAULT_MAX_RAM", "8Gi", "Memory that the steps of a job use at the same time; a plain number: MiB."
    )
    pull_secrets: tuple[str, ...] = _setting(
        "IMAGE_PULL_SECRETS", (), "Names of pull secrets in the namespace, comma-separated."
    )
    pull_credentials: tuple[Mapping[str, Any], ...] = _setting(
        "ZOO_RUNNER_PULL_CREDENTIALS",
        (),
        "Credentials for registries, kept in Secrets of the job: a Docker configuration"
        ' ({"auths": {"<registry>": {"auth": ...}}}) as JSON, or an array of several.',
    )
    node_selector: Mapping[str, str] = _setting("POD_NODE_SELECTOR", dict, "Node labels, as a JSON object.")
    tolerations: tuple[Mapping[str, Any], ...] = _setting("POD_TOLERATIONS", (), "Tolerations, as a JSON array.")
    priority_class: str | None = _setting("POD_PRIORITY_CLASS", None, "Priority class of all pods of a job.")
    labels: Mapping[str, str] = _setting("POD_LABELS", dict, "Further labels, as a JSON object.")
    annotations: Mapping[str, str] = _setting("POD_ANNOTATIONS", dict, "Annotations of pods, as a JSON object.")
    step_variables: Mapping[str, str] = _setting(
        "POD_ENV_VARS", dict, "Environment of the steps, as a JSON object; not the place for credentials."
    )
    volumes: tuple[Mapping[str, Any], ...] = _setting(
        "POD_VOLUMES", (), 'Further PVCs for all pods, as a JSON array of {"claim", "path", "readOnly"}.'
    )
    user: int | None = _setting(
        "ZOO_RUNNER_RUN_AS_USER",
        1000,
        "User id of all pods; 0: the user of each step's image, for images that need it.",
    )
    step_image: str = _setting(
        "ZOO_RUNNER_DEFAULT_IMAGE",
        "docker.io/library/debian:bookworm-slim",
        "Image of steps without a DockerRequirement.",
    )
    quota: Mapping[str, str] = _setting(
        "ZOO_RUNNER_NAMESPACE_QUOTA", dict, "Resource quota of a job's own namespace, as a JSON object (`hard`)."
    )
    isolated: bool = _setting(
        "ZOO_RUNNER_ISOLATE_STEPS",
        True,
        "Whether a NetworkPolicy denies step pods the network, unless their package asks for it (NetworkAccess); a"
        " network plug-in has to enforce it.",
    )
    api_addresses: tuple[str, ...] = _setting(
        "ZOO_RUNNER_API_ADDRESSES",
        (),
        "Where pods reach the Kubernetes API, comma-separated, such as 10.96.0.1:443,192.0.2.0/28:6443: all that steps"
        " of argo-native without NetworkAccess may reach; unset: read from the namespace default.",
    )
    job_cpu: str = _setting("ZOO_RUNNER_JOB_CPU", "10m", "CPU that the job pod itself requests.")
    job_cpu_limit: str = _setting("ZOO_RUNNER_JOB_CPU_LIMIT", "2", "CPU that the job pod itself may use.")
    job_ram: str = _setting("ZOO_RUNNER_JOB_RAM", "256Mi", "Memory that the job pod itself requests.")
    job_ram_limit: str = _setting("ZOO_RUNNER_JOB_RAM_LIMIT", "2Gi", "Memory that the job pod itself may use.")
    pending_seconds: float = _setting(
        "ZOO_RUNNER_PENDING_SECONDS", 600.0, "Longest time that a pod may wait to be scheduled, in seconds."
    )
    kept_hours: float = _setting(
        "ZOO_RUNNER_KEPT_HOURS",
        24.0,
        "Hours that the cluster keeps a job after its end: for a process that follows it again, and for"
        " `zoo-runner publish` or `zoo-runner retry` where it failed.",
    )
    step_retries: int = _setting(
        "ZOO_RUNNER_STEP_RETRIES", 2, "How often a step, or the pod of a job, is started again if its pod was lost."
    )
    undisturbed: bool = _setting(
        "ZOO_RUNNER_DISRUPTION_BUDGET",
        True,
        "Whether a PodDisruptionBudget in the namespace of jobs, and annotations of their pods, have drains and"
        " autoscalers of nodes wait until these pods have ended.",
    )
    bundle_max_mib: float = _setting(
        "ZOO_RUNNER_BUNDLE_MAX_MIB",
        64.0,
        "Largest compressed size of package and local inputs that is sent to the cluster, in MiB.",
    )


KUBERNETES_SETTINGS = fields(KubernetesSettings)
"""The documented settings, in order; `metadata` has `variables` (the first is ours) and `meaning`."""


def load_kubernetes_settings(environ: Mapping[str, str]) -> KubernetesSettings:
    """Read the settings from an environment; an empty value counts as unset.

    Raises `SettingsError` naming the variable, its value and what is accepted.
    """
    values: dict[str, Any] = {}
    for setting in KUBERNETES_SETTINGS:
        variable = next((name for name in setting.metadata["variables"] if environ.get(name)), None)
        if variable is None:
            continue
        try:
            values[setting.name] = _convert(setting.name, setting.type, environ[variable])
        except ValueError as error:
            # a secret is not shown, even if it is invalid
            given = variable if setting.name in _SECRETS else f"{variable}={environ[variable]!r}"
            raise SettingsError(f"{given} is invalid: {error}", setting.metadata["meaning"]) from error
    return KubernetesSettings(**values)


def _convert(name: str, kind: Any, text: str) -> Any:
    if name in ("volume_size", "max_ram", "job_ram", "job_ram_limit"):
        return _read_size(text)
    if name == "service_account":
        return _read_label(text)
    if name in _READERS:
        return _READERS[name](text)
    if get_origin(kind) is Literal and text not in get_args(kind):
        raise ValueError(f"must be one of {', '.join(get_args(kind))}")
    return _CONVERTERS.get(kind, str)(text)


def _read_size(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError("must be a Kubernetes quantity such as 10Gi, or a number of MiB")
    return f"{text}Mi" if text.isdecimal() else text


def ensure_namespace(name: str) -> str:
    """Return a namespace as it is. Raises `SettingsError` for an invalid name."""
    try:
        return _read_label(name)
    except ValueError as error:
        remedy = "Set ZOO_RUNNER_NAMESPACE (or USE_NAMESPACE) to the name of an existing namespace, or unset it."
        raise SettingsError(f"ZOO_RUNNER_NAMESPACE={name!r} is invalid: {error}", remedy) from error


def _read_label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("must be a name of lower-case letters, digits and '-', 63 at most (RFC 1123)")
    return text


def _read_docker_configs(text: str) -> tuple[Any, ...]:
    content = _read_json(text)
    configs = content if isinstance(content, list) else [content]
    if not all(isinstance(config, dict) and isinstance(config.get("auths"), dict) for config in configs):
        raise ValueError('each configuration must be a JSON object with "auths"')
    return tuple(configs)


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be JSON ({error})") from None


def _read_volumes(text: str) -> tuple[Any, ...]:
    volumes = _read_list(text)
    if not all(isinstance(volume.get(key), str) for volume in volumes for key in ("claim", "path")):
        raise ValueError('each needs a "claim" and a "path"')
    return volumes


def _read_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://127.0.0.1:8001")
    return text


def _read_cores(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?m?", text):
        raise ValueError("must be a number of cores such as 0.5 or 500m")
    return text


def _read_object(text: str) -> dict[str, str]:
    content = _read_json(text)
    if not isinstance(content, dict):
        # a ValueError, as for every other invalid value
        raise ValueError("must be a JSON object")  # noqa: TRY004
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}


def _read_list(text: str) -> tuple[Any, ...]:
    content = _read_json(text)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise ValueError("must be a JSON array of objects")
    return tuple(content)


def _read_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 < number < math.inf:
        raise ValueError("must be above 0")
    return number


def _read_count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("must be a whole number, 0 or above")
    return int(text)


def _read_bool(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]


def _read_addresses(text: str) -> tuple[str, ...]:
    """Read addresses or networks with a port; an IPv6 address is in brackets."""
    return tuple(map(_read_address, _read_names(text)))


def _read_address(text: str) -> str:
    host, _, port = text.rpartition(":")
    try:
        network = ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        network = None
    if network is None or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"{text!r} must be an IP address or network with a port, such as 10.96.0.1:443")
    return f"{network}:{port}"


def _read_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


_CONVERTERS: dict[Any, Any] = {
    Mapping[str, str]: _read_object,
    tuple[Mapping[str, Any], ...]: _read_list,
    tuple[str, ...]: _read_names,
    float: _read_number,
    bool: _read_bool,
    int: _read_count,
    int | None: lambda text: _read_count(text) or None,
}
_READERS: dict[str, Any] = {
    "pull_credentials": _read_docker_configs,
    "volumes": _read_volumes,
    "api_addresses": _read_addresses,
    "job_cpu": _read_cores,
    "job_cpu_limit": _read_cores,
    "api_url": _read_url,
    "max_cores": lambda text: _read_number(str(parse_quantity(_read_cores(text)))),
}


def parse_quantity(text: str | float) -> float:
    """Read a Kubernetes quantity (`100m`, `1.5`, `512Mi`) as a plain number: cores, or bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m|[kKMGTPE]i?)?", str(text))
    if not match:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    number, unit = float(match[1]), match[2] or ""
    if unit == "m":
        return number / 1000
    power = "KMGTPE".index(unit[0].upper()) + 1 if unit else 0
    return number * float((1024 if unit.endswith("i") else 1000) ** power)


def limit_steps(cluster: KubernetesSettings, cores: float | None, memory_mib: float | None) -> KubernetesSettings:
    """Return settings by which a job takes no more than this, together with the job pod; None: no limit."""
    limited = cluster
    if cores is not None:
        left = max(cores - parse_quantity(cluster.job_cpu), 0.0)
        limited = replace(limited, max_cores=min(cluster.max_cores, left))
    if memory_mib is not None:
        left = max(memory_mib - parse_quantity(cluster.job_ram) / _MIB, 0.0)
        limited = replace(limited, max_ram=f"{math.floor(min(parse_quantity(cluster.max_ram) / _MIB, left))}Mi")
    return limited
