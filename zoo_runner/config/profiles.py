"""Profiles of workspaces: what the operator says of each in one file, read again when it changes.

    {"*": {"quota": {"runningJobs": 10}},
     "alpha": {"namespace": "ws-alpha", "results": "s3://alpha/results", "credentials": "/run/secrets/alpha"}}

`*` applies to every workspace, member by member, where its own profile says nothing. Credentials are a reference: a
folder that has a file for each variable of the stagers, as Kubernetes mounts a Secret.
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo_runner.model.errors import SettingsError
from zoo_runner.model.masking import find_secrets, split_secrets
from zoo_runner.model.workspace import Quota, Workspace
from zoo_staging.variables import (
    CREDENTIAL_VARIABLES,
    PREFIXES,
    drop_credentials,
    is_staging_variable,
)

EVERY = "*"
REGISTRIES = "REGISTRY_CREDENTIALS"
"""The name of the secret by which images of a workspace's jobs are pulled: a Docker configuration."""
# what StorageProfile has as fields: as a variable it would change nothing
_ELSEWHERE = {
    "STAGEOUT_OUTPUT": "write the member results",
    "STAGEOUT_PUBLIC_URL": "write the member publicUrl",
    "STAGEIN_ALLOWED_ROOTS": "it applies to all workspaces, so set it in the environment of the server",
}
_QUOTAS = {
    "runningJobs": "running_jobs",
    "queuedJobs": "queued_jobs",
    "cores": "cores",
    "memoryMiB": "memory_mib",
    "resultsMiB": "results_mib",
}
_MOST_OF_A_QUOTA = 10**12
_RETENTION, _RESULTS_RETENTION, _MOST_DAYS = "retentionDays", "resultsRetentionDays", 100_000
_COLLECTION, _PRIORITY, _HIGHEST = "collection", "priority", 100
_STEP_TOKEN = "stepToken"
_OTHERS = ("settings", "quota", _RETENTION, _RESULTS_RETENTION, _COLLECTION, _PRIORITY, _STEP_TOKEN)
_TEXTS = {"namespace": "namespace", "results": "results", "publicUrl": "public_url", "credentials": "credentials"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepToken:
    """What steps of the jobs of a workspace may have a token for: a service of the platform, and its scopes.

    `audience` is what the provider calls the service; `scope` are names with spaces between them, empty: the provider's
    usual ones.
    """

    audience: str
    scope: str = ""


@dataclass(frozen=True)
class Profile:
    """What one workspace has of its own; None and empty: what the installation has.

    `results` is the address below which its results are stored, `public_url` that under which they are read,
    `credentials` the folder of its secret variables, `variables` its other settings of the stagers. `collection`:
    whether clients get results as a STAC Collection, None: below the prefix of workspaces only. Of waiting jobs, those
    of the workspaces with the highest `priority` start first. After `results_retention_days` results are removed.
    `step_token`: what packages may ask a token for, None: nothing.
    """

    namespace: str | None = None
    results: str | None = None
    public_url: str | None = None
    credentials: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    quota: Quota = field(default_factory=Quota)
    retention_days: float | None = None
    results_retention_days: float | None = None
    collection: bool | None = None
    priority: int = 0
    step_token: StepToken | None = None


class Profiles:
    """The profiles in a file; a changed file is read at the next call, and one that is invalid changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._seen: tuple[int, ...] = self._look()
        self._profiles = self._read()

    def find(self, workspace: str) -> Profile:
        """Return the profile of a workspace."""
        profiles = self._read_changed()
        return profiles.get(workspace) or profiles.get(EVERY) or Profile()

    def list_by_name(self) -> Mapping[str, Profile]:
        """Return the profiles of all workspaces by their names; `*` is that of the others."""
        return self._read_changed()

    def _read_changed(self) -> Mapping[str, Profile]:
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._profiles = self._read()
                except SettingsError as error:
                    logger.error("the profiles of workspaces stay as they were: %s", error)  # noqa: TRY400
            return self._profiles

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Mapping[str, Profile]:
        try:
            return parse_profiles(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"ZOO_RUNNER_WORKSPACES={str(self._path)!r} cannot be read: {error}",
                "Write an object with a profile for each workspace (docs/api.md, Workspaces).",
            ) from error


def parse_profiles(text: str) -> Mapping[str, Profile]:
    """Read the profiles of all workspaces; raises `ValueError` with the place of what is wrong."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 what callers expect of an invalid document
    common = document.get(EVERY, {})
    merged = {name: _merge(common, given) if _is_object(name, given) else {} for name, given in document.items()}
    return {name: _parse_profile(name, given) for name, given in merged.items()}


def _merge(common: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a profile with what is common; the common public address is that of the common place of results only."""
    left_out = {"publicUrl"} if "results" in given else set()
    return {**{name: value for name, value in common.items() if name not in left_out}, **given}


def _is_object(name: str, given: Any) -> bool:
    if not isinstance(given, dict):
        raise ValueError(f"{name} is not an object")  # noqa: TRY004
    return True


def _parse_profile(name: str, given: Mapping[str, Any]) -> Profile:
    if unknown := sorted(set(given) - {*_TEXTS, *_OTHERS}):
        raise ValueError(f"{name}.{unknown[0]} is unknown; known are {', '.join((*_TEXTS, *_OTHERS))}")
    for member in _TEXTS:
        if member in given and (not isinstance(given[member], str) or not given[member]):
            raise ValueError(f"{name}.{member} is not a text")
    for member in (_RETENTION, _RESULTS_RETENTION):
        if given.get(member) is not None:
            _ensure_number(f"{name}.{member}", given[member], _MOST_DAYS)
    texts = {attribute: given[member] for member, attribute in _TEXTS.items() if member in given}
    return Profile(
        **texts,
        variables=_parse_variables(name, given.get("settings", {})),
        quota=_parse_quota(f"{name}.quota", given.get("quota", {})),
        retention_days=given.get(_RETENTION),
        results_retention_days=given.get(_RESULTS_RETENTION),
        collection=_parse_flag(f"{name}.{_COLLECTION}", given.get(_COLLECTION)),
        priority=_parse_priority(f"{name}.{_PRIORITY}", given.get(_PRIORITY, 0)),
        step_token=_parse_step_token(f"{name}.{_STEP_TOKEN}", given.get(_STEP_TOKEN)),
    )


def _parse_flag(place: str, given: Any) -> bool | None:
    if given is not None and not isinstance(given, bool):
        raise ValueError(f"{place} is neither true nor false")
    return given


def _parse_priority(place: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not -_HIGHEST <= given <= _HIGHEST:
        raise ValueError(f"{place} is not a whole number from -{_HIGHEST} to {_HIGHEST}")
    return given


def _parse_step_token(place: str, given: Any) -> StepToken | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not given.get("audience") or set(given) - {"audience", "scope"}:
        raise ValueError(f"{place} is not an object with audience, and maybe scope")
    if not all(isinstance(value, str) for value in given.values()):
        raise ValueError(f"{place} has a member that is not a text")
    return StepToken(**given)


def _parse_variables(name: str, variables: Any) -> Mapping[str, str]:
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError(f"{name}.settings is not an object of texts")
    if misplaced := sorted(set(variables) & set(_ELSEWHERE)):
        raise ValueError(f"{name}.settings.{misplaced[0]} has no effect there: {_ELSEWHERE[misplaced[0]]}")
    if foreign := sorted(one for one in variables if not is_staging_variable(one)):
        raise ValueError(f"{name}.settings.{foreign[0]} is not a setting of stage-in or stage-out")
    return variables


def _parse_quota(place: str, given: Any) -> Quota:
    if not isinstance(given, dict):
        raise ValueError(f"{place} is not an object")  # noqa: TRY004
    if unknown := sorted(set(given) - set(_QUOTAS)):
        raise ValueError(f"{place}.{unknown[0]} is unknown; known are {', '.join(_QUOTAS)}")
    for name, value in given.items():
        _ensure_number(f"{place}.{name}", value)
    return Quota(**{_QUOTAS[name]: value for name, value in given.items()})


def _ensure_number(place: str, value: Any, most: int = _MOST_OF_A_QUOTA) -> None:
    # NaN is within no limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"{place} is not a number from 0 to {most}")


def apply_profile(workspace: Workspace, profile: Profile) -> Workspace:
    """Return a workspace with what its profile says; raises `SettingsError` for credentials that cannot be read.

    With credentials of its own it has none of the installation's.
    """
    if profile == Profile():
        return workspace
    storage, own = workspace.storage, {}
    kept = dict(storage.variables)
    if profile.credentials:
        kept, own = drop_credentials(kept), read_credentials(Path(profile.credentials))
    variables = {**kept, **profile.variables, **own}
    storage = replace(
        storage,
        variables=variables,
        destination=profile.results or storage.destination,
        public_url=profile.public_url or (None if profile.results else storage.public_url),
    )
    secrets = tuple(dict.fromkeys((*workspace.secrets, *find_secrets(variables))))
    limits = workspace.limits
    if profile.retention_days is not None:
        limits = replace(limits, retention_days=profile.retention_days)
    namespace = profile.namespace or workspace.namespace
    return replace(workspace, storage=storage, secrets=secrets, namespace=namespace, limits=limits, quota=profile.quota)


def is_credential(name: str) -> bool:
    """Whether members of a workspace may set a variable as its secret: a key, a token, or the id of a key.

    Addresses and files are the operator's: a member could have the server read or connect to what is not theirs.
    """
    return name == REGISTRIES or name in CREDENTIAL_VARIABLES


def apply_secrets(workspace: Workspace, given: Mapping[str, str]) -> Workspace:
    """Return a workspace with the secrets that its members have set.

    They take the place of all credentials that begin alike (`STAGEIN_`, `STAGEOUT_`, or with neither).
    """
    if not given:
        return workspace
    own = {name: value for name, value in given.items() if name != REGISTRIES}
    replaced = {_find_prefix(name) for name in own}
    variables, left = workspace.storage.variables, drop_credentials(workspace.storage.variables)
    kept = {name: text for name, text in variables.items() if name in left or _find_prefix(name) not in replaced}
    storage = replace(workspace.storage, variables={**kept, **own})
    secrets = (*workspace.secrets, *find_secrets(given), *split_secrets(own.values()))
    registries = (json.loads(given[REGISTRIES]),) if REGISTRIES in given else ()
    return replace(workspace, storage=storage, secrets=tuple(dict.fromkeys(secrets)), pull_credentials=registries)


def _find_prefix(name: str) -> str:
    return next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")


def read_credentials(folder: Path) -> dict[str, str]:
    """Read a folder with a file for each variable; raises `SettingsError`. Files of other names are left alone."""
    try:
        files = [path for path in sorted(folder.iterdir()) if is_staging_variable(path.name) and path.is_file()]
        return {path.name: path.read_text(encoding="utf-8").strip("\r\n") for path in files}
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the credentials of a workspace cannot be read: {folder}: {error}",
            "Mount the Secret that its profile names (ZOO_RUNNER_WORKSPACES), with a file for each variable.",
        ) from error
