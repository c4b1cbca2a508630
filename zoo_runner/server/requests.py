"""What is read of a request apart from its path: preferences, media types, filters, the execute request."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from zoo_runner.model import written
from zoo_runner.model.errors import InputError
from zoo_runner.model.job import Status
from zoo_runner.model.portable import find_unportable
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.parameters import JobParameters
from zoo_runner.store.protocol import JobQuery

JOB_TYPES = ("application/json", "application/ogcapi-processes+json")
"""The media types of a job that is created or edited."""
_JOB_SCHEMAS = ("execute-workflows.yaml", "execute.yaml")
_JSON = "application/json"
_RESPONSES = ("raw", "document")
_QUALITY = re.compile(r";\s*q=(\d(?:\.\d{0,3})?)\s*(?:;|$)")


def read_execute(body: bytes, media_type: str) -> Mapping[str, Any]:
    """Read an execute request (OGC 18-062r2, section 7.11); raises `InputError`."""
    if media_type not in (_JSON, ""):
        raise InputError(f"the body is {media_type}", f"Send {_JSON}.", code="request.media-type")
    return check_execute(_read_object(body))


def read_document(body: bytes, media_type: str) -> Mapping[str, Any]:
    """Read an object in JSON; raises `InputError`."""
    if media_type != _JSON:
        raise InputError(f"the body is {media_type or 'of no type'}", f"Send {_JSON}.", code="request.media-type")
    return _read_object(body)


def read_job(body: bytes, media_type: str, schema: str) -> Mapping[str, Any]:
    """Read the request of a job that is created or edited (OGC 24-051); raises `InputError`.

    `schema` is that of the body, from the header `Content-Schema`; empty: it has none.
    """
    if media_type not in (*JOB_TYPES, ""):
        raise InputError(f"the body is {media_type}", f"Send {' or '.join(JOB_TYPES)}.", code="job.media-type")
    if schema and not schema.strip("<> ").endswith(_JOB_SCHEMAS):
        raise InputError(
            f"the schema of the body is {schema[:200]!r}", f"Use {' or '.join(_JOB_SCHEMAS)}.", code="job.schema"
        )
    return check_execute(_read_object(body))


def _read_object(body: bytes) -> Mapping[str, Any]:
    request = read_json(body or b"{}")
    if not isinstance(request, dict):
        raise build_invalid("the body is not an object", 'Send an object such as {"inputs": {…}}.')
    return request


def read_json(body: bytes) -> Any:
    """Read a body in JSON (RFC 8259: in UTF-8); raises `InputError`, also for what not everything can hold."""
    try:
        document = written.read_json(body.decode("utf-8-sig"))
        ensure_portable(document, "the body")
    except (ValueError, RecursionError) as error:
        raise build_invalid(f"the body is not JSON: {error}", "Correct the syntax.") from error
    return document


def check_execute(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an execute request whose `response` there is; raises `InputError`."""
    if request.get("response", "document") not in _RESPONSES:
        raise build_invalid(f"response is {request['response']!r}", "Use raw or document.")
    return request


def ensure_members(document: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a document with a member that is not known; raises `InputError`."""
    if unknown := sorted(document.keys() - set(known)):
        raise build_invalid(f"unknown member: {unknown[0][:100]!r}", f"Members are: {', '.join(known)}.")


def read_days(document: Mapping[str, Any], usual: float, most: float) -> float:
    """Return how many days something is to hold; raises `InputError`."""
    days = document.get("days", usual)
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= most:
        raise build_invalid(f"days is {str(days)[:60]}", f"Give a number above 0, and at most {most:g}.")
    return days


def ensure_portable(document: Any, what: str) -> None:
    """Refuse what not every store and reader of JSON can hold; raises `InputError`."""
    if found := find_unportable(document):
        raise build_invalid(
            f"{what}: {found.reason}, at {found.pointer or 'its top'}",
            "Send complete characters, none of which is U+0000, and finite numbers (RFC 7493).",
        )


def is_deeper(value: Any, most: int) -> bool:
    """Whether a value has more levels of lists and objects: what writes it follows them by recursion."""
    level = [value]
    for _ in range(most + 1):
        level = [inner for one in level for inner in _list_parts(one)]
        if not level:
            return False
    return True


def _list_parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def prefers_async(prefer: str) -> bool:
    """Whether a client prefers an asynchronous execution (RFC 7240, `respond-async`)."""
    return "respond-async" in {part.strip().lower() for part in re.split(r"[,;]", prefer)}


def read_wait_seconds(prefer: str, most: float) -> float:
    """Return how long a client wants to wait for results (RFC 7240, `wait`), at most what is allowed."""
    found = re.search(r"\bwait\s*=\s*(\d{1,6})\b", prefer)
    return min(float(found[1]), most) if found else most


def accepts(accept: str, media_type: str) -> bool:
    """Whether a client asks for a media type by its name (RFC 9110, `Accept`)."""
    return media_type in {get_media_type(part) for part in accept.split(",")}


def accepts_any(accept: str, media_types: Iterable[str]) -> bool:
    """Whether a client takes one of these media types; one that states nothing takes all."""
    return not accept.strip() or any(find_quality(accept, media_type) > 0 for media_type in media_types)


def find_quality(accept: str, media_type: str) -> float:
    """Return how much a client wants a media type, from 0 to 1: what the most specific of its ranges says.

    Source: RFC 9110, section 12.5.1.
    """
    found = [(0, 0.0)]
    for part in accept.split(","):
        if level := _cover(get_media_type(part), media_type):
            quality = _QUALITY.search(part)
            found.append((level, min(float(quality[1]), 1.0) if quality else 1.0))
    return max(found)[1]


def _cover(wanted: str, media_type: str) -> int:
    """Return how specific a range is that covers a media type; 0 where it does not. Offered may be anything: `*/*`."""
    kind, _, subtype = wanted.partition("/")
    if wanted == media_type:
        return 3
    if subtype == "*" and kind != "*" and media_type.startswith((f"{kind}/", "*/")):
        return 2
    return 1 if wanted in ("*/*", "*") or (wanted and media_type == "*/*") else 0


def read_last_event(text: str | None) -> int | None:
    """Read the number of the last event that a client had; None where it had none, or one that is not ours."""
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) else None


def has_tag(known: str, tag: str) -> bool:
    """Whether If-None-Match names an entity tag (RFC 9110, section 13.1.2)."""
    return known.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in known.split(",")}


def get_media_type(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def build_query(parameters: JobParameters) -> JobQuery:
    """Build the query of a job list; raises `InputError` for a type, a status or an interval that is invalid."""
    known = {status.value for status in Status}
    for name, given, allowed in (("type", parameters.kinds, {"process"}), ("status", parameters.statuses, known)):
        if unknown := [word for word in _split(given) if word not in allowed]:
            raise build_invalid(f"{name} is {unknown[0]!r}", f"Use: {', '.join(sorted(allowed))}.")
    start, end = _read_interval(parameters.datetime)
    return JobQuery(
        process_ids=_split(parameters.process_ids),
        statuses=tuple(map(Status, _split(parameters.statuses))),
        created_from=start,
        created_to=end,
        min_seconds=parameters.min_duration,
        max_seconds=parameters.max_duration,
        text=parameters.text or None,
        caller=parameters.caller or None,
        codes=_split(parameters.codes),
        steps=tuple(parameters.steps),
        limit=parameters.limit,
        skip=parameters.skip,
        cursor=parameters.cursor,
    )


def _split(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for text in texts for word in text.split(","))


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.ASCII | re.IGNORECASE)


def _read_interval(text: str | None) -> tuple[str | None, str | None]:
    """Read an instant or an interval with `..` for an open end (OGC API - Features, `datetime`; RFC 3339)."""
    if not text:
        return None, None
    start, slash, end = text.partition("/")
    parts = (start, end if slash else start)
    if parts == ("", ""):
        raise _build_no_time(text)
    first, last = (None if part in ("", "..") else _read_time(part, text) for part in parts)
    if first and last and first > f"{last}~":
        raise build_invalid(f"datetime is {text[:60]!r}, which ends before it begins", "Write the earlier time first.")
    # whole seconds and days include all that lies in them
    return first, last and f"{last}~"


def _read_time(part: str, text: str) -> str:
    """Return a date, or a time in UTC, in the form in which jobs have theirs, as far as it is given."""
    match = _TIME.fullmatch(part)
    if match is None:
        raise _build_no_time(text)
    day, clock, fraction, zone = match.groups()
    try:
        if clock is None:
            date.fromisoformat(day)
            return day
        offset = "+00:00" if zone in "Zz" else zone
        moment = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise _build_no_time(text) from None
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction or ''}"


def _build_no_time(text: str) -> InputError:
    return build_invalid(f"datetime is {text[:60]!r}", "Write 2026-01-31T00:00:00Z/.., with .. for an open end.")
