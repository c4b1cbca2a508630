"""Which of the addresses that a host name stands for may be connected to."""

import socket
from collections.abc import Callable
from typing import Any

from zoo_staging.addresses import Reach
from zoo_staging.threads import Workers

Origin = tuple[str, str, int]
"""Scheme, host and port: who gets credentials, and whom a connection is kept for."""
Resolve = Callable[..., list[tuple[Any, Any, Any, Any, Any]]]


class RefusedAddressError(OSError):
    """A name resolved to refused addresses only; `str()` is the reason."""


class Hosts:
    """The allowed addresses of each origin, resolved once; `resolve` has the signature of `socket.getaddrinfo`.

    libcurl's own resolver would make a cancelled program wait for it (curl_multi_cleanup joins its threads).
    """

    def __init__(self, reach: Reach, resolve: Resolve) -> None:
        self._reach = reach
        self._resolve = resolve
        self._known: dict[Origin, tuple[str, ...]] = {}
        self._workers = Workers()

    async def find(self, origin: Origin) -> tuple[str, ...]:
        """Return the allowed addresses of `origin`; raises `OSError`, `RefusedAddressError` when there are none."""
        if origin not in self._known:
            self._known[origin] = await self._workers.run(lambda: self._find(origin[1], origin[2]))
        return self._known[origin]

    def get_known(self, origin: Origin) -> tuple[str, ...] | None:
        """Return the addresses that `find` would return without looking; None where it has to look."""
        return self._known.get(origin)

    def forget(self, origin: Origin) -> None:
        """Resolve the name again next time: its addresses did not answer."""
        self._known.pop(origin, None)

    def close(self) -> None:
        """Stop the threads."""
        self._workers.close()

    def _find(self, host: str, port: int) -> tuple[str, ...]:
        addresses = list(dict.fromkeys(str(each[4][0]) for each in self._resolve(host, port, type=socket.SOCK_STREAM)))
        reasons = [self._reach.refuse_address(address, host) for address in addresses]
        allowed = tuple(address for address, reason in zip(addresses, reasons, strict=True) if reason is None)
        if not allowed:
            raise RefusedAddressError(reasons[0]) if addresses else socket.gaierror(socket.EAI_NONAME, "no address")
        return allowed
