"""Renders templates: what users have written is escaped, and of their addresses only those of the web are links."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from zoo_runner.server.pages.assets import find_address
from zoo_runner.server.pages.frame import Frame
from zoo_runner.server.pages.words import show_bytes, show_duration, show_time

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).with_name("templates")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "Vary": "Accept, Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every page."""


def render(page: str, document: Mapping[str, Any], frame: Frame, view: Any = None) -> str:
    """Render a page from its document, what surrounds it, and what its view has beside the document."""
    return str(_load_templates().get_template(f"{page}.html").render(document=document, frame=frame, view=view))


@cache
def _load_templates() -> "Environment":
    # the first page pays for it, not every start of the server
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        address=read_address,
        bytes=show_bytes,
        duration=show_duration,
        find=find_link,
        last=last_part,
        path=read_path,
        time=show_time,
        without=leave_out,
        written=write_value,
        zip=pair,
    )
    templates.globals.update(asset=find_address)
    return templates


def read_address(href: Any) -> str | None:
    """Return an address that may be a link; None for one that is not of the web, such as `javascript:`."""
    try:
        known = isinstance(href, str) and urlsplit(href).scheme.lower() in ("http", "https")
    except ValueError:
        return None
    return href if known else None


def read_path(href: str) -> str:
    """Return the path of an address of this server: forms are sent to the host that the page is from."""
    return urlsplit(href).path


def find_link(links: Iterable[Mapping[str, Any]], rel: str) -> str | None:
    """Find the address of the first link of a relation, named by its last part."""
    return next((read_address(link["href"]) for link in links if last_part(link["rel"]) == rel), None)


def leave_out(query: Iterable[tuple[str, str]], *names: str) -> str:
    """Write the parameters of a request without some of them."""
    return urlencode([(name, value) for name, value in query if name not in names])


def pair(left: Iterable[Any], right: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Pair two lists, as far as both go."""
    return list(zip(left, right, strict=False))


def last_part(uri: Any) -> str:
    """Return what follows the last slash."""
    return str(uri).rpartition("/")[2]


def write_value(value: Any) -> str:
    """Write a value as it is, if it is text, or else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
