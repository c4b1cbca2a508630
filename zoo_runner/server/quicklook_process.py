"""Draws a small picture of a raster, in a process of its own: `python -m … KIND FILTER SIZE [WEST SOUTH EAST NORTH]`.

Reads the raster from the descriptor of stdin: a file, or, where it has a size, a socket over which the parts of one
in a bucket are asked for and come. It prints a PNG image, or, with exit code 1, why there is none. `KIND`
is the ending of the raster's name, `FILTER` the filter of system calls as hexadecimal digits. With a box in degrees,
the picture is just that box, with north at the top.

A tool wrote the file, so the process gives up all else before it reads it: the kernel lets it read what it has open
(the raster, and the reference systems of PROJ), compute, and print. It opens no file, also none that the raster refers
to, starts no program, signals no process, has no network, and changes no name or mode. Memory, time and the size of
what it prints are limited. What the libraries load late is loaded before, by drawing a raster of the module's own.
"""

import os
import re
import resource
import struct
import sys
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from zoo_runner.engines.cwl_process.javascript_process import filter_calls

DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}
LONGEST_SIDE = 768
LARGEST_BYTES = 16 << 20
"""Size of what is printed: more than a picture of `_READ_SIDE` has without compression."""
SAID_CHARACTERS = 300
ASKED = struct.Struct("<QQ")
"""How a part is asked for: the place of its first byte, and how many there are."""
LARGEST_PART = 4 << 20
_BLOCK_BYTES = 64 << 10
_READ_SIDE = 1024
_MEMORY_BYTES, _CPU_SECONDS = 2 << 30, 15
# what the extremes of a band are cut at, in percent
_CUT = (2, 98)
# viridis, of matplotlib (CC0): from low to high, as differences are perceived, also by those who see few colours
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_OWN_NAME = re.compile(r"'?/vsi\w+/+raster\.\w+'?")
_QUIET = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "GDAL_CACHEMAX": 64}


@dataclass(frozen=True)
class Raster:
    """A raster that is open; its size is measured before: the process may not ask for it later."""

    descriptor: int
    size: int
    kind: str

    def read(self, start: int, end: int) -> bytes:
        """Read the bytes from `start` up to, not including, `end`."""
        return os.pread(self.descriptor, end - start, start)


@dataclass(frozen=True)
class FarRaster(Raster):
    """A raster whose parts are asked for over a socket; they come in blocks, which are kept."""

    blocks: dict[int, bytes] = field(default_factory=dict)

    def read(self, start: int, end: int) -> bytes:
        """Read bytes, asking for those that are not here yet; raises `OSError`."""
        first, last = start // _BLOCK_BYTES, -(-end // _BLOCK_BYTES)
        for number in range(first, last):
            if number not in self.blocks:
                self._fetch(number, last)
        data = b"".join(self.blocks[number] for number in range(first, last))
        return data[start - first * _BLOCK_BYTES :][: end - start]

    def _fetch(self, first: int, last: int) -> None:
        """Ask for the blocks from the first up to one that is here, in one part."""
        most = min(last, first + LARGEST_PART // _BLOCK_BYTES)
        stop = next((number for number in range(first + 1, most) if number in self.blocks), most)
        start, end = first * _BLOCK_BYTES, min(stop * _BLOCK_BYTES, self.size)
        os.write(self.descriptor, ASKED.pack(start, end - start))
        data = bytearray()
        while len(data) < end - start:
            part = os.read(self.descriptor, end - start - len(data))
            if not part:
                raise OSError("no more of the file came")
            data += part
        for number in range(first, stop):
            at = (number - first) * _BLOCK_BYTES
            self.blocks[number] = bytes(data[at : at + _BLOCK_BYTES])


def hold(descriptor: int, kind: str) -> Raster:
    """Measure a raster that is open; `kind` is the ending of its name."""
    return Raster(descriptor, os.fstat(descriptor).st_size, kind)


class _Reader:
    """What rasterio reads a raster by: GDAL opens a file more than once, so each has a place of its own."""

    def __init__(self, raster: Raster) -> None:
        self._raster, self._place = raster, 0

    def read(self, size: int = -1) -> bytes:
        rest = max(0, self._raster.size - self._place)
        data = self._raster.read(self._place, self._place + (rest if size < 0 else min(size, rest)))
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._raster.size}[whence]
        self._place = begin + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        """Leave the descriptor open."""

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def confine(code: bytes) -> None:
    """Give up what a reader does not need; `code` is the filter of system calls. Raises `OSError` without one."""
    if not code:
        raise OSError("the system calls of this machine are not known")
    for kind, most in {
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: LARGEST_BYTES,
        resource.RLIMIT_CORE: 0,
    }.items():
        hard = resource.getrlimit(kind)[1]
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (lowest, lowest))
    filter_calls(code)


def prepare() -> None:
    """Have the libraries load what they need, by drawing a raster of one pixel: nothing can be opened later."""
    import numpy as np
    from rasterio.io import MemoryFile  # type: ignore[import-untyped]  # it ships none
    from rasterio.transform import from_bounds  # type: ignore[import-untyped]  # it ships none

    descriptor = os.memfd_create("raster")
    place = {"crs": "EPSG:32632", "transform": from_bounds(5e5, 5.1e6, 6e5, 5.2e6, 1, 1)}
    with MemoryFile() as file:
        with file.open(driver="GTiff", width=1, height=1, count=1, dtype="float32", **place) as raster:
            raster.write(np.ones((1, 1, 1), "float32"))
        os.write(descriptor, file.read())
    draw(hold(descriptor, ".tif"), (9.0, 46.0, 10.0, 47.0))
    os.close(descriptor)


def draw(raster: Raster, box: tuple[float, ...] | None) -> bytes:
    """Draw an open raster, or the part of it within a box; raises whatever its library raises."""
    import rasterio  # type: ignore[import-untyped]  # it ships none

    name = f"raster{raster.kind}"

    def open_it(path: str, mode: str = "rb", **_: Any) -> _Reader:
        # the library also looks for files beside a raster
        if PurePosixPath(path).name != name or "r" not in mode or "+" in mode:
            raise FileNotFoundError(path)
        return _Reader(raster)

    with rasterio.Env(**_QUIET), rasterio.open(name, driver=DRIVERS[raster.kind], opener=open_it) as source:
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
    from rasterio.transform import from_bounds
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
    from rasterio.io import MemoryFile

    height, width = mask.shape
    with MemoryFile() as file:
        with file.open(driver="PNG", width=width, height=height, count=4, dtype="uint8") as picture:
            picture.write(colours, (1, 2, 3))
            picture.write(mask, 4)
        return bytes(file.read())


def describe(error: Exception) -> str:
    """Describe why there is no picture, without the name by which the library knows the raster."""
    return " ".join(_OWN_NAME.sub("the file", str(error)).split())[:SAID_CHARACTERS]


def main(kind: str, code: str, size: str, *box: str) -> int:
    """Print the picture, or why there is none; returns the exit code."""
    import rasterio

    with rasterio.Env(**_QUIET):
        try:
            given = sys.stdin.fileno()
            raster = FarRaster(given, int(size), kind) if size else hold(given, kind)
            prepare()
            confine(bytes.fromhex(code))
            answer, status = draw(raster, tuple(map(float, box)) or None), 0
        except Exception as error:  # noqa: BLE001 the entry point to GDAL, whose errors have no common class
            answer, status = describe(error).encode("utf-8", "replace"), 1
    sys.stdout.buffer.write(answer)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
