"""The description of the API as OpenAPI documents of both versions that clients read: one content, two headers."""

from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import FastAPI, Response

from zoo_runner.server.pages.document import Document

PATHS = {"3.1": "/api", "3.0": "/api/3.0"}
"""Where the document of each version lies."""
_NUMBERS = {"3.1": "3.1.0", "3.0": "3.0.3"}
_NULL = {"type": "null"}


def get_media_type(version: str) -> str:
    """Return the media type of an OpenAPI document, by which clients choose among the `service-desc` links."""
    return f"application/vnd.oai.openapi+json;version={version}"


def add_documents(app: FastAPI) -> None:
    """Add the paths of the documents; these are built at the first request."""
    for version, path in PATHS.items():
        app.add_api_route(path, _build_answer(app, version), include_in_schema=False)


def _build_answer(app: FastAPI, version: str) -> Callable[[], Response]:
    @cache
    def build() -> Document:
        document = simplify(app.openapi())
        return Document({**document, "openapi": _NUMBERS[version]}, "api", media_type=get_media_type(version))

    def get_document() -> Response:
        return build()

    return get_document


def simplify(node: Any) -> Any:
    """Write schemas with the words that both versions of OpenAPI have.

    A parameter that may be absent is declared by FastAPI as one that may be null, which no query can be; a constant is
    an enumeration of one value.
    """
    if isinstance(node, list):
        return [simplify(item) for item in node]
    if not isinstance(node, dict):
        return node
    options = node.get("anyOf")
    if isinstance(options, list) and _NULL in options:
        (only,) = [option for option in options if option != _NULL]
        node = {**{key: value for key, value in node.items() if key != "anyOf"}, **only}
    if "const" in node:
        node = {key: value for key, value in node.items() if key != "const"} | {"enum": [node["const"]]}
    return {key: simplify(value) for key, value in node.items()}
