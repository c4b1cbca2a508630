"""What the audit log has of a request: what it made, and what ended as an internal error."""

import asyncio
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tests.contract.stores import build_job
from zoo_runner.model.audit import AuditEntry
from zoo_runner.model.job import Status
from zoo_runner.server.access.audit import SHOWN_SECONDS, Audited, find_note
from zoo_runner.server.answers import note_job
from zoo_runner.server.api import Call
from zoo_runner.store.sql.audit import SqlAudit


class Log:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def add(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


def answer(status: int | None) -> tuple[list[AuditEntry], Scope]:
    """Answer an execution whose job was accepted, with None: by an internal error."""
    log, sent = Log(), list[Message]()

    async def execute(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        find_note(request).workspace, find_note(request).action = "alpha", "process.execute"
        note_job(request, Call("alpha", "http://here"), build_job(1, workspace="alpha", process_id="echo"))
        if status is None:
            raise RuntimeError("unforeseen")
        await Response(status_code=status)(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    audited = Audited(execute, cast(SqlAudit, log))
    if status is None:
        with pytest.raises(RuntimeError):
            asyncio.run(audited(scope, receive, send))
    else:
        asyncio.run(audited(scope, receive, send))
    return log.entries, scope


@pytest.mark.parametrize(
    ("status", "recorded"), [(200, (200, None)), (400, (400, None)), (None, (500, "runner.defect"))]
)
def test_an_entry_names_what_a_request_has_made_however_it_ended(
    status: int | None, recorded: tuple[int, str | None]
) -> None:
    (entry,), scope = answer(status)
    assert (entry.status, entry.code) == recorded
    assert (entry.workspace, entry.process, entry.job) == ("alpha", "echo", "job-1")
    # what its answer names too, if the request fails
    assert scope["state"]["job"] == ("job-1", "http://here/jobs/job-1")


def test_what_a_page_shows_beside_the_status_is_recorded_once_a_minute_for_each_caller() -> None:
    log, now = Log(), [0.0]

    async def show(scope: Scope, receive: Receive, send: Send) -> None:
        note = find_note(Request(scope))
        note.workspace, note.action, note.ids, note.decision = "alpha", "job.status", {"job_id": "job-1"}, "of status"
        note.caller = scope["caller"]
        note.shown, note.asked = {"job.logs", "job.inputs"}, {"job.logs": "of logs", "job.inputs": None}
        await Response()(scope, receive, send)

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {"type": "http.request"}

    audited = Audited(show, cast(SqlAudit, log), lambda: now[0])

    def list_new(caller: str) -> list[tuple[str, str | None, str | None]]:
        before = len(log.entries)
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "caller": caller}
        asyncio.run(audited(scope, receive, send))
        return [(entry.action, entry.job, entry.decision) for entry in log.entries[before:]]

    both = [("job.inputs", "job-1", None), ("job.logs", "job-1", "of logs")]
    assert list_new("ada") == both
    assert list_new("ada") == []
    assert list_new("ben") == both
    now[0] += SHOWN_SECONDS
    assert list_new("ada") == both


@pytest.mark.parametrize("status", [Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED])
def test_a_job_that_has_ended_no_longer_says_what_it_did(status: Status) -> None:
    job = build_job(1, status=Status.RUNNING, message="step s runs")
    assert job.moved_to(status, job.created).message is None
