"""What pages load, from the server itself: style sheets, scripts and an icon, and what maps are made of.

The name of each has the digest of its content, so that browsers keep it for a year and never an old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI, Request, Response

from zoo_runner.model.errors import InputError
from zoo_runner.server.pages.encoding import encode

PATH = "/assets"
_FOLDER = Path(__file__).with_name("static")
VENDORED = _FOLDER / "vendor"
"""What others have made; dev/map/vendor.py writes it."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}
_DIGEST_LETTERS = 12
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class Asset:
    """A file that pages load; `name` has its digest."""

    name: str
    body: bytes
    media_type: str


@cache
def load_assets() -> Mapping[str, Asset]:
    """Load all of them, by the names that templates use."""
    files = [*_FOLDER.iterdir(), *VENDORED.iterdir()]
    return {path.name: _load(path) for path in sorted(files) if path.suffix in _TYPES}


def _load(path: Path) -> Asset:
    body = path.read_bytes()
    digest = sha256(body).hexdigest()[:_DIGEST_LETTERS]
    return Asset(f"{path.stem}.{digest}{path.suffix}", body, _TYPES[path.suffix])


def find_address(name: str) -> str:
    """Return the path of an asset below the address of the server; raises `KeyError` for one that is not there."""
    return f"{PATH}/{load_assets()[name].name}"


def add_assets(app: FastAPI) -> None:
    """Add the path of the assets; anybody may read them, as they are those of every installation."""
    app.add_api_route(f"{PATH}/{{name}}", _answer, include_in_schema=False)


def _answer(request: Request, name: str) -> Response:
    found = {asset.name: asset for asset in load_assets().values()}.get(name)
    if found is None:
        raise InputError(f"there is no asset {name[:100]!r}", "Load the page again.", code="request.unknown-path")
    body, coding = encode(found.body, request.scope)
    return Response(body, media_type=found.media_type, headers={**_HEADERS, **coding})
