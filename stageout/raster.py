"""Reads extent, projection and bands of rasters; the only module that uses rasterio, which is optional."""

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stageout.model import Bbox, RasterFacts

EXTRA_MISSING = (
    "rasterio is not installed: Items of raster files have neither extent nor projection nor bands; install "
    "zoo-runner[raster] (settings.extra-missing)"
)
WHOLE_CIRCLE = 360.0
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
    west, south, east, north = dataset.bounds
    # of a raster whose rows go north, the library has the top below the bottom
    bounds = min(west, east), min(south, north), max(west, east), max(south, north)
    bbox = _read_bbox(dataset, bounds) if dataset.crs else None
    return RasterFacts(
        bbox=bbox,
        geometry=build_footprint(bbox) if bbox else None,
        projection=_read_projection(dataset, bounds) if dataset.crs else {},
        bands=tuple(_read_band(dataset, index) for index in range(dataset.count)),
        cloud_optimized=dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG",
    )


def _read_bbox(dataset: Any, bounds: Bbox) -> Bbox | None:
    from rasterio.warp import transform_bounds  # type: ignore[import-untyped]  # it ships none

    try:
        corners = transform_bounds(dataset.crs, "OGC:CRS84", *bounds, densify_pts=21)
    except Exception:  # noqa: BLE001 as above; a local system has no place on Earth
        return None
    return wrap_bbox(*corners) if all(map(math.isfinite, corners)) else None


def wrap_bbox(west: float, south: float, east: float, north: float) -> Bbox:
    """Return a box with longitudes from -180 to 180, west > east across the antimeridian (RFC 7946, section 5.2).

    Grids of climate models have longitudes from 0 to 360, and the outer cells of many reach beyond the poles.
    """
    if east - west >= WHOLE_CIRCLE - 1e-6:
        west, east = -180.0, 180.0
    if west >= 180 or west < -180:
        west = (west + 180) % 360 - 180
    if east > 180 or east <= -180:
        east = 180 - (180 - east) % 360
    return round(west, 7), round(max(south, -90.0), 7), round(east, 7), round(min(north, 90.0), 7)


def _read_projection(dataset: Any, bounds: Bbox) -> Mapping[str, Any]:
    return {
        **_read_reference(dataset.crs),
        "proj:bbox": list(bounds),
        "proj:shape": [dataset.height, dataset.width],
        "proj:transform": list(dataset.transform)[:6],
    }


def _read_reference(crs: Any) -> Mapping[str, str]:
    """Return the code of a reference system if there is one for exactly this system, else its definition (WKT2)."""
    from rasterio.crs import CRS  # type: ignore[import-untyped]  # it ships none
    from rasterio.enums import WktVersion  # type: ignore[import-untyped]  # as above
    from rasterio.errors import CRSError  # type: ignore[import-untyped]  # as above

    authority = crs.to_authority()
    # the database of the library may lack the code; it also takes what is similar
    with suppress(CRSError):
        if authority and CRS.from_authority(*authority) == crs:
            return {"proj:code": ":".join(authority)}
    return {"proj:wkt2": crs.to_wkt(version=WktVersion.WKT2_2019)}


def _read_band(dataset: Any, index: int) -> Mapping[str, Any]:
    nodata = dataset.nodatavals[index]
    name = dataset.descriptions[index]
    return {
        "name": name or f"b{index + 1}",
        "data_type": dataset.dtypes[index],
        **({} if nodata is None else {"nodata": nodata if math.isfinite(nodata) else str(nodata)}),
    }


def build_footprint(bbox: Bbox) -> Mapping[str, Any]:
    """Return a bounding box as GeoJSON geometry, cut at the antimeridian (RFC 7946, section 3.1.9)."""
    west, south, east, north = bbox
    if west <= east:
        return {"type": "Polygon", "coordinates": [_build_ring(west, south, east, north)]}
    halves = (_build_ring(west, south, 180.0, north), _build_ring(-180.0, south, east, north))
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in halves]}


def _build_ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
