"""The configuration of Hera scripts: each value with the place it came from, and what it overrode.

A value is looked for in this order; the first place that has one counts:

1. what the command line gives (`--set NAME=VALUE`),
2. `hera.config`: the file that ARGOCONFIG names, then `./hera.config`, then `~/hera.config`,
3. `hera.bash` (`./hera.bash`, or the file given), whose import overrides the environment,
4. the environment,
5. the default.

That of 2 before 4 is what scripts with configargparse expect, although shells and most programs have it otherwise.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zoo_runner.hera.files import read_options, read_variables
from zoo_runner.model.errors import UserSettingsError
from zoo_runner.model.masking import MASK

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Setting:
    """A value that Hera scripts need: its environment variable, its key in `hera.config`, what it means."""

    variable: str
    key: str
    meaning: str
    default: str = ""
    example: str = ""
    secret: bool = False


SETTINGS = (
    Setting("ARGO_SERVER", "argo_server", "Argo server: URL, or host:port.", example="argo.example.org:443"),
    Setting("ARGO_NAMESPACE", "argo_namespace", "Namespace of the workflows.", "argo", "argo"),
    Setting("ARGO_SERVICE_ACCOUNT", "argo_service_account", "Service account that runs workflows.", "", "argo-user"),
    Setting(
        "ARGO_TOKEN",
        "argo_token",
        "Token for the Argo server, with or without Bearer; without it, one is requested for that service account"
        " from Kubernetes.",
        secret=True,
    ),
    Setting("ARGO_SECURE", "argo_secure", "false: an ARGO_SERVER without scheme is reached by http.", "true"),
    Setting("ARGO_BASE_HREF", "argo_base_href", "Path below which the Argo server answers."),
    Setting("ARGO_HTTP1", "argo_http1", "For the argo command; requests of Hera are always HTTP/1.1.", "true"),
    Setting(
        "ARGO_INSECURE_SKIP_VERIFY",
        "argo_insecure_skip_verify",
        "true: do not verify the certificate of the Argo server; refused without --allow-insecure.",
        "false",
    ),
    Setting("KUBECONFIG", "k8s_config_file", "Kubeconfig file.", "", "./kubeconfig.yaml"),
    Setting("KUBECONFIGMAP", "k8s_configmap_name", "ConfigMap with variables of the cluster, such as proxies."),
    Setting("KUBEVOLUMECLAIMNAME", "k8s_volume_claim_name", "Persistent volume claim for data and results."),
    Setting("KUBE_DOCKER_REGISTRY", "docker_registry", "Registry of the images, with a slash at its end."),
    Setting(
        "KUBE_RESULTS_IMAGE",
        "results_image",
        "Image with python3 for the pod that reads a volume; by default that of Hera's scripts.",
        "python:3.10",
    ),
)
"""All values, in the order in which they are printed and written to templates."""

_BY_KEY = {setting.key: setting.variable for setting in SETTINGS}
_FLAGS = ("ARGO_SECURE", "ARGO_HTTP1", "ARGO_INSECURE_SKIP_VERIFY")


@dataclass(frozen=True)
class Found:
    """A text and the place it was found in: `environment`, `default`, `command line` or the path of a file."""

    text: str
    source: str


@dataclass(frozen=True)
class Value:
    """A setting with the text that counts, where it came from, and what it overrode, nearest first."""

    setting: Setting
    text: str
    source: str
    overrode: tuple[Found, ...]

    def describe(self) -> dict[str, object]:
        """Return it as JSON-like data, masked if it is secret."""
        return {
            "name": self.setting.variable,
            "key": self.setting.key,
            "value": self._show(self.text),
            "source": self.source,
            "overrode": [{"value": self._show(one.text), "source": one.source} for one in self.overrode],
        }

    def _show(self, text: str) -> str:
        return MASK if self.setting.secret and text else text


@dataclass(frozen=True, repr=False)
class HeraConfiguration:
    """All values by the names of their variables; `files` are those that were looked for, and whether they exist."""

    values: Mapping[str, Value]
    files: tuple[tuple[str, bool], ...]
    unknown: tuple[Found, ...]

    def get(self, variable: str) -> str:
        """Return the text of a value, normalised; empty if it is not set."""
        return self.values[variable].text

    def describe(self) -> dict[str, object]:
        """Return it as JSON-like data, with secrets masked."""
        return {
            "values": [value.describe() for value in self.values.values()],
            "files": [{"path": path, "exists": exists} for path, exists in self.files],
            "unknown": [{"key": one.text, "source": one.source} for one in self.unknown],
        }


def load_hera_configuration(
    environ: Mapping[str, str],
    folder: Path,
    *,
    given: Mapping[str, str] | None = None,
    variables_file: Path | None = None,
    allow_insecure: bool = False,
) -> HeraConfiguration:
    """Read the configuration from all its places; `folder` is that of relative paths.

    >>> load_hera_configuration({"ARGO_SERVER": "argo.example.org:443"}, Path("/nowhere")).get("ARGO_SERVER")
    'https://argo.example.org'

    Raises `SettingsError` naming the value and its place.
    """
    home = environ.get("HOME", "")
    option_files = [_expand(one, home, folder) for one in (environ.get("ARGOCONFIG"), "./hera.config", "~/hera.config")]
    bash = variables_file or folder / "hera.bash"
    if variables_file and not variables_file.is_file():
        raise UserSettingsError(f"{variables_file} does not exist", "Check the path, or write one with `hera init`.")
    files = list(dict.fromkeys(path for path in option_files if path))
    places = [_name_given(given or {})]
    places += [{key: Found(text, str(path)) for key, text in _read(path, read_options).items()} for path in files]
    places += [{key: Found(text, str(bash)) for key, text in _read(bash, read_variables).items()}]
    places += [{name: Found(text, "environment") for name, text in environ.items()}]
    named = [{_BY_KEY.get(key, key): found for key, found in place.items()} for place in places]
    raw = [_choose(setting, named) for setting in SETTINGS]
    values = {value.setting.variable: value for value in raw}
    normalised = {name: _normalise(value, values, home, folder) for name, value in values.items()}
    _check_insecure(normalised["ARGO_INSECURE_SKIP_VERIFY"], allow_insecure)
    unknown = tuple(
        Found(key, found.source) for place in places[1:-2] for key, found in place.items() if key not in _BY_KEY
    )
    return HeraConfiguration(normalised, tuple((str(path), path.is_file()) for path in (*files, bash)), unknown)


def _name_given(given: Mapping[str, str]) -> dict[str, Found]:
    names = {*_BY_KEY, *_BY_KEY.values()}
    if wrong := sorted(given.keys() - names):
        raise UserSettingsError(f"unknown setting {wrong[0]!r}", f"Use one of {', '.join(sorted(_BY_KEY.values()))}.")
    return {name: Found(text, "command line") for name, text in given.items()}


def _read(path: Path, read: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    return read(path) if path.is_file() else {}


def _choose(setting: Setting, places: list[dict[str, Found]]) -> Value:
    """Take the first text that is not empty."""
    found = [place[setting.variable] for place in places if setting.variable in place]
    found = [one for one in found if one.text.strip()] or [Found(setting.default, "default")]
    return Value(setting, found[0].text, found[0].source, tuple(found[1:]))


def _normalise(value: Value, values: Mapping[str, Value], home: str, folder: Path) -> Value:
    name, text = value.setting.variable, value.text.strip()
    if name in _FLAGS:
        text = "true" if _read_flag(value) else "false"
    elif name == "ARGO_SERVER":
        text = _read_server(value, _read_flag(values["ARGO_SECURE"]))
    elif name == "ARGO_TOKEN":
        text = read_token(text)
    elif name == "ARGO_BASE_HREF":
        text = f"/{text.strip('/')}" if text.strip("/") else ""
    elif name == "KUBECONFIG":
        # as kubectl has it, there may be several files; a relative path is one of the folder
        text = ":".join(str(path) for one in text.split(":") if (path := _expand(one, home, folder)))
    return Value(value.setting, text, value.source, value.overrode)


def read_token(text: str) -> str:
    """Return a token without quotes and without the word Bearer."""
    return re.sub(r"(?i)^bearer\s+", "", text.strip().strip("'\"").strip())


def _read_flag(value: Value) -> bool:
    text = value.text.strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise _refuse(value, "must be true or false")
    return text in _TRUE


def _read_server(value: Value, secure: bool) -> str:
    text = value.text.strip()
    if not text:
        return ""
    url = text if "://" in text else f"{'https' if secure else 'http'}://{text}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refuse(value, "must be a URL such as https://argo.example.org, or host:port") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise _refuse(value, "must be a URL such as https://argo.example.org, or host:port")
    if port == 443 and parts.scheme == "https":
        url = parts._replace(netloc=parts.netloc.removesuffix(":443")).geturl()
    return url.rstrip("/")


def _check_insecure(value: Value, allowed: bool) -> None:
    if value.text == "true" and not allowed:
        raise UserSettingsError(
            f"{value.setting.variable}=true ({value.source}): the token could be sent to any server",
            "Install the authority of the server's certificate, or add --allow-insecure.",
        )


def _refuse(value: Value, what: str) -> UserSettingsError:
    shown = value.describe()["value"]
    return UserSettingsError(f"{value.setting.variable}={shown!r} ({value.source}) {what}", value.setting.meaning)


def _expand(text: str | None, home: str, folder: Path) -> Path | None:
    """Expand `~` and `$HOME` at the beginning of a path, which configargparse does not."""
    if not text or not text.strip():
        return None
    return folder / re.sub(r"^(~|\$HOME|\$\{HOME\})(?=/|$)", lambda _: home, text.strip())


def build_template(kind: str) -> str:
    """Return a file to fill in: `hera.bash` or `hera.config`."""
    lines = list(_list_template(kind))
    return "\n".join(
        [f"# {kind}: how Hera scripts reach Argo Workflows. Keep it private: it may have a token.", *lines, ""]
    )


def _list_template(kind: str) -> Iterator[str]:
    for setting in SETTINGS:
        name = setting.variable if kind == "hera.bash" else setting.key
        yield f"# {setting.meaning}"
        if setting.example:
            yield f"{name}='{setting.example}'"
        else:
            yield f"#{name}='{setting.default}'"
