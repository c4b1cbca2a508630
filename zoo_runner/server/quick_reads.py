"""Reads that are answered without FastAPI's reading of parameters, which takes longer than most of them.

A quick read is a GET without parameters that asks for JSON, at a path whose function needs its call, the parts of its
path as texts, and defaults. Identity and admission are asked as for any other request. What is passed over, because it
has nothing to refuse there: the media types that a client accepts, the format that the address asks for, and what pages
of other sites have a browser POST.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Scope

from zoo_runner.server.api import Call

FindCall = Callable[[Request], Awaitable[Call]]
"""Finds who calls, lets the caller in, and reads workspace and addresses; raises what refuses the request."""

_JSON = "application/json"
_TAKE_JSON = frozenset((b"", b"*/*", b"application/json"))


def build_quick_route(find_call: FindCall) -> type[APIRoute]:
    """Build the class of the routes of one API."""

    class QuickRoute(APIRoute):
        """A route that answers quick reads itself, and leaves all else to FastAPI."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """Return what answers a request."""
            answer = super().get_route_handler()
            names = _list_path_names(self)
            if names is None:
                return answer
            read: Callable[..., Awaitable[Response]] = self.endpoint

            async def answer_quickly(request: Request) -> Response:
                if not _is_plain(request.scope):
                    return await answer(request)
                parts = {name: request.path_params[name] for name in names}
                return await read(call=await find_call(request), request=request, **parts)

            return answer_quickly

    return QuickRoute


def _list_path_names(route: APIRoute) -> tuple[str, ...] | None:
    """List the parts of the path that the function of a quick read takes; None where it is none.

    Only coroutines are: others belong into threads. They take `call`, `request` and parts of the path.
    """
    given = inspect.signature(route.endpoint).parameters
    others = {name: one for name, one in given.items() if name not in ("call", "request")}
    names = tuple(name for name, one in others.items() if f"{{{name}}}" in route.path and one.annotation is str)
    has_defaults = all(one.default is not one.empty for name, one in others.items() if name not in names)
    is_read = route.methods == {"GET"} and inspect.iscoroutinefunction(route.endpoint)
    takes_both = {"call", "request"} <= set(given)
    return names if is_read and takes_both and has_defaults and _offers_json(route.responses) else None


def _offers_json(responses: dict[int | str, dict[str, Any]]) -> bool:
    found = responses.get(200, {})
    return "model" in found or _JSON in found.get("content", ())


def _is_plain(scope: Scope) -> bool:
    """Whether a request has no parameters, and takes JSON before anything else."""
    if scope["query_string"]:
        return False
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return not accepted or (len(accepted) == 1 and accepted[0] in _TAKE_JSON)
