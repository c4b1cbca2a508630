"""HEAD and OPTIONS of every path, and the methods that a path allows.

Source: RFC 9110, sections 9.3.2 (HEAD), 9.3.7 (OPTIONS) and 10.2.1 (Allow).
"""

from contextlib import suppress

from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def list_methods(scope: Scope) -> tuple[str, ...]:
    """List the methods of the path of a request, in alphabetical order; none where nothing lies there."""
    routes = scope["app"].routes
    found = {method for method in _METHODS if any(_has(route, {**scope, "method": method}) for route in routes)}
    # HEAD must not start what GET would execute
    has_head = "GET" in found and not scope["path"].endswith("/execution")
    return tuple(sorted({*found, "OPTIONS", *(("HEAD",) if has_head else ())})) if found else ()


def _has(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL


class MoreMethods:
    """ASGI middleware: answers HEAD as GET without its body, and OPTIONS with the methods of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        method = scope.get("method")
        if method not in ("HEAD", "OPTIONS") or not (allowed := list_methods(scope)):
            await self._app(scope, receive, send)
        elif method == "OPTIONS":
            await Response(status_code=204, headers={"Allow": ", ".join(allowed)})(scope, receive, send)
        else:
            await self._answer_head({**scope, "method": "GET"} if "HEAD" in allowed else scope, receive, send)

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                await send({"type": "http.response.body", "body": b""})
                raise _Answered
            await send(message)

        with suppress(_Answered):
            await self._app(scope, receive, send_head)


class _Answered(Exception):
    """The head of an answer was sent; ends what would write its body, such as a log that is followed."""
