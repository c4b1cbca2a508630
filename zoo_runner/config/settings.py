"""Settings of an installation: read once, frozen, typed, each with its variable, default and meaning."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from zoo_runner.model.errors import SettingsError
from zoo_staging.addresses import ANYWHERE, Reach, parse_hosts
from zoo_staging.proxies import NO_PROXIES, Proxies, load_proxies
from zoo_staging.settings import parse_bool
from zoo_staging.variables import PROXY_VARIABLES, pick_variables

Containers = Literal["auto", "podman", "docker", "sandbox", "none"]
Isolation = Literal["trusted", "isolated"]
SandboxNetwork = Literal["none", "asked"]
ResultsForm = Literal["auto", "collection", "links"]


# variables that the programs of a run may see: none that could be a credential
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINER_HOST",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
)
# further places where podman and docker keep logins, images and the address of their service
_PULL = (
    *_INHERITED,
    *PROXY_VARIABLES,
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "CONTAINER_CONNECTION",
    "CONTAINER_SSHKEY",
    "DOCKER_CERT_PATH",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
)


def setting(variable: str, default: Any, meaning: str) -> Any:
    """Declare a field of a dataclass that is read from a variable."""
    return field(default=default, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """How this installation runs jobs; settings that differ between tenants are in `Workspace`.

    `proxies` are those by which packages are fetched, and `reach` the hosts, besides `package_hosts`. `confined`: the
    packages are those of others, and read no files of this machine but those in their own folder. `inherited` are the
    environment variables that the programs of a run inherit: none of them holds a credential. `pull_variables` are
    those of the program that pulls images, with proxies, whose addresses may have a password.
    """

    engine: str = setting("ZOO_RUNNER_ENGINE", "local", "Engine that runs the CWL.")
    containers: Containers = setting(
        "ZOO_RUNNER_CONTAINERS",
        "auto",
        "Containers of the local engine: podman, docker, none, or auto (whichever answers first); or sandbox"
        " (bubblewrap), for steps whose DockerRequirement is a hint or absent.",
    )
    isolation: Isolation = setting(
        "ZOO_RUNNER_ISOLATION",
        "trusted",
        "Local engine: trusted (a step without a container runs with the permissions of this user) or isolated (each"
        " step runs in a container or sandbox, or the job is refused); services are isolated unless this is set.",
    )
    scratch_max_bytes: int | None = setting(
        "ZOO_RUNNER_SCRATCH_MAX_BYTES",
        None,
        "Local engine: most bytes that the files of a job in ZOO_RUNNER_SCRATCH have together, inputs included, and"
        " each file that its steps write; in any case nine tenths of what is free when it starts. Unset: no limit.",
    )
    cores: float | None = setting(
        "ZOO_RUNNER_CORES",
        None,
        "Local engine: cores that the steps of a job may ask for at the same time (coresMin); steps share those that"
        " there are if this is more. Unset: the cores that this process may use.",
    )
    memory_mib: int | None = setting(
        "ZOO_RUNNER_MEMORY_MIB",
        None,
        "Local engine: memory in MiB that the steps of a job may ask for at the same time (ramMin); if this is more"
        " than there is and they use it, they are ended for lack of memory. Unset: what is free when the job starts.",
    )
    default_image: str = setting(
        "ZOO_RUNNER_DEFAULT_IMAGE",
        "docker.io/library/debian:bookworm-slim",
        "Image of steps without a DockerRequirement, in isolated mode.",
    )
    sandbox_folders: tuple[str, ...] = setting(
        "ZOO_RUNNER_SANDBOX_FOLDERS",
        (),
        "Folders beside /usr that steps see in a sandbox, read-only, comma-separated: environments with their tools,"
        " which are found where the PATH of the runner leads to them.",
    )
    sandbox_network: SandboxNetwork = setting(
        "ZOO_RUNNER_SANDBOX_NETWORK",
        "none",
        "Network of steps in a sandbox, and of all containers in isolated mode: none, or asked (for steps with the"
        " requirement NetworkAccess).",
    )
    cache: Path = setting(
        "ZOO_RUNNER_CACHE",
        Path("~/.cache/zoo-runner/packages"),
        "Folder of resolved packages and fetched CWL.",
    )
    package_hosts: tuple[str, ...] = setting(
        "ZOO_RUNNER_PACKAGE_HOSTS",
        (),
        "Hosts that CWL may be fetched from, comma-separated, also in private networks; unset: any other.",
    )
    package_max_mib: float = setting("ZOO_RUNNER_PACKAGE_MAX_MIB", 16.0, "Largest CWL file that is read, in MiB.")
    max_input_values: int | None = setting(
        "ZOO_RUNNER_MAX_INPUT_VALUES",
        None,
        "Most values in the inputs of a job, those in lists and objects included; unset: no limit.",
    )
    python: str = setting(
        "ZOO_RUNNER_PYTHON",
        "",
        "Python of the local engine's programs; unset: the one of this process, or of its installation.",
    )
    handler: str = setting(
        "ZOO_RUNNER_HANDLER",
        "",
        "ZOO services: the site's execution handler, as module:Class or the name of an entry point in the group"
        " zoo_runner.handlers; unset: our own.",
    )
    results: ResultsForm = setting(
        "ZOO_RUNNER_RESULTS",
        "auto",
        "ZOO services: the value of a file output: collection (one STAC Collection of all results), links, or auto"
        " (the Collection if the package has one such output, links if it has several).",
    )
    platform_inputs: tuple[str, ...] = setting(
        "ZOO_RUNNER_PLATFORM_INPUTS",
        (),
        "ZOO services: names of inputs, comma-separated, that the platform adds to requests or the handler gives as"
        " additional parameters; the handler's reach a package only if they are listed. Those that the package does not"
        " have are passed to the handler only.",
    )
    dismiss_check_seconds: float = setting(
        "ZOO_RUNNER_DISMISS_CHECK",
        2.0,
        "ZOO services: seconds between checks of the job's record for a dismissal from another machine.",
    )
    proxies: Proxies = NO_PROXIES
    reach: Reach = ANYWHERE
    confined: bool = False
    inherited: Mapping[str, str] = field(default_factory=dict, repr=False)
    pull_variables: Mapping[str, str] = field(default_factory=dict, repr=False)


SETTINGS = tuple(one for one in fields(Settings) if one.metadata)
"""The documented settings, in order; `metadata` has `variable` and `meaning`."""


def _convert(kind: Any, text: str) -> Any:
    if kind in (Path, Path | None):
        return _folder(text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind in (float, float | None):
        return _positive(text)
    if kind in (int, int | None):
        return _whole(text)
    if get_origin(kind) is Literal and text not in get_args(kind):
        raise ValueError(f"must be one of {', '.join(get_args(kind))}")
    return text


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("no such user") from error


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 < number <= threading.TIMEOUT_MAX:
        raise ValueError(f"must be above 0 and at most {threading.TIMEOUT_MAX:.0f}")
    return number


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("it is not a whole number")
    return int(text)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; an empty value counts as unset.

    Raises `SettingsError` naming the variable, its value and what is accepted.
    """
    return Settings(
        **read_fields(SETTINGS, environ),
        proxies=load_proxies(pick_variables(environ)),
        reach=_load_reach(environ),
        inherited=_pick(environ, _INHERITED),
        pull_variables=_pick(environ, _PULL),
    )


def _load_reach(environ: Mapping[str, str]) -> Reach:
    """Read the hosts that may be connected to by the settings of stage-in, so that there is one rule for all."""
    private, hosts = (environ.get(name) or None for name in ("STAGEIN_ALLOW_PRIVATE", "STAGEIN_PRIVATE_HOSTS"))
    try:
        return Reach(parse_bool(private) if private else True, parse_hosts(hosts or ""))
    except ValueError as error:
        raise SettingsError(
            f"STAGEIN_ALLOW_PRIVATE={private!r} or STAGEIN_PRIVATE_HOSTS={hosts!r} is invalid: {error}",
            "Write true or false, and names, addresses or networks such as 10.1.0.0/16, separated by commas.",
        ) from error


def read_fields(settings: Iterable["Field[Any]"], environ: Mapping[str, str]) -> dict[str, Any]:
    """Read fields declared by `setting` from an environment, by name; an empty value counts as unset.

    Raises `SettingsError`.
    """
    values: dict[str, Any] = {}
    for one in settings:
        variable = one.metadata["variable"]
        text = environ.get(variable) or None
        if text is None:
            values[one.name] = _convert(Path, str(one.default)) if one.type is Path else one.default
            continue
        try:
            values[one.name] = _convert(one.type, text)
        except ValueError as error:
            raise SettingsError(f"{variable}={text!r} is invalid: {error}", one.metadata["meaning"]) from error
    return values


def _pick(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: environ[name] for name in names if name in environ}
