"""The one door to HTTP (aiohttp): checked addresses, redirects followed by hand, errors translated here."""

import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from staging.addresses import PRIVATE, find_refusal, parse_address
from staging.errors import Kind, RetryableError, StagingError

CHUNK_BYTES = 1 << 20
MOST_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class HttpOptions:
    """How patient to be, and whether hosts in private networks (this machine too) may be asked."""

    allow_private: bool = True
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0


@dataclass(frozen=True)
class Answer:
    """An answer whose body has begun to come: its final address, its size if told, its bytes."""

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]


class _RefusedAddressError(OSError):
    """A name resolved to refused addresses only; `str()` is the reason."""


class _CheckedResolver(AbstractResolver):
    """Resolves names and keeps refused addresses back, so that what was checked is what is connected to."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        reasons = [find_refusal(result["host"], self._allow_private) for result in found]
        allowed = [result for result, reason in zip(found, reasons, strict=True) if reason is None]
        if found and not allowed:
            raise _RefusedAddressError(reasons[0])
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class HttpClient:
    """One session of HTTP: use as an async context manager; `get` streams."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(self, href: str) -> AsyncIterator[Answer]:
        """Ask for `href` and stream what comes; each redirect is checked as the first address was.

        Raises `StagingError`, of which `RetryableError` says that asking again may help: no connection, a
        time-out, an overloaded server (408, 425, 429, 5xx but 501), a body that broke off.
        """
        async with AsyncExitStack() as stack:
            # only the request is translated: what fails while the caller handles the bytes is the caller's
            try:
                response = await stack.enter_async_context(self._follow(href))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise translate(error, href) from error
            encoded = "Content-Encoding" in response.headers
            yield Answer(
                href=str(response.url),
                size_bytes=None if encoded else response.content_length,
                chunks=_stream(response, href),
            )

    @asynccontextmanager
    async def _follow(self, href: str) -> AsyncIterator[aiohttp.ClientResponse]:
        url = _parse_url(href)
        for _ in range(MOST_REDIRECTS):
            self._check(url, href)
            async with self._open_session().get(url, allow_redirects=False) as response:
                if response.status not in REDIRECTS or "Location" not in response.headers:
                    _check_status(response, href)
                    yield response
                    return
                url = _redirect(url, response.headers["Location"], href)
        raise StagingError(
            Kind.REFUSED,
            href,
            f"the server redirected more than {MOST_REDIRECTS} times",
            "Ask the server's operator; the address may only work after a login.",
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, resolver=_CheckedResolver(self._options.allow_private), use_dns_cache=False
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=self._options.connect_timeout_seconds,
                    sock_read=self._options.read_timeout_seconds,
                ),
                headers={"User-Agent": "zoo-runner-stagein", "Accept-Encoding": "identity"},
                read_bufsize=CHUNK_BYTES,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _check(self, url: URL, href: str) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise _refused(href, f"it leads to {url.human_repr()!r}, which is not http or https")
        address = parse_address(url.host)
        reason = find_refusal(url.host, self._options.allow_private) if address else None
        if reason:
            raise _refused(href, reason)


def translate(error: Exception, href: str) -> StagingError:
    """Say what an error of the HTTP client means for `href`."""
    if isinstance(error, StagingError):
        return error
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, _RefusedAddressError):
        return _refused(href, str(cause))
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return _untrusted(error, href)
    if isinstance(error, aiohttp.ClientPayloadError | TimeoutError):
        return _interrupted(error, href)
    if isinstance(cause, OSError) or isinstance(error, aiohttp.ClientConnectionError):
        return _unreachable(cause, href)
    return StagingError(
        Kind.UNREACHABLE,
        href,
        f"the address or the answer of the server is not valid HTTP ({type(error).__name__})",
        "Check the address in a browser.",
    )


def _interrupted(error: Exception, href: str) -> StagingError:
    if isinstance(error, aiohttp.ClientPayloadError):
        return RetryableError(
            Kind.SIZE, href, "the connection broke before all bytes came", "Try again; check the network."
        )
    return RetryableError(
        Kind.TIMEOUT,
        href,
        f"{_host(href)} did not answer in time",
        "Try again later; raise the read time-out in the settings if the server is just slow.",
    )


def _unreachable(cause: BaseException, href: str) -> StagingError:
    host = _host(href)
    if isinstance(cause, socket.gaierror) or "DNS" in type(cause).__name__:
        kind = StagingError if getattr(cause, "errno", None) == socket.EAI_NONAME else RetryableError
        return kind(
            Kind.UNREACHABLE,
            href,
            f"the host name {host!r} cannot be resolved",
            "Check the spelling of the host and this machine's network.",
        )
    why = getattr(cause, "strerror", None) or "the connection was closed"
    return RetryableError(
        Kind.UNREACHABLE,
        href,
        f"no connection to {host}: {re.sub(r'^Connect call failed.*', 'connection refused', str(why))}",
        "Check that the server runs and can be reached from this machine.",
    )


def _untrusted(error: BaseException, href: str) -> StagingError:
    found = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
    why = getattr(found, "verify_message", "") or "verification failed"
    return StagingError(
        Kind.UNTRUSTED,
        href,
        f"the certificate of {_host(href)} is not trusted: {why}",
        "Ask the server's operator for a valid certificate, or install its authority on this machine.",
    )


def _parse_url(href: str) -> URL:
    """Take an address that is already encoded as it is: a signature may cover its very spelling."""
    return URL(href, encoded=re.fullmatch(r"[!-~]+", href) is not None)


def _host(href: str) -> str:
    try:
        return _parse_url(href).host or "the server"
    except ValueError:
        return "the server"


def _refused(href: str, reason: str) -> StagingError:
    remedy = "Use the public address of the data."
    if reason.endswith(PRIVATE):
        remedy = "Use a public address, or have the operator allow private networks."
    return StagingError(Kind.REFUSED, href, f"the address is refused: {reason}", remedy)


def _redirect(url: URL, location: str, href: str) -> URL:
    """The next hop; without the user and password of the first when another host is meant (urllib's rule)."""
    target = url.join(_parse_url(location))
    if url.scheme == "https" and target.scheme == "http":
        raise _refused(href, f"it redirects from https to unprotected http ({target.host})")
    return target


def _check_status(response: aiohttp.ClientResponse, href: str) -> None:
    status, said = response.status, f"HTTP {response.status} {response.reason or ''}".rstrip()
    if status == 200:
        return
    if status in (404, 410):
        raise StagingError(Kind.NOT_FOUND, href, f"does not exist ({said})", "Check the address.")
    if status in (401, 403, 407):
        raise StagingError(
            Kind.FORBIDDEN,
            href,
            f"access is denied ({said})",
            "Check that the address is public or its signature still valid; ask the data's owner for access.",
        )
    if status in RETRYABLE:
        raise RetryableError(
            Kind.STORAGE,
            href,
            f"the server cannot answer now ({said})",
            "Try again later; if it stays, tell the server's operator.",
            retry_after_seconds=read_retry_after(response.headers.get("Retry-After")),
        )
    raise StagingError(
        Kind.STORAGE, href, f"the server refused the request ({said})", "Check the address in a browser."
    )


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
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


async def _stream(response: aiohttp.ClientResponse, href: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise translate(error, href) from error
