"""Reads what a ZOO kernel says about a job: named sections of `conf` only, because the whole of it holds passwords.

Sections and keys: ZOO-Project kernel 2.1, recorded from running jobs (docs/zoo.md lists them).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from zoo_runner.config.settings import SETTINGS, Settings, load_settings
from zoo_runner.model.errors import JobNotFoundError, SettingsError
from zoo_runner.model.ids import check_job_id, file_name
from zoo_staging.variables import is_staging_variable

Conf = dict[str, dict[str, Any]]

SECTION = "zoo_runner"
_OWN = ("ZOO_RUNNER_", "POD_", "IMAGE_PULL_SECRETS", "STORAGE_CLASS", "DEFAULT_")
# what templates of the zoo-template-common family call the settings of stage-out
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
    """Where a job runs, as the kernel tells it.

    `temp` is public: the kernel serves it under `temp_url` (no slash at the end). `services` is the folder of
    all workspaces, None where the kernel has no workspaces. `inputs` are the inputs as the client sent them,
    empty where the kernel does not tell. `document` says that the results will be printed inside a document.
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

    @property
    def private(self) -> Path | None:
        """The folder of this workspace that the kernel neither serves nor imports from nor empties."""
        return self.services / ".zoo-runner" / file_name(self.workspace) if self.services else None


def get_section(conf: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of the configuration; empty where there is none."""
    section = conf.get(name)
    return section if isinstance(section, dict) else {}


def read_site(conf: Conf) -> Site:
    """Read where a job runs; raises `SettingsError` naming what the kernel left out."""
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
    )


def check_kernel_job_id(job_id: str) -> str:
    """Return the id if it is safe in file names; raises `SettingsError`."""
    try:
        return check_job_id(job_id)
    except JobNotFoundError as error:
        raise SettingsError(
            f"the kernel names the job {job_id!r}, which cannot be a file name", "Tell the operator of the kernel."
        ) from error


def _require(section: Mapping[str, Any], name: str, key: str) -> str:
    value = section.get(key)
    if not isinstance(value, str) or not value:
        raise SettingsError(
            f"the kernel's configuration has no {key} in [{name}]",
            f"Set {key} in the section [{name}] of main.cfg; a service needs it.",
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
    """The public URL of the folder `<services>/<user>/temp`, without a slash at its end.

    Some set-ups hand over a URL that has the user in it, others one that has not: it is added once.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    user = temp.parent.name
    if temp.name == "temp" and path.endswith("/temp") and not path.endswith(f"/{user}/temp"):
        path = f"{path.removesuffix('temp')}{user}/temp"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _read_request(conf: Conf) -> Mapping[str, Any]:
    try:
        request = json.loads(get_section(conf, "request").get("jrequest") or "{}")
    except (ValueError, TypeError):
        return {}
    inputs = request.get("inputs") if isinstance(request, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def find_conf_secrets(conf: Conf) -> tuple[str, ...]:
    """Values of the configuration that must never be shown.

    Very short passwords are left out: masking every `zoo` in a log would hide nothing and spoil the log.
    """
    values = [get_section(conf, section).get(key) for section, key in _SECRET_KEYS]
    return tuple(value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_PASSWORD)


def build_environ(conf: Conf, environ: Mapping[str, str], parameters: Mapping[str, Any], site: Site) -> dict[str, str]:
    """What the settings are read from: environment < section [zoo_runner] < the handler's parameters.

    What nobody set gets a default that works in the kernel: private files beside the workspaces, results to the
    bucket that STAGEOUT_OUTPUT names, or else to the public temp folder.
    """
    own = {**environ, **_read_section(conf), **_read_parameters(parameters)}
    if proxy := find_api_proxy(own):
        # not for downloads, neither here nor in pods
        del own["HTTP_PROXY"]
        own.setdefault("ZOO_RUNNER_KUBERNETES_URL", proxy)
    own["ZOO_RUNNER_TEMP"] = str(site.temp)
    own["ZOO_RUNNER_WORKSPACE"] = site.workspace
    if site.private:
        defaults = {
            "ZOO_RUNNER_STATE": site.private / "jobs",
            "ZOO_RUNNER_SCRATCH": site.private / "scratch",
            "ZOO_RUNNER_CACHE": site.private / "cache",
        }
        for name, path in defaults.items():
            # one folder per workspace also where the operator chose the place
            own[name] = f"{own[name]}/{file_name(site.workspace)}" if own.get(name) else str(path)
    return own


def find_api_proxy(environ: Mapping[str, str]) -> str | None:
    """The proxy of the Kubernetes API that the usual chart names HTTP_PROXY; None where that is another proxy."""
    url = environ.get("HTTP_PROXY", "")
    return url if "kubeproxy" in url else None


def load_site_settings(
    conf: Conf, environ: Mapping[str, str], site: Site, parameters: Mapping[str, Any] | None = None
) -> Settings:
    """The settings of a job of this site; raises `SettingsError`."""
    return load_settings(build_environ(conf, environ, parameters or {}, site))


def _read_section(conf: Conf) -> dict[str, str]:
    section = get_section(conf, SECTION)
    if not section:
        return {}
    from zoo_runner.config.kubernetes import CLUSTER_SETTINGS

    known = {setting.metadata["variable"] for setting in SETTINGS}
    known |= {setting.metadata["variables"][0] for setting in CLUSTER_SETTINGS}
    values = {}
    for key, value in section.items():
        name = key if _is_setting(key) else f"ZOO_RUNNER_{key.upper()}"
        if name.startswith("ZOO_RUNNER_") and name not in known:
            names = ", ".join(sorted(name[11:].lower() for name in known if name.startswith("ZOO_RUNNER_")))
            raise SettingsError(f"[{SECTION}] of main.cfg has the unknown key {key!r}", f"Keys are: {names}.")
        values[name] = str(value)
    return values


def _read_parameters(parameters: Mapping[str, Any]) -> dict[str, str]:
    named = {_OTHER_NAMES.get(key, key): value for key, value in parameters.items()}
    return {key: value for key, value in named.items() if _is_setting(key) and isinstance(value, str)}


def _is_setting(name: str) -> bool:
    """Whether a key is a setting under its full name: one of the runner's, or one that the stagers read."""
    return name.startswith(_OWN) or is_staging_variable(name)
