"""The picture of water.py's result: true colour above the index, with legend, scale and attribution."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

Json = dict[str, Any]

INK, MUTED = "#16262f", "#667680"
COLOURS = ["#6b4a1f", "#c9a66b", "#f7f3e8", "#6fb1dd", "#08306b"]
RANGE = (-0.6, 0.6)
PANEL_INCHES, HEAD_INCHES, GAP_INCHES = 8.4, 0.9, 0.12


def credit(item: Json) -> str:
    """Return the attribution that the data licence asks for."""
    platform = item["properties"].get("platform", "")
    if platform.startswith("sentinel-2"):
        return f"Contains modified Copernicus Sentinel data {date_of(item)[:4]}"
    return "Landsat data courtesy of the U.S. Geological Survey" if platform.startswith("landsat") else ""


def date_of(item: Json) -> str:
    properties = item["properties"]
    return str(properties.get("datetime") or properties["start_datetime"])[:10]


def draw_scale_bar(axis: Axes, grid: Json) -> None:
    """Draw a bar of a fifth of the width or less, in whole kilometres."""
    metres_per_pixel = abs(grid["transform"].a) * grid["crs"].linear_units_factor[1]
    kilometres = max(1, int(0.2 * grid["width"] * metres_per_pixel / 1000))
    length = kilometres * 1000 / metres_per_pixel
    left, base = 0.03 * grid["width"], 0.93 * grid["height"]
    axis.plot([left, left + length], [base, base], color="white", lw=6, solid_capstyle="butt")
    axis.plot([left, left + length], [base, base], color=INK, lw=2.5, solid_capstyle="butt")
    box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
    axis.text(left, base - 0.03 * grid["height"], f"{kilometres} km", fontsize=9, color=INK, bbox=box)


def draw_index(figure: Figure, axis: Axes, ndwi: np.ndarray, threshold: float) -> None:
    """Draw NDWI with white at the threshold, so that blue is what counts as water."""
    colours = LinearSegmentedColormap.from_list("water", COLOURS).with_extremes(bad="#d6d6da")
    low, high = min(RANGE[0], threshold - 0.1), max(RANGE[1], threshold + 0.1)
    norm = TwoSlopeNorm(threshold, low, high)
    image = axis.imshow(ndwi, cmap=colours, norm=norm, interpolation="antialiased")
    position = axis.get_position()
    scale = figure.add_axes((position.x1 + 0.012, position.y0, 0.014, position.height))
    bar = figure.colorbar(image, cax=scale, ticks=[low, threshold, high], format="%.2g")
    bar.outline.set_visible(False)
    bar.ax.set_yscale("linear")
    bar.ax.tick_params(labelsize=8.5, length=0, colors=MUTED)
    bar.ax.set_title("NDWI", fontsize=9, color=INK, pad=6)
    kinds = [Patch(color=COLOURS[-2], label="water"), Patch(color=COLOURS[1], label="not water")]
    kinds.append(Patch(color="#d6d6da", label="no data"))
    kept = kinds if np.isnan(ndwi).any() else kinds[:2]
    axis.legend(handles=kept, loc="lower right", fontsize=9, framealpha=0.9, edgecolor="none", labelcolor=INK)


def draw_quicklook(colour: np.ndarray | None, ndwi: np.ndarray, threshold: float, grid: Json) -> Figure:
    """Return a figure with the true colour picture, when there is one, above the index."""
    panels = 1 if colour is None else 2
    panel_height = PANEL_INCHES * ndwi.shape[0] / ndwi.shape[1]
    height = HEAD_INCHES + panels * (panel_height + GAP_INCHES) + 0.35
    figure = plt.figure(figsize=(PANEL_INCHES + 1.6, height), dpi=120, facecolor="white")
    axes = []
    for panel in range(panels):
        bottom = height - HEAD_INCHES - (panel + 1) * panel_height - panel * GAP_INCHES
        box = (0.6, bottom, PANEL_INCHES, panel_height)
        axes.append(figure.add_axes(tuple(np.divide(box, (PANEL_INCHES + 1.6, height) * 2))))
        axes[-1].set_axis_off()
    if colour is not None:
        axes[0].imshow(colour, interpolation="antialiased")
    draw_index(figure, axes[-1], ndwi, threshold)
    if grid["crs"].is_projected:
        draw_scale_bar(axes[-1], grid)
    return figure


def write_quicklook(path: Path, figure: Figure, item: Json, numbers: Json) -> None:
    """Put title, numbers and attribution around the pictures and write the PNG."""
    width, height = figure.get_size_inches()
    area = f", {numbers['water_hectares']:,.0f} ha" if "water_hectares" in numbers else ""
    share = f"{100 * numbers['water_fraction']:.1f} % water{area} (NDWI above {numbers['threshold']:g})"
    left, right = 0.6 / width, (0.6 + PANEL_INCHES) / width
    figure.text(left, 1 - 0.45 / height, f"Water on {date_of(item)}", fontsize=16, fontweight="bold", color=INK)
    figure.text(left, 1 - 0.72 / height, f"{share}, {item['id']}", fontsize=10, color=MUTED)
    figure.text(right, 0.16 / height, credit(item), fontsize=8, color=MUTED, ha="right")
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
