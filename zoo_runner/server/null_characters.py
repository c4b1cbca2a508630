"""Addresses with a null character, which names nothing here and which PostgreSQL takes in no text, are refused (400).

In their path, as every path is decoded, and in their query. What else a text must not have, a decoder of addresses has
replaced.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.problems import build_problem


class NullsRefused:
    """ASGI middleware: refuses a request to an address with a null character."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            await self._app(scope, receive, send)
            return
        error = build_invalid("the address has a null character (%00)", "Leave it out of path and query.")
        problem = build_problem(error)
        await JsonAnswer(problem, problem["status"], media_type="application/problem+json")(scope, receive, send)
