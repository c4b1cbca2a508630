"""The paths of the API: read the request, call one operation, answer. Once for each place where an API lies."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from zoo_runner.model.errors import InputError
from zoo_runner.server import requests
from zoo_runner.server.api import Api, Call
from zoo_runner.server.pages.addresses import read_format
from zoo_runner.server.quick_reads import FindCall, build_quick_route
from zoo_runner.server.routes.jobs import add_jobs
from zoo_runner.server.routes.processes import add_processes
from zoo_runner.server.routes.results import add_results
from zoo_runner.server.routes.workspace import add_workspace

ReadCall = Callable[..., Awaitable[Call]]
"""Reads of a request its workspace and its addresses; a dependency of FastAPI, whose parameters are the path's."""


def build_router(api: Api, read_call: ReadCall, find_call: FindCall) -> APIRouter:
    """Build the routes of one API; `read_call` and `find_call` read the workspace and addresses of a request."""
    router = APIRouter(route_class=build_quick_route(find_call))
    of = Annotated[Call, Depends(read_call)]
    add_processes(router, api, of)
    add_jobs(router, api, of)
    add_results(router, api, of)
    add_workspace(router, api, of)
    return router


async def ensure_acceptable(request: Request) -> None:
    """Refuse a request whose client takes no media type that its path has, before it does anything.

    A dependency of every path; raises `InputError`.
    """
    offered = list(_list_media_types(request.scope["route"]))
    # what the address asks for comes before what the client accepts
    accept = "*/*" if read_format(request.scope) else request.headers.get("accept", "")
    if offered and not requests.accepts_any(accept, offered):
        raise InputError(
            f"the answer would be {' or '.join(offered)}, which the Accept header does not have",
            "Accept one of these, or send no Accept header.",
            code="request.not-acceptable",
        )


def _list_media_types(route: APIRoute) -> Iterator[str]:
    """List the media types in which a path answers a request that it fulfils, as its description has them."""
    for status, described in route.responses.items():
        if isinstance(status, int) and status < 300:
            yield from described.get("content", ())
            if "model" in described:
                yield "application/json"
