"""Which network addresses may be connected to.

A guard against requests to a cloud's metadata service or a private network.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All that is assigned to public hosts (RFC 4291, section 2.4); Python counts forms such as `::127.0.0.1` as public."""

PRIVATE = "is in a private network"
# what C libraries and libcurl read as an IPv4 address: one to four numbers, decimal, octal or hexadecimal
_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+)){0,3}\.?", re.IGNORECASE)

Refuse = Callable[[str], str | None]
"""Returns why an IP address is not allowed; None when it is."""


@lru_cache(1024)
def parse_address(host: str) -> Address | None:
    """Read an IP address (brackets and zone dropped), also one such as `0177.1` or `2130706433`; None for a name."""
    plain = host.strip("[]").partition("%")[0]
    with suppress(ValueError):
        return ipaddress.ip_address(plain)
    if _NUMBERS.fullmatch(plain):
        with suppress(OSError):
            return ipaddress.IPv4Address(socket.inet_aton(plain.rstrip(".")))
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
    for form in _list_forms(address):
        if any(form.version == network.version and form in network for network in NEVER):
            return f"{host} is a link-local or cloud metadata address"
        if not allow_private and not _is_public(form):
            return f"{host} {PRIVATE}"
    return None


def is_never_asked(host: str) -> str | None:
    """Return why an address is refused even as the operator's proxy; None when it is not."""
    return find_refusal(host, allow_private=True)


def _list_forms(address: Address) -> list[Address]:
    """List the IPv4 addresses inside an address; without one, the address itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return [address]
    found = [address.ipv4_mapped, address.sixtofour]
    if address in NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None] or [address]


def _is_public(address: Address) -> bool:
    if address.version == GLOBAL_IPV6.version and address not in GLOBAL_IPV6:
        return False
    return address.is_global and not address.is_multicast


def _is_local_name(host: str) -> bool:
    """Whether a name means this machine wherever it is resolved (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True)
class Reach:
    """Which hosts may be connected to, whoever names them; link-local and metadata addresses never.

    With `private`, all others. Without, public ones, and of private networks those that the operator lists in `hosts`:
    names, addresses and networks (`10.1.0.0/16`). With `only`, no host of another name, wherever it is.
    """

    private: bool = True
    hosts: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def refuse_host(self, host: str) -> str | None:
        """Return why a host is not allowed, before its name is resolved; None when it may be."""
        # libcurl decodes what is percent-encoded in a host
        host = unquote(host)
        name = _normalize(host)
        if self.only and name not in map(_normalize, self.only):
            return f"{host} is none of the hosts that are allowed here: {', '.join(self.only)}"
        if parse_address(host):
            return self.refuse_address(host, host)
        return f"{host} {PRIVATE}" if _is_local_name(name) and not self._allows_private(name) else None

    def refuse_address(self, address: str, host: str) -> str | None:
        """Return why an IP address that the name `host` stands for is not allowed; None when it is."""
        parsed = parse_address(address)
        listed = parsed is not None and all(
            any(form in network for network in _read_networks(tuple(self.hosts))) for form in _list_forms(parsed)
        )
        return find_refusal(address, listed or self._allows_private(_normalize(host)))

    def _allows_private(self, name: str) -> bool:
        return self.private or name in map(_normalize, self.hosts)


ANYWHERE = Reach()
"""Any host but link-local and metadata addresses."""


def _normalize(host: str) -> str:
    return host.lower().rstrip(".")


@lru_cache(64)
def _read_networks(hosts: tuple[str, ...]) -> tuple[Network, ...]:
    """Read the networks and addresses among hosts; raises `ValueError` for an invalid network."""
    named = (host.strip("[]") for host in hosts)
    return tuple(ipaddress.ip_network(one) for one in named if "/" in one or parse_address(one))


def parse_hosts(text: str) -> tuple[str, ...]:
    """Read a list of names, addresses and networks, separated by commas; raises `ValueError`."""
    hosts = tuple(word.strip() for word in text.split(",") if word.strip())
    _read_networks(hosts)
    return hosts
