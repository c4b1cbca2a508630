"""Writes a STAC catalog without items."""

import json
from pathlib import Path

LINKS = [{"rel": "self", "href": "./catalog.json"}]
CATALOG = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d", "links": LINKS}
Path("catalog.json").write_text(json.dumps(CATALOG))
