"""What the page of a search in a STAC catalog shows beside what was found: the form, and where the Items are."""

from dataclasses import dataclass

from zoo_runner.server.api import Call
from zoo_runner.server.documents import CatalogItems
from zoo_runner.server.pages.maps import MapView, Shape, measure, read_box
from zoo_runner.server.uses import STAC_TYPES

_NAMES = ("bbox", "datetime", "collections")


@dataclass(frozen=True)
class SearchPage:
    """The form with what was asked for, the catalogs that are offered, and the map of what was found."""

    catalog: str
    catalogs: tuple[str, ...]
    asked: dict[str, str]
    map: MapView
    media_type: str = STAC_TYPES[0]


def build_search_page(found: CatalogItems, call: Call, catalogs: tuple[str, ...]) -> SearchPage:
    """Build the page; Items without a place are in the list only."""
    asked = dict(call.query)
    shapes = []
    for item in found["items"]:
        box = read_box(item.get("bbox"))
        if box:
            shapes.append(Shape(item["id"], item["geometry"], box))
    # large ones first, so that small ones lie above them
    ordered = tuple(sorted(shapes, key=lambda shape: -measure(shape.box)))
    return SearchPage(found["catalog"], catalogs, {name: asked.get(name, "") for name in _NAMES}, MapView(ordered, {}))
