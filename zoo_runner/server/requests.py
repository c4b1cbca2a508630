"""What is read of a request apart from its path: preferences, media types, filters, the execute request."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from zoo_runner.model.errors import InputError
from zoo_runner.model.job import Status
from zoo_runner.store.protocol import JobQuery

_RESPONSES = ("raw", "document")


def read_execute(body: bytes, media_type: str) -> Mapping[str, Any]:
    """Read an execute request (OGC 18-062r2, section 7.11); raises `InputError`."""
    if media_type not in ("application/json", ""):
        raise InputError(f"the body is {media_type}", "Send application/json.", code="request.media-type")
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _invalid(f"the body is not JSON: {error}", "Correct the syntax.") from error
    if not isinstance(request, dict):
        raise _invalid("the body is not an object", 'Send an object such as {"inputs": {…}}.')
    if request.get("response", "document") not in _RESPONSES:
        raise _invalid(f"response is {request['response']!r}", "Use raw or document.")
    if "subscriber" in request:
        raise _invalid("subscriber is not supported", "Leave it out, and follow the job's status.")
    return request


def prefers_async(prefer: str) -> bool:
    """Whether a client prefers an asynchronous execution (RFC 7240, `respond-async`)."""
    return "respond-async" in {part.strip().lower() for part in re.split(r"[,;]", prefer)}


def read_wait_seconds(prefer: str, most: float) -> float:
    """Return how long a client wants to wait for results (RFC 7240, `wait`), at most what is allowed."""
    found = re.search(r"\bwait\s*=\s*(\d{1,6})\b", prefer)
    return min(float(found[1]), most) if found else most


def get_media_type(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def build_query(
    process_ids: Iterable[str], statuses: Iterable[str], datetime: str | None, limit: int, cursor: str | None
) -> JobQuery:
    """Build the query of a job list; raises `InputError` for a status or an interval that is invalid."""
    wanted = [word for text in statuses for word in text.split(",")]
    known = {status.value for status in Status}
    if unknown := [word for word in wanted if word not in known]:
        raise _invalid(f"status is {unknown[0]!r}", f"Use: {', '.join(sorted(known))}.")
    start, end = _read_interval(datetime)
    return JobQuery(
        process_ids=tuple(word for text in process_ids for word in text.split(",")),
        statuses=tuple(Status(word) for word in wanted),
        created_from=start,
        created_to=end,
        limit=limit,
        cursor=cursor,
    )


_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?")


def _read_interval(text: str | None) -> tuple[str | None, str | None]:
    """Read an instant or an interval with `..` for an open end (OGC API - Features, `datetime`)."""
    if not text:
        return None, None
    start, slash, end = text.partition("/")
    parts = (start, end if slash else start)
    if any(part not in ("", "..") and not _TIME.fullmatch(part) for part in parts) or parts == ("", ""):
        raise _invalid(f"datetime is {text[:60]!r}", "Write 2026-01-31T00:00:00Z/.., with .. for an open end.")
    first, last = (None if part in ("", "..") else part for part in parts)
    # whole seconds and days include all that lies in them
    return first and first.removesuffix("Z"), last and f"{last.removesuffix('Z')}~"


def _invalid(cause: str, remedy: str) -> InputError:
    return InputError(cause, remedy, code="request.invalid")
