"""Which network addresses may be connected to, and which of them a host name stands for.

A guard against requests to a cloud's metadata service or a private network.
"""

import ipaddress
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from zoo_staging.threads import Workers

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# addresses of cloud metadata services and of the local link: never a source of data
NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: AWS, Azure, Google, OpenStack metadata
        "fe80::/10",  # link-local
        "fd00:ec2::/32",  # AWS metadata
        "fd20:ce::/32",  # Google metadata
        "fd00:42::/32",  # Scaleway metadata
        "100.100.100.200/32",  # Alibaba metadata
        "168.63.129.16/32",  # Azure wire server
        "192.0.0.192/32",  # Oracle metadata
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

PRIVATE = "is in a private network"

Refuse = Callable[[str], str | None]
"""Returns why an IP address is not allowed; None when it is."""


@lru_cache(1024)
def parse_address(host: str) -> Address | None:
    """Read an IP address (brackets and zone dropped); None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


@lru_cache(1024)
def find_refusal(host: str, allow_private: bool) -> str | None:
    """Return why the IP address `host` is not allowed; None when it is.

    Link-local and metadata addresses are never allowed; private networks, loopback included, only with
    `allow_private`. An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) counts as what it is.
    """
    address = parse_address(host)
    if address is None:
        return f"{host} is not an IP address"
    forms: list[Address] = [*_inner(address)] or [address]
    for form in forms:
        if any(form.version == network.version and form in network for network in NEVER):
            return f"{host} is a link-local or cloud metadata address"
        if not allow_private and (not form.is_global or form.is_multicast):
            return f"{host} {PRIVATE}"
    return None


def is_never_asked(host: str) -> str | None:
    """Return why an address is refused even as the operator's proxy; None when it is not."""
    return find_refusal(host, allow_private=True)


def _inner(address: Address) -> list[ipaddress.IPv4Address]:
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour]
    if address in NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


Origin = tuple[str, str, int]
"""Scheme, host and port: who gets credentials, and whom a connection is kept for."""
Resolve = Callable[..., list[tuple[Any, Any, Any, Any, Any]]]


class RefusedAddressError(OSError):
    """A name resolved to refused addresses only; `str()` is the reason."""


class Hosts:
    """The allowed addresses of each origin, resolved once; `resolve` has the signature of `socket.getaddrinfo`.

    libcurl's own resolver would make a cancelled program wait for it (curl_multi_cleanup joins its threads).
    """

    def __init__(self, allow_private: bool, resolve: Resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._known: dict[Origin, tuple[str, ...]] = {}
        self._workers = Workers()

    async def find(self, origin: Origin) -> tuple[str, ...]:
        """Return the allowed addresses of `origin`; raises `OSError`, `RefusedAddressError` when there are none."""
        if origin not in self._known:
            self._known[origin] = await self._workers.run(lambda: self._find(origin[1], origin[2]))
        return self._known[origin]

    def forget(self, origin: Origin) -> None:
        """Resolve the name again next time: its addresses did not answer."""
        self._known.pop(origin, None)

    def close(self) -> None:
        """Stop the threads."""
        self._workers.close()

    def _find(self, host: str, port: int) -> tuple[str, ...]:
        addresses = list(dict.fromkeys(str(each[4][0]) for each in self._resolve(host, port, type=socket.SOCK_STREAM)))
        reasons = [find_refusal(address, self._allow_private) for address in addresses]
        allowed = tuple(address for address, reason in zip(addresses, reasons, strict=True) if reason is None)
        if not allowed:
            raise RefusedAddressError(reasons[0]) if addresses else socket.gaierror(socket.EAI_NONAME, "no address")
        return allowed
