"""The HTTP client: checked addresses, redirects followed one by one, credentials per host, errors translated.

libcurl moves the bytes (docs/staging.md explains why); this module decides where it may connect and with which
credentials.
"""

import base64
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from zoo_staging.addresses import ANYWHERE, Reach, is_never_asked, parse_address
from zoo_staging.content_coding import decode, find_coding
from zoo_staging.curl import Curl, CurlError, Request, Transfer
from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.hosts import Hosts, Origin, Resolve
from zoo_staging.http_errors import LOGIN_REMEDY, check_status, refused, translate, translate_body
from zoo_staging.names import read_disposition
from zoo_staging.proxies import NO_PROXIES, Proxies
from zoo_staging.ranges import ByteRange, ChangedError, NoRangesError

MOST_REDIRECTS = 10
MOST_SKIPPED_BYTES = 1 << 20
# a server that sends less, over the time for which bytes are waited for, would keep a job for ever
SLOWEST_BYTES_PER_SECOND = 100
PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# after these the method stays the same (RFC 9110, section 15.4)
KEEPING_REDIRECTS = frozenset({307, 308})
HEADERS = ("User-Agent: zoo-runner-stagein", "Accept: */*", "Accept-Encoding: identity")
# an address that is sent as it is written: without user, fragment, capitals in the host or an empty query
_PLAIN = re.compile(r"(https?://[a-z0-9.-]+(?::[0-9]+)?)/[!\"$->@-~]*(?:\?[!\"$-~]+)?")
_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.I)
T = TypeVar("T")
FAILURES = (CurlError, OSError, ValueError)


@dataclass(frozen=True)
class HttpOptions:
    """Time-outs, proxies, and which hosts may be connected to.

    `authorization` has the values of the header of that name by origin (`https://host[:port]`); no other
    origin gets them. `resolve` resolves names, as `socket.getaddrinfo` does. Without `redirects` none is followed.
    """

    reach: Reach = ANYWHERE
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    authorization: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxies: Proxies = NO_PROXIES
    resolve: Resolve = socket.getaddrinfo
    redirects: bool = True


@dataclass(frozen=True)
class Answer:
    """An answer whose body has begun to arrive: its final address, its size if known, its bytes, decoded.

    `media_type` is what the server says, in lower case and without parameters, empty if it does not say, `file_name`
    the name that it gives the file (`Content-Disposition`). `validator`
    names this version of the file (RFC 9110, section 8.8) where the server can give parts of it. `pieces` are the
    bytes of a part as they arrived, for who can do without the copy that makes one chunk of them. `read_all` returns
    all bytes at once, where their number is known: for small bodies. Use one of the three. `version` is the entity tag
    or the time of the last change, empty where the server sends neither: another one may be another file.
    """

    href: str
    size_bytes: int | None
    chunks: AsyncIterator[bytes]
    validator: str | None = None
    media_type: str = ""
    file_name: str = ""
    pieces: AsyncIterator[list[bytes]] | None = None
    read_all: Callable[[], Awaitable[bytes]] | None = None
    version: str = ""


class HttpClient:
    """Web servers, with connections kept open: use as an async context manager; `get` streams.

    A proxy resolves the names itself, so of what goes through it only addresses written as numbers can be refused here.
    """

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._hosts = Hosts(options.reach, options.resolve)
        # the answer depends on the name alone, and thousands of requests go to few hosts
        self._refuse_host = lru_cache(maxsize=256)(options.reach.refuse_host)
        # the last plain request to each scheme and host: the next one differs by its address only
        self._plain: dict[str, tuple[Origin, Request]] = {}

    async def __aenter__(self) -> "HttpClient":
        self._curl = Curl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._curl.close()
        self._hosts.close()

    @asynccontextmanager
    async def get(
        self,
        href: str,
        part: ByteRange | None = None,
        *,
        body: bytes | None = None,
        media_type: str = "application/json",
        headers: tuple[str, ...] = (),
    ) -> AsyncIterator[Answer]:
        """Request `href`, or a part of it, and stream the answer; each redirect is checked like the first address.

        With `body`, of `media_type`, the request is a POST, which is never redirected to another host; `headers` are
        sent too.
        Raises `StagingError`, as `RetryableError` if trying again may help: no connection, a time-out, an
        overloaded server (408, 425, 429, 5xx but 501), a body that broke off, a file that changed.
        """
        transfer: Transfer | None = None
        try:
            url = normalize(href)
            for _ in range(MOST_REDIRECTS):
                wanted = (*_build_fields(part, None if body is None else media_type), *headers)
                transfer, (status, phrase, fields) = await self._ask(url, href, wanted, body)
                location = fields.get("location")
                if status not in REDIRECTS or location is None:
                    check_status(status, phrase, fields, href)
                    yield self._build_answer(transfer, url, status, fields, (href, part))
                    return
                if not self._options.redirects:
                    raise refused(href, f"it answers with a redirect ({status}), which is not followed here")
                await self._skip(transfer, href)
                body = body if status in KEEPING_REDIRECTS else None
                url = _redirect(_parse_or_fail(url), location, href, keeps_host=body is not None).geturl()
            raise StagingError(
                Kind.REFUSED,
                href,
                f"more than {MOST_REDIRECTS} redirects",
                f"Check the address in a browser. {LOGIN_REMEDY}",
            )
        finally:
            if transfer is not None:
                transfer.close()

    async def _ask(
        self, url: str, href: str, fields: tuple[str, ...], body: bytes | None
    ) -> tuple[Transfer, tuple[int, str, dict[str, str]]]:
        options = self._options
        origin, request = await self._build_request(url, href, fields, body)
        try:
            transfer = self._curl.start(request)
        except FAILURES as error:
            raise translate(error, href) from error
        try:
            return transfer, await transfer.read_head(options.connect_timeout_seconds + options.read_timeout_seconds)
        except BaseException as error:
            transfer.close()
            if isinstance(error, FAILURES):
                self._hosts.forget(origin)
                raise translate(error, href) from error
            raise

    async def _build_request(
        self, address: str, href: str, fields: tuple[str, ...], body: bytes | None
    ) -> tuple[Origin, Request]:
        """Build a request; of one that differs from an earlier one by its path only, all was checked before."""
        plain = None if fields or body is not None else _PLAIN.fullmatch(address)
        if plain and (before := self._plain.get(plain[1])):
            origin, request = before
            if not request.addresses or self._hosts.get_known(origin) is request.addresses:
                return origin, request.at(address)
        options, url = self._options, _parse_or_fail(address)
        origin, proxy = self._check(url, href)
        try:
            direct = proxy is None and parse_address(origin[1]) is None
            addresses = await self._hosts.find(origin) if direct else ()
            refuse = is_never_asked if proxy else partial(options.reach.refuse_address, host=origin[1])
            fields = (*HEADERS, *fields, *_authorize(origin, url, options.authorization))
            if "@" in url.netloc or url.fragment:
                url = url._replace(netloc=url.netloc.rpartition("@")[2], fragment="")
            request = Request(
                url.geturl(),
                *origin[1:],
                fields,
                body,
                proxy,
                addresses,
                refuse,
                options.connect_timeout_seconds,
                slowest_bytes_per_second=SLOWEST_BYTES_PER_SECOND,
                patience_seconds=options.read_timeout_seconds,
            )
        except FAILURES as error:
            raise translate(error, href) from error
        if plain:
            self._plain[plain[1]] = origin, request
        return origin, request

    def _check(self, url: SplitResult, href: str) -> tuple[Origin, str | None]:
        """Check the address, and choose the proxy."""
        host = url.hostname
        if url.scheme not in PORTS or not host:
            raise refused(href, f"{url.geturl()!r} is not http or https")
        if reason := self._refuse_host(host):
            raise refused(href, reason)
        return (url.scheme, host, url.port or PORTS[url.scheme]), self._options.proxies.find(url.scheme, host)

    def _build_answer(
        self,
        transfer: Transfer,
        url: str,
        status: int,
        headers: Mapping[str, str],
        asked: tuple[str, ByteRange | None],
    ) -> Answer:
        href, part = asked
        encoded = "content-encoding" in headers
        coding = find_coding(headers, href)
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() and not encoded else None
        validator = None
        if part is None:
            check_whole(status, headers, href)
            parts = headers.get("accept-ranges") == "bytes" and not encoded
            validator = _read_validator(headers) if parts else None
        else:
            check_part(status, headers, part, href)
            size = part.end - part.start
        patience = self._options.read_timeout_seconds
        chunks = _translated(transfer.read(patience), href)
        pieces = None if part is None else _translated(transfer.read_pieces(patience), href)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        file_name = read_disposition(headers.get("content-disposition", ""))
        body = decode(chunks, href) if coding else chunks
        whole = None if coding or size is None else partial(_read_all, transfer, patience, href)
        version = headers.get("etag") or headers.get("last-modified", "")
        return Answer(url, size, body, validator, media_type, file_name, pieces, whole, version)

    async def _skip(self, transfer: Transfer, href: str) -> None:
        """Read an unwanted answer, if it is short, so that its connection can be reused."""
        skipped = 0
        async for chunk in _translated(transfer.read(self._options.read_timeout_seconds), href):
            skipped += len(chunk)
            if skipped > MOST_SKIPPED_BYTES:
                break
        transfer.close()


async def _translated(stream: AsyncIterator[T], href: str) -> AsyncIterator[T]:
    try:
        async for each in stream:
            yield each
    except FAILURES as error:
        raise translate_body(error, href) from error


async def _read_all(transfer: Transfer, patience_seconds: float, href: str) -> bytes:
    try:
        return await transfer.read_all(patience_seconds)
    except FAILURES as error:
        raise translate_body(error, href) from error


def _build_fields(part: ByteRange | None, media_type: str | None) -> tuple[str, ...]:
    fields: tuple[str, ...] = ()
    if part is not None:
        fields = (f"Range: bytes={part.start}-{part.end - 1}", f"{part.condition}: {part.validator}")
    return fields if media_type is None else (*fields, f"Content-Type: {media_type}")


def check_whole(status: int, headers: Mapping[str, str], href: str) -> None:
    """Check that an answer is not an unrequested part; raises a `RetryableError`: the next one may be whole.

    A part with all bytes is the whole (RFC 9110, section 15.3.7).
    """
    if status != HTTPStatus.PARTIAL_CONTENT:
        return
    sent = headers.get("content-range", "")
    given = _CONTENT_RANGE.fullmatch(sent)
    if given is None or int(given[1]) != 0 or given[3] != str(int(given[2]) + 1):
        raise RetryableError(
            Kind.SIZE,
            href,
            f"the server sent a part of the file that was not requested (Content-Range: {sent or 'none':.80})",
            "Try again; if it persists, report it to the operator of the server, or of a proxy or cache before it.",
        )


def check_part(status: int, headers: Mapping[str, str], part: ByteRange, href: str) -> None:
    """Check that an answer is the part that was asked for (RFC 9110, sections 14.4 and 15.3.7).

    Raises `ChangedError` for another version of the file, `NoRangesError` for any other answer.
    """
    tag = _read_validator(headers)
    if status != HTTPStatus.PARTIAL_CONTENT:
        raise NoRangesError(href) if tag == part.validator else ChangedError(href)
    if tag not in (None, part.validator):
        raise ChangedError(href)
    size = part.end - part.start
    given = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    is_wanted = given is not None and (int(given[1]), int(given[2]) + 1) == (part.start, part.end)
    if not is_wanted or headers.get("content-length", str(size)) != str(size) or "content-encoding" in headers:
        raise NoRangesError(href)


def _read_validator(headers: Mapping[str, str]) -> str | None:
    """Return a strong entity tag, for `If-Range`: a date is too coarse (RFC 9110, section 13.1.5)."""
    tag = headers.get("etag", "")
    return tag if tag.startswith('"') else None


def _authorize(origin: Origin, url: SplitResult, known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the credentials for exactly this origin, or those in this address."""
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        return (f"Authorization: Basic {base64.b64encode(pair).decode()}",)
    scheme, host, port = origin
    value = known.get(f"{scheme}://{host}:{port}") or (known.get(f"{scheme}://{host}") if port == PORTS[scheme] else "")
    return (f"Authorization: {value}",) if value else ()


def normalize(href: str) -> str:
    """Return an address as it is requested, encoded; raises `StagingError` where it is none."""
    return href if _PLAIN.fullmatch(href) else _parse_or_fail(href).geturl()


def _parse_or_fail(href: str) -> SplitResult:
    try:
        return _parse_url(href)
    except ValueError as error:
        raise translate(error, href) from error


def _parse_url(href: str) -> SplitResult:
    """Keep an encoded address unchanged: a signature may cover its exact spelling."""
    url = urlsplit(href if re.fullmatch(r"[!-~]+", href) else quote(href, safe="!#$%&'()*+,/:;=?@[]~"))
    host, port = unquote(url.hostname or ""), url.port  # an invalid port is a ValueError only once it is read
    if not host.isascii():
        url = url._replace(netloc=host.encode("idna").decode() + (f":{port}" if port else ""))
    return url


def _redirect(url: SplitResult, location: str, href: str, *, keeps_host: bool) -> SplitResult:
    try:
        target = _parse_url(urljoin(url.geturl(), location))
    except ValueError as error:
        raise translate(error, href) from error
    if url.scheme == "https" and target.scheme == "http":
        raise refused(href, f"redirect from https to unprotected http ({target.hostname})")
    if keeps_host and target.hostname != url.hostname:
        raise refused(href, f"redirect of a POST to another host ({target.hostname})")
    return target
