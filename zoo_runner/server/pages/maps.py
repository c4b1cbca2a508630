"""What maps of pages show: shapes with their titles, and the pictures and files that lie on them; pure.

Whatever packages and callers have written is data of an attribute; the script of the map shows it as text.
"""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stageout.raster import build_footprint
from zoo_runner.model.job import Job
from zoo_runner.server.requests import is_deeper

Box = tuple[float, float, float, float]
_GEOMETRIES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
_BOX_NAMES = ("bbox", "bounding", "extent", "aoi")
# an object, and the lists of a MultiPolygon
_LONGEST_GEOMETRY, _MOST_LEVELS = 20_000, 5
_WHOLE_EARTH = (-180.0, -90.0, 180.0, 90.0)
_MOST_SHAPES = 1000


@dataclass(frozen=True)
class Shape:
    """One thing on a map; `kind` is its class, `href` the page that a click leads to, empty where there is none.

    `picture` is the address of what it looks like within `box`, empty where there is no picture.
    """

    title: str
    geometry: Mapping[str, Any]
    box: Box
    kind: str = "item"
    href: str = ""
    picture: str = ""


@dataclass(frozen=True)
class MapView:
    """The shapes of a map, and addresses of GeoJSON files of this server that are drawn on it, by their names."""

    shapes: tuple[Shape, ...] = ()
    vectors: Mapping[str, str] = ()  # type: ignore[assignment]

    @property
    def is_empty(self) -> bool:
        """Whether nothing has a known place."""
        return not self.shapes and not self.vectors

    @property
    def data(self) -> str:
        """All of it, as the script of the map reads it."""
        shapes = [vars(shape) for shape in self.shapes[:_MOST_SHAPES]]
        return json.dumps({"shapes": shapes, "vectors": dict(self.vectors)}, separators=(",", ":"))


def read_box(value: Any) -> Box | None:
    """Read a bounding box in degrees: a list of four or six numbers, or a text of them; None for anything else.

    >>> read_box("5.8, 47.2, 15.1, 55.1")
    (5.8, 47.2, 15.1, 55.1)
    """
    value = value.get("bbox") if isinstance(value, Mapping) else value
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    if len(parts) not in (4, 6) or any(isinstance(part, bool) for part in parts):
        return None
    try:
        edges = [float(part) for part in parts]
    except (TypeError, ValueError, OverflowError):
        return None
    west, south, east, north = edges[0], edges[1], edges[len(edges) // 2], edges[len(edges) // 2 + 1]
    fits = -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90
    return (west, south, east, north) if fits and all(map(math.isfinite, edges)) else None


def read_geometry(value: Any, box: Box) -> Mapping[str, Any]:
    """Return a geometry of GeoJSON if it can be drawn and is small, else that of its box."""
    if isinstance(value, Mapping) and value.get("type") in _GEOMETRIES:
        geometry = {"type": value["type"], "coordinates": value.get("coordinates")}
        with suppress(ValueError):
            # NaN is no JSON, which browsers refuse
            if (
                not is_deeper(geometry, _MOST_LEVELS)
                and len(json.dumps(geometry, allow_nan=False)) <= _LONGEST_GEOMETRY
            ):
                return geometry
    return build_footprint(box)


def find_result_box(job: Job) -> Box | None:
    """Find where the results of a job lie, as their STAC Collection says; None where that is not known."""
    results = job.outcome.results if job.outcome else None
    extent = results.collection.get("extent") if results else None
    spatial = extent.get("spatial") if isinstance(extent, Mapping) else None
    boxes = spatial.get("bbox") if isinstance(spatial, Mapping) else None
    box = read_box(boxes[0]) if isinstance(boxes, list | tuple) and boxes else None
    return None if box == _WHOLE_EARTH else box


def find_input_box(inputs: Mapping[str, Any]) -> Box | None:
    """Find the first input that is a bounding box: by its name, or as an object with one."""
    for name, value in inputs.items():
        if isinstance(value, Mapping) or any(word in name.lower() for word in _BOX_NAMES):
            box = read_box(value)
            if box:
                return box
    return None


def build_job_shapes(jobs: Iterable[Job], base: str, *, with_results: bool, with_inputs: bool) -> tuple[Shape, ...]:
    """Build a shape for each job whose results, or else inputs, say where it is; the kind is its status."""
    shapes = []
    for job in jobs:
        box = (find_result_box(job) if with_results else None) or (find_input_box(job.inputs) if with_inputs else None)
        if box:
            title = f"{job.process_id}, {job.status.value}: {job.id}"
            shapes.append(Shape(title, build_footprint(box), box, job.status.value, f"{base}/jobs/{job.id}"))
    # large ones first, so that small ones lie above them
    return tuple(sorted(shapes, key=lambda shape: -measure(shape.box)))


def measure(box: Box) -> float:
    """Return the size of a box in square degrees; one across the antimeridian has west > east."""
    west, south, east, north = box
    return ((east - west) % 360 or 360.0 * (east > west)) * (north - south)
