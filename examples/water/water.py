"""Water of one staged STAC item by NDWI: index, mask, quicklook, STAC catalog and the share of water.

Usage: water.py FOLDER THRESHOLD, where FOLDER is a staged item (catalog.json with a link to it, or just its
JSON). Writes the folder results/ and cwl.output.json, the output object that CWL takes a tool's outputs from.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio
from picture import credit, draw_quicklook, write_quicklook

Json = dict[str, Any]

MASK_NODATA = 255
SQUARE_METRES_PER_HECTARE = 10_000
ASSET_FIELDS = ("href", "type", "title", "roles")


class UnusableItemError(Exception):
    """The item cannot be worked on; the text says what is missing and where."""


def read_json(path: Path) -> Json:
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def local_path(folder: Path, href: str) -> Path:
    """Return the file that a link or asset of a document in `folder` points at."""
    parts = urlsplit(href)
    if parts.scheme not in ("", "file"):
        raise UnusableItemError(f"{href} is not a local file; stage the item in first")
    return folder / unquote(parts.path)


def find_item(folder: Path) -> Path:
    """Return the item's JSON: by the catalog's `item` link, else the only STAC item in the folder."""
    catalog = folder / "catalog.json"
    if catalog.exists():
        hrefs = [link["href"] for link in read_json(catalog).get("links", []) if link.get("rel") == "item"]
        found = [local_path(folder, href) for href in hrefs]
    else:
        found = [path for path in sorted(folder.glob("*.json")) if read_json(path).get("type") == "Feature"]
    if len(found) != 1:
        raise UnusableItemError(f"{folder} holds {len(found)} STAC items, expected one")
    return found[0]


def band_field(asset: Json, name: str, otherwise: float) -> float:
    """Return a field of the asset's band, as the raster extension (STAC 1.0) or STAC 1.1 writes it."""
    for bands in (asset.get("raster:bands"), asset.get("bands"), [asset]):
        for key in (name, f"raster:{name}"):
            if bands and bands[0].get(key) is not None:
                return float(bands[0][key])
    return otherwise


def find_asset(item: Json, name: str) -> Json:
    """Return the asset with this key or, failing that, the one whose band has this common name."""
    assets: dict[str, Json] = item["assets"]
    if name in assets:
        return assets[name]
    for asset in assets.values():
        bands = asset.get("eo:bands") or asset.get("bands") or []
        if any(name in (band.get("common_name"), band.get("eo:common_name")) for band in bands):
            return asset
    raise UnusableItemError(f"item {item['id']} has no asset {name}; it has {', '.join(sorted(assets))}")


def read_reflectance(item_path: Path, item: Json, name: str) -> np.ndarray:
    """Return the band as reflectance, NaN where there is no observation."""
    asset = find_asset(item, name)
    with rasterio.open(local_path(item_path.parent, asset["href"])) as source:
        counts = source.read(1).astype("float64")
        nodata = band_field(asset, "nodata", np.nan if source.nodata is None else source.nodata)
        scale = band_field(asset, "scale", source.scales[0])
        offset = band_field(asset, "offset", source.offsets[0])
    counts[counts == nodata] = np.nan
    return counts * scale + offset


def compute_ndwi(green: np.ndarray, nir: np.ndarray) -> np.ndarray:
    """Return (green - nir) / (green + nir) after McFeeters 1996, NaN where not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ndwi = (green - nir) / (green + nir)
    ndwi[~np.isfinite(ndwi)] = np.nan
    return ndwi


def measure(ndwi: np.ndarray, threshold: float, grid: Json) -> Json:
    """Return share and area of water among the observed pixels."""
    observed = int(np.isfinite(ndwi).sum())
    if not observed:
        raise UnusableItemError("no pixel has both a green and a nir value, so no share of water can be given")
    water = int((ndwi > threshold).sum())
    numbers: Json = {"threshold": threshold, "pixels": int(ndwi.size), "observed_pixels": observed}
    numbers |= {"water_pixels": water, "water_fraction": round(water / observed, 6)}
    if grid["crs"].is_projected:
        square_metres = water * abs(grid["transform"].determinant) * grid["crs"].linear_units_factor[1] ** 2
        numbers["water_hectares"] = round(square_metres / SQUARE_METRES_PER_HECTARE, 2)
    return numbers


def read_grid(item_path: Path, item: Json) -> Json:
    with rasterio.open(local_path(item_path.parent, find_asset(item, "green")["href"])) as source:
        return {
            "crs": source.crs,
            "transform": source.transform,
            "height": source.height,
            "width": source.width,
        }


def write_raster(path: Path, values: np.ndarray, nodata: float, grid: Json) -> None:
    predictor = "floating_point" if values.dtype.kind == "f" else "no"
    options = {"driver": "COG", "compress": "deflate", "predictor": predictor, "blocksize": 512}
    dtype = values.dtype.name
    with rasterio.open(path, "w", count=1, dtype=dtype, nodata=nodata, **grid, **options) as target:
        target.write(values, 1)


def true_colour(item_path: Path, item: Json) -> np.ndarray | None:
    """Return red, green, blue from 0 to 1, each from its 1st to 99th percentile; None without them."""
    try:
        bands = [read_reflectance(item_path, item, name) for name in ("red", "green", "blue")]
    except UnusableItemError:
        return None
    stretched = []
    for band in bands:
        low, high = np.nanpercentile(band, [1, 99])
        stretched.append(np.clip((np.nan_to_num(band, nan=high) - low) / max(high - low, 1e-6), 0, 1) ** 0.8)
    return np.stack(stretched, axis=-1)


def build_assets(threshold: float) -> Json:
    geotiff = "image/tiff; application=geotiff; profile=cloud-optimized"
    classes = [
        {"value": 0, "name": "land", "description": f"NDWI at most {threshold:g}"},
        {"value": 1, "name": "water", "description": f"NDWI above {threshold:g}"},
        {"value": MASK_NODATA, "name": "no_data", "description": "No observation", "nodata": True},
    ]
    files = {
        "ndwi": ("./ndwi.tif", geotiff, "Normalised difference water index", ["data"]),
        "water": ("./water.tif", geotiff, "Water mask", ["data", "water-mask"]),
        "statistics": ("./statistics.json", "application/json", "Share and area of water", ["metadata"]),
        "thumbnail": ("./quicklook.png", "image/png", "Quicklook with legend", ["thumbnail", "overview"]),
    }
    assets: Json = {key: dict(zip(ASSET_FIELDS, file, strict=True)) for key, file in files.items()}
    assets["ndwi"]["raster:bands"] = [{"data_type": "float32", "nodata": "nan", "unit": "1"}]
    assets["water"]["raster:bands"] = [{"data_type": "uint8", "nodata": MASK_NODATA}]
    assets["water"]["classification:classes"] = classes
    return assets


def build_item(source: Json, numbers: Json) -> Json:
    """Return the STAC item of the results: place and time are the source's."""
    kept = ("datetime", "start_datetime", "end_datetime", "platform", "constellation", "instruments", "gsd")
    known = source["properties"]
    properties = {key: known[key] for key in known if key in kept or key.startswith("proj:")}
    properties["title"] = f"Water in {source['id']}"
    properties["processing:lineage"] = f"NDWI of {source['id']}, water above {numbers['threshold']:g}"
    properties["water_fraction"] = numbers["water_fraction"]
    extensions = ("projection/v1.1.0", "raster/v1.1.0", "classification/v1.1.0", "processing/v1.1.0")
    up = [{"rel": rel, "href": "../catalog.json", "type": "application/json"} for rel in ("root", "parent")]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in extensions],
        "id": f"{source['id']}-water",
        "geometry": source["geometry"],
        "bbox": source["bbox"],
        "properties": properties,
        "links": up,
        "assets": build_assets(numbers["threshold"]),
    }


def build_catalog(item: Json, href: str) -> Json:
    title = item["properties"]["title"]
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "water",
        "description": f"{title}. {credit(item)}".strip(),
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "item", "href": href, "type": "application/geo+json", "title": title},
        ],
    }


def write_json(path: Path, document: Json) -> None:
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")


def write_results(root: Path, folder: Path, threshold: float) -> Json:
    """Write everything below `root`; return the numbers."""
    item_path = find_item(folder)
    source = read_json(item_path)
    grid = read_grid(item_path, source)
    green, nir = (read_reflectance(item_path, source, name) for name in ("green", "nir"))
    ndwi = compute_ndwi(green, nir)
    numbers = measure(ndwi, threshold, grid)
    item = build_item(source, numbers)
    target = root / Path(item["id"]).name
    target.mkdir(parents=True)
    write_raster(target / "ndwi.tif", ndwi.astype("float32"), np.nan, grid)
    mask = np.where(np.isfinite(ndwi), ndwi > threshold, MASK_NODATA).astype("uint8")
    write_raster(target / "water.tif", mask, MASK_NODATA, grid)
    figure = draw_quicklook(true_colour(item_path, source), ndwi, threshold, grid)
    write_quicklook(target / "quicklook.png", figure, source, numbers)
    write_json(target / "statistics.json", numbers)
    write_json(target / f"{target.name}.json", item)
    write_json(root / "catalog.json", build_catalog(item, f"./{target.name}/{target.name}.json"))
    return numbers


def main() -> None:
    numbers = write_results(Path("results"), Path(sys.argv[1]), float(sys.argv[2]))
    results = {"class": "Directory", "path": "results"}
    write_json(Path("cwl.output.json"), {"results": results, "water_fraction": numbers["water_fraction"]})
    print(json.dumps(numbers))


if __name__ == "__main__":
    try:
        main()
    except UnusableItemError as error:
        sys.exit(f"water.py: {error}")
