"""The STAC Collection of a job's results (STAC 1.1, collection specification); pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stageout.item import STAC_VERSION, format_time, merge_bboxes
from stageout.model import Bbox
from stageout.names import RESULT_COLLECTION
from stageout.storage import Storage, add_storage
from zoo_staging.hrefs import build_relative_href
from zoo_staging.media import GEOJSON, JSON
from zoo_staging.stac import get_interval

WHOLE_WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True)
class Member:
    """What the collection links to: a relation (`item`, `child`), a key, and of items the document."""

    rel: str
    key: str
    item: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class CollectionNames:
    """What the collection is called."""

    collection_id: str
    title: str
    description: str


def build_collection(
    names: CollectionNames,
    members: Sequence[Member],
    now: datetime,
    get_href: Callable[[str], str] | None,
    storage: Storage | None = None,
) -> dict[str, Any]:
    """Return the collection of all results, with absolute links into `storage`.

    Without `get_href` its links are relative. If no item has a geometry, the spatial extent is the whole world;
    without items, the time is `now`.
    """
    items = [member.item for member in members if member.item]
    bboxes = [bbox for item in items if (bbox := _get_bbox(item))]
    intervals = [get_interval(item["properties"]) for item in items] or [(now, now)]
    begin, end = min(start for start, _ in intervals), max(stop for _, stop in intervals)
    place = get_href or (lambda key: build_relative_href(key, RESULT_COLLECTION))
    own = place(RESULT_COLLECTION)
    links = [
        {"rel": "root", "type": JSON, "href": own},
        *([{"rel": "self", "type": JSON, "href": own}] if get_href else []),
        *({"rel": one.rel, "type": GEOJSON if one.item else JSON, "href": place(one.key)} for one in members),
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
