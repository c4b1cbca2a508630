"""A document of the API, answered as JSON or as a page, whichever its client prefers."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from zoo_runner.model.portable import make_text_portable
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.pages.addresses import FORMAT, read_format
from zoo_runner.server.pages.encoding import encode
from zoo_runner.server.pages.frame import build_frame
from zoo_runner.server.pages.rendering import HEADERS, render
from zoo_runner.server.requests import find_quality

HTML = "text/html"
FORMATS = ("html", "json")


async def check_format(chosen: Annotated[str | None, Query(alias=FORMAT, description="html or json.")] = None) -> None:
    """Refuse a format that no document has; a dependency of the paths of documents. Raises `InputError`."""
    if chosen is not None and chosen not in FORMATS:
        raise build_invalid(f"{FORMAT} is {chosen[:60]!r}", f"Use: {', '.join(FORMATS)}.")


def describe_document(model: Any, status: int = 200) -> dict[str, Any]:
    """Describe the answer of a path that is a document, for FastAPI."""
    return {"responses": {status: {"model": model, "content": {HTML: {}}}}, "dependencies": [Depends(check_format)]}


class Document(JsonAnswer):
    """A document of the API; `page` names the template that shows it, `base` is the address of the API it is of.

    `view` builds what the page shows beside the document; it is called for pages only, in a thread.
    """

    def __init__(
        self,
        content: Mapping[str, Any],
        page: str = "document",
        base: str | None = None,
        *,
        view: Callable[[], Any] | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self.headers["Vary"] = "Accept"
        self._content, self._page, self._base, self._view = content, page, base, view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the format that the client prefers."""
        if not prefers_html(scope):
            await super().__call__(scope, receive, send)
            return
        # in a thread: others need not wait for a long list
        body, coding = await run_in_threadpool(self._render, scope)
        kept = {
            name: value for name, value in self.headers.items() if name != "vary" and not name.startswith("content-")
        }
        # what an answer says of its own, such as that nobody may keep it, holds for its page too
        usual = {name.lower(): value for name, value in HEADERS.items()}
        page = HTMLResponse(body, self.status_code, {**usual, **kept, **coding})
        await page(scope, receive, send)

    def _render(self, scope: Scope) -> tuple[bytes, Mapping[str, str]]:
        view = self._view() if self._view else None
        page = render(self._page, self._content, build_frame(scope, self._base), view)
        return encode(make_text_portable(page).encode(), scope)


def prefers_html(scope: Scope) -> bool:
    """Whether a client asks for a page: by the parameter `f`, else by preferring HTML to JSON."""
    chosen = read_format(scope)
    if chosen:
        return chosen == "html"
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    if "html" not in accept:
        return False
    return find_quality(accept, HTML) > find_quality(accept, "application/json")
