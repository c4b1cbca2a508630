"""Requests that pages of other sites have a browser send: none of them starts or creates anything.

Browsers ask the server first (CORS, a preflight request) before they send what a form could not send. What is left are
addresses, and POST requests without a media type or with that of a form.
"""

from urllib.parse import urlsplit

from fastapi import Request

from zoo_runner.config.server import ServerSettings
from zoo_runner.model.errors import InputError
from zoo_runner.server.requests import get_media_type

_WITHOUT_PREFLIGHT = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
"""Media types of requests that are sent unasked (Fetch, section 2.2.2, CORS-safelisted request-header)."""


def ensure_own_post(request: Request, settings: ServerSettings) -> None:
    """Refuse a POST that a page of another site can have a browser send unasked; raises `InputError`."""
    if request.method == "POST" and get_media_type(request.headers.get("content-type", "")) in _WITHOUT_PREFLIGHT:
        ensure_own_page(request, settings)


def ensure_own_page(request: Request, settings: ServerSettings) -> None:
    """Refuse a request that a page of another site asks for, unless its origin is listed.

    Browsers say so over TLS and to this machine (Fetch Metadata Request Headers, W3C); elsewhere, the page's origin or
    address shows it. Raises `InputError`.
    """
    headers = request.headers
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site")
    if {"*", origin} & set(settings.cors_origins):
        return
    page = origin or headers.get("referer", "")
    is_foreign = site in ("cross-site", "same-site") if site else bool(page) and not _is_own(page, request, settings)
    if is_foreign:
        raise InputError(
            f"a page of another site ({(origin or 'unknown')[:200]}) had a browser send this request",
            "Send it with the media type of its body, or ask the operator to list the origin in"
            " ZOO_RUNNER_CORS_ORIGINS.",
            code="request.cross-site",
        )


def ensure_same_origin(request: Request, base: str) -> None:
    """Refuse a request that was not sent by a page of the server, whose address is `base`; raises `InputError`.

    A browser says who sent it; where it says nothing, the request is refused.
    """
    origin, site, parts = request.headers.get("origin", ""), request.headers.get("sec-fetch-site"), urlsplit(base)
    is_own = site == "same-origin" if site else origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    if not is_own:
        sender = (origin or site or "unknown")[:200]
        raise InputError(
            f"the request comes with a session, and no page of this server sent it ({sender})",
            "Send it from a page of this server, or with a token (`Authorization: Bearer …`) and no cookie.",
            code="request.cross-site",
        )


def _is_own(page: str, request: Request, settings: ServerSettings) -> bool:
    host = urlsplit(page).netloc.lower()
    return host in (request.headers.get("host", "").lower(), urlsplit(settings.base_url).netloc.lower()) and bool(host)
