"""An HTTP server with STAC items that answers each request after some time: an application for uvicorn.

SECONDS, ITEMS and ASSETS are its environment. `/all.json` has all items, `/<number>.json` one; folders are listed.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
SECONDS, ITEMS, ASSETS = (float(os.environ[name]) for name in ("SECONDS", "ITEMS", "ASSETS"))  # noqa: TID251 a program
_CONTENT = bytes(64 << 10)


async def app(scope: Message, _: object, send: Callable[[Message], Awaitable[None]]) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    await asyncio.sleep(SECONDS)
    host = dict(scope["headers"])[b"host"].decode()
    kind, content = _find(scope["path"], f"http://{host}")
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


def _find(path: str, base: str) -> tuple[str, bytes]:
    if path.endswith(".bin"):
        return "application/octet-stream", _CONTENT
    if path.endswith("/"):
        names = [f"{number}/" for number in range(int(ITEMS))] if path == "/" else _list_assets()
        return "text/html", "".join(f'<a href="{name}">{name}</a>' for name in names).encode()
    name = path.strip("/").removesuffix(".json")
    if name != "all":
        return "application/geo+json", json.dumps(_build_item(name, base)).encode()
    items = [_build_item(str(number), base) for number in range(int(ITEMS))]
    return "application/geo+json", json.dumps({"type": "FeatureCollection", "features": items}).encode()


def _list_assets() -> list[str]:
    return [f"{number}.bin" for number in range(int(ASSETS))]


def _build_item(name: str, base: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"item-{name}",
        "geometry": None,
        "links": [],
        "properties": {"datetime": "2024-01-01T00:00:00Z"},
        "assets": {asset: {"href": f"{base}/{name}/{asset}"} for asset in _list_assets()},
    }
