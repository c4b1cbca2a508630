"""Writes a STAC collection into a folder below the output, with its own absolute path as its address."""

import json
from pathlib import Path

PLACE = Path("output_collection", "collection.json")
EXTENT = {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}}
COLLECTION = {
    "type": "Collection",
    "stac_version": "1.0.0",
    "id": "col",
    "description": "d",
    "license": "other",
    "extent": EXTENT,
    "links": [{"rel": "root", "href": "./collection.json"}, {"rel": "self", "href": str(PLACE.absolute())}],
    "custom_metadata": "x",
}
PLACE.parent.mkdir()
PLACE.write_text(json.dumps(COLLECTION))
