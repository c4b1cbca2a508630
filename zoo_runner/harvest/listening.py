"""Receives the webhooks of git servers: a push has its sources harvested at once."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from zoo_runner.harvest.hooks import find_pushed, is_genuine
from zoo_runner.harvest.pushes import Pushes
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.masking import Masker

PATH = "/webhook"
# any client may send: GitHub cuts the commits of a push at 2048, which take less
_LARGEST_BYTES, _MOST_AT_ONCE = 5 << 20, 16
_PATIENCE_SECONDS, _BODY_SECONDS, _STOP_SECONDS = 10, 30, 30

_Scope = Mapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@contextmanager
def listening(pushes: Pushes, host: str, port: int) -> Iterator[None]:
    """Receive webhooks at an address while the block runs; raises `SettingsError` where that cannot be used."""

    async def answer(scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            status, document = await _receive_message(pushes, scope, receive)
            body = json.dumps(document).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        answer,
        host,
        port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_PATIENCE_SECONDS,
        timeout_graceful_shutdown=_PATIENCE_SECONDS,
        limit_concurrency=_MOST_AT_ONCE,
    )
    server = uvicorn.Server(config)
    failed = SettingsError(
        f"webhooks cannot be received at {host}:{port}", "Choose another address for --listen.", code="settings.invalid"
    )
    try:
        bound = config.bind_socket()
    except (OSError, SystemExit) as error:
        raise failed from error
    thread = threading.Thread(target=server.run, args=([bound],), name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        bound.close()


async def _receive_message(pushes: Pushes, scope: _Scope, receive: _Receive) -> tuple[int, Mapping[str, Any]]:
    """Take a message; return the status and document of the answer."""
    if scope["path"] != PATH:
        return 404, {"detail": f"webhooks are received at {PATH}"}
    if scope["method"] != "POST":
        return 405, {"detail": "send it with POST"}
    try:
        body = await asyncio.wait_for(_read_body(receive), _BODY_SECONDS)
    except asyncio.TimeoutError:
        return 408, {"detail": f"the message took more than {_BODY_SECONDS} s"}
    if body is None:
        return 413, {"detail": f"the message has more than {_LARGEST_BYTES} bytes"}
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return _judge(pushes, headers, body)


async def _read_body(receive: _Receive) -> bytes | None:
    """Read the body of a request; None if it is too large, or its client has gone."""
    body = bytearray()
    while True:
        part = await receive()
        body += part.get("body", b"")
        if part["type"] == "http.disconnect" or len(body) > _LARGEST_BYTES:
            return None
        if not part.get("more_body"):
            return bytes(body)


def _judge(pushes: Pushes, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, Any]]:
    harvest = pushes.get_harvest()
    try:
        # before the first run there is nothing to compare with
        if harvest is None or not is_genuine(headers, body, harvest.read_webhook_secret()):
            return 401, {"detail": "the message is not signed with the secret in webhook-secret-file"}
        sources = find_pushed(body, harvest.sources)
    except SettingsError as error:
        return 503, {"detail": Masker().mask(str(error))}
    except ValueError:
        return 400, {"detail": "the message is no JSON object: choose application/json at the git server"}
    pushes.add(sources)
    return 202, {"sources": len(sources)}
