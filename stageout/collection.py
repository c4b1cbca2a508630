"""The STAC Collection of a job's results (STAC 1.1, collection specification); pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stageout.item import STAC_VERSION, Bbox, format_time, merge_bboxes
from stageout.media import GEOJSON, JSON
from stageout.shape import get_interval
from stageout.storage import Storage, add_storage

WHOLE_WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True)
class PlacedItem:
    """An item as it will be written, and its absolute href."""

    href: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class CollectionNames:
    """What the collection is called and where it will lie."""

    collection_id: str
    title: str
    description: str
    self_href: str


def build_collection(
    names: CollectionNames, items: Sequence[PlacedItem], now: datetime, storage: Storage | None = None
) -> dict[str, Any]:
    """Return the collection of all items, with absolute links, which lead into `storage`.

    Where no item says where it lies, the spatial extent is the whole world; without items, the time is `now`.
    """
    bboxes = [bbox for item in items if (bbox := _get_bbox(item.body))]
    intervals = [get_interval(item.body["properties"]) for item in items] or [(now, now)]
    begin, end = min(start for start, _ in intervals), max(stop for _, stop in intervals)
    links = [
        {"rel": "root", "type": JSON, "href": names.self_href},
        {"rel": "self", "type": JSON, "href": names.self_href},
        *({"rel": "item", "type": GEOJSON, "href": item.href} for item in items),
    ]
    collection = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": names.collection_id,
        "title": names.title,
        "description": names.description,
        "license": "other",
        "extent": {
            "spatial": {"bbox": [list(merge_bboxes(bboxes) or WHOLE_WORLD)]},
            "temporal": {"interval": [[format_time(begin), format_time(end)]]},
        },
        "links": links,
    }
    add_storage(collection, links, storage)
    return collection


def _get_bbox(body: Mapping[str, Any]) -> Bbox | None:
    bbox = body.get("bbox")
    if not bbox or len(bbox) not in (4, 6) or not all(isinstance(value, int | float) for value in bbox):
        return None
    half = len(bbox) // 2
    return float(bbox[0]), float(bbox[1]), float(bbox[half]), float(bbox[half + 1])
