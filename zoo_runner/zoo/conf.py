"""Read a kernel's configuration: where a job runs, and the settings of its workspace.

Only named sections of `conf` are read, because the whole of it has passwords. Sections and keys: ZOO-Project kernel
2.1, recorded from running jobs (docs/zoo.md lists them).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from zoo_runner.config.argo import ARGO_SETTINGS
from zoo_runner.config.configuration import Configuration
from zoo_runner.config.kubernetes import KUBERNETES_SETTINGS
from zoo_runner.config.service import load_service_configuration
from zoo_runner.config.settings import SETTINGS
from zoo_runner.config.workspace import WORKSPACE_SETTINGS
from zoo_runner.model.errors import JobNotFoundError, SettingsError
from zoo_runner.model.ids import check_job_id, file_name
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.model.written import read_json
from zoo_staging.variables import is_staging_variable

Conf = dict[str, dict[str, Any]]

SECTION = "zoo_runner"
RESULTS_FOLDER = "results"
"""Beside the logs of a job, where no other place for results is set."""
_OWN = ("ZOO_RUNNER_", "POD_", "IMAGE_PULL_SECRETS", "STORAGE_CLASS", "DEFAULT_")
# names of stage-out settings in templates of the zoo-template-common family
_OTHER_NAMES = {
    "endpoint_url": "STAGEOUT_AWS_SERVICEURL",
    "region_name": "STAGEOUT_AWS_REGION",
    "aws_access_key_id": "STAGEOUT_AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "STAGEOUT_AWS_SECRET_ACCESS_KEY",
}
_SECRET_KEYS = (
    ("auth_env", "jwt"),
    ("database", "password"),
    ("metadb", "password"),
    ("rabbitmq", "passwd"),
)
_SHORTEST_PASSWORD = 6


@dataclass(frozen=True)
class Site:
    """Where a job runs.

    `temp` is public: the kernel serves it under `temp_url` (no slash at the end). `services` is the folder of all
    workspaces, None where the kernel has no workspaces. `inputs` are the inputs as the client sent them, empty where
    the kernel does not pass them on. `document`: the results will be printed inside a document. `status_file` is where
    the kernel keeps the status of a job from its request to its dismissal; None where it keeps none.
    """

    job_id: str
    process_id: str
    workspace: str
    temp: Path
    temp_url: str
    services: Path | None
    cache: Path | None
    document: bool
    inputs: Mapping[str, Any]
    status_file: Path | None = None

    @property
    def private(self) -> Path | None:
        """Folder of this workspace that the kernel does not serve, import from or empty."""
        return self.services / ".zoo-runner" / file_name(self.workspace) if self.services else None


def get_section(conf: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a section of the configuration; empty if it is missing."""
    section = conf.get(name)
    return section if isinstance(section, dict) else {}


def read_site(conf: Conf) -> Site:
    """Read where a job runs. Raises `SettingsError` that names a missing key."""
    main, lenv = get_section(conf, "main"), get_section(conf, "lenv")
    temp = Path(_require(main, "main", "tmpPath"))
    workspace = _read_workspace(conf)
    return Site(
        job_id=check_kernel_job_id(_require(lenv, "lenv", "usid")),
        process_id=_require(lenv, "lenv", "Identifier"),
        workspace=workspace,
        temp=temp,
        temp_url=build_temp_url(str(main.get("tmpUrl", "")), temp),
        services=_read_services(conf, temp, workspace),
        cache=Path(main["cacheDir"]) if main.get("cacheDir") else None,
        document=get_section(conf, "request").get("response") == "document",
        inputs=_read_request(conf),
        status_file=_find_status_file(lenv, temp),
    )


def _find_status_file(lenv: Mapping[str, Any], temp: Path) -> Path | None:
    """Find the status file of an asynchronous job, beside the file that the worker has just written for it."""
    started = lenv.get("file.sid")
    if lenv.get("async") != "true" or not started or not (temp / Path(started).name).exists():
        return None
    return temp / f"{lenv['usid']}_status.json"


def check_kernel_job_id(job_id: str) -> str:
    """Return a job id that is safe in file names. Raises `SettingsError`."""
    try:
        return check_job_id(job_id)
    except JobNotFoundError as error:
        raise SettingsError(
            f"the kernel's job id {job_id!r} is not a valid file name",
            "Report it to the operator of the kernel.",
            code="settings.kernel",
        ) from error


def _require(section: Mapping[str, Any], name: str, key: str) -> str:
    value = section.get(key)
    if not isinstance(value, str) or not value:
        raise SettingsError(
            f"the kernel's configuration has no {key} in [{name}]",
            f"Set {key} in the section [{name}] of main.cfg; services need it.",
            code="settings.kernel",
        )
    return value


def _read_workspace(conf: Conf) -> str:
    user = get_section(conf, "auth_env").get("user") or get_section(conf, "zooServicesNamespace").get("namespace")
    return str(user or "anonymous")


def _read_services(conf: Conf, temp: Path, workspace: str) -> Path | None:
    path = get_section(conf, "servicesNamespace").get("path")
    if path:
        return Path(str(path).strip())
    return temp.parent.parent if temp.parts[-2:] == (workspace, "temp") else None


def build_temp_url(url: str, temp: Path) -> str:
    """Build the public URL of the folder `<services>/<user>/temp`, without a slash at its end; pure.

    In some installations the kernel's URL has the user in it, in others not: it is added if it is missing.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    user = temp.parent.name
    if temp.name == "temp" and path.endswith("/temp") and not path.endswith(f"/{user}/temp"):
        path = f"{path.removesuffix('temp')}{user}/temp"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _read_request(conf: Conf) -> Mapping[str, Any]:
    try:
        request = read_json(get_section(conf, "request").get("jrequest") or "{}")
    except (ValueError, TypeError):
        return {}
    inputs = request.get("inputs") if isinstance(request, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def find_conf_secrets(conf: Conf) -> tuple[str, ...]:
    """Return values of the configuration that must never be shown.

    Very short passwords are left out: masking every `zoo` in a log would make it unreadable and protect nothing.
    """
    values = [get_section(conf, section).get(key) for section, key in _SECRET_KEYS]
    return tuple(value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_PASSWORD)


def load_site_configuration(
    conf: Conf, environ: Mapping[str, str], site: Site, parameters: Mapping[str, Any] | None = None
) -> Configuration:
    """Read the configuration of a job of this site: environment < section [zoo_runner] < the handler's parameters.

    Raises `SettingsError`.
    """
    variables = merge_variables(conf, environ, parameters or {})
    configuration = place_site(load_service_configuration(variables), site, variables)
    workspace = configuration.workspace
    return replace(configuration, workspace=replace(workspace, secrets=(*workspace.secrets, *find_conf_secrets(conf))))


def merge_variables(conf: Conf, environ: Mapping[str, str], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Merge the sources of the settings; a proxy of the Kubernetes API is used for that API only."""
    variables = {**environ, **_read_section(conf), **_read_parameters(parameters)}
    if proxy := find_api_proxy(variables):
        # not for downloads, neither here nor in pods
        del variables["HTTP_PROXY"]
        variables.setdefault("ZOO_RUNNER_KUBERNETES_URL", proxy)
    return variables


def place_site(configuration: Configuration, site: Site, variables: Mapping[str, str]) -> Configuration:
    """Set workspace and folders to those of the site: logs in its public folder, all else in private folders; pure.

    Private folders are beside the workspaces. Where the operator set another folder (`variables`), each workspace has a
    folder of its own below it.
    """
    settings, workspace = configuration.settings, configuration.workspace
    folders = replace(workspace.folders, temp=site.temp)
    if site.private:
        tenant = file_name(site.workspace)

        def choose(variable: str, chosen: Path, name: str) -> Path:
            return chosen / tenant if variables.get(variable) or site.private is None else site.private / name

        settings = replace(settings, cache=choose("ZOO_RUNNER_CACHE", settings.cache, "cache"))
        folders = replace(
            folders,
            state=choose("ZOO_RUNNER_STATE", folders.state, "jobs"),
            scratch=choose("ZOO_RUNNER_SCRATCH", folders.scratch, "scratch"),
        )
    return replace(configuration, settings=settings, workspace=replace(workspace, name=site.workspace, folders=folders))


def confine_inputs(storage: StorageProfile, folders: Iterable[Path]) -> StorageProfile:
    """Allow inputs from these folders of this machine and from the operator's, and from no other; pure.

    Clients are not users of this machine.
    """
    return replace(storage, allowed_roots=(*(storage.allowed_roots or ()), *folders))


def choose_destination(storage: StorageProfile, site: Site, log_folder: Path) -> tuple[str, StorageProfile]:
    """Choose where results of a job go, and return it with the profile that has their public address; pure.

    They go below STAGEOUT_OUTPUT (a bucket, a URL or a folder), one prefix for each workspace and job. Where that is
    not set, they lie beside the logs in the public folder.
    """
    if base := (storage.destination or "").rstrip("/"):
        if "://" not in base and not base.startswith("/"):
            base = f"s3://{base}"
        return f"{base}/{site.workspace}/processing-results/{site.job_id}", storage
    public_url = f"{site.temp_url}/{log_folder.name}/{RESULTS_FOLDER}"
    return str(log_folder / RESULTS_FOLDER), replace(storage, public_url=public_url)


def find_api_proxy(environ: Mapping[str, str]) -> str | None:
    """Return the proxy of the Kubernetes API that the Helm chart sets as HTTP_PROXY; None if that is another proxy."""
    url = environ.get("HTTP_PROXY", "")
    return url if "kubeproxy" in url else None


def _read_section(conf: Conf) -> dict[str, str]:
    section = get_section(conf, SECTION)
    if not section:
        return {}
    known = {setting.metadata["variable"] for setting in (*SETTINGS, *WORKSPACE_SETTINGS, *ARGO_SETTINGS)}
    known |= {setting.metadata["variables"][0] for setting in KUBERNETES_SETTINGS}
    values = {}
    for key, value in section.items():
        name = key if _is_setting(key) or key in known else f"ZOO_RUNNER_{key.upper()}"
        if name.startswith("ZOO_RUNNER_") and name not in known:
            names = ", ".join(sorted(name[11:].lower() for name in known if name.startswith("ZOO_RUNNER_")))
            raise SettingsError(
                f"[{SECTION}] of main.cfg has the unknown key {key!r}",
                f"Known keys: {names}.",
                code="settings.unknown-key",
            )
        values[name] = str(value)
    return values


def _read_parameters(parameters: Mapping[str, Any]) -> dict[str, str]:
    named = {_OTHER_NAMES.get(key, key): value for key, value in parameters.items()}
    return {key: value for key, value in named.items() if _is_setting(key) and isinstance(value, str)}


def _is_setting(name: str) -> bool:
    """Whether a key is a setting under its full name: one of the runner's, or one that the stagers read."""
    return name.startswith(_OWN) or is_staging_variable(name)
