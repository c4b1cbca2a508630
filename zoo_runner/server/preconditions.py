"""Conditions of a request: it is done only to the version that the client knows, or refused (412).

Source: RFC 9110, sections 13.1 and 13.2.2.
"""

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from fastapi import Request

from zoo_runner.model.errors import InputError
from zoo_runner.server.requests import has_tag

FAILED = 412
# what these methods do changes nothing
_READS = ("GET", "HEAD")


def ensure_condition(request: Request, tag: str | None, modified: datetime | None = None) -> None:
    """Refuse a request whose condition is false for what lies at its address; raises `InputError`.

    `tag` is the entity tag, None where there is none: then only `*` matches. `modified` is the time of the last change.
    `If-None-Match` of a request that only reads is no refusal, and not looked at.
    """
    headers = request.headers
    wanted, known = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not _matches(wanted, tag):
        raise _build_failed(f"If-Match is {wanted[:200]}, and the entity tag is {tag or 'none'}")
    if wanted is None and modified and _is_later(modified, headers.get("if-unmodified-since", "")):
        raise _build_failed(f"If-Unmodified-Since is earlier than the last change, {modified.isoformat()}")
    if known is not None and tag and not is_read(request) and has_tag(known, tag):
        raise _build_failed(f"If-None-Match is {known[:200]}, and the entity tag is {tag}")


def ensure_no_version(request: Request) -> None:
    """Refuse to change what has no entity tag in a version that the client names; raises `InputError`.

    Without it a client would think that the version it knows was checked.
    """
    if not is_read(request) and FAILED not in request.scope["route"].responses:
        ensure_condition(request, None)


def is_read(request: Request) -> bool:
    """Whether a request only reads: a GET may execute a process."""
    return request.method in _READS and not request.url.path.endswith("/execution")


def names_version(request: Request) -> bool:
    """Whether a request is for versions that its `If-Match` names."""
    return request.headers.get("if-match", "*").strip() != "*"


def _matches(wanted: str, tag: str | None) -> bool:
    """Whether If-Match names an entity tag: a weak one matches nothing (RFC 9110, section 13.1.1)."""
    return wanted.strip() == "*" or (tag is not None and tag in {one.strip() for one in wanted.split(",")})


def _is_later(modified: datetime, since: str) -> bool:
    """Whether a time is later than that of a header; one that is no date is passed over."""
    try:
        limit = parsedate_to_datetime(since)
    except ValueError:
        return False
    return modified.replace(microsecond=0) > (limit if limit.tzinfo else limit.replace(tzinfo=timezone.utc))


def _build_failed(cause: str) -> InputError:
    return InputError(
        f"the condition of the request is false: {cause}",
        "Get the resource again, and send the request with its current ETag, or without the condition.",
        code="request.precondition",
    )
