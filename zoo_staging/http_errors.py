"""Translates failures and statuses of web servers to `StagingError`s with a remedy."""

import os
import re
import socket
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from zoo_staging.addresses import PRIVATE
from zoo_staging.curl import CurlError
from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.failures import Failure, Remote, build_failure
from zoo_staging.hosts import RefusedAddressError
from zoo_staging.ranges import broken_off

LOGIN_REMEDY = "If the host needs a login, put its credentials in the file set by STAGEIN_HOSTS_FILE."
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
# 203: a proxy changed the answer on its way (RFC 9110, section 15.3.4); what it sends is checked as any other
_WITH_DATA = (200, 203, 206)
_ACCEPTED = 202


def translate(error: Exception, href: str) -> StagingError:
    """Return the `StagingError` for an error of the HTTP client at `href`."""
    if isinstance(error, StagingError):
        return error
    if isinstance(error, RefusedAddressError):
        return refused(href, str(error))
    if isinstance(error, CurlError):
        return _translate_curl(error, href)
    if isinstance(error, TimeoutError):
        return _fail(Failure.TIMEOUT, href)
    if isinstance(error, OSError):
        return _unresolved(error, href)
    return _invalid(href, str(error))


def translate_body(error: Exception, href: str) -> StagingError:
    """Return the `StagingError` for an error while reading the body."""
    late = isinstance(error, TimeoutError) or (isinstance(error, CurlError) and error.kind == "timeout")
    return _fail(Failure.TIMEOUT, href) if late else broken_off(href)


def _translate_curl(error: CurlError, href: str) -> StagingError:
    if error.refusal:
        return refused(href, error.refusal)
    if error.kind == "untrusted":
        return _untrusted(str(error), href)
    if error.kind == "timeout":
        return _fail(Failure.TIMEOUT, href)
    if error.kind in ("unreachable", "broken-off"):
        return _unreachable(error, href)
    return _invalid(href, str(error))


def refused(href: str, reason: str) -> StagingError:
    """Build the error for an address that may not be connected to."""
    remedy = "Use the public address of the data."
    if reason.endswith(PRIVATE):
        remedy = (
            "Use a public address, or ask the operator to allow this host (STAGEIN_PRIVATE_HOSTS) or all private"
            " networks (STAGEIN_ALLOW_PRIVATE)."
        )
    return StagingError(Kind.REFUSED, href, f"address not allowed: {reason}", remedy)


def check_status(status: int, phrase: str, headers: Mapping[str, str], href: str) -> None:
    """Raise the `StagingError` of an answer that has no data by its status."""
    said = f"HTTP {status} {phrase}".rstrip()
    if status in _WITH_DATA:
        return
    if status in (404, 410):
        raise StagingError(Kind.NOT_FOUND, href, f"does not exist ({said})", "Check the address.")
    if status in (401, 403, 407):
        raise StagingError(
            Kind.FORBIDDEN,
            href,
            f"access is denied ({said})",
            f"Check that the address is public or its signature still valid. {LOGIN_REMEDY}",
        )
    if status in RETRYABLE or status == _ACCEPTED:
        wait = read_retry_after(headers.get("retry-after"))
        failure = Failure.PREPARING if status == _ACCEPTED else Failure.UNAVAILABLE
        asked = f", ask again after {wait:.0f} s" if wait else ""
        raise _fail(failure, href, f"{said}{asked}", retry_after_seconds=wait)
    raise _fail(Failure.NO_DATA if 200 <= status < 300 else Failure.UNEXPECTED, href, said)


def read_retry_after(value: str | None) -> float | None:
    """Read `Retry-After`, seconds or a date (RFC 9110, section 10.2.3), as seconds from now."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(timezone.utc) - datetime.now(timezone.utc)).total_seconds())


def _fail(failure: Failure, href: str, why: str = "", *, retry_after_seconds: float | None = None) -> StagingError:
    host = _host(href)
    return build_failure(
        failure, href, Remote(f"the server {host}", host), why, retry_after_seconds=retry_after_seconds
    )


def _unresolved(error: OSError, href: str) -> StagingError:
    final = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    return (StagingError if final else RetryableError)(
        Kind.UNREACHABLE,
        href,
        f"cannot resolve the host name {_host(href)!r}",
        "Check the spelling of the host name, and the network of this machine.",
    )


def _unreachable(error: CurlError, href: str) -> StagingError:
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.proxy:
        proxy = error.proxy.rpartition("@")[2]  # without credentials
        return RetryableError(
            Kind.UNREACHABLE,
            href,
            f"cannot connect to {_host(href)} through the proxy {proxy}: {why or 'connection closed'}",
            "Check the proxy set by http_proxy, https_proxy or all_proxy, and no_proxy.",
        )
    return _fail(Failure.UNREACHABLE, href, why or "connection closed")


def _untrusted(text: str, href: str) -> StagingError:
    # libcurl: "SSL certificate OpenSSL verify result: self-signed certificate (18)", or "SSL certificate problem: ..."
    why = re.sub(r"^SSL certificate .*?: | \(\d+\)$", "", text)
    return _fail(Failure.UNTRUSTED, href, f": {why or 'verification failed'}")


def _invalid(href: str, why: str) -> StagingError:
    return StagingError(
        Kind.UNREACHABLE,
        href,
        f"invalid address, or invalid HTTP answer of the server ({why})",
        "Check the address in a browser.",
    )


def _host(href: str) -> str:
    try:
        return urlsplit(href).hostname or "without a name"
    except ValueError:
        return "without a name"
