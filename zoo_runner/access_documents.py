"""Workflow access documents: what each workspace publishes of its processes, in a bucket that servers read.

One JSON object for each workspace, `<address>/<workspace>.json`:

    {"workflows": {"ndvi": {"access": "public", "type": "user-service"}}}

A process that it does not name is private, and so is one with an unknown entry.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from hashlib import sha256
from typing import Any

from zoo_runner.model.errors import EngineError, InputError, SettingsError
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.errors import StagingError

WORKSPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What a workspace may be called; its namespace has that name too, with `ws-` before it."""
MOST_BYTES = 1 << 20
ACCESSES, TYPES = ("private", "public"), ("user-service",)
_MOST_NAMED = 5
_PRIVATE = {"access": "private"}

logger = logging.getLogger(__name__)


class Kind(str, Enum):
    """Who may use a process, and where it runs for others than its owners."""

    __str__ = str.__str__

    PRIVATE = "private"
    PUBLIC = "public"
    USER_SERVICE = "user-service"


_ENTRIES: Mapping[Kind, Mapping[str, str]] = {
    Kind.PRIVATE: _PRIVATE,
    Kind.PUBLIC: {"access": "public"},
    Kind.USER_SERVICE: {"access": "public", "type": "user-service"},
}
_ENTRY = ("access", "type")


@dataclass(frozen=True)
class AccessDocument:
    """What one workspace publishes: processes by id; as it is given to the policy."""

    workflows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """The digest of all that it says."""
        return sha256(json.dumps(self.workflows, sort_keys=True).encode()).hexdigest()

    def find_kind(self, process_id: str) -> Kind:
        """Return who may use a process."""
        found = self.workflows.get(process_id, {})
        if found.get("access") != "public":
            return Kind.PRIVATE
        return Kind.USER_SERVICE if found.get("type") == "user-service" else Kind.PUBLIC


NOTHING_PUBLISHED = AccessDocument()


def parse_document(body: bytes) -> AccessDocument:
    """Read a document; raises `ValueError`. Members that are unknown are left out."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    document = json.loads(body)
    workflows = document.get("workflows", {}) if isinstance(document, dict) else None
    if not isinstance(workflows, dict):
        raise ValueError("it is not an object with the member workflows")  # noqa: TRY004 what callers expect
    found = {name: parse_entry(given) for name, given in workflows.items()}
    if unknown := [name for name, entry in found.items() if entry is None]:
        # of a later release, it may be: it is not let in as something that it may not be, and the others are read
        most = _MOST_NAMED
        logger.warning(
            "%d entries of an access document are unknown, and private: %s",
            len(unknown),
            ", ".join(repr(f"workflows.{name}"[:100]) for name in unknown[:most]) + (", …" if unknown[most:] else ""),
        )
    return AccessDocument({name: entry or _PRIVATE for name, entry in found.items()})


def parse_entry(given: Any) -> Mapping[str, str] | None:
    """Read the entry of one process; None for an unknown one."""
    if not isinstance(given, dict):
        return None
    access, kind = given.get("access", "private"), given.get("type")
    if access not in ACCESSES or (kind is not None and kind not in TYPES):
        return None
    return {"access": access, **({"type": kind} if kind else {})}


class DocumentStore:
    """Where the documents lie: a bucket, or a folder of this machine."""

    def __init__(self, address: str, storage: StorageProfile, setting: str = "ZOO_RUNNER_ACCESS") -> None:
        from stageout.destinations import open_destination
        from stageout.settings import load_options

        try:
            self._place = open_destination(address, load_options(storage.variables, "access", "access").options)
        except StagingError as error:
            raise SettingsError(f"{setting}={address!r} is invalid: {error.reason}", error.remedy) from error

    async def read(self, workspace: str) -> bytes | None:
        """Return the document of a workspace, None where it has none; raises `StagingError`."""
        return await self._place.get_bytes(f"{workspace}.json")

    async def write(self, workspace: str, body: bytes) -> None:
        """Put a document in the place of that of a workspace; raises `StagingError`."""
        await self._place.put_bytes(f"{workspace}.json", body, "application/json")


async def read_document(store: DocumentStore, workspace: str) -> AccessDocument:
    """Return the document of a workspace; raises `EngineError`, `InputError` for one that is invalid."""
    return (await _read_raw(store, workspace))[1]


async def change_document(store: DocumentStore, workspace: str, kinds: Mapping[str, Kind | None]) -> None:
    """Write who may use processes into the document of a workspace, None: nothing of it; what else is in it stays.

    Where it says so already, nothing is written. Raises `EngineError`, `InputError`.
    """
    document, _ = await _read_raw(store, workspace)
    before = json.dumps(document, sort_keys=True)
    workflows = document.setdefault("workflows", {})
    for process_id, kind in kinds.items():
        if kind is None:
            workflows.pop(process_id, None)
            continue
        known = workflows.get(process_id, {})
        others = known if isinstance(known, dict) else {}
        workflows[process_id] = {**{name: one for name, one in others.items() if name not in _ENTRY}, **_ENTRIES[kind]}
    if json.dumps(document, sort_keys=True) == before:
        return
    try:
        await store.write(workspace, json.dumps(document, indent=2).encode())
    except StagingError as error:
        raise _unreachable(workspace, error) from error


async def _read_raw(store: DocumentStore, workspace: str) -> tuple[dict[str, Any], AccessDocument]:
    if not WORKSPACE.fullmatch(workspace):
        raise InputError(f"{workspace!r} cannot be a workspace", "Correct the word.", code="access.document")
    try:
        body = await store.read(workspace) or b"{}"
        return json.loads(body), parse_document(body)
    except StagingError as error:
        raise _unreachable(workspace, error) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"the access document of {workspace} is invalid: {error}",
            'Correct it, as in {"workflows": {"<process>": {"access": "public"}}}.',
            code="access.document",
        ) from error


def _unreachable(workspace: str, error: StagingError) -> EngineError:
    return EngineError(
        f"the access document of {workspace} cannot be read or written: {error.reason}",
        error.remedy,
        code="access.unavailable",
    )
