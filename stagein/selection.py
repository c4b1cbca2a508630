"""Selects the assets of an item to download, and their addresses; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from stagein.settings import StageInOptions
from zoo_staging.hrefs import get_scheme

# assets that have only these roles may be missing
SIDE_ROLES = frozenset({"thumbnail", "overview", "metadata"})
REMEDY = "To leave assets out, set STAGEIN_ASSET_KEYS, STAGEIN_ASSET_ROLES or STAGEIN_ASSET_MEDIA_TYPES."


def is_wanted(key: str, asset: Mapping[str, Any], options: StageInOptions) -> bool:
    """Whether an asset matches each of the options that select assets."""
    return (
        (not options.asset_keys or key in options.asset_keys)
        and (not options.asset_roles or not options.asset_roles.isdisjoint(_read_roles(asset)))
        and (not options.asset_media_types or _read_media_type(asset) in options.asset_media_types)
    )


def may_be_missing(asset: Mapping[str, Any]) -> bool:
    """Whether a job can continue without an asset: a preview, or metadata."""
    roles = _read_roles(asset)
    return bool(roles) and roles <= SIDE_ROLES


def choose_href(asset: Mapping[str, Any], options: StageInOptions) -> str:
    """Return the preferred address of an asset (STAC extension `alternate-assets` 1.2).

    A preference is the name of an alternate, or the scheme of an address; without a match it is the asset's own `href`.
    """
    for wanted in options.asset_alternates:
        for name, href in _list_addresses(asset):
            if wanted in (name, get_scheme(href)):
                return href
    return str(asset["href"]).strip()


def _list_addresses(asset: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield str(asset.get("alternate:name", "")), str(asset["href"]).strip()
    alternates = asset.get("alternate")
    for name, alternate in alternates.items() if isinstance(alternates, dict) else ():
        href = alternate.get("href") if isinstance(alternate, dict) else None
        if isinstance(href, str) and href.strip():
            yield name, href.strip()


def _read_media_type(asset: Mapping[str, Any]) -> str:
    return str(asset.get("type", "")).partition(";")[0].strip()


def _read_roles(asset: Mapping[str, Any]) -> frozenset[str]:
    roles = asset.get("roles")
    return frozenset(map(str, roles)) if isinstance(roles, list) else frozenset()
