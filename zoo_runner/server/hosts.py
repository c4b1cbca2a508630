"""The names by which a server is reached: requests to others are refused (421).

A page may have its own name lead to this machine (DNS rebinding); a browser then counts it as a page of this server,
and what it sends has that name in `Host`. Addresses are no names, so probes may use them. `X-Forwarded-Host` is not
read: behind a proxy, ZOO_RUNNER_BASE_URL has the name.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from zoo_runner.config.server import ServerSettings
from zoo_runner.model.errors import InputError
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.problems import build_problem

ANY = "*"
# names below localhost lead to the machine that asks (RFC 6761, section 6.3)
_LOOPBACK = ("localhost", "*.localhost")


def list_hosts(settings: ServerSettings, bound: str) -> tuple[str, ...]:
    """List the names of a server that listens at `bound`: those of the settings, else those that it surely has."""
    if settings.hosts:
        return settings.hosts
    public = urlsplit(settings.base_url).hostname
    return (*_LOOPBACK, bound, *([public] if public else [socket.gethostname()]))


class HostsCompared:
    """ASGI middleware: refuses requests to a host that is none of the names, of which `*.` begins any below a name.

    A request without a host, which no browser sends, is let through.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._is_ours = build_comparison(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        given = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if all(map(self._is_ours, given)):
            await self._app(scope, receive, send)
            return
        error = InputError(
            f"the request is to the host {given[0].decode('latin-1')[:200]!r}, which is no name of this server",
            "Use a name of the server, or ask the operator to list this one in ZOO_RUNNER_HOSTS.",
            code="request.host",
        )
        problem = build_problem(error)
        await JsonAnswer(problem, problem["status"], media_type="application/problem+json")(scope, receive, send)


def build_comparison(hosts: Iterable[str]) -> Callable[[bytes], bool]:
    """Build what says whether a value of `Host` is an address or one of the names, with any port."""
    names = {name.lower().rstrip(".") for name in hosts}
    suffixes = tuple(name[1:] for name in names if name.startswith("*."))

    @lru_cache(maxsize=256)
    def is_ours(value: bytes) -> bool:
        if ANY in names:
            return True
        try:
            name = urlsplit(f"//{value.decode('ascii')}").hostname or ""
        except ValueError:
            return False
        name = name.rstrip(".")
        return name in names or name.endswith(suffixes) or _is_address(name)

    return is_ours


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
