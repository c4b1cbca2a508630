"""The only module that uses libcurl (pycurl): transfers on the event loop, without threads or polling.

libcurl reports the sockets and the time-out that it waits for (multi-socket interface); the event loop watches them.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property

from zoo_staging.addresses import Refuse
from zoo_staging.libcurl import find_authorities, pycurl

ERRORS = {
    "broken-off": (pycurl.E_PARTIAL_FILE, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR),
    "untrusted": (pycurl.E_PEER_FAILED_VERIFICATION,),
    "timeout": (pycurl.E_OPERATION_TIMEDOUT,),
    "unreachable": (
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_COULDNT_RESOLVE_PROXY,
    ),
}
_READ_BYTES = 512 << 10
# a stream with a slow reader pauses with this much in memory
_MOST_WAITING_BYTES = 4 << 20
_IDLE_HANDLES = 64


@dataclass(frozen=True)
class Tls:
    """Certificates of both sides: paths of PEM files.

    `authorities`, None: those that this machine trusts. `connect_to` has the form `NAME:PORT:HOST:PORT` (libcurl,
    CURLOPT_CONNECT_TO) where the certificate has another name than the address.
    """

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True
    connect_to: str | None = None


@dataclass(frozen=True)
class Request:
    """One request, without redirects. `addresses` are those of the host, none where libcurl resolves it.

    `refuse` returns why an address may not be connected to; it is called for every address before libcurl connects.
    `method`, None: GET, or POST with a body. `no_proxy` are hosts that need no proxy, separated by commas. A reader is
    woken for at least `wake_bytes`, except at the end: 1 suits streams of lines. A transfer that brings less than
    `slowest_bytes_per_second` over `patience_seconds` ends as one that timed out; 0: it may take for ever. Requests
    that are `multiplexed` share a connection where the server speaks HTTP/2 (RFC 9113): a stream takes 10 KiB
    of memory then in place of 144, but large ones would share what one connection carries.
    """

    url: str
    host: str
    port: int
    headers: tuple[str, ...]
    body: bytes | None
    proxy: str | None
    addresses: tuple[str, ...]
    refuse: Refuse | None
    connect_timeout_seconds: float
    method: str | None = None
    tls: Tls | None = None
    no_proxy: str = ""
    wake_bytes: int = 1 << 20
    slowest_bytes_per_second: int = 0
    patience_seconds: float = 60.0
    multiplexed: bool = False

    def at(self, url: str) -> "Request":
        """Return this request for another address of the same host; a new one costs ten times as much."""
        other = object.__new__(Request)
        other.__dict__.update(self.__dict__, url=url)
        return other

    @cached_property
    def setup(self) -> tuple[object, ...]:
        """All that a handle of libcurl is set up for, without the address and the transfer."""
        return (
            self.headers,
            self.addresses,
            self.host,
            self.port,
            self.body,
            self.proxy,
            self.refuse is None,
            self.connect_timeout_seconds,
            self.method,
            self.tls,
            self.no_proxy,
            self.slowest_bytes_per_second,
            self.patience_seconds,
            self.multiplexed,
        )


class CurlError(Exception):
    """A transfer failed: `kind` is one of `ERRORS` or `other`, `errno` the system's number or 0.

    `refusal` is why no address of the host, or of the proxy, is allowed; `str()` is libcurl's text.
    """

    def __init__(self, kind: str, text: str, errno: int, refusal: str | None, proxy: str | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.errno = errno
        self.refusal = refusal
        self.proxy = proxy


class Curl:
    """Transfers of one event loop, over connections that are kept open."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._timer: asyncio.Handle | None = None
        # idle ones, with the request that each is set up for; None: for nothing
        self._handles: list[tuple[pycurl.Curl, Request | None]] = []
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._watched: dict[int, int] = {}
        self._is_retired = self.is_closed = False

    def start(self, request: Request) -> "Transfer":
        """Send a request; return its transfer."""
        handle, before = self._handles.pop() if self._handles else (pycurl.Curl(), None)
        transfer = Transfer(handle, self._drop, request)
        if before is None or not differs_by_url_only(before, request):
            if before is not None:
                handle.reset()
            _configure(handle, request)
        _point(handle, request, transfer)
        self._running[handle] = transfer
        self._multi.add_handle(handle)
        return transfer

    def retire(self) -> None:
        """Close all connections once the transfers that run have ended; start no other."""
        self._is_retired = True
        if not self._running:
            self.close()

    def close(self) -> None:
        """End all transfers and close all connections."""
        if self.is_closed:
            return
        self.is_closed = True
        for handle, transfer in list(self._running.items()):
            self._drop(handle, transfer.request)
        self._multi.close()
        if self._timer is not None:
            self._timer.cancel()

    def _drop(self, handle: pycurl.Curl, request: Request) -> None:
        """Remove a transfer in any state; if it has not ended, its connection is closed."""
        is_running = self._running.pop(handle, None) is not None
        if is_running:
            self._multi.remove_handle(handle)
        if len(self._handles) < _IDLE_HANDLES:
            keeps = not is_running and request.body is None
            if not keeps:
                handle.reset()
            self._handles.append((handle, request if keeps else None))
        else:
            handle.close()
        if self._is_retired and not self._running:
            self.close()

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        before, self._watched[descriptor] = self._watched.get(descriptor, pycurl.POLL_REMOVE), what
        if what == before:
            return
        if before in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            self._loop.remove_reader(descriptor)
        if before in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            self._loop.remove_writer(descriptor)
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            self._loop.add_reader(descriptor, self._act, descriptor, pycurl.CSELECT_IN)
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            self._loop.add_writer(descriptor, self._act, descriptor, pycurl.CSELECT_OUT)

    def _set_timer(self, milliseconds: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if milliseconds == 0:
            self._timer = self._loop.call_soon(self._act, pycurl.SOCKET_TIMEOUT, 0)
        elif milliseconds > 0:
            self._timer = self._loop.call_later(milliseconds / 1000, self._act, pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, descriptor: int, ready: int) -> None:
        self._multi.socket_action(descriptor, ready)
        queued = 1
        while queued:
            queued, ended, failed = self._multi.info_read()
            for handle in ended:
                self._end(handle, None)
            for handle, code, text in failed:
                self._end(handle, (code, text))

    def _end(self, handle: pycurl.Curl, failure: tuple[int, str] | None) -> None:
        transfer = self._running.pop(handle, None)
        if transfer is not None:
            self._multi.remove_handle(handle)
            transfer.end(failure)


class Transfer:
    """One answer as it arrives: wait for its head, then read its bytes; always close it."""

    def __init__(self, handle: pycurl.Curl, drop: Callable[[pycurl.Curl, Request], None], request: Request) -> None:
        self.request = request
        self._handle: pycurl.Curl | None = handle
        self._drop = drop
        self._refusal: str | None = None
        self._sockets: list[socket.socket] = []
        self.lines: list[bytes] = []
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._paused = False
        self._ended = False
        self._failure: CurlError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read_head(self, timeout_seconds: float) -> tuple[int, str, dict[str, str]]:
        """Return status, phrase and headers (names in lower case) of the answer; raises `CurlError`, `TimeoutError`."""
        await self._wait(timeout_seconds)
        if not self._chunks:
            self._check()
        return parse_head(self.lines)

    async def read(self, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Yield the bytes of the body; raises `CurlError`, and `TimeoutError` if none arrive in time."""
        async for pieces in self.read_pieces(timeout_seconds):
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read_all(self, timeout_seconds: float) -> bytes:
        """Return the whole body, for who knows that it is small; raises what `read` does."""
        came: list[bytes] = []
        while True:
            if self._chunks:
                came += self._chunks
                self._chunks.clear()
                self._waiting_bytes = 0
                self._go_on()
            elif self._ended:
                self._check()
                return b"".join(came)
            else:
                await self._wait(timeout_seconds)

    async def read_pieces(self, timeout_seconds: float) -> AsyncIterator[list[bytes]]:
        """Yield them as libcurl gave them, in pieces of 16 KiB at most, which saves a copy; raises what `read` does."""
        while True:
            if self._chunks:
                pieces, self._chunks = self._chunks, []
                self._waiting_bytes = 0
                self._go_on()
                yield pieces
            elif self._ended:
                self._check()
                return
            else:
                await self._wait(timeout_seconds)

    def close(self) -> None:
        """Abort the transfer, if it has not ended."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._drop(handle, self.request)
        # an idle handle still refers to this transfer
        self._chunks.clear()
        while self._sockets:
            self._sockets.pop().close()

    def open_socket(self, _purpose: int, address: "pycurl.CurlSockAddr") -> socket.socket | int:
        """Open a socket for an allowed address: the checked address is the one that is connected to."""
        family, kind, protocol, where = address
        refuse = self.request.refuse
        known = family in (socket.AF_INET, socket.AF_INET6)
        refusal = (refuse(str(where[0])) if refuse else None) if known else "it is no address"
        if refusal:
            self._refusal = refusal
            return pycurl.SOCKET_BAD
        # pycurl duplicates it; this one stays until the transfer is closed
        opened = socket.socket(family, kind, protocol)
        self._sockets.append(opened)
        return opened

    def take_chunk(self, chunk: bytes) -> int | None:
        """Store bytes of the body (None: all of them), or pause the stream; called for each 16 KiB."""
        if self._waiting_bytes >= _MOST_WAITING_BYTES:
            self._paused = True
            return pycurl.WRITEFUNC_PAUSE
        self._chunks.append(chunk)
        self._waiting_bytes += len(chunk)
        if self._waiting_bytes >= self.request.wake_bytes:
            self._wake()
        return None

    def end(self, failure: tuple[int, str] | None) -> None:
        """Note that the transfer is complete or failed."""
        self._ended = True
        if failure is not None and self._handle is not None:
            code, text = failure
            kind = next((kind for kind, codes in ERRORS.items() if code in codes), "other")
            errno = int(self._handle.getinfo(pycurl.OS_ERRNO))
            self._failure = CurlError(kind, text, errno, self._refusal, self.request.proxy)
        self._wake()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _go_on(self) -> None:
        if self._paused and self._handle is not None:
            self._paused = False
            self._handle.pause(pycurl.PAUSE_CONT)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, timeout_seconds: float) -> None:
        """Wait for enough bytes to wake the reader, for the end, or for any bytes after the time-out."""
        if self._ended or self._waiting_bytes >= self.request.wake_bytes:
            return
        # who waits does not read: these only grow meanwhile
        before, loop = self._waiting_bytes, asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_seconds, self._give_up, before)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _give_up(self, before: int) -> None:
        """End the wait: return the bytes that arrived; none is a time-out."""
        if self._waiter is not None and not self._waiter.done():
            if self._waiting_bytes == before:
                self._waiter.set_exception(TimeoutError())
            else:
                self._waiter.set_result(None)


def differs_by_url_only(before: Request, request: Request) -> bool:
    """Whether what is set up for one request is right for another, once it has its address and its transfer."""
    return before.setup == request.setup


def _point(handle: pycurl.Curl, request: Request, transfer: Transfer) -> None:
    """Set what is another for each request."""
    handle.setopt(pycurl.URL, request.url)
    if request.refuse is not None:
        handle.setopt(pycurl.OPENSOCKETFUNCTION, transfer.open_socket)
    # without a frame of Python for each line
    handle.setopt(pycurl.HEADERFUNCTION, transfer.lines.append)
    handle.setopt(pycurl.WRITEFUNCTION, transfer.take_chunk)


def _configure(handle: pycurl.Curl, request: Request) -> None:
    set_option = handle.setopt
    set_option(pycurl.PATH_AS_IS, 1)
    set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    version = pycurl.CURL_HTTP_VERSION_2TLS if request.multiplexed else pycurl.CURL_HTTP_VERSION_1_1
    set_option(pycurl.HTTP_VERSION, version)
    set_option(pycurl.HTTPHEADER, list(request.headers))
    set_option(pycurl.NOSIGNAL, 1)
    # detects a peer that disappeared silently
    set_option(pycurl.TCP_KEEPALIVE, 1)
    set_option(pycurl.BUFFERSIZE, _READ_BYTES)
    set_option(pycurl.CONNECTTIMEOUT_MS, max(1, int(request.connect_timeout_seconds * 1000)))
    set_option(pycurl.LOW_SPEED_LIMIT, request.slowest_bytes_per_second)
    set_option(pycurl.LOW_SPEED_TIME, max(1, int(request.patience_seconds)))
    set_option(pycurl.PROXY, request.proxy or "")
    set_option(pycurl.NOPROXY, request.no_proxy)
    if request.addresses:
        listed = ",".join(f"[{each}]" if ":" in each else each for each in request.addresses)
        set_option(pycurl.RESOLVE, [f"{request.host}:{request.port}:{listed}"])
    if request.body is not None:
        set_option(pycurl.POSTFIELDS, request.body)
    if request.method is not None:
        set_option(pycurl.CUSTOMREQUEST, request.method)
    _configure_tls(handle, request.tls or Tls())


def _configure_tls(handle: pycurl.Curl, tls: Tls) -> None:
    bundle, folder = (tls.authorities, None) if tls.authorities else find_authorities()
    if tls.authorities:
        handle.unsetopt(pycurl.CAPATH)  # these only
    options = (
        (pycurl.CAINFO, bundle),
        (pycurl.CAPATH, folder),
        (pycurl.SSLCERT, tls.certificate),
        (pycurl.SSLKEY, tls.key),
    )
    for option, value in options:
        if value:
            handle.setopt(option, value)
    if tls.connect_to:
        handle.setopt(pycurl.CONNECT_TO, [tls.connect_to])
    if not tls.verify:
        handle.setopt(pycurl.SSL_VERIFYPEER, 0)
        handle.setopt(pycurl.SSL_VERIFYHOST, 0)


def parse_head(lines: list[bytes]) -> tuple[int, str, dict[str, str]]:
    """Return status, phrase and headers, names in lower case, from the lines of a head; raises `ValueError`."""
    # the last head counts: before it there may be interim answers (RFC 9110, 15.2)
    begin = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].startswith(b"HTTP/")), 0)
    status, *fields = b"".join(lines[begin:]).decode("latin-1").split("\n")
    _, code, phrase = f"{status.strip()}  ".split(" ", 2)
    named = [each.partition(":") for each in fields]
    return int(code), phrase.strip(), {name.strip().lower(): value.strip() for name, _, value in named}
