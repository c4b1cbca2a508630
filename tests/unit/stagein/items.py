"""Small STAC documents for tests."""

from collections.abc import Mapping
from typing import Any


def build_item(identity: str = "scene", assets: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identity,
        "geometry": None,
        "properties": {"datetime": "2024-01-01T00:00:00Z"},
        "links": [],
        "assets": dict(assets or {}),
        **more,
    }


def build_collection(identity: str, links: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": identity,
        "description": "Some scenes",
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        "links": links,
        **more,
    }


def build_catalog(identity: str, links: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": identity,
        "description": "Some collections",
        "links": links,
    }


def link(rel: str, href: str) -> dict[str, str]:
    return {"rel": rel, "href": href}
