"""Writes the audit log: an entry for each request that changes something, reads results or logs, or is denied."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_runner.model import clock
from zoo_runner.model.audit import AuditEntry
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import RunnerError
from zoo_runner.server.access.remembered import Remembered
from zoo_runner.server.api import Api
from zoo_runner.server.log_lines import get_request_id
from zoo_runner.store.sql.audit import SqlAudit

UNRECORDED = frozenset({"workspace.read", "workspace.usage", "process.list", "process.read", "job.list", "job.status"})
"""Actions that show descriptions and states; recorded only where they are denied."""
SHOWN_SECONDS = 60.0
"""How long what a page shows beside its document is not recorded again: browsers load the page of a job many times."""
_REMEMBERED_BYTES = 4 << 20
_DENIED, _INTERNAL = 403, 500
_NOTE = "zoo_runner.audit"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Act:
    """What was done with one of several jobs, with the status that it would have been answered with by itself."""

    action: str
    job: str
    status: int
    process: str | None = None
    code: str | None = None
    decision: str | None = None


@dataclass
class Note:
    """What is known of a request so far; `action` is empty until it is known who calls.

    `workspace` is that of the path, `calling` another that gets the job. `ids` are those of the path, and of what the
    request has made. `shown` are the actions whose content a page shows beside its document, such as the log of a job,
    `asked` the decisions on them by action. `acts` are what was done with each of several jobs.
    """

    workspace: str = ""
    calling: str | None = None
    caller: str | None = None
    by: str | None = None
    token: str | None = None
    action: str = ""
    decision: str | None = None
    code: str | None = None
    ids: dict[str, str] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    asked: dict[str, str | None] = field(default_factory=dict)
    acts: list[Act] = field(default_factory=list)


def find_note(request: Request) -> Note:
    """Return the note of a request, to write into it."""
    note: Note = request.scope.get(_NOTE) or Note()
    return note


class Audited:
    """ASGI middleware: what is worth an entry is stored before its answer is sent."""

    def __init__(self, app: ASGIApp, log: SqlAudit, clock: Callable[[], float] = monotonic) -> None:
        self._app, self._log, self._clock = app, log, clock
        self._shown: Remembered[float] = Remembered(_REMEMBERED_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        note, status = Note(), 0
        scope[_NOTE] = note

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                await self._record(note, status, scope)
            await send(message)

        try:
            await self._app(scope, receive, send_recorded)
        except Exception:
            # it is answered outside of this; what was done before is done
            if not status:
                note.code = "runner.defect"
                await self._record(note, _INTERNAL, scope)
            raise

    async def _record(self, note: Note, status: int, scope: Scope) -> None:
        entries = [
            *(_build_entries(note, status, scope) if _is_recorded(note, status) else ()),
            *_build_acts(note, status, scope),
            *(entry for entry in _build_shown(note, status, scope) if self._is_new(entry)),
        ]
        for entry in entries:
            await run_in_threadpool(self._add, entry)

    def _is_new(self, entry: AuditEntry) -> bool:
        who = (entry.caller, entry.by, entry.token, entry.client)
        key = json.dumps((entry.workspace, entry.job, entry.action, *who))
        if self._clock() < (self._shown.get(key) or 0.0):
            return False
        self._shown.put(key, self._clock() + SHOWN_SECONDS)
        return True

    def _add(self, entry: AuditEntry) -> None:
        try:
            self._log.add(entry)
        except RunnerError:
            # what was done is done; the entry is in the log of the server instead
            logger.exception("the audit log lacks an entry: %s", json.dumps(to_plain(entry)))


def _is_recorded(note: Note, status: int) -> bool:
    return bool(note.action) and (note.action not in UNRECORDED or status == _DENIED)


def _build_entries(note: Note, status: int, scope: Scope) -> list[AuditEntry]:
    """Build the entry of a request, and the same for the workspace that gets its job where that is another."""
    client = scope.get("client")
    entry = AuditEntry(
        time=clock.now(),
        workspace=note.workspace,
        caller=note.caller,
        action=note.action,
        status=status,
        process=note.ids.get("process_id"),
        job=note.ids.get("job_id"),
        upload=note.ids.get("upload_id"),
        code=note.code,
        decision=note.decision,
        request=get_request_id(),
        client=client[0] if client else None,
        by=note.by,
        token=note.ids.get("token_id") or note.token,
        secret=note.ids.get("secret_name"),
    )
    return [entry, *([replace(entry, workspace=note.calling)] if note.calling else ())]


def _build_shown(note: Note, status: int, scope: Scope) -> list[AuditEntry]:
    """Build the entries of what a page shows beside its document."""
    return [
        replace(entry, action=action, decision=note.asked.get(action))
        for action in sorted(note.shown)
        for entry in _build_entries(note, status, scope)
    ]


def _build_acts(note: Note, status: int, scope: Scope) -> list[AuditEntry]:
    """Build the entry of what was done with each of several jobs."""
    return [replace(entry, **vars(act)) for act in note.acts for entry in _build_entries(note, status, scope)]


def export_entries(api: Api, workspace: str, since: str | None) -> Iterator[str]:
    """Yield the entries of a workspace as JSON, one a line."""
    return (json.dumps(to_plain(entry)) + "\n" for entry in api.store.audit.read(workspace, since))
