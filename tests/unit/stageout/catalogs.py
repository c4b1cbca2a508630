"""Builds small STAC catalogs on disk and CWL output objects around them."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from stageout.model import StageOutOptions
from stageout.stage import Results, stage_out

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
OPTIONS = StageOutOptions(job_id="7", workflow_id="ndvi")


def build_link(rel: str, href: str) -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": "application/json"}


def build_stac_item(item_id: str = "scene", **changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "geometry": {"type": "Point", "coordinates": [10.5, 50.5]},
        "bbox": [10.0, 50.0, 11.0, 51.0],
        "properties": {"datetime": "2024-05-01T10:00:00Z"},
        "links": [build_link("root", "../catalog.json"), build_link("parent", "../catalog.json")],
        "assets": {"data": {"href": "./data.tif", "type": "image/tiff; application=geotiff"}},
        **changes,
    }


def build_stac_catalog(links: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "mine",
        "description": "What the tool wrote.",
        "links": links if links is not None else [build_link("item", "./scene/scene.json")],
        **changes,
    }


def write_json(path: Path, body: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))
    return path


def write_catalog(folder: Path, catalog: object = None, item: object = None) -> Path:
    """Write `catalog.json`, `scene/scene.json` and `scene/data.tif`."""
    write_json(folder / "catalog.json", catalog if catalog is not None else build_stac_catalog())
    write_json(folder / "scene" / "scene.json", item if item is not None else build_stac_item())
    (folder / "scene" / "data.tif").write_bytes(b"not really a raster")
    return folder


def describe_folder(folder: Path) -> dict[str, Any]:
    return {"class": "Directory", "location": folder.as_uri(), "basename": folder.name}


def describe_file(path: Path, **more: Any) -> dict[str, Any]:
    return {"class": "File", "location": path.as_uri(), "basename": path.name, **more}


def read_json(path: Path) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads(path.read_text())
    return body


def put(folder: Path, to: Path) -> Results:
    """Publish a folder as the one output of a job."""
    return stage_out({"out": describe_folder(folder)}, str(to), OPTIONS, now=NOW)
