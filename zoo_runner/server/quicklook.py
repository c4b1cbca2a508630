"""Quick-looks: small pictures of result rasters that lie on this machine, each drawn by a process of its own."""

import os
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.job import Job
from zoo_runner.server.quicklook_process import DRIVERS
from zoo_runner.server.results import find_result_file

PATH = "quicklook"
MEDIA_TYPE = "image/png"
_LONGEST_SECONDS = 30
_PROGRAM = "zoo_runner.server.quicklook_process"
# one thread each: a library must not start as many as the machine has cores
_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "GDAL_NUM_THREADS")}
Box = tuple[float, float, float, float]


def can_draw(path: str | Path) -> bool:
    """Whether a file is of a kind that can be drawn, and what draws it is installed."""
    return Path(path).suffix.lower() in DRIVERS and find_spec("rasterio") is not None


def find_raster(job: Job, path: str) -> Path:
    """Find a raster of results that lies on this machine; raises `JobNotFoundError`."""
    file = find_result_file(job, path)
    if file is None or not can_draw(file):
        why = (
            "it has no such file" if file is None else "no GeoTIFF or JPEG 2000 file, or zoo-runner[raster] is missing"
        )
        raise _build_no_picture(job, path, why)
    return file


def build_tag(file: Path, box: Box | None) -> str:
    """Build the entity tag of a quick-look: that of another file, or of another part, is another one."""
    found = file.stat()
    made_of = repr((found.st_ino, found.st_mtime_ns, found.st_size, box))
    return f'"{sha256(made_of.encode()).hexdigest()[:32]}"'


def draw_quicklook(job: Job, path: str, file: Path, box: Box | None) -> bytes:
    """Draw a raster, or what it has within a box, as PNG; raises `JobNotFoundError` where that cannot be done."""
    place = [str(edge) for edge in box or ()]
    command = [
        sys.executable,
        "-s",
        "-W",
        "ignore",
        "-m",
        _PROGRAM,
        str(file),
        filter_launcher(os.uname().machine).hex(),
        *place,
    ]
    # nothing of the server's environment, which may have secrets
    variables = {**_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, env=variables, cwd="/", capture_output=True, timeout=_LONGEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _build_no_picture(job, path, f"to draw it takes more than {_LONGEST_SECONDS} s") from error
    if done.returncode < 0:
        raise _build_no_picture(job, path, "to draw it takes more memory or time than is allowed")
    if done.returncode:
        raise _build_no_picture(job, path, done.stderr.decode("utf-8", "replace").strip() or "it cannot be read")
    return done.stdout


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
