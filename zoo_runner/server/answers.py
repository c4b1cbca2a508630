"""Answers that several routes give: an execution, results, one value."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from zoo_runner.engines.pipeline import translated
from zoo_runner.model.errors import InputError, StageOutError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.server import jobs, requests, results
from zoo_runner.server.access.audit import find_note
from zoo_runner.server.api import Api, Call
from zoo_runner.server.pages.document import Document
from zoo_runner.server.pages.results_page import build_results_page
from zoo_runner.server.places import Places
from zoo_runner.server.preconditions import ensure_condition, is_read
from zoo_runner.server.result_bucket import StoredFile
from zoo_runner.server.result_files import open_files
from zoo_staging.ranges import ByteRange

# a client that waits longer for the first byte gives up
_PLACE_SECONDS = 30.0
_RANGE = r"\s*(?:\d{1,18}-\d{0,18}|-\d{1,18})\s*"
_RANGES = re.compile(f"bytes={_RANGE}(?:,{_RANGE}){{0,9}}", re.ASCII)


async def answer_execution(api: Api, call: Call, job: Job, request: Request, body: Mapping[str, Any]) -> Response:
    """Answer with the job where the client prefers that, or the job takes longer than it waits; else with results."""
    prefer = request.headers.get("prefer", "")
    job = await wait_for_end(api, call, job, prefer)
    if job.status in FINAL and not (call.hub or requests.prefers_async(prefer)):
        return await run_in_threadpool(answer_results, api, job, call, body, request)
    headers = {"Location": call.link("jobs", job.id)}
    if requests.prefers_async(prefer):
        headers["Preference-Applied"] = "respond-async"
    return Document(jobs.describe_job(job, call), "job", call.base, status_code=201, headers=headers)


def note_job(request: Request, call: Call, job: Job) -> Job:
    """Have the audit log and, whatever fails from here on, the answer name the job of a request; returns the job."""
    find_note(request).ids |= {"job_id": job.id, "process_id": job.process_id}
    request.state.job = (job.id, call.at(job.workspace).link("jobs", job.id))
    return job


def lead_to_job(request: Request, call: Call, job: Job) -> Response:
    """Have the audit log name the job that a form has created or started, and lead to its page."""
    note_job(request, call, job)
    return see_other(call.at(job.workspace).link("jobs", job.id))


async def wait_for_end(api: Api, call: Call, job: Job, prefer: str) -> Job:
    """Wait for the end of a job as long as its client and the server want, and return it as it is then."""
    if call.hub or requests.prefers_async(prefer):
        return job
    seconds = requests.read_wait_seconds(prefer, api.settings.sync_seconds)
    return await api.endings.wait_aside(api.store, call.workspace, job.id, seconds)


def replace_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """Return the request with other values of some headers, which its answer is sent by too."""
    kept = [(name, value) for name, value in request.scope["headers"] if name.decode("latin-1") not in headers]
    given = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items() if value]
    request.scope["headers"] = [*kept, *given]
    return Request(request.scope)


def answer_results(api: Api, job: Job, call: Call, body: Mapping[str, Any], request: Request) -> Response:
    """Answer with the results of a job, in the form that its request asks for."""
    headers = {"Link": f'<{call.link("jobs", job.id)}>; rel="monitor"'}
    if body.get("response") == "raw":
        return answer_content(request, results.get_raw_result(job, call), headers)
    if requests.accepts(request.headers.get("accept", ""), results.MULTIPART):
        return answer_content(request, results.get_multipart(job, call), headers)
    document = results.get_results(job, call, as_collection=api.shows_collection(call))
    return Document(
        document,
        "results",
        call.base,
        view=lambda: build_results_page(document, job, call, open_files(api, job)),
        headers=headers,
    )


SANDBOXED = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
"""Has browsers show what users have made without running anything of it at the address of the server."""


class _SentAsItWas(FileResponse):
    """A file that may grow while it is sent, as the log of a job does: what comes after its size is left out.

    A server closes the connection otherwise, with nothing sent.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        left = 0

        async def send_no_more(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = int(MutableHeaders(scope=message).get("content-length", "0"))
            elif body := message.get("body"):
                message = {**message, "body": body[:left]}
                left -= len(message["body"])
            await send(message)

        await super().__call__(scope, receive, send_no_more)


def answer_file(
    request: Request, path: Path, media_type: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a file of this machine, or with the ranges of it that are asked for (RFC 9110, section 14).

    A client that has it already learns just that (section 13.1). Raises `InputError` where the file is not what the
    client wants to read on, or has none of the ranges; what is no range is passed over, and so is one of an execution.
    """
    found = path.stat()
    answer = _SentAsItWas(path, 200, {**SANDBOXED, **(headers or {})}, media_type, stat_result=found)
    if is_read(request):
        ensure_condition(request, answer.headers["etag"], datetime.fromtimestamp(found.st_mtime, timezone.utc))
    if _is_known(request, answer.headers):
        kept = {name: answer.headers[name] for name in ("etag", "last-modified")}
        return Response(status_code=304, headers=kept)
    asked, version = request.headers.get("range"), request.headers.get("if-range")
    if asked is None or version not in (None, answer.headers["etag"], answer.headers["last-modified"]):
        # of another version than the client has, the whole file is sent
        return answer
    if request.method != "GET" or not _is_range(asked):
        replace_headers(request, {"range": ""})
    elif not _has_range(asked, found.st_size):
        raise _build_no_range(asked, found.st_size)
    return answer


def _build_no_range(asked: str, size: int) -> InputError:
    return InputError(
        f"the file has {size} bytes, and none of those asked for: {asked[:200]}",
        "Ask for a range of bytes that it has.",
        code="request.range",
    )


@dataclass(frozen=True)
class Downloads:
    """The places of what is sent from buckets, and the workspace whose files are sent."""

    places: Places
    workspace: str


class _SentFromBucket(Response):
    """An object of a bucket, or a part of it, that is sent as it is read, once there is a place for that."""

    def __init__(
        self, stored: StoredFile, start: int, end: int, headers: Mapping[str, str], downloads: Downloads
    ) -> None:
        is_part = end - start < stored.size
        super().__init__(status_code=206 if is_part else 200, headers=dict(headers))
        self.headers["content-length"] = str(end - start)
        if is_part:
            self.headers["content-range"] = f"bytes {start}-{end - 1}/{stored.size}"
        self._stored, self._start, self._end = stored, start, end
        self._downloads = downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; what fails before its first byte is an error of the request.

        Raises `StageOutError`, and `EngineError` (`request.busy`) where there is no place for it.
        """
        async with self._downloads.places.take(self._downloads.workspace, _PLACE_SECONDS):
            await self._send(receive, send)

    async def _send(self, receive: Receive, send: Send) -> None:
        chunks: AsyncIterator[bytes] | None = None
        if self._end > self._start:
            with translated(StageOutError):
                part = ByteRange(self._start, self._end, self._stored.validator)
                chunks = await self._stored.bucket.open_part(self._stored.path, part)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if chunks:
            # the server of ASGI passes over what is sent to a client that has gone, without an error
            gone = asyncio.ensure_future(_wait_for_end(receive))
            try:
                async for chunk in chunks:
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _wait_for_end(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def answer_stored(
    request: Request,
    stored: StoredFile,
    media_type: str,
    downloads: Downloads,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with an object of a bucket, or with the range of it that is asked for (RFC 9110, section 14).

    Of several ranges none is taken: the whole is sent. Raises `InputError` where it has none of the range.
    """
    tag = stored.validator
    if is_read(request):
        ensure_condition(request, tag)
    sent = {**SANDBOXED, "Accept-Ranges": "bytes", "Content-Type": media_type, **(headers or {})}
    sent |= {"ETag": tag} if tag else {}
    if tag and request.method == "GET" and requests.has_tag(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={"ETag": tag})
    asked, version = request.headers.get("range"), request.headers.get("if-range")
    if not asked or version not in (None, tag) or not _is_range(asked) or "," in asked:
        return _SentFromBucket(stored, 0, stored.size, sent, downloads)
    if not _has_range(asked, stored.size):
        raise _build_no_range(asked, stored.size)
    ((first, last),) = _split_ranges(asked)
    start = int(first) if first else max(stored.size - int(last), 0)
    end = min(int(last) + 1, stored.size) if first and last else stored.size
    return _SentFromBucket(stored, start, end, sent, downloads)


def _is_known(request: Request, headers: Mapping[str, str]) -> bool:
    """Whether the client that asks has the file as it is now; an entity tag counts more than a time."""
    if request.method != "GET":
        return False
    if tags := request.headers.get("if-none-match"):
        return requests.has_tag(tags, headers["etag"])
    return request.headers.get("if-modified-since") == headers["last-modified"]


def _is_range(asked: str) -> bool:
    return _RANGES.fullmatch(asked) is not None and all(
        not (start and end) or int(start) <= int(end) for start, end in _split_ranges(asked)
    )


def _split_ranges(asked: str) -> list[list[str]]:
    return [part.strip().split("-") for part in asked.partition("=")[2].split(",")]


def _has_range(asked: str, size: int) -> bool:
    pairs = _split_ranges(asked)
    return any(int(start) < size if start else int(end) > 0 and size > 0 for start, end in pairs)


def answer_any_file(
    request: Request, content: results.Content, downloads: Downloads, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a file of results, which may lie in a bucket."""
    if content.stored:
        return answer_stored(request, content.stored, content.media_type, downloads, headers)
    return answer_content(request, content, headers)


def see_other(href: str) -> Response:
    """Answer a form with the page to go on with (303; RFC 9110, section 15.4.4)."""
    return Response(status_code=303, headers={"Location": href})


def answer_content(
    request: Request, content: results.Content | results.Parts, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with one value or several, or with the link to what lies elsewhere."""
    sent = {**SANDBOXED, **(headers or {})}
    if isinstance(content, results.Parts):
        return StreamingResponse(content.read(), media_type=content.media_type, headers=sent)
    if content.link:
        links = [link for link in (sent.get("Link"), f'<{content.link}>; rel="related"') if link]
        return Response(status_code=204, headers={**(headers or {}), "Link": ", ".join(links)})
    if content.file:
        return answer_file(request, content.file, content.media_type, headers)
    return Response(content.body, media_type=content.media_type, headers=sent)
