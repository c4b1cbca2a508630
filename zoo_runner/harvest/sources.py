"""Which repositories are harvested, and where their workflows are deployed: a YAML file of the operator's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import quote, urlsplit

from zoo_runner.api_client import read_token
from zoo_runner.harvest.addresses import is_over_ssh, read_address
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.masking import Masker
from zoo_runner.package.parsing import parse_document

_WORKSPACE = "{workspace}"
HOSTS = ("github", "gitlab", "gitea")
"""Kinds of git servers that show a status at a commit."""


@dataclass(frozen=True)
class Source:
    """A branch of a repository whose workflows belong to a workspace.

    `branch`, empty: the default branch of the repository. `folder`: only what is below it. `include` and `exclude` are
    patterns as in .gitignore, relative to the folder; the documents that match are workflows if they are CWL and no
    other workflow is made of them. The password (or token) is in a file. Over ssh, `key_file` is the private key, and
    `known_hosts_file` has the keys of hosts; empty: those of the user that runs this. `commit_status`: the kind of git
    server that shows the outcome of each run at its commit, by the API at `status_api` (empty: at the host of the
    repository), with the token in `status_token_file`.
    """

    url: str
    workspace: str = ""
    branch: str = ""
    folder: str = ""
    include: tuple[str, ...] = ("*.cwl",)
    exclude: tuple[str, ...] = ()
    user: str = ""
    password_file: str = field(default="", repr=False)
    key_file: str = field(default="", repr=False)
    known_hosts_file: str = ""
    commit_status: str = ""
    status_api: str = ""
    status_token_file: str = field(default="", repr=False)

    @property
    def place(self) -> tuple[str, ...]:
        """Which part of which repository it is, and whose."""
        return (self.url, self.workspace, self.branch, self.folder)

    def __str__(self) -> str:
        place = f"{self.url}{f'#{self.branch}' if self.branch else ''}{f' {self.folder}' if self.folder else ''}"
        return Masker().mask(place)


@dataclass(frozen=True)
class Harvest:
    """Where workflows are deployed and which. `{workspace}` in the address is that of a source.

    The token for the server is in a file, and so is the secret of webhooks. `access` is the address from which the
    server reads access documents, empty: those of sources are left alone.
    """

    server: str
    sources: tuple[Source, ...]
    token_file: str = field(default="", repr=False)
    webhook_secret_file: str = field(default="", repr=False)
    access: str = ""

    def read_webhook_secret(self) -> str:
        """Read the secret with which git servers sign their messages; raises `SettingsError`."""
        secret = read_token(self.webhook_secret_file, "harvest.sources")
        if not secret:
            raise SettingsError(
                "webhook-secret-file is not set, or the file is empty",
                "Write a secret into a file, name it in the file of sources, and set it at the git server.",
                code="harvest.sources",
            )
        return secret

    def build_base(self, workspace: str) -> str:
        """Build the address of the API of a workspace."""
        return self.server.replace(_WORKSPACE, quote(workspace, safe="")).rstrip("/")

    def build_key(self, source: Source) -> str:
        """Build a name for the record of a source: the same for the same part of a repository and the same API."""
        parts = (self.build_base(source.workspace), *source.place)
        return sha256("\n".join(parts).encode()).hexdigest()[:24]


def load_harvest(path: Path) -> Harvest:
    """Read a file of sources; files that it names are relative to it. Raises `SettingsError`."""
    try:
        document = parse_document(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(path, f"it cannot be read: {error}") from error
    if not isinstance(document, Mapping):
        raise _invalid(path, "it is not an object with server and sources")
    return parse_harvest(document, path)


def parse_harvest(document: Mapping[str, Any], path: Path) -> Harvest:
    """Read the content of a file of sources; pure. Raises `SettingsError`."""
    _check_names(path, document, {"server", "token-file", "webhook-secret-file", "access", "sources"}, "")
    server, given, access = (document.get(name) for name in ("server", "sources", "access"))
    if not isinstance(server, str) or urlsplit(server).scheme not in ("http", "https"):
        raise _invalid(path, f"server is {server!r}; expected the http or https address of an API")
    if not isinstance(given, list) or not given:
        raise _invalid(path, "sources is not a list with at least one repository")
    sources = tuple(_parse_source(path, one, f"sources[{number}]") for number, one in enumerate(given))
    if any(not source.workspace for source in sources) and _WORKSPACE in server:
        raise _invalid(path, "a source has no workspace, which the address of the server needs")
    if len({source.workspace for source in sources}) > 1 and _WORKSPACE not in server:
        raise _invalid(path, f"the sources have several workspaces, and server has no {_WORKSPACE}")
    if len({source.place for source in sources}) < len(sources):
        raise _invalid(path, "two sources are the same branch and folder for the same workspace")
    token, secret = (_find_file(path, str(document.get(name) or "")) for name in ("token-file", "webhook-secret-file"))
    if access is not None and (not isinstance(access, str) or not access):
        raise _invalid(path, f"access is {access!r}; expected the address of the access documents of the server")
    if access and any(not source.workspace for source in sources):
        raise _invalid(path, "a source has no workspace, which access needs: each workspace has one document")
    return Harvest(server, sources, token, secret, access or "")


def _parse_source(path: Path, given: Any, place: str) -> Source:
    if not isinstance(given, Mapping) or not isinstance(given.get("url"), str):
        raise _invalid(path, f"{place} is not an object with a url")
    kinds = {one.name.replace("_", "-"): one for one in fields(Source)}
    _check_names(path, given, set(kinds), f"{place}.")
    values: dict[str, Any] = {}
    for name, value in given.items():
        is_list = get_origin(kinds[name].type) is tuple
        texts = value if is_list and isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in texts):
            raise _invalid(path, f"{place}.{name} is {value!r}; expected {'a list of texts' if is_list else 'a text'}")
        values[kinds[name].name] = tuple(texts) if is_list else value
    if urlsplit(values["url"]).password:
        raise _invalid(path, f"{place}.url holds a password; write it into a file, and name that in password-file")
    values["folder"] = values.get("folder", "").strip("/")
    if values.get("commit_status", "") not in ("", *HOSTS):
        raise _invalid(path, f"{place}.commit-status is {values['commit_status']!r}; known are {', '.join(HOSTS)}")
    if values.get("commit_status") and not values.get("status_api") and not read_address(values["url"])[0]:
        raise _invalid(path, f"{place}.url has no host, so that commit-status needs status-api")
    _check_login(path, values, place)
    for name in ("password_file", "key_file", "known_hosts_file", "status_token_file"):
        values[name] = _find_file(path, values.get(name, ""))
    return Source(**values)


def _check_login(path: Path, values: Mapping[str, Any], place: str) -> None:
    over_ssh = is_over_ssh(values["url"])
    if over_ssh and values.get("password_file"):
        raise _invalid(path, f"{place}.password-file is set, and over ssh there is no password; use key-file")
    for name in ("key_file", "known_hosts_file"):
        if values.get(name) and not over_ssh:
            raise _invalid(path, f"{place}.{name.replace('_', '-')} is set, and the url is not one of ssh")


def _find_file(path: Path, name: str) -> str:
    return str(path.parent / name) if name else ""


def _check_names(path: Path, given: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(str(name) for name in given if name not in known)
    if unknown:
        raise _invalid(path, f"{place}{unknown[0]} is unknown; known are {', '.join(sorted(known))}")


def _invalid(path: Path, why: str) -> SettingsError:
    return SettingsError(f"{path}: {why}", "Correct the file; docs/harvest.md has an example.", code="harvest.sources")
