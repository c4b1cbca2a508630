"""Quick-looks: small pictures of result rasters that lie on this machine, each drawn by a process of its own."""

import os
import subprocess
import sys
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from zoo_runner.engines.cwl_process.system_calls import filter_reader
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.job import Job
from zoo_runner.server.quicklook_process import DRIVERS, LARGEST_BYTES, SAID_CHARACTERS
from zoo_runner.server.results import find_result_file

PATH = "quicklook"
MEDIA_TYPE = "image/png"
_LONGEST_SECONDS = 30
_REMOVED = "it was removed meanwhile, or cannot be read"
_PROGRAM = "zoo_runner.server.quicklook_process"
# one thread each: a library must not start as many as the machine has cores
_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GDAL_NUM_THREADS")}
Box = tuple[float, float, float, float]


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
        why = "no GeoTIFF or JPEG 2000 file, or the server has no zoo-runner[raster], or no filter of system calls"
        raise _build_no_picture(job, path, why)
    try:
        return file, build_tag(file, box)
    except OSError as error:
        raise _build_no_picture(job, path, _REMOVED) from error


def build_tag(file: Path, box: Box | None) -> str:
    """Build the entity tag of a quick-look: that of another file, or of another part, is another one."""
    found = file.stat()
    made_of = repr((found.st_ino, found.st_mtime_ns, found.st_size, box))
    return f'"{sha256(made_of.encode()).hexdigest()[:32]}"'


def draw_quicklook(job: Job, path: str, file: Path, box: Box | None) -> bytes:
    """Draw a raster, or what it has within a box, as PNG; raises `JobNotFoundError` where that cannot be done."""
    place = [str(edge) for edge in box or ()]
    code = filter_reader(os.uname().machine).hex()
    command = [sys.executable, "-s", "-W", "ignore", "-m", _PROGRAM, file.suffix.lower(), code, *place]
    # nothing of the server's environment, which may have secrets
    variables = {**_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        raster = file.open("rb")
    except OSError as error:
        raise _build_no_picture(job, path, _REMOVED) from error
    # a file in memory, whose size the kernel limits, and no pipe
    with raster, os.fdopen(os.memfd_create("picture"), "r+b") as drawn:
        try:
            done = subprocess.run(
                command,
                env=variables,
                cwd="/",
                stdin=raster,
                stdout=drawn,
                stderr=subprocess.DEVNULL,
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _build_no_picture(job, path, f"to draw it takes more than {_LONGEST_SECONDS} s") from error
        drawn.seek(0)
        answer = drawn.read(LARGEST_BYTES)
    if done.returncode < 0:
        raise _build_no_picture(job, path, "to draw it takes more memory or time than is allowed")
    if done.returncode:
        why = answer.decode("utf-8", "replace")[:SAID_CHARACTERS].strip()
        raise _build_no_picture(job, path, why or "it cannot be read")
    return answer


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
