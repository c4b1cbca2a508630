"""Writes what maps of pages are made of into zoo_runner/server/pages/static/vendor, from the npm packages named here.

Usage: python dev/map/vendor.py. Leaflet is copied as its authors have built it; the outlines of land (Natural Earth,
1 to 110 million) become GeoJSON, with two digits behind the point, which is a kilometre.
"""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "zoo_runner" / "server" / "pages" / "static" / "vendor"
_DIGITS = 2


def main() -> None:
    """Write the files again."""
    command = [sys.executable, str(ROOT / "dev" / "npm.py"), "map"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    packages = Path(done.stdout.split("\n")[0])
    TARGET.mkdir(exist_ok=True)
    for name in ("leaflet.js", "leaflet.css"):
        (TARGET / name).write_bytes((packages / "leaflet" / "dist" / name).read_bytes())
    (TARGET / "leaflet-LICENSE.txt").write_bytes((packages / "leaflet" / "LICENSE").read_bytes())
    atlas = json.loads((packages / "world-atlas" / "land-110m.json").read_text())
    (TARGET / "land.json").write_text(json.dumps(read_land(atlas), separators=(",", ":")) + "\n")


def read_land(atlas: Any) -> dict[str, Any]:
    """Return the land of an atlas (TopoJSON 1.0) as one geometry of GeoJSON."""
    (land,) = atlas["objects"]["land"]["geometries"]
    arcs = [_read_arc(arc, atlas["transform"]) for arc in atlas["arcs"]]
    rings = [[_join(ring, arcs) for ring in one] for one in land["arcs"]]
    return {"type": "MultiPolygon", "coordinates": [part for one in rings for part in _cut(one)]}


def _read_arc(arc: Any, transform: Any) -> list[list[float]]:
    x = y = 0
    points = []
    for across, up in arc:
        x, y = x + across, y + up
        (wide, high), (left, low) = transform["scale"], transform["translate"]
        points.append([round(x * wide + left, _DIGITS), round(y * high + low, _DIGITS)])
    return points


def _join(ring: list[int], arcs: list[list[list[float]]]) -> list[list[float]]:
    """Join arcs to a ring: one with a negative number (its complement) is gone through backwards."""
    points: list[list[float]] = []
    for number in ring:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        points += arc[1:] if points else arc
    return points


def _cut(polygon: list[list[list[float]]]) -> list[list[list[list[float]]]]:
    """Cut a polygon at the antimeridian, where it crosses it; one around a pole stays as it is, and so do holes."""
    ring = [list(polygon[0][0])]
    for x, y in polygon[0][1:]:
        ring.append([x + 360 * round((ring[-1][0] - x) / 360), y])
    if ring[0] != ring[-1] or all(-180 <= x <= 180 for x, _ in ring):
        return [polygon]
    parts = {shift: _clip(_clip([[x + shift, y] for x, y in ring], 180, 1), -180, -1) for shift in (0, -360, 360)}
    return [[part, *(polygon[1:] if shift == 0 else ())] for shift, part in parts.items() if part]


def _clip(ring: list[list[float]], edge: float, side: int) -> list[list[float]]:
    """Return what of a ring lies on one side of a meridian: west of it, where the side is 1 (Sutherland-Hodgman)."""
    kept: list[list[float]] = []
    for (x, y), (after, up) in pairwise(ring):
        if side * x <= side * edge:
            kept.append([x, y])
        if (side * x <= side * edge) != (side * after <= side * edge):
            kept.append([edge, round(y + (up - y) * (edge - x) / (after - x), _DIGITS)])
    return [*kept, kept[0]] if kept else []


if __name__ == "__main__":
    main()
