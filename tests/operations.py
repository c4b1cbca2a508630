"""The operations of one API, with those that its OpenAPI document does not have: what the buttons of pages send."""

from types import SimpleNamespace
from typing import Any, cast

from fastapi.routing import APIRoute

from zoo_runner.server.access.actions import ACTIONS
from zoo_runner.server.api import Api
from zoo_runner.server.routes.router import build_router

_OF_THE_APP = {"get_landing_page": "GET /", "get_conformance": "GET /conformance"}


def list_routes() -> list[APIRoute]:
    """List the routes of one API; none of them can be asked."""

    async def read_call(*_: Any) -> Any:
        raise NotImplementedError

    # the operations of a router take their parts from the caller when they are called
    api = cast(Api, SimpleNamespace(resolving=SimpleNamespace(run=None)))
    return [route for route in build_router(api, read_call, read_call).routes if isinstance(route, APIRoute)]


def list_operations() -> dict[str, str]:
    """List all operations, such as `GET /jobs/{job_id}`, with what they are called in policies."""
    found = {operation: ACTIONS[name] for name, operation in _OF_THE_APP.items()}
    for route in list_routes():
        for method in route.methods or ():
            found[f"{method} {route.path.replace(':path}', '}')}"] = ACTIONS[route.name]
    return found
