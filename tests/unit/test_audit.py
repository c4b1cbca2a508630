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
from zoo_runner.server.access.audit import Audited, find_note
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


@pytest.mark.parametrize("status", [Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED])
def test_a_job_that_has_ended_no_longer_says_what_it_did(status: Status) -> None:
    job = build_job(1, status=Status.RUNNING, message="step s runs")
    assert job.moved_to(status, job.created).message is None
