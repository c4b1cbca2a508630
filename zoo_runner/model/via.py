"""Where a package is from, in the words of who deploys it: a link with the relation `via` (RFC 8288); pure.

An address is kept without what may be a secret: user, password, query and fragment.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from zoo_runner.model.masking import Masker
from zoo_runner.model.portable import make_text_portable

_LONGEST = 2000
_LINK = re.compile(r"<([^<>]{1,2000})>\s{0,8}((?:;[^,;]{1,500}){1,8})")
_PARAMETER = re.compile(r";\s{0,8}(\w{1,20})\s{0,8}=\s{0,8}\"?([^\";]{0,500})\"?")
_SCHEMES = ("http", "https", "ssh", "git")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Via:
    """What a client says of where it has a package from: the address of a repository, a commit, and a path in it."""

    href: str
    commit: str = ""
    path: str = ""


def write_via(href: str, commit: str, path: str) -> str:
    """Write the field of a request that says where a package is from; empty where its address cannot be shown."""
    shown = clean_address(href)
    if not shown:
        return ""
    return f'Link: <{quote(shown, safe="/:@%[]")}>; rel="via"; commit="{quote(commit)}"; path="{quote(path)}"'


def read_via(fields: Iterable[str]) -> Via | None:
    """Read the first link with the relation `via` of the header `Link`; None where there is none that can be shown."""
    for field in fields:
        for address, rest in _LINK.findall(field[: 4 * _LONGEST]):
            found = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
            href = clean_address(address)
            if found.get("rel", "").lower() == "via" and href:
                commit, path = (unquote(found.get(name, "")) for name in ("commit", "path"))
                return Via(href, commit if _COMMIT.fullmatch(commit) else "", clean_text(path.lstrip("/")))
    return None


def clean_address(href: str) -> str:
    """Return an address without what may be a secret; empty for what is none, or has another scheme."""
    try:
        parts = urlsplit(href)
        host = parts.netloc.rpartition("@")[2]
        known = parts.scheme.lower() in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return ""
    return clean_text(urlunsplit((parts.scheme.lower(), host, parts.path, "", ""))) if known else ""


def clean_text(text: str) -> str:
    """Return a text as it may be shown: without secrets, and not too long."""
    return make_text_portable(Masker().mask(text))[:_LONGEST]
