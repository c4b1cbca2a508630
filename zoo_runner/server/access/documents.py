"""Workflow access documents: what each workspace publishes of its processes, in a bucket that data hubs write.

One JSON object for each workspace, `<address>/<workspace>.json`:

    {"workflows": {"ndvi": {"access": "public", "type": "user-service"}}}

A process that it does not name is private, and so is one of which it says what is unknown. A document is read when it
is first needed and again after an interval, in the background; one of twice that age is read before it is used. What
was read last holds while the bucket does not answer, or has something that is no such document.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from time import monotonic
from typing import Any

from zoo_runner.model.errors import EngineError, InputError, SettingsError
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.access.remembered import Remembered
from zoo_runner.server.access.workspaces import WORKSPACE, Kind
from zoo_staging.errors import StagingError

MOST_BYTES = 1 << 20
ACCESSES, TYPES = ("private", "public"), ("user-service",)
_ANSWER_SECONDS = 5.0
_MOST_KEPT_BYTES = 256 << 20
# a document in memory, for each of its bytes
_PARSED = 8
_MOST_NAMED = 5
_PRIVATE = {"access": "private"}

Read = Callable[[str], Awaitable[bytes | None]]
"""Reads the document of a workspace, None: there is none. Raises `StagingError`."""

logger = logging.getLogger(__name__)


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


@dataclass
class _Kept:
    document: AccessDocument
    read_at: float


class AccessDocuments:
    """The documents of all workspaces, read again every so many seconds; used in one event loop."""

    def __init__(
        self,
        read: Read,
        every_seconds: float,
        clock: Callable[[], float] = monotonic,
        most_bytes: int = _MOST_KEPT_BYTES,
    ) -> None:
        self._read, self._every_seconds, self._clock = read, every_seconds, clock
        self._kept: Remembered[_Kept] = Remembered(most_bytes)
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def find(self, workspace: str) -> AccessDocument | None:
        """Return what a workspace publishes; None where that was never read, and cannot be read now."""
        kept = self._kept.get(workspace)
        age = self._clock() - kept.read_at if kept else None
        if age is None or age > self._every_seconds:
            task = self._reading.get(workspace) or self._start(workspace)
            # what nobody asked for in a while may have been withdrawn long ago
            if age is None or age > 2 * self._every_seconds:
                await asyncio.shield(task)
                kept = self._kept.get(workspace)
        return kept.document if kept else None

    def _start(self, workspace: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._refresh(workspace))
        self._reading[workspace] = task
        task.add_done_callback(lambda _: self._reading.pop(workspace, None))
        return task

    async def _refresh(self, workspace: str) -> None:
        try:
            body = await asyncio.wait_for(self._read(workspace), _ANSWER_SECONDS)
            document = NOTHING_PUBLISHED if body is None else parse_document(body)
        except (StagingError, asyncio.TimeoutError, ValueError, RecursionError) as error:
            why = error.reason if isinstance(error, StagingError) else str(error) or "no answer in time"
            known = self._kept.get(workspace)
            left = "the one of before holds" if known else "nothing of it is public"
            logger.warning("the access document of %s cannot be read, %s: %s", workspace, left, why)
            if known:
                # not at every request, but at the next interval
                known.read_at = self._clock()
            return
        self._kept.put(workspace, _Kept(document, self._clock()), _PARSED * len(body or b""))


def parse_document(body: bytes) -> AccessDocument:
    """Read a document; raises `ValueError`. Members that are unknown are left out."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    document = json.loads(body)
    workflows = document.get("workflows", {}) if isinstance(document, dict) else None
    if not isinstance(workflows, dict):
        raise ValueError("it is not an object with the member workflows")  # noqa: TRY004 what callers expect
    found = {name: _parse_workflow(given) for name, given in workflows.items()}
    if unknown := [name for name, entry in found.items() if entry is None]:
        # of a later release, it may be: it is not let in as something that it may not be, and the others are read
        most = _MOST_NAMED
        logger.warning(
            "%d entries of an access document are unknown, and private: %s",
            len(unknown),
            ", ".join(repr(f"workflows.{name}"[:100]) for name in unknown[:most]) + (", …" if unknown[most:] else ""),
        )
    return AccessDocument({name: entry or _PRIVATE for name, entry in found.items()})


def _parse_workflow(given: Any) -> Mapping[str, str] | None:
    """Read what is said of one process; None for what is unknown."""
    if not isinstance(given, dict):
        return None
    access, kind = given.get("access", "private"), given.get("type")
    if access not in ACCESSES or (kind is not None and kind not in TYPES):
        return None
    return {"access": access, **({"type": kind} if kind else {})}


class DocumentStore:
    """Where the documents lie: a bucket, or a folder of this machine."""

    def __init__(self, address: str, storage: StorageProfile) -> None:
        from stageout.destinations import open_destination
        from stageout.settings import load_options

        try:
            self._place = open_destination(address, load_options(storage.variables, "access", "access").options)
        except StagingError as error:
            raise SettingsError(f"ZOO_RUNNER_ACCESS={address!r} is invalid: {error.reason}", error.remedy) from error

    async def read(self, workspace: str) -> bytes | None:
        """Return the document of a workspace, None where it has none; raises `StagingError`."""
        return await self._place.get_bytes(f"{workspace}.json")

    async def write(self, workspace: str, body: bytes) -> None:
        """Put a document in the place of that of a workspace; raises `StagingError`."""
        await self._place.put_bytes(f"{workspace}.json", body, "application/json")


async def read_document(store: DocumentStore, workspace: str) -> AccessDocument:
    """Return the document of a workspace; raises `EngineError`, `InputError` for one that is invalid."""
    return (await _read_raw(store, workspace))[1]


async def change_document(store: DocumentStore, workspace: str, process_id: str, kind: Kind) -> None:
    """Write who may use a process into the document of a workspace; what else is in it stays.

    Raises `EngineError`, `InputError`.
    """
    document, _ = await _read_raw(store, workspace)
    entry = {"access": "private" if kind is Kind.PRIVATE else "public"}
    if kind is Kind.USER_SERVICE:
        entry["type"] = kind.value
    known = document.setdefault("workflows", {}).get(process_id, {})
    others = known if isinstance(known, dict) else {}
    kept = {name: value for name, value in others.items() if name not in ("access", "type")}
    document["workflows"][process_id] = {**kept, **entry}
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
