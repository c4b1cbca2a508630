"""Reads the bodies of requests: bounded, and parsed in threads, so that other requests do not wait for a large one."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_runner.model.errors import InputError
from zoo_runner.model.via import read_via
from zoo_runner.server import deploying, requests
from zoo_runner.server.api import Api
from zoo_runner.server.forms import read_parts


class BodiesInTime:
    """ASGI middleware: refuses a request whose body stops arriving before its end."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        has_arrived = scope["type"] != "http"

        async def receive_in_time() -> Message:
            nonlocal has_arrived
            if has_arrived:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._seconds)
            except asyncio.TimeoutError as error:
                cause = f"nothing more of the body arrived for {self._seconds:g} s"
                raise InputError(cause, "Send the request again.", code="request.timeout") from error
            has_arrived = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)


async def read_body(request: Request, api: Api) -> bytes:
    """Read the body of a request; raises `InputError` for one that is too large."""
    most, body = int(api.settings.max_body_mib * 2**20), bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise InputError(
                f"the body is larger than {api.settings.max_body_mib:g} MiB",
                "Refer to large data by href.",
                code="request.too-large",
            )
    return bytes(body)


async def read_deployment(request: Request, api: Api, workflow: str | None) -> deploying.Deployment:
    """Read a request to deploy; raises `InputError`."""
    body, media_type = await read_body(request, api), find_media_type(request)

    def read() -> deploying.Deployment:
        via = read_via(request.headers.getlist("link"))
        if media_type != deploying.MULTIPART_FORM:
            return replace(deploying.read_deployment(body, media_type, workflow), via=via)
        return replace(deploying.read_form(read_parts(request.headers, body), workflow), via=via)

    return await run_in_threadpool(read)


async def read_execute(request: Request, api: Api) -> Mapping[str, Any]:
    """Read an execute request; raises `InputError`."""
    body = await read_body(request, api)
    return await run_in_threadpool(requests.read_execute, body, find_media_type(request))


async def read_document(request: Request, api: Api) -> Mapping[str, Any]:
    """Read an object in JSON; raises `InputError`."""
    body = await read_body(request, api)
    return await run_in_threadpool(requests.read_document, body, find_media_type(request))


async def read_job(request: Request, api: Api) -> Mapping[str, Any]:
    """Read the request of a job that is created or edited; raises `InputError`."""
    body, schema = await read_body(request, api), request.headers.get("content-schema", "")
    return await run_in_threadpool(requests.read_job, body, find_media_type(request), schema)


def find_media_type(request: Request) -> str:
    """Return the media type of the body, without its parameters."""
    return requests.get_media_type(request.headers.get("content-type", ""))
