"""Draws a small picture of a raster, in a process of its own: `python -m … FILE FILTER [WEST SOUTH EAST NORTH]`.

Prints a PNG image. With a box in degrees, the picture is just that box, with north at the top. A tool wrote the file,
so what reads it may only read: no network, no other program, no file that grows, little memory and time. One driver is
allowed, so that no raster makes the library open others. `FILTER` is the filter of system calls, as hexadecimal digits.
"""

import resource
import sys
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.javascript_process import filter_calls

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}
LONGEST_SIDE = 768
_READ_SIDE = 1024
_MEMORY_BYTES, _CPU_SECONDS, _FILES = 2 << 30, 15, 64
_SAID_CHARACTERS = 300
# what the extremes of a band are cut at, in percent
_CUT = (2, 98)
# viridis, of matplotlib (CC0): from low to high, as differences are perceived, also by those who see few colours
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_QUIET = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "GDAL_CACHEMAX": 64}


def confine(code: bytes) -> None:
    """Give up what a reader does not need; `code` is the filter of system calls, empty: none."""
    for kind, most in {
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }.items():
        hard = resource.getrlimit(kind)[1]
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowest, lowest))
    filter_calls(code)


def draw(path: str, box: tuple[float, ...] | None) -> bytes:
    """Draw a raster, or the part of it within a box; raises whatever its library raises."""
    import rasterio  # type: ignore[import-untyped]  # it ships none

    driver = DRIVERS[Path(path).suffix.lower()]
    with rasterio.Env(**_QUIET), rasterio.open(path, driver=driver) as source:
        bands, mask, transform = _read_small(source)
        if box:
            if not source.crs:
                raise ValueError("it has no reference system")
            bands, mask = _place(bands, mask, transform, source.crs, box)
        return _write_png(_colour(bands, mask, source), mask)


def _read_small(source: Any) -> tuple[Any, Any, Any]:
    """Read the bands that are shown in few pixels: from overviews, where the file has some."""
    shrunk = min(1.0, _READ_SIDE / max(source.width, source.height))
    height, width = max(1, round(source.height * shrunk)), max(1, round(source.width * shrunk))
    indexes = (1, 2, 3) if source.count >= 3 else (1,)
    bands = source.read(indexes, out_shape=(len(indexes), height, width))
    mask = source.dataset_mask(out_shape=(height, width))
    return bands, mask, _scale(source.transform, source.width / width, source.height / height)


def _scale(transform: Any, across: float, down: float) -> Any:
    """Return the transformation of larger pixels."""
    a, b, c, d, e, f = tuple(transform)[:6]
    return type(transform)(a * across, b * down, c, d * across, e * down, f)


def _place(bands: Any, mask: Any, transform: Any, crs: Any, box: tuple[float, ...]) -> tuple[Any, Any]:
    import numpy as np
    from rasterio.transform import from_bounds  # type: ignore[import-untyped]  # it ships none
    from rasterio.warp import reproject  # type: ignore[import-untyped]  # it ships none

    west, south, east, north = box
    shrunk = LONGEST_SIDE / max(east - west, north - south)
    width, height = max(1, round((east - west) * shrunk)), max(1, round((north - south) * shrunk))
    grid = {"dst_transform": from_bounds(west, south, east, north, width, height), "dst_crs": "EPSG:4326"}
    placed = np.zeros((len(bands), height, width), bands.dtype)
    seen = np.zeros((height, width), mask.dtype)
    for given, empty in ((bands, placed), (mask, seen)):
        reproject(given, empty, src_transform=transform, src_crs=crs, **grid)
    return placed, seen


def _colour(bands: Any, mask: Any, source: Any) -> Any:
    """Return red, green and blue: of a palette, of three bands as they are, or of values between their extremes."""
    import numpy as np

    palette = source.colormap(1) if source.colorinterp[0].name == "palette" else None
    if palette:
        table = np.zeros((256, 3), "uint8")
        for value, colour in palette.items():
            table[value % 256] = colour[:3]
        return np.moveaxis(table[bands[0].astype("uint8")], -1, 0)
    if len(bands) == 3 and bands.dtype == np.uint8:
        return bands
    values = np.abs(bands) if np.iscomplexobj(bands) else bands.astype("float64")
    mask[~np.isfinite(values).all(axis=0)] = 0
    shares = [_stretch(band, mask) for band in values]
    if len(shares) == 3:
        return (255 * np.stack(shares)).astype("uint8")
    places = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(shares[0], places, part) for part in zip(*_COLOURS, strict=True)]).astype("uint8")


def _stretch(band: Any, mask: Any) -> Any:
    """Return a band from 0 to 1; what is not seen is 0."""
    import numpy as np

    seen = band[mask > 0]
    low, high = np.percentile(seen, _CUT) if seen.size else (0, 1)
    return np.clip((np.where(mask > 0, band, low) - low) / (high - low if high > low else 1), 0, 1)


def _write_png(colours: Any, mask: Any) -> bytes:
    from rasterio.io import MemoryFile  # type: ignore[import-untyped]  # it ships none

    height, width = mask.shape
    with MemoryFile() as file:
        with file.open(driver="PNG", width=width, height=height, count=4, dtype="uint8") as picture:
            picture.write(colours, (1, 2, 3))
            picture.write(mask, 4)
        return bytes(file.read())


def main(path: str, code: str, *box: str) -> int:
    """Print the picture, or why there is none; returns the exit code."""
    import numpy as np  # noqa: F401 what is imported needs more than what is left then
    import rasterio.warp  # noqa: F401 as above

    confine(bytes.fromhex(code))
    try:
        picture = draw(path, tuple(map(float, box)) or None)
    except Exception as error:  # noqa: BLE001 the entry point to GDAL, whose errors have no common class
        sys.stderr.write(" ".join(str(error).split())[:_SAID_CHARACTERS])
        return 1
    sys.stdout.buffer.write(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
