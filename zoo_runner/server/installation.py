"""What an installation has: its database, and what applies to each of its workspaces. Workers need no more of it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.profiles import EVERY, Profile, Profiles, apply_profile, apply_secrets
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines import open_engine
from zoo_runner.engines.protocol import Engine
from zoo_runner.execution.context import Context
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.ids import file_name
from zoo_runner.model.remedies import Readers
from zoo_runner.model.workspace import Folders, Quota, Workspace, lend_storage
from zoo_runner.server.step_tokens import StepTokens
from zoo_runner.server.vault import open_vault
from zoo_runner.store.sql import SqlStore, open_sql_store

UPLOADS = "uploads"
"""The place of files that clients have sent, beside the results of jobs, whose names are their ids."""


def open_store(settings: ServerSettings, configuration: Configuration) -> SqlStore:
    """Open the database of the settings; raises `SettingsError`, `EngineError`."""
    state = configuration.workspace.folders.state
    return open_sql_store(settings.database or f"sqlite:///{state / 'runner.db'}")


@cache
def _open_profiles(path: Path) -> Profiles:
    return Profiles(path)


def find_profile(settings: ServerSettings, workspace: str) -> Profile:
    """Return what the operator says of a workspace."""
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
        folders = Folders(own.temp / part, own.state / f"ws-{part}", own.scratch / f"ws-{part}", own.state)
        workspace = replace(workspace, name=name, namespace=None, folders=folders)
    workspace = replace(workspace, readers=Readers.API)
    workspace = apply_secrets(apply_profile(workspace, find_profile(settings, name)), read_secrets(name))
    storage, folder = workspace.storage, find_folder(build_destination(settings, workspace, UPLOADS))
    if folder and storage.allowed_roots is not None:
        workspace = replace(workspace, storage=replace(storage, allowed_roots=(*storage.allowed_roots, folder)))
    if storage_of is not None and storage_of != name:
        workspace = lend_storage(
            workspace, find_configuration(settings, configuration, storage_of, None, read_secrets).workspace
        )
    return replace(configuration, workspace=workspace)


def build_quotas(settings: ServerSettings) -> Callable[[str], Quota] | None:
    """Build what says what a workspace may use; None where no workspace has a limit of its own."""
    if settings.workspaces is None:
        return None
    profiles = _open_profiles(settings.workspaces)
    return lambda workspace: profiles.find(workspace).quota


def list_retention(
    settings: ServerSettings, configuration: Configuration
) -> tuple[float | None, Mapping[str, float | None]]:
    """Return how many days jobs are kept, None: for ever; then those of each workspace that has a profile."""
    profiles = _open_profiles(settings.workspaces).list_by_name() if settings.workspaces else {}
    installed = configuration.workspace.limits.retention_days
    kept = {name: installed if one.retention_days is None else one.retention_days for name, one in profiles.items()}
    return kept.pop(EVERY, installed), kept


def list_results_retention(settings: ServerSettings) -> Mapping[str, float | None]:
    """Return how many days results are kept by workspace (`*`: the others); None: until they are removed."""
    profiles = _open_profiles(settings.workspaces).list_by_name() if settings.workspaces else {}
    return {name: profile.results_retention_days for name, profile in profiles.items()}


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
        # and of quotas only what a job may take at once matters to an engine, and not how long jobs are kept
        limits = replace(workspace.limits, retention_days=None)
        quota = Quota(cores=workspace.quota.cores, memory_mib=workspace.quota.memory_mib)
        workspace = replace(workspace, keeps_results=False, limits=limits, quota=quota)
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
        find_secrets=StepTokens(store.step_tokens, vault).find,
    )
