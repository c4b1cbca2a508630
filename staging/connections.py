"""Connections to web servers: addresses checked before they are connected to, and kept open for the next request."""

import http.client
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from staging.addresses import find_refusal

Origin = tuple[str, str, int]
Resolve = Callable[..., list[tuple[Any, Any, Any, Any, Any]]]

PORTS = {"http": 80, "https": 443}

find_refusal_once = lru_cache(1024)(find_refusal)


class RefusedAddressError(OSError):
    """A name resolved to refused addresses only; `str()` is the reason."""


@dataclass(frozen=True)
class Reach:
    """How connections are made; `resolve` is `socket.getaddrinfo` or speaks as it does."""

    allow_private: bool
    connect_timeout_seconds: float
    read_timeout_seconds: float
    resolve: Resolve

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of `host` that may be asked and answers; what was checked is connected to."""
        found = self.resolve(host, port, type=socket.SOCK_STREAM)
        reasons = [find_refusal_once(str(each[4][0]), self.allow_private) for each in found]
        allowed = [each for each, reason in zip(found, reasons, strict=True) if reason is None]
        if found and not allowed:
            raise RefusedAddressError(reasons[0])
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        for family, kind, protocol, _, address in allowed:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self.connect_timeout_seconds)
                connection.connect(address)
                connection.settimeout(self.read_timeout_seconds)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure


class Connection(http.client.HTTPConnection):
    """A connection to one origin; `ended` says that somebody gave it up."""

    def __init__(self, origin: Origin, reach: Reach, context: ssl.SSLContext | None) -> None:
        super().__init__(origin[1], origin[2])
        self.origin = origin
        self.used = False
        self._reach = reach
        self._context = context
        # http.client forgets the socket of an answer that ends with the connection
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect, and shake hands where the origin is https."""
        sock = self._reach.connect(self.host, self.port)
        if self._context is not None:
            try:
                sock = self._context.wrap_socket(sock, server_hostname=self.host)
            except BaseException:
                sock.close()
                raise
        self.sock = self._socket = sock

    def interrupt(self) -> None:
        """Make a thread that waits for bytes of this connection stop waiting."""
        if self._socket is not None:
            try:
                # not SSLSocket's own, which would wait for the other side to agree
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # it had ended by itself


class ConnectionPool:
    """Connections that are open and idle, by origin."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._closed = False

    def take(self, origin: Origin, *, fresh: bool = False) -> Connection:
        """Take an idle connection, the last used first, or a new one (which connects when it is asked)."""
        if not fresh:
            try:
                return self._idle[origin].pop()
            except IndexError:
                pass
        return Connection(origin, self._reach, self._context if origin[0] == "https" else None)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        connection.used = True
        self._idle[connection.origin].append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close what is idle; what comes back later is closed too."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context
