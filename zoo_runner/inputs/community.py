"""Checks values of the EO community's named types: dates, URIs, bounding boxes and GeoJSON.

Clients write these as OGC API - Processes does (`"2024-07-31"`, a GeoJSON object), CWL's records have the form
that their packages define (`{"value": "2024-07-31"}`, a `bbox` in every geometry): the first is converted to the
second.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from zoo_runner.inputs.values import Checker, check_fields, check_members, check_record
from zoo_runner.model.problems import ValuePath
from zoo_runner.package.cwltypes import Community, Record, short_name
from zoo_staging.times import read_datetime, read_time

BBOX_CRS = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
DEEPEST_COORDINATES = 4


def check_community(checker: Checker, wanted: Community, value: Any, path: ValuePath) -> Any:
    """Check a value of a named type of the community; a handler for a `Checker`."""
    if not isinstance(wanted.shape, Record):
        return checker.check(wanted.shape, value, path)
    if isinstance(value, Mapping) and "class" not in {member.name for member in wanted.shape.fields}:
        value = {key: member for key, member in value.items() if key != "class"}
    match wanted.family, wanted.name:
        case "string_format", _:
            return _check_string_format(checker, wanted, value, path)
        case "ogc", "BBox":
            return _check_bbox(checker, wanted.shape, value, path)
        case "geojson" | "stac", _ if isinstance(value, Mapping):
            return _check_geojson(checker, wanted.shape, value, path)
    return checker.check(wanted.shape, value, path)


def _check_string_format(checker: Checker, wanted: Community, value: Any, path: ValuePath) -> Any:
    text = value
    if isinstance(value, Mapping):
        text = value.get("href" if "href" in value and wanted.name == "URI" else "value")
    if not isinstance(text, str):
        return checker.mismatch(wanted, value, path)
    if not _STRING_FORMATS.get(wanted.name, bool)(text):
        example = _EXAMPLES.get(wanted.name, "a text that is not empty")
        return checker.expect(path, f"{wanted.name} such as {example}", text, "inputs.value")
    return {"value": text}


def _check_bbox(checker: Checker, shape: Record, value: Any, path: ValuePath) -> Any:
    if not isinstance(value, Mapping):
        return checker.expect(path, 'an object such as {"bbox": [west, south, east, north]}', value)
    corners = value.get("bbox")
    if isinstance(corners, list) and len(corners) not in {4, 6}:
        return checker.refuse((*path, "bbox"), "inputs.value", f"expected 4 or 6 numbers, got {len(corners)}")
    crs = value.get("crs", BBOX_CRS)
    word = short_name(crs) if isinstance(crs, str) else crs
    in_type = any(member.name == "crs" for member in shape.fields)
    return check_record(checker, shape, {**value, "crs": word} if in_type else value, path)


def _check_geojson(checker: Checker, shape: Record, value: Mapping[str, Any], path: ValuePath) -> Any:
    """Check GeoJSON; members beyond the type are allowed, a bbox is optional (RFC 7946, sections 5, 6.1)."""
    known = {member.name for member in shape.fields}
    bounds = compute_bounds(value)
    if bounds and "bbox" in known:
        value = {"bbox": bounds, **value}
    extra = {key: member for key, member in value.items() if key not in known}
    return check_members(checker, extra, path) | check_fields(checker, shape, value, path)


def compute_bounds(geojson: Mapping[str, Any]) -> list[float]:
    """Return west, south, east, north of a geometry or feature; empty where there are no coordinates.

    West > east for one that is cut at the antimeridian (RFC 7946, sections 3.1.9 and 5.2).
    """
    geometry = geojson.get("geometry")
    holder = geometry if isinstance(geometry, Mapping) else geojson
    several = holder.get("type") in ("MultiPolygon", "MultiLineString")
    coordinates = holder.get("coordinates")
    parts = coordinates if several and isinstance(coordinates, list) else [coordinates]
    found = [list(zip(*positions, strict=True)) for part in parts if (positions := [*_positions(part)])]
    if not found:
        return []
    west, east = _join([(min(longitudes), max(longitudes)) for longitudes, _ in found])
    latitudes = [latitude for _, column in found for latitude in column]
    return [west, min(latitudes), east, max(latitudes)]


def _join(spans: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the span of longitudes around several; across the antimeridian where some end and some begin there."""
    spans = sorted(spans)
    west, east = spans[0][0], max(end for _, end in spans)
    if (west, east) != (-180, 180):
        return west, east
    gap, reached = 0.0, spans[0][1]
    for begin, end in spans[1:]:
        if begin - reached > gap:
            gap, west, east = begin - reached, begin, reached
        reached = max(reached, end)
    return west, east


def _positions(coordinates: Any, levels: int = DEEPEST_COORDINATES) -> Iterator[tuple[float, float]]:
    match coordinates:
        case [int() | float() as x, int() | float() as y, *_]:
            yield x, y
        case list() if levels:
            for part in coordinates:
                yield from _positions(part, levels - 1)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


_STRING_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "Date": _parses(date.fromisoformat),
    "DateTime": _parses(read_datetime),
    "Time": _parses(read_time),
    "UUID": _matches(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "URI": _matches(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"),
    "Email": _matches(r"[^\s@]+@[^\s@]+"),
}
_EXAMPLES = {
    "Date": "2024-07-31",
    "DateTime": "2024-07-31T10:15:00Z",
    "Time": "10:15:00Z",
    "UUID": "8f14e45f-ceea-467f-ab5c-1f0a3c9e2b11",
    "URI": "https://example.org/item.json",
    "Email": "name@example.org",
}
