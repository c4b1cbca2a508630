"""The STAC Item of an output that came without STAC (STAC 1.1, item specification); pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from stageout.model import Bbox, FoundData, FoundFile, RasterFacts
from stageout.raster import build_footprint
from stageout.storage import Storage, add_storage
from zoo_staging.media import BINARY, GEOJSON, JSON, build_roles, get_media_type
from zoo_staging.names import find_folder

STAC_VERSION = "1.1.0"
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROJECTION_EXTENSION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"

_SHA2_256 = "1220"  # multihash: code 0x12 (sha2-256), 0x20 bytes


@dataclass(frozen=True)
class ItemNames:
    """Names of an item; `self_href` is absolute (None: no `self` link), `collection_href` relative."""

    item_id: str
    title: str
    self_href: str | None
    collection_id: str
    collection_href: str


def build_item(data: FoundData, names: ItemNames, now: datetime, storage: Storage | None = None) -> dict[str, Any]:
    """Return a STAC Item whose assets are the files beside it (in `storage`); `now` is its time."""
    rasters = [file.raster for file in data.files if file.raster]
    bbox = merge_bboxes([raster.bbox for raster in rasters if raster.bbox])
    extensions = [FILE_EXTENSION] if data.files else []
    if any(raster.projection for raster in rasters):
        extensions.append(PROJECTION_EXTENSION)
    collection = {"type": JSON, "href": names.collection_href}
    assets = _build_assets(data.files)
    item = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": extensions,
        "id": names.item_id,
        "geometry": _build_geometry(rasters, bbox),
        **({"bbox": list(bbox)} if bbox else {}),
        "properties": {"title": names.title, "datetime": format_time(now)},
        "collection": names.collection_id,
        "links": [
            {"rel": "root", **collection},
            {"rel": "parent", **collection},
            {"rel": "collection", **collection},
            *([{"rel": "self", "type": GEOJSON, "href": names.self_href}] if names.self_href else []),
        ],
        "assets": assets,
    }
    add_storage(item, assets.values(), storage)
    return item


def format_time(time: datetime) -> str:
    """Return a UTC time as STAC writes it: RFC 3339 with `Z`."""
    return time.isoformat().replace("+00:00", "Z")


def merge_bboxes(bboxes: Sequence[Bbox]) -> Bbox | None:
    """Return the box around boxes, None for none.

    When one of several crosses the antimeridian, the result has all longitudes.
    """
    if not bboxes:
        return None
    if len(set(bboxes)) == 1:
        return bboxes[0]
    west, south, east, north = zip(*bboxes, strict=True)
    if any(left > right for left, right in zip(west, east, strict=True)):
        return -180.0, min(south), 180.0, max(north)
    return min(west), min(south), max(east), max(north)


def _build_geometry(rasters: Sequence[RasterFacts], bbox: Bbox | None) -> Mapping[str, Any] | None:
    placed = [raster.geometry for raster in rasters if raster.geometry]
    if len(placed) == 1:
        return placed[0]
    return build_footprint(bbox) if bbox else None


def _build_assets(files: Sequence[FoundFile]) -> dict[str, dict[str, Any]]:
    """Build an asset for each file, and for each folder that is one asset, such as a zarr store."""
    assets: dict[str, dict[str, Any]] = {}
    for file in files:
        folder = find_folder(file.name)
        if folder is None:
            assets[file.name] = _build_asset(file)
            continue
        asset = assets.setdefault(folder, _build_folder_asset(folder))
        asset["file:size"] += file.size_bytes
    return assets


def _build_folder_asset(folder: str) -> dict[str, Any]:
    media_type = get_media_type(folder)
    kind = {} if media_type == BINARY else {"type": media_type}
    return {"href": quote(f"./{folder}"), **kind, "roles": ["data"], "file:size": 0}


def _build_asset(file: FoundFile) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": quote(f"./{file.name}"),
        "type": file.media_type,
        "roles": build_roles(file.name, file.media_type),
        "file:size": file.size_bytes,
    }
    if file.sha256:
        asset["file:checksum"] = _SHA2_256 + file.sha256
    if file.raster:
        asset |= {**file.raster.projection, "bands": [dict(band) for band in file.raster.bands]}
    return asset
