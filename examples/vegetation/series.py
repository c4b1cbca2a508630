"""Time series over the dates that index.py wrote: CSV, chart and a STAC catalog of all results.

Usage: series.py [--place NAME] FOLDER..., each FOLDER one that index.py wrote. Writes the folder results/.
"""

import argparse
import csv
import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

Json = dict[str, Any]

# The same colours and spans as the quicklooks have.
RANGES = {"ndvi": (0.0, 0.9), "evi2": (0.0, 0.7), "ndmi": (-0.4, 0.6)}
COLOURS = ["#8c6239", "#d8b365", "#f6f0c4", "#a6d96a", "#3f9b4b", "#0b5d2e"]
INK, MUTED, GREEN = "#1d2b24", "#66736b", "#1f7a45"
COLUMNS = [
    "date",
    "item",
    "clear_fraction",
    "median",
    "p25",
    "p75",
    "p10",
    "p90",
    "mean",
    "clear_pixels",
    "pixels",
]
MAPS_SHOWN = 8


@dataclass(frozen=True)
class Scene:
    """One date as index.py wrote it."""

    folder: Path
    item: Json
    statistics: Json

    @property
    def time(self) -> datetime:
        properties = self.item["properties"]
        text = properties.get("datetime") or properties["start_datetime"]
        return datetime.fromisoformat(text.replace("Z", "+00:00"))

    @property
    def raster(self) -> np.ndarray:
        asset = next(asset for asset in self.item["assets"].values() if asset["roles"] == ["data"])
        with rasterio.open(self.folder / asset["href"]) as source:
            return source.read(1)


def read_scene(folder: Path) -> Scene:
    """Read a folder of index.py, whatever an engine called it: documents are recognised by their content."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    item = next(document for document in documents if document.get("type") == "Feature")
    statistics = next(document for document in documents if "clear_fraction" in document)
    return Scene(folder, item, statistics)


def credit(scenes: list[Scene]) -> str:
    """Return the attribution that the data licences ask for."""
    platforms = {scene.item["properties"].get("platform", "") for scene in scenes}
    lines = []
    if any(platform.startswith("landsat") for platform in platforms):
        lines.append("Landsat data courtesy of the U.S. Geological Survey")
    if any(platform.startswith("sentinel-2") for platform in platforms):
        years = sorted({scene.time.year for scene in scenes})
        lines.append(f"Contains modified Copernicus Sentinel data {', '.join(map(str, years))}")
    return " | ".join(lines)


def describe_position(scenes: list[Scene]) -> str:
    west, south, east, north = scenes[0].item["bbox"]
    latitude, longitude = (south + north) / 2, (west + east) / 2
    return (
        f"{abs(latitude):.2f}° {'N' if latitude >= 0 else 'S'} {abs(longitude):.2f}° {'E' if longitude >= 0 else 'W'}"
    )


def write_csv(path: Path, scenes: list[Scene]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for scene in scenes:
            row = {**scene.statistics, "date": f"{scene.time:%Y-%m-%d}", "item": scene.item["id"]}
            writer.writerow({column: row[column] for column in COLUMNS})


def draw_maps(figure: Figure, axes: list[Axes], scenes: list[Scene], index: str) -> None:
    """Draw the first, the last and evenly chosen dates between, as many as there are axes."""
    colours = LinearSegmentedColormap.from_list("vegetation", COLOURS).with_extremes(bad="#d6d6da")
    low, high = RANGES[index]
    chosen = np.unique(np.linspace(0, len(scenes) - 1, len(axes)).round().astype(int))
    image = None
    for axis, position in zip(axes, chosen, strict=False):
        scene = scenes[position]
        image = axis.imshow(scene.raster, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(f"{scene.time:%d %b}", fontsize=9, color=INK, pad=4)
    for axis in axes:
        axis.set_axis_off()
    scale = figure.add_axes((0.925, 0.667, 0.008, 0.142))
    bar = figure.colorbar(image, cax=scale, ticks=[low, (low + high) / 2, high])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0, colors=MUTED)


def draw_series(axis: Axes, scenes: list[Scene], index: str) -> None:
    known = [scene for scene in scenes if scene.statistics["median"] is not None]
    times = [scene.time for scene in known]
    medians, lower, upper = ([scene.statistics[key] for scene in known] for key in ("median", "p25", "p75"))
    axis.fill_between(times, lower, upper, color=GREEN, alpha=0.16, lw=0, label="middle half of the pixels")
    axis.plot(times, medians, color=GREEN, lw=2.2, zorder=3, label="median of the clear pixels")
    shares = [scene.statistics["clear_fraction"] for scene in known]
    fills = [LinearSegmentedColormap.from_list("share", ["white", GREEN])(share) for share in shares]
    axis.scatter(times, medians, c=fills, s=64, edgecolors=GREEN, linewidths=1.6, zorder=4)
    label: Json = {"textcoords": "offset points", "ha": "center", "fontsize": 9.5, "fontweight": "bold"}
    for time, median in zip(times, medians, strict=True):
        axis.annotate(f"{median:.2f}", (time, median), (0, 11), color=INK, zorder=5, **label)
    axis.set_ylabel(index.upper(), color=INK)
    span = max(upper) - min(lower) if known else 1.0
    axis.set_ylim(min([0.0, *lower]), max(upper, default=1.0) + 0.16 * span)
    axis.legend(loc="upper left", facecolor="white", edgecolor="none", framealpha=1, fontsize=9, labelcolor=INK)


def draw_clear_fraction(axis: Axes, scenes: list[Scene]) -> None:
    times = [scene.time for scene in scenes]
    shares = [100 * scene.statistics["clear_fraction"] for scene in scenes]
    axis.bar(times, [100] * len(times), width=3.2, color="#e8ece9", zorder=1)
    axis.bar(times, shares, width=3.2, color="#7d93a6", zorder=2)
    for time, share in zip(times, shares, strict=True):
        axis.annotate(
            f"{share:.0f}",
            (time, 100),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=MUTED,
        )
    axis.set_ylim(0, 128)
    axis.set_yticks([0, 100])
    axis.set_ylabel("clear, %", color=INK)


def style(axis: Axes) -> None:
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color("#b9c2bc")
    axis.tick_params(colors=MUTED, length=0, labelsize=9)
    axis.xaxis.set_major_locator(mdates.MonthLocator())
    axis.xaxis.set_major_formatter(mdates.DateFormatter("%b %Y"))


def write_chart(path: Path, scenes: list[Scene], place: str) -> None:
    """Draw maps, series and clear fraction into one PNG of 1650 x 1050 pixels."""
    index = scenes[0].item["id"].rsplit("-", 1)[1]
    figure = plt.figure(figsize=(11, 7), dpi=150, facecolor="white")
    maps = figure.add_gridspec(1, MAPS_SHOWN, left=0.07, right=0.915, top=0.835, bottom=0.64, wspace=0.06)
    lines = figure.add_gridspec(2, 1, left=0.07, right=0.97, top=0.59, bottom=0.1, hspace=0.12, height_ratios=[3.4, 1])
    series = figure.add_subplot(lines[0])
    share = figure.add_subplot(lines[1], sharex=series)
    draw_maps(figure, [figure.add_subplot(maps[0, column]) for column in range(MAPS_SHOWN)], scenes, index)
    draw_series(series, scenes, index)
    draw_clear_fraction(share, scenes)
    for axis in (series, share):
        style(axis)
    series.grid(axis="y", color="#e3e8e5", lw=0.8)
    series.tick_params(labelbottom=False)
    first, last = scenes[0].time, scenes[-1].time
    figure.text(0.07, 0.94, f"{index.upper()} {place}".strip(), fontsize=17, fontweight="bold", color=INK)
    about = f"{len(scenes)} dates, {first:%d %B %Y} to {last:%d %B %Y}, {describe_position(scenes)}"
    figure.text(0.07, 0.9, f"{about}; grey: not clear", fontsize=10, color=MUTED)
    figure.text(0.97, 0.025, credit(scenes), fontsize=8, color=MUTED, ha="right")
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def build_series_item(scenes: list[Scene], place: str) -> Json:
    """Return the STAC item of the whole series, over the joint extent and the whole time."""
    corners = np.array([scene.item["bbox"] for scene in scenes])
    west, south = corners[:, :2].min(axis=0).tolist()
    east, north = corners[:, 2:].max(axis=0).tolist()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    first, last = (f"{scenes[position].time:%Y-%m-%dT%H:%M:%SZ}" for position in (0, -1))
    properties = {"datetime": None, "start_datetime": first, "end_datetime": last}
    table = {"href": "./series.csv", "type": "text/csv", "title": "One row per date", "roles": ["data"]}
    chart = {
        "href": "./series.png",
        "type": "image/png",
        "title": "The series as a chart",
        "roles": ["overview"],
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": "series",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {**properties, "title": f"Series of {len(scenes)} dates {place}".strip()},
        "links": [],
        "assets": {"series": table, "chart": chart},
    }


def write_item(folder: Path, item: Json) -> Json:
    """Write an item with links to the catalog above it; return the catalog's link to it."""
    up = [{"rel": rel, "href": "../catalog.json", "type": "application/json"} for rel in ("root", "parent")]
    path = folder / f"{folder.name}.json"
    path.write_text(json.dumps({**item, "links": [*up, *item["links"]]}, indent=2), encoding="utf-8")
    href = f"./{folder.name}/{path.name}"
    return {"rel": "item", "href": href, "type": "application/geo+json", "title": item["properties"]["title"]}


def write_results(root: Path, scenes: list[Scene], place: str) -> None:
    """Write the catalog: a folder per date, one for the series, catalog.json above them."""
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    (root / "series").mkdir(parents=True)
    write_csv(root / "series" / "series.csv", scenes)
    write_chart(root / "series" / "series.png", scenes, place)
    links.append(write_item(root / "series", build_series_item(scenes, place)))
    for scene in scenes:
        folder = root / Path(scene.item["id"]).name
        shutil.copytree(scene.folder, folder, copy_function=shutil.copyfile)
        links.append(write_item(folder, scene.item))
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "vegetation-series", "links": links}
    catalog["description"] = f"Vegetation index of {len(scenes)} dates with its time series. {credit(scenes)}".strip()
    (root / "catalog.json").write_text(json.dumps(catalog, indent=2), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", default="")
    parser.add_argument("folders", nargs="+", type=Path)
    arguments = parser.parse_args()
    scenes = sorted((read_scene(folder) for folder in arguments.folders), key=lambda scene: scene.time)
    write_results(Path("results"), scenes, arguments.place)
    print((Path("results") / "series" / "series.csv").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
