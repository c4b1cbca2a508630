"""Which repositories are harvested, and where their workflows are deployed: a YAML file of the operator's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from zoo_runner.api_client import read_token
from zoo_runner.harvest.addresses import is_over_ssh, read_address
from zoo_runner.harvest.branches import matches_branch
from zoo_runner.harvest.bus_settings import Announcement, parse_announcement
from zoo_runner.harvest.operator_file import build_invalid, check_names, find_file, parse_fields, read_document
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.masking import Masker

_WORKSPACE = "{workspace}"
_NAMES = {"server", "token-file", "webhook-secret-file", "access", "sources", "bus", "files", "keys"}
HOSTS = ("github", "gitlab", "gitea")
"""Kinds of git servers that show a status at a commit."""


@dataclass(frozen=True)
class Source:
    """A branch of a repository, or several, whose workflows belong to a workspace.

    `branch`, empty: the default branch of the repository. `branches` are names and patterns: each branch that matches
    is a source like this one with both of them set. `folder`: only what is below it. `include` and `exclude` are
    patterns as in .gitignore, relative to the folder; the documents that match are workflows if they are CWL and no
    other workflow is made of them. The password (or token) is in a file. Over ssh, `key_file` is the private key, and
    `known_hosts_file` has the keys of hosts; empty: those of the user that runs this. `commit_status`: the kind of git
    server that shows the outcome of each run at its commit, by the API at `status_api` (empty: at the host of the
    repository), with the token in `status_token_file`.
    """

    url: str
    workspace: str = ""
    branch: str = ""
    branches: tuple[str, ...] = ()
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
        """Which part of which repository it is, and whose: the same, whichever branches are chosen."""
        place = (self.url, self.workspace, self.branch, self.folder)
        return (*place, "branches") if self.is_of_many else place

    @property
    def is_of_many(self) -> bool:
        """Whether it stands for all branches that match."""
        return bool(self.branches) and not self.branch

    def __str__(self) -> str:
        branch = self.branch or ",".join(self.branches)
        place = f"{self.url}{f'#{branch}' if branch else ''}{f' {self.folder}' if self.folder else ''}"
        return Masker().mask(place)


@dataclass(frozen=True)
class Harvest:
    """Where workflows are deployed and which. `{workspace}` in the address is that of a source.

    The token for the server is in a file, and so is the secret of webhooks. `access` is the address from which the
    server reads access documents, empty: those of sources are left alone. `announcement` is where changes are announced
    on a message bus; then there may be no server, and others deploy.
    """

    server: str
    sources: tuple[Source, ...]
    token_file: str = field(default="", repr=False)
    webhook_secret_file: str = field(default="", repr=False)
    access: str = ""
    announcement: Announcement | None = None

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
        bus = self.announcement.place if self.announcement and not self.server else ()
        parts = (self.build_base(source.workspace), *bus, *source.place)
        return sha256("\n".join(parts).encode()).hexdigest()[:24]


def load_harvest(path: Path) -> Harvest:
    """Read a file of sources; files that it names are relative to it. Raises `SettingsError`."""
    return parse_harvest(read_document(path, "server and sources"), path)


def parse_harvest(document: Mapping[str, Any], path: Path) -> Harvest:
    """Read the content of a file of sources; pure. Raises `SettingsError`."""
    check_names(path, document, _NAMES, "")
    server, given, access = (document.get(name) for name in ("server", "sources", "access"))
    announcement = parse_announcement(path, document)
    if server is None and announcement:
        server = ""
    elif not isinstance(server, str) or urlsplit(server).scheme not in ("http", "https"):
        raise build_invalid(path, f"server is {server!r}; expected the http or https address of an API")
    if not isinstance(given, list) or not given:
        raise build_invalid(path, "sources is not a list with at least one repository")
    if access is not None and (not isinstance(access, str) or not access):
        raise build_invalid(path, f"access is {access!r}; expected the address of the access documents of the server")
    sources = tuple(_parse_source(path, one, f"sources[{number}]") for number, one in enumerate(given))
    token, secret = (find_file(path, str(document.get(name) or "")) for name in ("token-file", "webhook-secret-file"))
    harvest = Harvest(server, sources, token, secret, access or "", announcement)
    _check_workspaces(path, harvest)
    return harvest


def _check_workspaces(path: Path, harvest: Harvest) -> None:
    server, sources = harvest.server, harvest.sources
    needs = {
        "the address of the server needs": _WORKSPACE in server,
        "access needs: each workspace has one document": harvest.access,
        "each message of the bus names": harvest.announcement,
    }
    if any(not source.workspace for source in sources) and (need := next((one for one in needs if needs[one]), "")):
        raise build_invalid(path, f"a source has no workspace, which {need}")
    if len({source.workspace for source in sources}) > 1 and server and _WORKSPACE not in server:
        raise build_invalid(path, f"the sources have several workspaces, and server has no {_WORKSPACE}")
    if len({source.place for source in sources}) < len(sources) or any(
        _includes(one, other) for one in sources for other in sources
    ):
        raise build_invalid(path, "two sources are the same branch and folder for the same workspace")


def _includes(one: Source, other: Source) -> bool:
    """Whether a branch is one of those of another source."""
    is_same = (one.url, one.workspace, one.folder) == (other.url, other.workspace, other.folder)
    return one.is_of_many and not other.is_of_many and is_same and matches_branch(one.branches, other.branch)


def _parse_source(path: Path, given: Any, place: str) -> Source:
    if not isinstance(given, Mapping) or not isinstance(given.get("url"), str):
        raise build_invalid(path, f"{place} is not an object with a url")
    values = parse_fields(path, Source, given, f"{place}.")
    if urlsplit(values["url"]).password:
        raise build_invalid(path, f"{place}.url holds a password; write it into a file, and name that in password-file")
    if "branches" in values and (not all(values["branches"]) or not values["branches"] or values.get("branch")):
        raise build_invalid(path, f"{place}.branches is to be a list of names and patterns, and branch not to be there")
    values["folder"] = values.get("folder", "").strip("/")
    if values.get("commit_status", "") not in ("", *HOSTS):
        raise build_invalid(path, f"{place}.commit-status is {values['commit_status']!r}; known are {', '.join(HOSTS)}")
    if values.get("commit_status") and not values.get("status_api") and not read_address(values["url"])[0]:
        raise build_invalid(path, f"{place}.url has no host, so that commit-status needs status-api")
    _check_login(path, values, place)
    for name in ("password_file", "key_file", "known_hosts_file", "status_token_file"):
        values[name] = find_file(path, values.get(name, ""))
    return Source(**values)


def _check_login(path: Path, values: Mapping[str, Any], place: str) -> None:
    over_ssh = is_over_ssh(values["url"])
    if over_ssh and values.get("password_file"):
        raise build_invalid(path, f"{place}.password-file is set, and over ssh there is no password; use key-file")
    for name in ("key_file", "known_hosts_file"):
        if values.get(name) and not over_ssh:
            raise build_invalid(path, f"{place}.{name.replace('_', '-')} is set, and the url is not one of ssh")
