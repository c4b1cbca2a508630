"""Reads a workspace from an environment: its folders, limits, storage and the secrets to mask."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from zoo_runner.config.settings import read_fields, setting
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.masking import find_secrets
from zoo_runner.model.workspace import MOST_LOG_BYTES, Folders, Limits, StorageProfile, Workspace
from zoo_staging.variables import pick_variables

# as existing installations of zoo-calrissian-runner set it
_NAMESPACE_ALIAS = "USE_NAMESPACE"
_ROOTS, _DESTINATION, _PUBLIC_URL = "STAGEIN_ALLOWED_ROOTS", "STAGEOUT_OUTPUT", "STAGEOUT_PUBLIC_URL"


@dataclass(frozen=True)
class _Variables:
    """The variables of a workspace, as they are documented."""

    name: str = setting("ZOO_RUNNER_WORKSPACE", "default", "The tenant; its namespace on a cluster is ws-<workspace>.")
    namespace: str | None = setting(
        "ZOO_RUNNER_NAMESPACE",
        None,
        "An existing namespace for all jobs on a cluster, never created or deleted; unset: USE_NAMESPACE, else"
        " ws-<workspace>.",
    )
    temp: Path = setting(
        "ZOO_RUNNER_TEMP",
        Path("~/.local/state/zoo-runner/temp"),
        "Folder of job and step logs; may be public, everything in it is masked.",
    )
    state: Path = setting(
        "ZOO_RUNNER_STATE", Path("~/.local/state/zoo-runner/jobs"), "Private folder of the job records."
    )
    scratch: Path = setting(
        "ZOO_RUNNER_SCRATCH",
        Path("~/.cache/zoo-runner/scratch"),
        "Folder for staged inputs and intermediate files; a job's part is removed at its end.",
    )
    time_limit_seconds: float | None = setting(
        "ZOO_RUNNER_TIME_LIMIT", None, "Longest time a job may take, in seconds; unset: no limit."
    )
    log_max_mib: float = setting(
        "ZOO_RUNNER_LOG_MAX_MIB",
        MOST_LOG_BYTES / 2**20,
        "Most of what a step prints that its log and the job log keep, in MiB, and of all steps of a job 8 times as"
        " much, then 16 KiB of each further step; of the rest they have the number of lines.",
    )
    retention_days: float | None = setting(
        "ZOO_RUNNER_RETENTION_DAYS",
        None,
        "Days after its end after which `zoo-runner gc --remove`, and a server by itself, removes record, logs and kept"
        " results of a job; unset: never.",
    )


WORKSPACE_SETTINGS = fields(_Variables)
"""The documented settings of a workspace, in order; `metadata` has `variable` and `meaning`."""


def load_workspace(environ: Mapping[str, str]) -> Workspace:
    """Read a workspace from an environment; an empty value counts as unset.

    Raises `SettingsError` naming the variable, its value and what is accepted.
    """
    given = _Variables(**read_fields(WORKSPACE_SETTINGS, environ))
    return Workspace(
        name=given.name,
        namespace=given.namespace or environ.get(_NAMESPACE_ALIAS) or None,
        folders=Folders(given.temp, given.state, given.scratch),
        storage=load_storage_profile(environ),
        limits=Limits(given.time_limit_seconds, int(given.log_max_mib * 2**20), given.retention_days),
        secrets=find_secrets(environ),
    )


def load_storage_profile(environ: Mapping[str, str]) -> StorageProfile:
    """Take the stagers' settings out of an environment. Raises `SettingsError`."""
    variables = pick_variables(environ)
    roots, destination, public_url = (variables.pop(name, None) for name in (_ROOTS, _DESTINATION, _PUBLIC_URL))
    return StorageProfile(variables, _read_roots(roots) if roots else None, destination, public_url)


def list_variables(storage: StorageProfile) -> dict[str, str]:
    """Write a profile as variables for a program elsewhere, which does not have this machine's folders."""
    public = {_PUBLIC_URL: storage.public_url} if storage.public_url else {}
    return {**storage.variables, **public}


def _read_roots(text: str) -> tuple[Path, ...]:
    roots = tuple(Path(root) for root in text.split(os.pathsep) if root)
    if not all(root.is_absolute() for root in roots):
        raise SettingsError(
            f"{_ROOTS}={text!r} is invalid: folders must be absolute paths",
            "List the folders that local inputs may come from, separated as in PATH.",
        )
    return roots
