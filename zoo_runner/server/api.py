"""What every operation is given: the store, the settings, and of one request its workspace and its addresses."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

from fastapi.concurrency import run_in_threadpool

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.identity import IdentitySettings
from zoo_runner.config.profiles import Profile, Profiles, apply_profile, apply_secrets
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines import open_engine
from zoo_runner.engines.protocol import Engine
from zoo_runner.execution.context import Context
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.model.ids import file_name
from zoo_runner.model.job import Job
from zoo_runner.model.workspace import Folders, Quota, Workspace, lend_storage
from zoo_runner.package.resolver import WarmResolver
from zoo_runner.server.access.documents import NOTHING_PUBLISHED, AccessDocument
from zoo_runner.server.documents import Link
from zoo_runner.server.following import Following
from zoo_runner.server.places import Limit, Places
from zoo_runner.server.vault import Vault, open_vault
from zoo_runner.server.waiting import Endings
from zoo_runner.store.sql import SqlStore

UPLOADS = "uploads"
"""The place of files that clients have sent, beside the results of jobs, whose names are their ids."""

_RESOLVING, _RESOLVING_LATER = Limit(most=6, share=3), Limit(most=40, share=10)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Api:
    """The server's own parts; one for the whole process. `wake` has the workers look at a job now.

    `resolving` are the places for what waits for sources of others: packages and dry runs. `arriving` are the bytes of
    files that each workspace is being sent.
    """

    store: SqlStore
    settings: ServerSettings
    configuration: Configuration
    context: Context
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    endings: Endings = field(default_factory=Endings)
    following: Following = field(default_factory=Following)
    resolver: WarmResolver = field(default_factory=WarmResolver)
    resolving: Places = field(default_factory=lambda: Places(_RESOLVING, _RESOLVING_LATER))
    arriving: Counter[str] = field(default_factory=Counter)
    wake: Callable[[str], None] = lambda _: None

    def find_configuration(self, workspace: str, storage_of: str | None = None) -> Configuration:
        """Return what applies to a workspace, with the storage of another one if that is named."""
        return find_configuration(self.settings, self.configuration, workspace, storage_of, self.vault.read)

    @cached_property
    def vault(self) -> Vault:
        """The secrets of workspaces."""
        return open_vault(self.store.secrets, self.settings)

    def find_profile(self, workspace: str) -> Profile:
        """Return what the operator says of a workspace."""
        return _find_profile(self.settings, workspace)

    def shows_collection(self, call: "Call") -> bool:
        """Whether results are a STAC Collection: as the profile of the workspace says, else at a data hub's API."""
        own = self.find_profile(call.workspace).collection
        return call.hub if own is None else own

    def find_workspace_of(self, job: Job) -> Workspace:
        """Return the workspace that executes a job, with the storage of the one whose job it is."""
        if job.runs_in:
            return self.find_configuration(job.runs_in, job.workspace).workspace
        return self.find_configuration(job.workspace).workspace

    async def read(self, operation: Callable[Concatenate["Api", P], T], *given: P.args, **named: P.kwargs) -> T:
        """Run an operation that reads little: at once where the database is a file, else in a thread.

        SQLite keeps readers from nothing, and to change threads takes longer than to read a row.
        """
        if self.store.database.is_file:
            return operation(self, *given, **named)
        return await run_in_threadpool(operation, self, *given, **named)


@dataclass(frozen=True)
class Call:
    """Of one request: its workspace, the address under which the workspace's API lies, and whether it is a data hub's.

    `base` has no slash at its end; `query` are the parameters of the request. A data hub's platform adds inputs of its
    own, expects results as a STAC Collection, and learns of wrong inputs by a failed job. `visible` are the processes
    that lists may show, with their jobs; None: all. `member_of` are the workspaces of the caller, None: nobody asks;
    `published` is what the workspace publishes. `hub_base` is the address below which the APIs of all workspaces lie.
    `admit_job` raises `RunnerError` for who may not have a job of a process of this workspace in the one that is named.
    `may` says whether the caller may do something else with the same process or job, by the name of the action; both
    wait for the answer, so that a thread has to call them.
    """

    workspace: str
    base: str
    hub: bool = False
    caller: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    visible: frozenset[str] | None = None
    member_of: frozenset[str] | None = None
    published: AccessDocument = NOTHING_PUBLISHED
    hub_base: str | None = None
    admit_job: Callable[[str, str], None] = lambda _workspace, _process_id: None
    may: Callable[[str], bool] = lambda _action: True

    def at(self, workspace: str | None) -> "Call":
        """Return the same request as one to the API of another workspace, None: this one.

        Raises `InputError` where the server has none for each workspace.
        """
        if workspace is None or workspace == self.workspace:
            return self
        if self.hub_base is None:
            raise InputError(
                f"jobs of the workspace {workspace} cannot be reached at this server",
                "Ask the operator to set ZOO_RUNNER_WORKSPACE_PREFIX.",
                code="identity.workspace",
            )
        return replace(self, workspace=workspace, base=f"{self.hub_base}/{workspace}", published=NOTHING_PUBLISHED)

    def link(self, *parts: str) -> str:
        """Return the address of something below the workspace's API."""
        return "/".join((self.base, *parts))

    def link_pages(self, name: str, cursor: str | None) -> list[Link]:
        """Build the links of a list to itself and to its next page, which keeps the parameters of the request."""
        href, words = self.link(name), [(key, value) for key, value in self.query if key not in ("cursor", "skip")]
        links: list[Link] = [{"href": href, "rel": "self", "type": "application/json"}]
        if cursor:
            following = f"{href}?{urlencode([*words, ('cursor', cursor)])}"
            links.append({"href": following, "rel": "next", "type": "application/json"})
        return links


@cache
def _open_profiles(path: Path) -> Profiles:
    return Profiles(path)


def _find_profile(settings: ServerSettings, workspace: str) -> Profile:
    return _open_profiles(settings.workspaces).find(workspace) if settings.workspaces else Profile()


def _read_none(_: str) -> Mapping[str, str]:
    return {}


def find_configuration(
    settings: ServerSettings,
    configuration: Configuration,
    name: str,
    storage_of: str | None = None,
    read_secrets: Callable[[str], Mapping[str, str]] = _read_none,
) -> Configuration:
    """Return what applies to a workspace: the server's own, and for any other one folders of its own below it.

    Its profile says what else is its own, and its jobs may read what its clients have sent. With `storage_of` it has
    the storage of that workspace. `read_secrets` returns what members have set as secrets of a workspace. Raises
    `SettingsError` for profiles or credentials that cannot be read.
    """
    workspace = configuration.workspace
    if name != workspace.name:
        own, part = workspace.folders, file_name(name)
        folders = Folders(own.temp / part, own.state / f"ws-{part}", own.scratch / f"ws-{part}")
        workspace = replace(workspace, name=name, namespace=None, folders=folders)
    workspace = apply_secrets(apply_profile(workspace, _find_profile(settings, name)), read_secrets(name))
    storage, folder = workspace.storage, find_folder(build_destination(settings, workspace, UPLOADS))
    if folder and storage.allowed_roots is not None:
        workspace = replace(workspace, storage=replace(storage, allowed_roots=(*storage.allowed_roots, folder)))
    if storage_of is not None and storage_of != name:
        workspace = lend_storage(
            workspace, find_configuration(settings, configuration, storage_of, None, read_secrets).workspace
        )
    return replace(configuration, workspace=workspace)


def build_limits(settings: ServerSettings) -> Callable[[str], int | None] | None:
    """Build what says how many jobs of a workspace may run at once; None where no workspace has a limit of its own."""
    if settings.workspaces is None:
        return None
    profiles = _open_profiles(settings.workspaces)
    return lambda workspace: profiles.find(workspace).quota.running_jobs


def find_retention(settings: ServerSettings, configuration: Configuration, workspace: str) -> float | None:
    """Return how many days the jobs of a workspace are kept; None: for ever."""
    own = _find_profile(settings, workspace).retention_days
    return configuration.workspace.limits.retention_days if own is None else own


def find_shortest_retention(settings: ServerSettings, configuration: Configuration) -> float | None:
    """Return the fewest days that the jobs of any workspace are kept; None where all are kept for ever."""
    own = configuration.workspace.limits.retention_days
    profiles = _open_profiles(settings.workspaces).list_by_name().values() if settings.workspaces else ()
    return min((days for days in (own, *(one.retention_days for one in profiles)) if days is not None), default=None)


def build_destination(settings: ServerSettings, workspace: Workspace, name: str) -> str:
    """Say where something is stored, such as the results of a job by its id.

    It is below the workspace's destination, or in the server's own folder.
    """
    own, given = file_name(workspace.storage_of or workspace.name), workspace.storage.destination
    if given:
        return f"{given.rstrip('/')}/{own}/{name}"
    return str(Path(settings.results) / own / name)


def find_folder(destination: str) -> Path | None:
    """Return the folder of this machine that a destination is; None for a place in a bucket."""
    parts = urlsplit(destination)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(destination).absolute()


def _use_registries(configuration: Configuration) -> Configuration:
    """Return a configuration whose pods pull images with the credentials of the workspace too."""
    known, own = configuration.kubernetes_settings, configuration.workspace.pull_credentials
    if not own or isinstance(known, SettingsError):
        return configuration
    known = replace(known, pull_credentials=(*known.pull_credentials, *own))
    return replace(configuration, kubernetes_settings=known)


def open_context(store: SqlStore, settings: ServerSettings, configuration: Configuration) -> Context:
    """Open what it takes to work on the jobs of all workspaces."""

    lock, vault = threading.Lock(), open_vault(store.secrets, settings)

    opened: dict[tuple[str, str, str | None], list[tuple[Workspace, Engine]]] = {}

    def find_engine(name: str, workspace: Workspace) -> Engine:
        # its jobs are in a database, where nobody could publish what was kept
        # and neither quotas nor how long jobs are kept matter to an engine
        limits = replace(workspace.limits, retention_days=None)
        workspace = replace(workspace, keeps_results=False, limits=limits, quota=Quota())
        with lock:  # a local engine knows what it submitted: two of one name would not
            known = opened.setdefault((name, workspace.name, workspace.storage_of), [])
            # a profile that was changed makes another engine for the jobs that begin then
            for of, engine in known:
                if of == workspace:
                    return engine
            engine = open_engine(name, _use_registries(replace(configuration, workspace=workspace)))
            known.append((workspace, engine))
            return engine

    keeper = Keeper(store.jobs, min(5.0, settings.lease_seconds / 3), settings.lease_seconds)
    return Context(
        store.jobs,
        store.events,
        lambda name: find_configuration(settings, configuration, name, None, vault.read).workspace,
        find_engine,
        keeper,
    )
