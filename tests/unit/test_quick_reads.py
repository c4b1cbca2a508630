"""Reads that are answered without FastAPI's reading of parameters: which ones are, and that nothing lets them pass."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from starlette.types import Message

from zoo_runner.model.errors import InputError
from zoo_runner.server.api import Call
from zoo_runner.server.quick_reads import build_quick_route

WAY = "X-Way"
Limit = Annotated[int, Query(ge=1)]


async def find_call(request: Request) -> Call:
    if "stranger" in request.headers:
        raise InputError("not let in", "Ask.", code="policy.denied")
    return Call("alpha", "quick")


async def read_call() -> Call:
    return Call("alpha", "whole")


Of = Annotated[Call, Depends(read_call)]


def build_app() -> FastAPI:
    router = APIRouter(route_class=build_quick_route(find_call))

    @router.get("/items", responses={200: {"model": dict}})
    async def list_items(call: Of, request: Request, limit: Limit = 10) -> Response:
        return Response(str(limit), headers={WAY: call.base})

    @router.get("/items/{item_id}", responses={200: {"model": dict}})
    async def get_item(call: Of, request: Request, item_id: str) -> Response:
        return Response(item_id, headers={WAY: call.base})

    @router.get("/items/{item_id}/text", responses={200: {"content": {"text/plain": {}}}})
    async def get_text(call: Of, request: Request, item_id: str) -> Response:
        return Response(item_id, headers={WAY: call.base})

    @router.get("/numbers/{number}", responses={200: {"model": dict}})
    async def get_number(call: Of, request: Request, number: int) -> Response:
        return Response(str(number), headers={WAY: call.base})

    @router.get("/threads/{item_id}", responses={200: {"model": dict}})
    def get_in_thread(call: Of, request: Request, item_id: str) -> Response:
        return Response(item_id, headers={WAY: call.base})

    @router.get("/guarded", responses={200: {"model": dict}})
    async def get_guarded(call: Of, request: Request, guard: Annotated[str, Depends(lambda: "kept")]) -> Response:
        return Response(guard, headers={WAY: call.base})

    app = FastAPI()
    app.include_router(router)

    @app.exception_handler(InputError)
    async def refuse(request: Request, error: InputError) -> Response:
        return Response(error.diagnosis.code, 403)

    return app


def send(path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str, str | None]:
    """Send a GET; return status, body, and the way by which it was answered."""
    path, _, query = path.partition("?")
    sent = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    scope |= {"headers": sent, "scheme": "http", "server": ("localhost", 80), "root_path": ""}
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def keep(message: Message) -> None:
        messages.append(message)

    asyncio.run(build_app()(scope, receive, keep))
    body = b"".join(message.get("body", b"") for message in messages).decode()
    answered = dict(messages[0]["headers"])
    return messages[0]["status"], body, answered.get(WAY.lower().encode(), b"").decode() or None


@pytest.mark.parametrize("accept", [{}, {"Accept": "*/*"}, {"Accept": "application/json"}])
def test_a_read_without_parameters_is_answered_quickly(accept: Mapping[str, str]) -> None:
    assert send("/items/one", accept) == (200, "one", "quick")
    assert send("/items", accept) == (200, "10", "quick")


def test_whoever_is_not_let_in_is_not_answered_quickly_either() -> None:
    assert send("/items/one", {"Stranger": "yes"}) == (403, "policy.denied", None)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/items?limit=3", {}),
        ("/items/one?f=html", {}),
        ("/items/one", {"Accept": "text/html"}),
        ("/items/one", {"Accept": "application/json;q=0.1, text/html"}),
        ("/items/one/text", {}),
        ("/numbers/3", {}),
        ("/threads/one", {}),
        ("/guarded", {}),
    ],
)
def test_all_others_are_read_and_checked_as_declared(path: str, headers: Mapping[str, str]) -> None:
    assert send(path, headers)[::2] == (200, "whole")


def test_a_wrong_parameter_is_still_refused() -> None:
    assert send("/items?limit=0")[0] == 422
