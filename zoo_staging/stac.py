"""The STAC validator of stage-in and stage-out; pure.

Only what staging relies on is checked (STAC 1.0 and 1.1: item, catalog, collection; ItemCollection), so that no
catalogue is refused for a harmless detail. docs/staging.md explains why no library is used.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import is_reference
from zoo_staging.times import read_datetime

_MOST_PROBLEMS = 5


class StacType(str, Enum):
    """The kinds of STAC document, by the value of `type` (STAC 1.0 and 1.1)."""

    __str__ = str.__str__

    ITEM = "Feature"
    CATALOG = "Catalog"
    COLLECTION = "Collection"
    ITEMS = "FeatureCollection"


def get_type(content: object) -> StacType | None:
    """Return what kind of STAC document a JSON value claims to be; None for anything else."""
    found = content.get("type") if isinstance(content, dict) else None
    return StacType(found) if isinstance(found, str) and found in set(StacType) else None


def check_stac(content: object, href: str, remedy: str, *, timed: bool = False) -> StacType:
    """Return what kind of document it is; raise `StagingError` (`STAC_INVALID`) with all that is wrong with it.

    `timed`: an Item must have a time, which indexes need.
    """
    found = get_type(content)
    if found is None or not isinstance(content, dict):
        raise invalid_stac(href, _describe_other(content), remedy)
    problems = list(_find_problems(content, found, timed=timed))
    if problems:
        more = f" (and {len(problems) - _MOST_PROBLEMS} more)" if len(problems) > _MOST_PROBLEMS else ""
        name = "Item" if found is StacType.ITEM else found
        what = f"{'; '.join(problems[:_MOST_PROBLEMS])}{more}"
        raise invalid_stac(href, f"invalid STAC {name}: {what}", remedy)
    return found


def invalid_stac(href: str, reason: str, remedy: str) -> StagingError:
    """Build the error for a document that is not valid STAC."""
    return StagingError(Kind.STAC_INVALID, href, reason, remedy)


def is_blank(identifier: object) -> bool:
    """Whether an identifier is missing, null or made of spaces only."""
    return identifier is None or (isinstance(identifier, str) and not identifier.strip())


def get_interval(properties: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return begin and end of an Item in UTC. Raises ValueError if its properties do not have both."""
    if properties.get("datetime") is not None:
        moment = _parse_time(properties["datetime"])
        starts, ends = properties.get("start_datetime"), properties.get("end_datetime")
        return (_parse_time(starts), _parse_time(ends)) if starts and ends else (moment, moment)
    return _parse_time(properties.get("start_datetime")), _parse_time(properties.get("end_datetime"))


def _parse_time(text: object) -> datetime:
    """Parse an RFC 3339 time; one without offset is taken as UTC. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a time")  # noqa: TRY004 - one error for all that is not a time
    time = read_datetime(text)
    try:
        return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def _describe_other(content: object) -> str:
    if not isinstance(content, dict):
        return f"not STAC: a JSON {type(content).__name__}, not an object"
    return f"not STAC: `type` is {content.get('type')!r:.60}, expected one of {', '.join(StacType)}"


def _find_problems(content: Mapping[str, Any], found: StacType, *, timed: bool) -> Iterator[str]:
    if found is StacType.ITEMS:
        yield from _find_wrong_types(content, {"features": list})
        yield from _find_link_problems(content.get("links", []))
        return
    yield from _find_wrong_types(content, {"stac_version": str, "links": list})
    version = content.get("stac_version")
    if isinstance(version, str) and not version.startswith("1."):
        yield f"`stac_version` is {version!r}, supported are 1.0 and 1.1"
    yield from _find_id_problems(content, found)
    yield from _find_link_problems(content.get("links", []))
    if found is StacType.ITEM:
        yield from _find_item_problems(content, timed=timed)
    yield from _find_asset_problems(content.get("assets", {}))


def _find_wrong_types(content: Mapping[str, Any], wanted: Mapping[str, type | tuple[type, ...]]) -> Iterator[str]:
    for name, types in wanted.items():
        if name not in content:
            yield f"`{name}` is missing"
        elif not isinstance(content[name], types):
            yield f"`{name}` is {content[name]!r:.60}"


def _find_id_problems(content: Mapping[str, Any], found: StacType) -> Iterator[str]:
    # a catalog without an id can still be read and named; two Items could not be distinguished
    name = content.get("id")
    if name is not None and not isinstance(name, str):
        yield f"`id` is {name!r:.60}, expected text"
    elif found is StacType.ITEM and not name:
        yield "`id` is missing or empty"


def _find_link_problems(links: object) -> Iterator[str]:
    for index, link in enumerate(links if isinstance(links, list) else ()):
        if not isinstance(link, dict) or not all(isinstance(link.get(name), str) for name in ("rel", "href")):
            yield f"`links[{index}]` has no `rel` and `href`"
        elif not is_reference(link["href"]):
            yield f"`links[{index}].href` is not a URL: {link['href']!r:.60}"


def _find_item_problems(item: Mapping[str, Any], *, timed: bool) -> Iterator[str]:
    yield from _find_wrong_types(item, {"geometry": (dict, type(None)), "properties": dict})
    if "assets" not in item:
        yield "`assets` is missing"
    if not isinstance(item.get("bbox"), list | None):
        yield f"`bbox` is {item['bbox']!r:.60}, expected an array"
    if timed and isinstance(item.get("properties"), dict):
        try:
            get_interval(item["properties"])
        except ValueError:
            yield "`datetime`, or `start_datetime` and `end_datetime`, is missing or not like 2024-05-01T10:00:00Z"


def _find_asset_problems(assets: object) -> Iterator[str]:
    if not isinstance(assets, dict):
        yield f"`assets` is {assets!r:.60}"
        return
    for key, asset in assets.items():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not href.strip():
            yield f"asset {key!r:.60} has no `href`"
        elif not is_reference(href):
            yield f"asset {key!r:.60} has an `href` that is not a URL: {href!r:.60}"
