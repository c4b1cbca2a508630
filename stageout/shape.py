"""What a STAC document must have so that results can be built from it; pure.

Only what stage-out relies on is looked at (STAC 1.0 and 1.1, item, catalog and collection specifications), so
that a scientist's catalog is not refused for a detail that harms nobody.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from stageout.found import StacKind
from zoo_staging.times import read_datetime


def find_problem(kind: StacKind, body: Mapping[str, Any]) -> str | None:
    """Return the first thing that is wrong with a document, None when nothing is."""
    return next(_find_problems(kind, body), None)


def parse_time(text: object) -> datetime:
    """Parse an RFC 3339 time; one without offset is taken as UTC. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a time")  # noqa: TRY004 - one error for all that is no time
    time = read_datetime(text)
    try:
        return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def get_interval(properties: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return begin and end of an item. Raises ValueError when its properties do not say both."""
    if properties.get("datetime") is not None:
        moment = parse_time(properties["datetime"])
        starts, ends = properties.get("start_datetime"), properties.get("end_datetime")
        return (parse_time(starts), parse_time(ends)) if starts and ends else (moment, moment)
    return parse_time(properties.get("start_datetime")), parse_time(properties.get("end_datetime"))


def _find_problems(kind: StacKind, body: Mapping[str, Any]) -> Iterator[str]:
    version = str(body.get("stac_version"))
    if not version.startswith("1."):
        yield f"has stac_version {version!r}; 1.0 and 1.1 are accepted"
    if body.get("id") is not None and not isinstance(body["id"], str):
        yield f"has an id that is not a string: {body['id']!r}"
    yield from _find_link_problems(body.get("links"))
    if kind == "Item":
        yield from _find_item_problems(body)
    if kind == "Item" or "assets" in body:
        yield from _find_asset_problems(body.get("assets"))


def _find_link_problems(links: object) -> Iterator[str]:
    if not isinstance(links, list):
        yield "has no `links`"
        return
    for index, link in enumerate(links):
        if not isinstance(link, dict) or not all(isinstance(link.get(name), str) for name in ("rel", "href")):
            yield f"has a link without `rel` and `href` (links[{index}])"


def _find_item_problems(body: Mapping[str, Any]) -> Iterator[str]:
    if is_blank(body.get("id")):
        yield "has no `id`"
    if "geometry" not in body:
        yield "has no `geometry` (null is accepted)"
    properties = body.get("properties")
    if not isinstance(properties, dict):
        yield "has no `properties`"
        return
    if not isinstance(body.get("bbox", []), list | None):
        yield "has a `bbox` that is not an array"
    try:
        get_interval(properties)
    except ValueError:
        yield "has no `datetime` of the form 2024-05-01T10:00:00Z, nor `start_datetime` and `end_datetime`"


def _find_asset_problems(assets: object) -> Iterator[str]:
    if not isinstance(assets, dict):
        yield "has no `assets`"
        return
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str) or not asset["href"]:
            yield f"has an asset without `href`: {key!r}"


def is_blank(identifier: object) -> bool:
    """Whether an identifier is missing, null or made of spaces only."""
    return identifier is None or (isinstance(identifier, str) and not identifier.strip())
