"""Reads extent, projection and bands of rasters; the only module that uses rasterio, which is optional."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stageout.model import RasterFacts

EXTRA_MISSING = (
    "rasterio is not installed: Items of raster files have neither extent nor projection nor bands; install "
    "zoo-runner[raster] (settings.extra-missing)"
)
_DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}


def read_raster(path: Path, warnings: list[str]) -> RasterFacts | None:
    """Read the facts of a GeoTIFF or JPEG 2000 file; None when it cannot be read.

    Where rasterio is not installed, `warnings` says so, once.

    Only this file is opened, by these two drivers: a file from a tool must not make GDAL open others.
    """
    driver = _DRIVERS.get(path.suffix.lower())
    if driver is None:
        return None
    try:
        import rasterio  # type: ignore[import-untyped]  # it ships none
    except ImportError:
        if EXTRA_MISSING not in warnings:
            warnings.append(EXTRA_MISSING)
        return None
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
    try:
        with rasterio.Env(**options), rasterio.open(path, driver=driver) as dataset:
            return _describe(dataset)
    except Exception:  # noqa: BLE001 the entry point to GDAL, whose errors have no common class: facts are optional
        return None


def _describe(dataset: Any) -> RasterFacts:
    bbox = _read_bbox(dataset) if dataset.crs else None
    return RasterFacts(
        bbox=bbox,
        geometry=build_footprint(bbox) if bbox else None,
        projection=_read_projection(dataset) if dataset.crs else {},
        bands=tuple(_read_band(dataset, index) for index in range(dataset.count)),
        cloud_optimized=dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG",
    )


def _read_bbox(dataset: Any) -> tuple[float, float, float, float] | None:
    from rasterio.warp import transform_bounds  # type: ignore[import-untyped]  # it ships none

    west, south, east, north = transform_bounds(dataset.crs, "OGC:CRS84", *dataset.bounds, densify_pts=21)
    if not all(math.isfinite(value) for value in (west, south, east, north)):
        return None
    return round(west, 7), round(south, 7), round(east, 7), round(north, 7)


def _read_projection(dataset: Any) -> Mapping[str, Any]:
    authority = dataset.crs.to_authority()
    reference = {"proj:code": ":".join(authority)} if authority else {"proj:wkt2": dataset.crs.to_wkt()}
    return {
        **reference,
        "proj:bbox": list(dataset.bounds),
        "proj:shape": [dataset.height, dataset.width],
        "proj:transform": list(dataset.transform)[:6],
    }


def _read_band(dataset: Any, index: int) -> Mapping[str, Any]:
    nodata = dataset.nodatavals[index]
    name = dataset.descriptions[index]
    return {
        "name": name or f"b{index + 1}",
        "data_type": dataset.dtypes[index],
        **({} if nodata is None else {"nodata": nodata if math.isfinite(nodata) else str(nodata)}),
    }


def build_footprint(bbox: tuple[float, float, float, float]) -> Mapping[str, Any]:
    """Return a bounding box as GeoJSON geometry, cut at the antimeridian (RFC 7946, section 3.1.9)."""
    west, south, east, north = bbox
    if west <= east:
        return {"type": "Polygon", "coordinates": [_build_ring(west, south, east, north)]}
    halves = (_build_ring(west, south, 180.0, north), _build_ring(-180.0, south, east, north))
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in halves]}


def _build_ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
