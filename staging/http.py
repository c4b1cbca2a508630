"""The one door to HTTP: checked addresses, redirects followed by hand, credentials per host, errors translated.

The standard library's client in threads: of those measured it moves a byte, and makes a request, at the least cost
(docs/staging.md).
"""

import asyncio
import base64
import http.client
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from staging.addresses import parse_address
from staging.answers import check_status, refused, translate, translate_body
from staging.connections import PORTS, Connection, ConnectionPool, Origin, Reach, Resolve, find_refusal_once
from staging.errors import Kind, StagingError
from staging.parts import ChangedError, Part, broken_off
from staging.threads import Workers

CHUNK_BYTES = 2 << 20
MOST_REDIRECTS = 10
_Call = Callable[[], memoryview]
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HEADERS = {"User-Agent": "zoo-runner-stagein", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class HttpOptions:
    """How patient to be, and whether hosts in private networks (this machine too) may be asked.

    `authorization` is what to send as the header of that name, per origin (`https://host[:port]`); no other
    origin gets it. `resolve` resolves names, as `socket.getaddrinfo` does.
    """

    allow_private: bool = True
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    authorization: Mapping[str, str] = field(default_factory=dict, repr=False)
    resolve: Resolve = socket.getaddrinfo


@dataclass(frozen=True)
class Answer:
    """An answer whose body has begun to come: its final address, its size if told, its bytes.

    `validator` names this version of the file (RFC 9110, section 8.8) where the server can give parts of it. A
    chunk is valid until the next one is asked for.
    """

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[memoryview]
    validator: str | None = None


class HttpClient:
    """Web servers, with connections kept open: use as an async context manager; `get` streams."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._workers = Workers()
        self._pool = ConnectionPool(
            Reach(options.allow_private, options.connect_timeout_seconds, options.read_timeout_seconds, options.resolve)
        )

    async def __aenter__(self) -> "HttpClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool.close()
        self._workers.close()

    @asynccontextmanager
    async def get(self, href: str, part: Part | None = None) -> AsyncIterator[Answer]:
        """Ask for `href`, or a part of it, and stream what comes; each redirect is checked as the first address was.

        Raises `StagingError`, of which `RetryableError` says that asking again may help: no connection, a
        time-out, an overloaded server (408, 425, 429, 5xx but 501), a body that broke off, a file that changed.
        """
        exchange = _Exchange(href, self._options, self._pool, part)
        try:
            chunk = await self._run(exchange, exchange.begin)
            yield Answer(exchange.final, exchange.size_bytes, self._stream(exchange, chunk), exchange.validator)
        finally:
            # at once when all was read; else the connection is of no further use, and closing it may wait
            if not exchange.finish():
                exchange.interrupt()
                exchange.close()

    async def _stream(self, exchange: "_Exchange", chunk: memoryview) -> AsyncIterator[memoryview]:
        while chunk:
            yield chunk
            if exchange.is_complete:
                return
            chunk = await self._run(exchange, exchange.read)

    async def _run(self, exchange: "_Exchange", call: _Call) -> memoryview:
        try:
            return await self._workers.run(call)
        except asyncio.CancelledError:
            exchange.interrupt()
            raise


class _Exchange:
    """One request with its redirects, and the answer; its methods block."""

    def __init__(self, href: str, options: HttpOptions, pool: ConnectionPool, part: Part | None) -> None:
        self._href = href
        self._options = options
        self._pool = pool
        self._part = part
        self._connection: Connection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._view = memoryview(b"")
        self._ended = False
        self.final = href
        self.size_bytes: int | None = None
        self.validator: str | None = None
        self.is_complete = False

    def begin(self) -> memoryview:
        """Ask, follow redirects, and give the first bytes of the body; empty when there are none."""
        try:
            self._follow()
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise translate(error, self._href) from error
        size = self.size_bytes
        self._view = memoryview(bytearray(CHUNK_BYTES if size is None else min(size, CHUNK_BYTES)))
        return self.read()

    def read(self) -> memoryview:
        """The next bytes; empty at the end."""
        response = self._response
        assert response is not None
        try:
            count = response.readinto(self._view) if self._view else 0
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise translate_body(error, self._href) from error
        if not count and response.length:
            raise broken_off(self._href)
        self.is_complete = response.length == 0 or not count
        return self._view[:count]

    def finish(self) -> bool:
        """Put the connection back for others; False when its answer was not read to the end."""
        response, connection = self._response, self._connection
        if response is None or connection is None or (response.length != 0 and not response.isclosed()):
            return connection is None
        response.close()
        self._connection = None
        if response.will_close or connection.sock is None:
            connection.close()
        else:
            self._pool.give_back(connection)
        return True

    def interrupt(self) -> None:
        """Wake a thread that waits for this exchange, and have it ask no more."""
        self._ended = True
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        """Close the connection."""
        if self._response is not None:
            self._response.close()
        if self._connection is not None:
            self._connection.close()

    def _follow(self) -> None:
        url = _parse_url(self._href)
        for _ in range(MOST_REDIRECTS):
            origin = self._check(url)
            response = self._ask(origin, url)
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or location is None:
                self._accept(response, url)
                return
            response.read(CHUNK_BYTES)
            if not self.finish():
                self.close()
            url = _redirect(url, location, self._href)
        raise StagingError(
            Kind.REFUSED,
            self._href,
            f"the server redirected more than {MOST_REDIRECTS} times",
            "Ask the server's operator; the address may only work after a login.",
        )

    def _check(self, url: SplitResult) -> Origin:
        host = url.hostname
        if url.scheme not in PORTS or not host:
            raise refused(self._href, f"it leads to {url.geturl()!r}, which is not http or https")
        reason = find_refusal_once(host, self._options.allow_private) if parse_address(host) else None
        if reason:
            raise refused(self._href, reason)
        return url.scheme, host, url.port or PORTS[url.scheme]

    def _ask(self, origin: Origin, url: SplitResult) -> http.client.HTTPResponse:
        """Send the request; once more where a kept connection turns out to have been closed meanwhile."""
        target = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        target = target if target.startswith("/") else f"/{target}"
        headers = {**HEADERS, **_authorize(origin, url, self._options.authorization)}
        if self._part is not None:
            headers |= {"Range": f"bytes={self._part.start}-{self._part.end - 1}", "If-Range": self._part.validator}
        for fresh in (False, True):
            connection = self._connection = self._pool.take(origin, fresh=fresh)
            try:
                if connection.sock is None:
                    connection.connect()
                self._check_wanted()
                connection.request("GET", target, headers=headers)
                response = self._response = connection.getresponse()
            except BaseException as error:
                connection.close()
                if connection.used and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue
                raise
            return response
        raise AssertionError  # a fresh connection is not a used one

    def _check_wanted(self) -> None:
        if self._ended:
            raise ConnectionAbortedError

    def _accept(self, response: http.client.HTTPResponse, url: SplitResult) -> None:
        headers = response.headers
        check_status(response.status, response.reason, headers, self._href)
        self.final = url.geturl()
        encoded = "Content-Encoding" in headers
        self.size_bytes = None if encoded else response.length
        if self._part is None:
            parts = headers.get("Accept-Ranges") == "bytes" and not encoded
            self.validator = _read_validator(headers) if parts else None
        elif response.status != http.HTTPStatus.PARTIAL_CONTENT or self.size_bytes != self._part.end - self._part.start:
            raise ChangedError(self._href)


def _read_validator(headers: Message) -> str | None:
    """A strong entity tag, all that `If-Range` may carry here: a date is too coarse (RFC 9110, section 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else None


def _authorize(origin: Origin, url: SplitResult, known: Mapping[str, str]) -> dict[str, str]:
    """The credentials of this very origin, or those written in this very address."""
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    scheme, host, port = origin
    value = known.get(f"{scheme}://{host}:{port}") or (known.get(f"{scheme}://{host}") if port == PORTS[scheme] else "")
    return {"Authorization": value} if value else {}


def _parse_url(href: str) -> SplitResult:
    """Take an address that is already encoded as it is: a signature may cover its very spelling."""
    url = urlsplit(href if re.fullmatch(r"[!-~]+", href) else quote(href, safe="!#$%&'()*+,/:;=?@[]~"))
    host = unquote(url.hostname or "")
    if not host.isascii():
        port = f":{url.port}" if url.port else ""
        url = url._replace(netloc=host.encode("idna").decode() + port)
    return url


def _redirect(url: SplitResult, location: str, href: str) -> SplitResult:
    target = _parse_url(urljoin(url.geturl(), location))
    if url.scheme == "https" and target.scheme == "http":
        raise refused(href, f"it redirects from https to unprotected http ({target.hostname})")
    return target
