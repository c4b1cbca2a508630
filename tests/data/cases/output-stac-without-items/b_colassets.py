"""Writes a STAC collection that has an asset, and no items."""

import json
from pathlib import Path

EXTENT = {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}}
COLLECTION = {
    "type": "Collection",
    "stac_version": "1.0.0",
    "id": "col",
    "description": "d",
    "license": "other",
    "extent": EXTENT,
    "links": [],
    "assets": {"data": {"href": "./vec.parquet"}},
}
Path("vec.parquet").write_bytes(b"x")
Path("collection.json").write_text(json.dumps(COLLECTION))
