"""The addresses of pages: `f=html`, the ending `.html`, and forms whose empty fields narrow nothing."""

import re
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Receive, Scope, Send

FORMAT = "f"
"""The parameter by which a link asks for a format, as a browser's link cannot set Accept."""
SUFFIX = ".html"
# of documents only: files, logs and values have names of their own
_DOCUMENT = re.compile(
    r"(.*/)(conformance|api|usage|failures|comparison|items|uses|tokens|operations(/(engine|people))?|processes(/[^/]+)?|jobs(/[^/]+(/(definition|inputs|validation|results|logs))?)?)\.html"
)


def read_format(scope: Scope) -> str | None:
    """Read the parameter `f`; None where there is none, or where parameters are inputs."""
    query = scope["query_string"]
    if not query or str(scope["path"]).endswith("/execution"):
        return None
    return dict(parse_qsl(query.decode("latin-1"))).get(FORMAT)


class PageAddresses:
    """ASGI middleware: reads the address of a page as that of its document.

    A browser sends every field of a form, filled in or not: those that are empty are dropped.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_read = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        await self._app(read_address(scope) if is_read else scope, receive, send)


def read_address(scope: Scope) -> Scope:
    """Return the request for a document that a request for its page is; any other as it is."""
    if found := _DOCUMENT.fullmatch(scope["path"]):
        # a format that is asked for comes behind, and counts
        query = b"&".join(part for part in (f"{FORMAT}=html".encode(), scope["query_string"]) if part)
        path = found[1] + found[2]
        scope = {**scope, "path": path, "raw_path": path.encode(), "query_string": query}
    if b"=&" in scope["query_string"] + b"&" and read_format(scope) == "html":
        given = parse_qsl(scope["query_string"].decode("latin-1"))
        scope = {**scope, "query_string": urlencode(given).encode()}
    return scope
