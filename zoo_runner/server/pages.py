"""Pages for people: each document of the API as HTML, for clients that prefer it to JSON.

A page has what its document has and nothing else, so that both say the same. It needs no script and loads nothing; what
users have written is escaped, and of their addresses only those of the web are links.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Depends, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import Receive, Scope, Send

from zoo_runner.model.errors import InputError
from zoo_runner.server.requests import find_quality

if TYPE_CHECKING:
    from jinja2 import Environment

HTML = "text/html"
FORMAT = "f"
"""The parameter by which a link asks for a format, as a browser's link cannot set Accept."""
FORMATS = ("html", "json")
LOGIN_STATE = "zoo_runner.login"
"""Where the scope of a request has what pages show of logins (`access.sessions.LoginState`); absent: nobody logs in."""
_FOLDER = Path(__file__).with_name("templates")


async def check_format(chosen: Annotated[str | None, Query(alias=FORMAT, description="html or json.")] = None) -> None:
    """Refuse a format that no document has; a dependency of the paths of documents. Raises `InputError`."""
    if chosen is not None and chosen not in FORMATS:
        raise InputError(f"{FORMAT} is {chosen[:60]!r}", f"Use: {', '.join(FORMATS)}.", code="request.invalid")


def describe_document(model: Any, status: int = 200) -> dict[str, Any]:
    """Describe the answer of a path that is a document, for FastAPI."""
    return {"responses": {status: {"model": model, "content": {HTML: {}}}}, "dependencies": [Depends(check_format)]}


class Document(JSONResponse):
    """A document of the API; `page` names the template that shows it, `base` is the address of the API it is of."""

    def __init__(
        self,
        content: Mapping[str, Any],
        page: str = "document",
        base: str | None = None,
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self.headers["Vary"] = "Accept"
        self._content, self._page, self._base = content, page, base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the format that the client prefers."""
        if not prefers_html(scope):
            await super().__call__(scope, receive, send)
            return
        # in a thread: others need not wait for a long list
        body = await run_in_threadpool(render_page, self._page, self._content, scope, self._base)
        kept = {name: value for name, value in self.headers.items() if not name.startswith("content-")}
        page = HTMLResponse(body, self.status_code, {**kept, **_build_headers()})
        await page(scope, receive, send)


def prefers_html(scope: Scope) -> bool:
    """Whether a client asks for a page: by the parameter `f`, else by preferring HTML to JSON."""
    chosen = read_format(scope)
    if chosen:
        return chosen == "html"
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    if "html" not in accept:
        return False
    return find_quality(accept, HTML) > find_quality(accept, "application/json")


def read_format(scope: Scope) -> str | None:
    """Read the parameter `f`; None where there is none, or where parameters are inputs."""
    query = scope["query_string"]
    if not query or str(scope["path"]).endswith("/execution"):
        return None
    return dict(parse_qsl(query.decode("latin-1"))).get(FORMAT)


def render_page(page: str, document: Mapping[str, Any], scope: Scope, base: str | None) -> str:
    """Render a page from its document."""
    query = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != FORMAT]
    return str(
        _load_templates()
        .get_template(f"{page}.html")
        .render(
            document=document,
            base=base,
            style=_read_style(),
            query=dict(query),
            as_json=f"?{urlencode([*query, (FORMAT, 'json')])}",
            is_read=scope["method"] in ("GET", "HEAD"),
            login=scope.get(LOGIN_STATE),
        )
    )


@cache
def _load_templates() -> "Environment":
    # the first page pays for it, not every start of the server
    from jinja2 import Environment, FileSystemLoader

    templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.filters.update(address=_read_address, find=_find_link, written=_write, last=_last_part)
    return templates


def _read_address(href: Any) -> str | None:
    """Return an address that may be a link; None for one that is not of the web, such as `javascript:`."""
    try:
        known = isinstance(href, str) and urlsplit(href).scheme.lower() in ("http", "https")
    except ValueError:
        return None
    return href if known else None


def _find_link(links: Iterable[Mapping[str, Any]], rel: str) -> str | None:
    """Find the address of the first link of a relation, named by its last part."""
    return next((_read_address(link["href"]) for link in links if _last_part(link["rel"]) == rel), None)


def _last_part(uri: Any) -> str:
    return str(uri).rpartition("/")[2]


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


@cache
def _read_style() -> str:
    return (_FOLDER / "style.css").read_text(encoding="utf-8")


@cache
def _build_headers() -> Mapping[str, str]:
    # the digest is that of the one style element that every page has
    digest = base64.b64encode(sha256(_read_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "same-origin",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
