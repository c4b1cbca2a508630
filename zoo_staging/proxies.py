"""Proxies of web servers, read once from the variables that libcurl and Python know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_SCHEMES = ("http", "https", "all")


@dataclass(frozen=True)
class Proxies:
    """The proxy for each scheme of an address (`http`, `https`, or `all`), and the hosts that need none.

    `excluded` has the form of `no_proxy`: host names, suffixes of domains and `*`, separated by commas. The address of
    a proxy may have a password.
    """

    by_scheme: Mapping[str, str] = field(default_factory=dict, repr=False)
    excluded: str = ""

    def find(self, scheme: str, host: str) -> str | None:
        """Return the proxy for an address; None where it is reached directly."""
        if not self.by_scheme:
            return None
        # with its client of HTTP it is most of what a job would import without need
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

        proxy = self.by_scheme.get(scheme) or self.by_scheme.get("all")
        if not proxy or proxy_bypass_environment(host, {"no": self.excluded}):
            return None
        return proxy


NO_PROXIES = Proxies()
"""Everything is reached directly."""


def load_proxies(variables: Mapping[str, str]) -> Proxies:
    """Read `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; of each, the name in lower case wins."""
    names = {scheme: f"{scheme}_proxy" for scheme in (*_SCHEMES, "no")}
    found = {scheme: variables.get(name) or variables.get(name.upper()) for scheme, name in names.items()}
    return Proxies({scheme: proxy for scheme in _SCHEMES if (proxy := found[scheme])}, found["no"] or "")
