"""Vegetation index of one staged STAC item: masked raster, quicklook, statistics and a STAC item.

Usage: index.py FOLDER INDEX, where FOLDER is a staged item (catalog.json with a link to it, or just its
JSON) and INDEX is ndvi, evi2 or ndmi. Writes the folder scenes/<item id>-<index>/.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio
from PIL import Image

Json = dict[str, Any]

# Assets each index is computed from, by their common names.
BANDS = {"ndvi": ("nir", "red"), "evi2": ("nir", "red"), "ndmi": ("nir", "swir16")}
TITLES = {
    "ndvi": "Normalised difference vegetation index",
    "evi2": "Two-band enhanced vegetation index",
    "ndmi": "Normalised difference moisture index",
}
# What the colours of a quicklook span, and the colours: bare soil to dense green.
RANGES = {"ndvi": (0.0, 0.9), "evi2": (0.0, 0.7), "ndmi": (-0.4, 0.6)}
COLOURS = ["#8c6239", "#d8b365", "#f6f0c4", "#a6d96a", "#3f9b4b", "#0b5d2e"]
QUICKLOOK_PIXELS = 366


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


def read_reflectance(item_path: Path, asset: Json) -> np.ndarray:
    """Return the band as reflectance, NaN where there is no observation."""
    with rasterio.open(local_path(item_path.parent, asset["href"])) as source:
        counts = source.read(1).astype("float64")
        nodata = band_field(asset, "nodata", np.nan if source.nodata is None else source.nodata)
        scale = band_field(asset, "scale", source.scales[0])
        offset = band_field(asset, "offset", source.offsets[0])
    counts[counts == nodata] = np.nan
    return counts * scale + offset


def read_clear(item_path: Path, asset: Json) -> np.ndarray:
    """Return True where the mask's classes say clear; Fmask's own 0 and 1 where the item describes none."""
    classes = asset.get("classification:classes", [])
    clear = [entry["value"] for entry in classes if entry.get("name", "").startswith("clear")] or [0, 1]
    with rasterio.open(local_path(item_path.parent, asset["href"])) as source:
        return np.isin(source.read(1), clear)


def compute_index(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the index (no unit). EVI2 after Jiang et al. 2008, the others are normalised differences."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "evi2":
            values = 2.5 * (first - second) / (first + 2.4 * second + 1.0)
        else:
            values = (first - second) / (first + second)
    values[~np.isfinite(values)] = np.nan
    return values


def measure(values: np.ndarray) -> Json:
    """Return the statistics of what is clear; every number is null when nothing is."""
    clear = values[np.isfinite(values)]
    numbers: Json = {"pixels": int(values.size), "clear_pixels": int(clear.size)}
    numbers["clear_fraction"] = round(clear.size / values.size, 4)
    names = ("p10", "p25", "median", "p75", "p90")
    if not clear.size:
        return {**numbers, **dict.fromkeys(("mean", *names))}
    numbers["mean"] = round(float(clear.mean()), 4)
    quantiles = np.percentile(clear, [10, 25, 50, 75, 90])
    return {**numbers, **{name: round(float(value), 4) for name, value in zip(names, quantiles, strict=True)}}


def write_raster(path: Path, values: np.ndarray, like: Path) -> None:
    """Write a cloud-optimised GeoTIFF on the grid of `like`, NaN as no data."""
    with rasterio.open(like) as source:
        grid = {"crs": source.crs, "transform": source.transform}
    grid |= {"height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": "float32"}
    options = {"driver": "COG", "compress": "deflate", "predictor": "floating_point", "blocksize": 256}
    with rasterio.open(path, "w", nodata=np.nan, **grid, **options) as target:
        target.write(values.astype("float32"), 1)


def write_quicklook(path: Path, values: np.ndarray, value_range: tuple[float, float]) -> None:
    """Write a PNG of at least 366 pixels; what is not clear is light grey."""
    stops = np.linspace(*value_range, len(COLOURS))
    levels = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS])
    filled = np.nan_to_num(values, nan=value_range[0])
    picture = np.stack([np.interp(filled, stops, levels[:, band]) for band in range(3)], axis=-1)
    picture[~np.isfinite(values)] = (214, 214, 218)
    factor = max(1, round(QUICKLOOK_PIXELS / max(values.shape)))
    image = Image.fromarray(picture.round().astype("uint8"), "RGB")
    image.resize((image.width * factor, image.height * factor), Image.NEAREST).save(path, optimize=True)


def build_item(source: Json, name: str, statistics: Json) -> Json:
    """Return the STAC item of the result: place and time are the source's."""
    kept = ("datetime", "start_datetime", "end_datetime", "platform", "constellation", "instruments", "gsd")
    known = source["properties"]
    properties = {key: known[key] for key in known if key in kept or key.startswith("proj:")}
    properties["title"] = f"{name.upper()} of {source['id']}"
    properties["processing:lineage"] = f"{TITLES[name]} of the clear pixels of {source['id']}"
    properties.update({key: statistics[key] for key in ("median", "clear_fraction")})
    band = {"data_type": "float32", "nodata": "nan", "unit": "1", "statistics": {"mean": statistics["mean"]}}
    band["statistics"]["valid_percent"] = round(100 * statistics["clear_fraction"], 2)
    raster = {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff; profile=cloud-optimized"}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            "https://stac-extensions.github.io/processing/v1.1.0/schema.json",
        ],
        "id": f"{source['id']}-{name}",
        "geometry": source["geometry"],
        "bbox": source["bbox"],
        "properties": properties,
        "links": [],
        "assets": {
            name: {**raster, "title": TITLES[name], "roles": ["data"], "raster:bands": [band]},
            "statistics": {
                "href": "./statistics.json",
                "type": "application/json",
                "title": "Statistics of the clear pixels",
                "roles": ["metadata"],
            },
            "thumbnail": {
                "href": "./quicklook.png",
                "type": "image/png",
                "title": f"{name.upper()}, brown to green; grey is not clear",
                "roles": ["thumbnail"],
            },
        },
    }


def write_scene(folder: Path, name: str) -> Path:
    """Compute one date and write its folder; return that folder."""
    item_path = find_item(folder)
    source = read_json(item_path)
    assets = [find_asset(source, band) for band in BANDS[name]]
    first, second = (read_reflectance(item_path, asset) for asset in assets)
    values = compute_index(name, first, second)
    values[~read_clear(item_path, find_asset(source, "fmask"))] = np.nan
    statistics = measure(values)
    item = build_item(source, name, statistics)
    target = Path("scenes") / Path(item["id"]).name
    target.mkdir(parents=True)
    write_raster(target / f"{name}.tif", values, local_path(item_path.parent, assets[0]["href"]))
    write_quicklook(target / "quicklook.png", values, RANGES[name])
    for file_name, document in ((f"{target.name}.json", item), ("statistics.json", statistics)):
        (target / file_name).write_text(json.dumps(document, indent=2), encoding="utf-8")
    print(f"{source['id']}: median {name} {statistics['median']}, clear {statistics['clear_fraction']:.0%}")
    return target


if __name__ == "__main__":
    try:
        write_scene(Path(sys.argv[1]), sys.argv[2])
    except UnusableItemError as error:
        sys.exit(f"index.py: {error}")
