"""Quick-looks: small pictures of result rasters, each drawn by a process of its own that has nothing but the raster."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from zoo_runner.engines.cwl_process.system_calls import filter_reader
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.job import Job
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.quicklook_process import DRIVERS, LARGEST_BYTES, SAID_CHARACTERS
from zoo_runner.server.result_bucket import StoredFile, find_stored, serve_parts
from zoo_runner.server.results import find_result_file
from zoo_staging.errors import StagingError

PATH = "quicklook"
MEDIA_TYPE = "image/png"
_LONGEST_SECONDS = 30
_NO_KIND = "no GeoTIFF or JPEG 2000 file, or the server has no zoo-runner[raster], or no filter of system calls"
_REMOVED = "it was removed meanwhile, or cannot be read"
_PROGRAM = "zoo_runner.server.quicklook_process"
# one thread each: a library must not start as many as the machine has cores
_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GDAL_NUM_THREADS")}
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Ended:
    """The exit code of the process of a picture, and why its raster could not be read, empty if it was."""

    code: int
    why: str = ""


def can_draw(path: str | Path) -> bool:
    """Whether a file is of a kind that can be drawn, and what draws it is installed, and can be confined here."""
    return Path(path).suffix.lower() in DRIVERS and _has_program()


@cache
def _has_program() -> bool:
    return find_spec("rasterio") is not None and bool(filter_reader(os.uname().machine))


def find_raster(job: Job, path: str, box: Box | None) -> tuple[Path, str]:
    """Find a raster of results that lies on this machine, and the tag of its picture; raises `JobNotFoundError`."""
    file = find_result_file(job, path)
    if file is None:
        raise _build_no_picture(job, path, "it has no such file")
    if not can_draw(file):
        raise _build_no_picture(job, path, _NO_KIND)
    try:
        return file, build_tag(file, box)
    except OSError as error:
        raise _build_no_picture(job, path, _REMOVED) from error


def find_stored_raster(job: Job, path: str, box: Box | None, storage: StorageProfile) -> tuple[StoredFile, str]:
    """Find a raster of results in a bucket, and the tag of its picture; raises `JobNotFoundError`."""
    if not can_draw(path):
        raise _build_no_picture(job, path, _NO_KIND)
    try:
        raster = find_stored(job, path, storage)
    except StagingError as error:
        raise _build_no_picture(job, path, error.reason) from error
    if raster is None:
        raise _build_no_picture(job, path, "it has no such file")
    made_of = repr((raster.bucket.address, path, raster.size, raster.validator, box))
    return raster, f'"{sha256(made_of.encode()).hexdigest()[:32]}"'


def build_tag(file: Path, box: Box | None) -> str:
    """Build the entity tag of a quick-look: that of another file, or of another part, is another one."""
    found = file.stat()
    made_of = repr((found.st_ino, found.st_mtime_ns, found.st_size, box))
    return f'"{sha256(made_of.encode()).hexdigest()[:32]}"'


def draw_quicklook(job: Job, path: str, file: Path | StoredFile, box: Box | None) -> bytes:
    """Draw a raster, or what it has within a box, as PNG; raises `JobNotFoundError` where that cannot be done."""
    # a file in memory, whose size the kernel limits, and no pipe
    with os.fdopen(os.memfd_create("picture"), "r+b") as drawn:
        try:
            ended = _draw_far(file, box, drawn) if isinstance(file, StoredFile) else _draw_near(file, box, drawn)
        except subprocess.TimeoutExpired as error:
            raise _build_no_picture(job, path, f"to draw it takes more than {_LONGEST_SECONDS} s") from error
        except OSError as error:
            raise _build_no_picture(job, path, _REMOVED) from error
        drawn.seek(0)
        answer = drawn.read(LARGEST_BYTES)
    if ended.why:
        raise _build_no_picture(job, path, ended.why)
    if ended.code < 0:
        raise _build_no_picture(job, path, "to draw it takes more memory or time than is allowed")
    if ended.code:
        why = answer.decode("utf-8", "replace")[:SAID_CHARACTERS].strip()
        raise _build_no_picture(job, path, why or "it cannot be read")
    return answer


def _draw_near(file: Path, box: Box | None, drawn: BinaryIO) -> _Ended:
    with file.open("rb") as raster, _start(file.suffix, None, box, raster.fileno(), drawn) as process:
        try:
            return _Ended(process.wait(_LONGEST_SECONDS))
        finally:
            process.kill()


def _draw_far(raster: StoredFile, box: Box | None, drawn: BinaryIO) -> _Ended:
    """Draw a raster in a bucket: its process asks for parts over a socket, and this one reads them."""
    until = monotonic() + _LONGEST_SECONDS
    here, there = socket.socketpair()
    with here, there, _start(Path(raster.path).suffix, raster.size, box, there.fileno(), drawn) as process:
        try:
            # its end is known by this
            there.close()
            why = serve_parts(raster, here, until)
            here.close()
            return _Ended(process.wait(max(until - monotonic(), 1.0)), why)
        finally:
            process.kill()


def _start(kind: str, size: int | None, box: Box | None, raster: int, drawn: BinaryIO) -> "subprocess.Popen[bytes]":
    place = [str(edge) for edge in box or ()]
    code = filter_reader(os.uname().machine).hex()
    measured = "" if size is None else str(size)
    command = [sys.executable, "-s", "-W", "ignore", "-m", _PROGRAM, kind.lower(), code, measured, *place]
    # nothing of the server's environment, which may have secrets
    variables = {**_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, env=variables, cwd="/", stdin=raster, stdout=drawn, stderr=subprocess.DEVNULL)


def _build_no_picture(job: Job, path: str, why: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"there is no quick-look of {path[:200]!r} of job {job.id}: {why}",
        "Download the file to see what it has.",
        code="job.no-quicklook",
    )


def read_box(text: str | None) -> Box | None:
    """Read a bounding box, `west,south,east,north` in degrees; raises `InputError`."""
    if text is None:
        return None
    try:
        west, south, east, north = (float(edge) for edge in text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InputError(
            f"bbox is {text[:100]!r}",
            "Use west,south,east,north in degrees, with west < east and south < north.",
            code="request.invalid",
        )
    return west, south, east, north
