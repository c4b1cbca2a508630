"""Selects items, their assets to download, and the addresses of these; pure.

Settings select for every input; `select` in a Directory of a job order selects for that one:

    {"class": "Directory", "location": "https://host/item.json", "select": {"assets": ["red", "nir"]}}
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from stagein.settings import BOX, PREFIX, StageInOptions, is_box, strip_parameters
from zoo_staging.hrefs import get_scheme

SELECT = "select"
"""The member of a Directory that selects what is downloaded for it."""
# assets that have only these roles may be missing
SIDE_ROLES = frozenset({"thumbnail", "overview", "metadata"})
REMEDY = (
    "To leave assets out, select others: `select` in the input, or STAGEIN_ASSET_KEYS, STAGEIN_ASSET_ROLES,"
    " STAGEIN_ASSET_MEDIA_TYPES or STAGEIN_ASSET_BANDS."
)


class SelectionError(ValueError):
    """A selection is invalid: its `member` (empty: all of it) is not what is `expected`."""

    def __init__(self, member: str, expected: str, found: Any) -> None:
        super().__init__(f"expected {expected}, got {found!r:.100}")
        self.member, self.expected, self.found = member, expected, found


def read_selection(value: Any) -> dict[str, Any]:
    """Read a `select` as fields of `StageInOptions`; raises `SelectionError`.

    Members, all optional: `assets` (keys), `roles`, `mediaTypes`, `bands` (names or common names), `alternates` (as
    STAGEIN_ASSET_ALTERNATES), each an array of strings; `bbox`: west, south, east, north in degrees.
    """
    if not isinstance(value, Mapping):
        raise SelectionError("", f"an object with some of {', '.join(_MEMBERS)}", value)
    for member in value:
        if member not in _MEMBERS:
            raise SelectionError(str(member), f"one of {', '.join(_MEMBERS)}", member)
    return {_MEMBERS[member].option: _MEMBERS[member].read(member, value[member]) for member in value}


def select(options: StageInOptions, selection: Any) -> StageInOptions:
    """Return the options with those of a `select` in their place; raises `SelectionError`."""
    return replace(options, **read_selection(selection)) if selection is not None else options


def is_wanted(key: str, asset: Mapping[str, Any], options: StageInOptions) -> bool:
    """Whether an asset matches each of the options that select assets."""
    return all(
        not wanted.isdisjoint(word.read(key, asset)) for word in WORDS if (wanted := getattr(options, word.option))
    )


def find_missing_words(
    options: StageInOptions, assets: Sequence[tuple[str, Mapping[str, Any]]]
) -> Iterator[tuple["Word", list[str], list[str]]]:
    """Yield each kind of word of which the options ask for some that no asset has: those, and those that there are."""
    for word in WORDS:
        wanted: frozenset[str] = getattr(options, word.option)
        there = {found for key, asset in assets for found in word.read(key, asset)} if wanted else set()
        if missing := sorted(wanted - there):
            yield word, missing, sorted(there)


def intersects(item: Mapping[str, Any], bbox: tuple[float, ...] | None) -> bool:
    """Whether an item touches a box (west, south, east, north; west > east crosses the antimeridian).

    It is where its `bbox` says, or its geometry where that is missing or invalid. One that has neither lies nowhere.
    Raises ValueError where what there is says nothing.
    """
    if bbox is None:
        return True
    own = _read_sides(item.get("bbox")) or _find_sides(item.get("geometry"))
    if own is None and item.get("bbox") is not None:
        raise ValueError(f"its bbox is {item['bbox']!r:.60}, and it has no geometry")
    if own is None:
        return False
    west, south, east, north = own
    return bool(south <= bbox[3] and bbox[1] <= north) and any(
        start <= other_end and other_start <= end
        for start, end in _split(west, east)
        for other_start, other_end in _split(bbox[0], bbox[2])
    )


def _read_sides(box: Any) -> tuple[float, float, float, float] | None:
    """Return the four sides of a `bbox` of two or three dimensions; None for anything else."""
    if not isinstance(box, list) or len(box) not in (4, 6) or not all(map(_is_number, box)):
        return None
    west, south, east, north = (*box[:2], *box[len(box) // 2 :][:2])
    return west, south, east, north


def _find_sides(geometry: Any) -> tuple[float, float, float, float] | None:
    """Return the sides of the box around a GeoJSON geometry; None without one. Raises ValueError for an invalid one."""
    if geometry is None:
        return None
    positions = list(_list_positions(geometry))
    if not positions:
        raise ValueError("its geometry has no coordinates")
    longitudes, latitudes = [each[0] for each in positions], [each[1] for each in positions]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _list_positions(geometry: Any) -> Iterator[list[float]]:
    """Yield all positions of a GeoJSON geometry, of any type (RFC 7946, section 3.1)."""
    waiting = [geometry]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.append(value.get("geometries", value.get("coordinates")))
        elif not isinstance(value, list):
            raise ValueError(f"its geometry has {value!r:.60} in place of coordinates")  # noqa: TRY004 - data, no code
        elif value and all(map(_is_number, value)) and len(value) > 1:
            yield value
        else:
            waiting += value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def _read_words(member: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise SelectionError(member, "an array of strings", value)
    return tuple(value)


def _read_types(member: str, value: Any) -> frozenset[str]:
    return frozenset(map(strip_parameters, _read_words(member, value)))


def _read_set(member: str, value: Any) -> frozenset[str]:
    return frozenset(_read_words(member, value))


def _read_bbox(member: str, value: Any) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else []
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        numbers = []
    box = tuple(map(float, numbers)) if is_box(tuple(numbers)) else ()
    if not box:
        raise SelectionError(member, BOX, value)
    return box


@dataclass(frozen=True)
class _Member:
    """A member of `select`: the option that it sets, and how its value is read."""

    option: str
    read: Callable[[str, Any], Any]


_MEMBERS: Mapping[str, _Member] = {
    "assets": _Member("asset_keys", _read_set),
    "roles": _Member("asset_roles", _read_set),
    "mediaTypes": _Member("asset_media_types", _read_types),
    "bands": _Member("asset_bands", _read_set),
    "alternates": _Member("asset_alternates", _read_words),
    "bbox": _Member("bbox", _read_bbox),
}


def _split(west: float, east: float) -> tuple[tuple[float, float], ...]:
    """Split a range of longitudes at the antimeridian."""
    return ((west, east),) if west <= east else ((west, 180.0), (-180.0, east))


def _list_addresses(asset: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield str(asset.get("alternate:name", "")), str(asset["href"]).strip()
    alternates = asset.get("alternate")
    for name, alternate in alternates.items() if isinstance(alternates, dict) else ():
        href = alternate.get("href") if isinstance(alternate, dict) else None
        if isinstance(href, str) and href.strip():
            yield name, href.strip()


def _read_media_types(asset: Mapping[str, Any]) -> Iterator[str]:
    yield strip_parameters(str(asset.get("type", "")))


def _read_bands(asset: Mapping[str, Any]) -> Iterator[str]:
    """Read names and common names of bands: `bands` of STAC 1.1, and the extensions `eo` 1.1 and `raster` 1.1."""
    for key in ("bands", "eo:bands", "raster:bands"):
        bands = asset.get(key)
        for band in bands if isinstance(bands, list) else ():
            if isinstance(band, dict):
                yield from (str(band[name]) for name in ("name", "common_name", "eo:common_name") if name in band)


def _read_roles(asset: Mapping[str, Any]) -> frozenset[str]:
    roles = asset.get("roles")
    return frozenset(map(str, roles)) if isinstance(roles, list) else frozenset()


@dataclass(frozen=True)
class Word:
    """A kind of word that selects assets: its member in `select`, its option, and how those of an asset are read."""

    name: str
    member: str
    option: str
    read: Callable[[str, Mapping[str, Any]], Iterable[str]]

    @property
    def setting(self) -> str:
        """The setting that selects for all inputs."""
        return f"{PREFIX}_{self.option.upper()}"


WORDS = (
    Word("key", "assets", "asset_keys", lambda key, _: (key,)),
    Word("role", "roles", "asset_roles", lambda _, asset: _read_roles(asset)),
    Word("media type", "mediaTypes", "asset_media_types", lambda _, asset: _read_media_types(asset)),
    Word("band", "bands", "asset_bands", lambda _, asset: _read_bands(asset)),
)
