"""Links from one STAC document to the next: an address, and for pages of some searches a body to POST.

The links are those of STAC API 1.0, item search, section "Paging" (`method`, `body`, `merge`, `headers`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import get_scheme, is_remote

# a document chooses these headers: only those that paging needs, none that a server might trust
PASSED_ON = ("search-after",)
# sent anyway by our own client
OURS = ("accept", "accept-encoding", "accept-language", "content-type", "user-agent")


@dataclass(frozen=True)
class Query:
    """One request for a STAC document: a GET, or with `body`, JSON in canonical form, a POST."""

    href: str
    body: str | None = None
    headers: tuple[str, ...] = ()


def build_query(link: Mapping[str, Any], href: str, source: str, posted: str | None) -> Query:
    """Follow a link of the document at `source`, for which `posted` was posted; `href` is the link's, absolute.

    Raises `StagingError` for a link that is not followed, because a missing page would go unnoticed.
    """
    method = str(link.get("method") or "GET").upper()
    headers = _read_headers(link, source)
    if method == "GET":
        return Query(href, headers=headers)
    if method != "POST":
        raise _unsupported(link, source, f"requires the HTTP method {link['method']}")
    _check_host(link, href, source)
    body = link.get("body") or {}
    if not isinstance(body, dict):
        raise _unsupported(link, source, f"has a body that is not an object: {body!r:.60}")
    if link.get("merge") is True and posted is not None:
        body = {**json.loads(posted), **body}
    return Query(href, json.dumps(body, sort_keys=True), headers)


def _check_host(link: Mapping[str, Any], href: str, source: str) -> None:
    """Refuse a POST to another host than the document's, because a POST may change something."""
    if get_scheme(href) not in ("http", "https"):
        raise _unsupported(link, source, f"requires a POST to {href}, which is not http or https")
    if is_remote(source) and urlsplit(href).hostname != urlsplit(source).hostname:
        raise StagingError(
            Kind.REFUSED,
            source,
            f"its link {link['rel']!r} requires a POST to another host, {urlsplit(href).hostname}",
            "The publisher of the search must link to pages on its own host.",
        )


def _read_headers(link: Mapping[str, Any], source: str) -> tuple[str, ...]:
    given = link.get("headers") or {}
    if not isinstance(given, dict):
        raise _unsupported(link, source, "has headers that are not an object")
    wanted = {str(name): value for name, value in given.items() if str(name).lower() not in OURS}
    for name, value in wanted.items():
        if name.lower() not in PASSED_ON or not isinstance(value, str) or not re.fullmatch(r"[ -~]{1,4096}", value):
            raise _unsupported(link, source, f"requires the header {name[:60]!r}, which is not allowed")
    return tuple(f"{name}: {value}" for name, value in wanted.items())


def _unsupported(link: Mapping[str, Any], source: str, what: str) -> StagingError:
    return StagingError(
        Kind.UNSUPPORTED,
        source,
        f"its link {link['rel']!r} {what}",
        "Use a search address (GET) whose result fits one page, or the items themselves.",
    )
