"""Pictures of rasters, as their process draws them."""

import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio  # type: ignore[import-untyped]  # it ships none
from rasterio.transform import from_bounds  # type: ignore[import-untyped]  # as above

from tests.servers import FileServer, S3Server
from tests.waiting import wait_for
from zoo_runner.engines.cwl_process.system_calls import filter_reader
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server import quicklook, result_bucket
from zoo_runner.server.pages.result_items import list_items
from zoo_runner.server.quicklook import (
    build_tag,
    can_draw,
    draw_quicklook,
    find_raster,
    find_stored_raster,
    read_box,
)
from zoo_runner.server.quicklook_process import LARGEST_BYTES, LONGEST_SIDE, confine, describe, hold
from zoo_runner.server.quicklook_process import draw as draw_open
from zoo_runner.server.result_bucket import BucketFiles, ResultBucket, StoredFile

# the library's own, about how it multiplies, and about pictures that have no place
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]
BOX = (10.0, 46.0, 12.0, 47.0)


def write(path: Path, bands: Any, **more: Any) -> Path:
    count, height, width = bands.shape
    given = {"driver": "GTiff", "crs": "EPSG:4326", "transform": from_bounds(*BOX, width, height), **more}
    with rasterio.open(path, "w", width=width, height=height, count=count, dtype=bands.dtype, **given) as raster:
        raster.write(bands)
    return path


def draw(path: str, box: tuple[float, ...] | None) -> bytes:
    with Path(path).open("rb") as file:
        return draw_open(hold(file.fileno(), Path(path).suffix), box)


def look(picture: bytes) -> Any:
    with warnings.catch_warnings():
        # a PNG image has no place on Earth
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.MemoryFile(picture) as file, file.open(driver="PNG") as drawn:
            return drawn.read()


class TestDrawing:
    def test_values_are_colours_from_low_to_high_and_what_has_none_is_transparent(self, tmp_path: Path) -> None:
        values = np.linspace(0, 1, 200, dtype="float32").reshape(1, 1, 200).repeat(100, axis=1)
        values[0, :, :20] = -1
        picture = look(draw(str(write(tmp_path / "a.tif", values, nodata=-1)), BOX))
        assert picture.shape == (4, LONGEST_SIDE // 2, LONGEST_SIDE)
        assert (picture[3, :, :70].max(), picture[3, :, 90:].min()) == (0, 255)
        assert tuple(picture[:3, 100, 90]) == (68, 1, 84)
        assert tuple(picture[:3, 100, -1]) == (253, 231, 37)

    def test_three_bands_of_bytes_are_shown_as_they_are(self, tmp_path: Path) -> None:
        bands = np.zeros((3, 50, 100), "uint8")
        bands[0] = 200
        assert tuple(look(draw(str(write(tmp_path / "a.tif", bands)), None))[:, 10, 10]) == (200, 0, 0, 255)

    def test_three_bands_of_other_values_are_stretched(self, tmp_path: Path) -> None:
        bands = np.linspace(0, 10_000, 5000, dtype="uint16").reshape(1, 50, 100).repeat(3, axis=0)
        picture = look(draw(str(write(tmp_path / "a.tif", bands)), None))
        assert (picture[:3].min(), picture[:3].max()) == (0, 255)

    def test_the_colours_of_a_palette_are_kept(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", np.full((1, 10, 20), 3, "uint8"), photometric="palette")
        with rasterio.open(path, "r+") as raster:
            raster.write_colormap(1, {3: (10, 20, 30, 255)})
        assert tuple(look(draw(str(path), None))[:3, 5, 5]) == (10, 20, 30)

    def test_a_raster_in_metres_lies_where_its_box_says(self, tmp_path: Path) -> None:
        bands = np.full((1, 100, 100), 7.0, "float32")
        path = write(
            tmp_path / "a.tif", bands, crs="EPSG:32632", transform=from_bounds(5e5, 5.1e6, 6e5, 5.2e6, 100, 100)
        )
        picture = look(draw(str(path), (9.0, 46.05, 10.3, 46.9)))
        assert picture[3, picture.shape[1] // 2, picture.shape[2] // 2] == 255
        assert look(draw(str(path), (20.0, 10.0, 21.0, 11.0)))[3].max() == 0

    def test_what_has_no_value_at_all_is_an_empty_picture(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", np.full((1, 10, 20), np.nan, "float32"))
        assert look(draw(str(path), BOX))[3].max() == 0

    def test_a_large_raster_is_read_small(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", np.zeros((1, 3000, 2000), "uint8"))
        assert look(draw(str(path), None)).shape == (4, 1024, 683)

    def test_a_raster_without_a_place_is_drawn_as_it_is(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", np.ones((1, 10, 20), "uint8"), crs=None)
        assert look(draw(str(path), None)).shape == (4, 10, 20)
        with pytest.raises(ValueError, match="reference system"):
            draw(str(path), BOX)


def build_job(folder: Path) -> Job:
    time = "2026-01-31T12:00:00.000Z"
    return Job("one", "alpha", "scene", "scene", "local", "digest", {}, str(folder), time, time, Status.SUCCESSFUL)


@pytest.mark.parametrize(
    ("crs", "edges", "box"),
    [("EPSG:4326", BOX, BOX), ("EPSG:3035", (4.3e6, 2.6e6, 4.4e6, 2.7e6), (9.5, 46.2, 10.5, 46.8))],
)
@pytest.mark.parametrize("kind", [{"driver": "COG", "compress": "deflate"}, {"driver": "JP2OpenJPEG"}])
def test_a_confined_process_draws_what_another_does(tmp_path: Path, kind: Any, crs: str, edges: Any, box: Any) -> None:
    bands = np.linspace(0, 10_000, 5000, dtype="uint16").reshape(1, 50, 100)
    path = write(
        tmp_path / ("a.jp2" if kind["driver"] == "JP2OpenJPEG" else "a.tif"),
        bands,
        **kind,
        crs=crs,
        transform=from_bounds(*edges, 100, 50),
    )
    picture = draw_quicklook(build_job(tmp_path), path.name, path, box)
    assert picture == draw(str(path), box)
    assert look(picture)[3].max() == 255


# each of them works in a process that is not confined
_FORBIDDEN = """
import ctypes, json, mmap, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from zoo_runner.engines.cwl_process.javascript_process import filter_calls
from zoo_runner.engines.cwl_process.system_calls import filter_reader
from zoo_runner.server.quicklook_process import confine, prepare

folder, how = Path(sys.argv[1]), sys.argv[2]
opened = os.open(folder, os.O_RDONLY)
attempts = {
    "subprocess": lambda: subprocess.run(["true"], check=True),
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": lambda: os.fork() or os._exit(0),
    "thread": lambda: threading.Thread(target=print).start(),
    "unlink": lambda: os.unlink(folder / "unlink"),
    "unlinkat": lambda: os.unlink("unlinkat", dir_fd=opened),
    "rename": lambda: os.rename(folder / "rename", folder / "renamed"),
    "link": lambda: os.link(folder / "other", folder / "link"),
    "symlink": lambda: os.symlink("other", folder / "symlink"),
    "mkdir": lambda: os.mkdir(folder / "mkdir"),
    "chmod": lambda: os.chmod(folder / "other", 0o600),
    "chown": lambda: os.chown(folder / "other", os.getuid(), os.getgid()),
    "truncate": lambda: os.truncate(folder / "other", 1),
    "utime": lambda: os.utime(folder / "other"),
    "read another file": lambda: os.open(folder / "other", os.O_RDONLY),
    "read by a folder": lambda: os.open("other", os.O_RDONLY, dir_fd=opened),
    "write a file": lambda: os.open(folder / "new", os.O_WRONLY | os.O_CREAT),
    "list": lambda: os.listdir(opened),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "internet": lambda: socket.socket(socket.AF_INET),
    "kill": lambda: os.kill(os.getppid(), 0),
    "signal": lambda: signal.pidfd_send_signal(pidfd, 0),
    "code in memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "memory": lambda: os.memfd_create("x"),
    "exec": lambda: os.execv("/bin/true", ["true"]),
}
pidfd = os.pidfd_open(os.getpid())
code = filter_reader(os.uname().machine)
if how == "confine":
    prepare()
    confine(code)
elif how == "filter_calls":
    filter_calls(code)
found = {}
for name, attempt in attempts.items():
    try:
        attempt()
        found[name] = "done"
    except (OSError, RuntimeError) as error:
        found[name] = type(error).__name__
    if name == "memory":
        # the last one leaves no process that could print
        os.write(1, json.dumps(found).encode())
os.write(1, b"\\n")
"""


def try_forbidden(folder: Path, how: str) -> tuple[dict[str, str], bool]:
    for name in ("unlink", "unlinkat", "rename", "other"):
        (folder / name).write_text("kept")
    done = subprocess.run(
        [sys.executable, "-c", _FORBIDDEN, str(folder), how], capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout), done.stdout.endswith("\n")


@pytest.mark.parametrize("how", ["confine", "filter_calls"])
def test_the_process_of_pictures_does_nothing_but_read_what_is_open(tmp_path: Path, how: str) -> None:
    found, survived_exec = try_forbidden(tmp_path, how)
    assert {name: result for name, result in found.items() if result == "done"} == {}
    assert survived_exec
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("unlink", "unlinkat", "rename", "other"), "kept"
    )


def test_what_the_process_prints_is_limited() -> None:
    program = (
        "import os, sys\n"
        "from zoo_runner.server.quicklook_process import confine\n"
        "confine(bytes.fromhex(sys.argv[1]))\n"
        "for _ in range(40): os.write(1, bytes(1 << 20))\n"
    )
    with os.fdopen(os.memfd_create("picture"), "r+b") as printed:
        command = [sys.executable, "-c", program, filter_reader(os.uname().machine).hex()]
        done = subprocess.run(command, stdout=printed, stderr=subprocess.DEVNULL, check=False, timeout=60)
        assert (done.returncode, printed.seek(0, os.SEEK_END)) == (1, LARGEST_BYTES)


def test_what_is_refused_to_it_works_elsewhere(tmp_path: Path) -> None:
    found, survived_exec = try_forbidden(tmp_path, "free")
    assert ({*found.values()}, survived_exec) == ({"done"}, False)


def test_nothing_is_drawn_where_calls_are_not_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="system calls"):
        confine(filter_reader("riscv64"))
    monkeypatch.setattr(quicklook, "filter_reader", lambda _: filter_reader("riscv64"))
    quicklook._has_program.cache_clear()
    try:
        assert not can_draw("a.tif")
        path = write(tmp_path / "a.tif", np.ones((1, 10, 20), "uint8"))
        with pytest.raises(JobNotFoundError, match="filter"):
            find_raster(build_job(tmp_path), path.name, None)
        with pytest.raises(JobNotFoundError, match="calls"):
            draw_quicklook(build_job(tmp_path), path.name, path, None)
    finally:
        quicklook._has_program.cache_clear()


@pytest.mark.parametrize("content", [b"", b"II*\0", b"<VRTDataset/>"])
def test_why_there_is_no_picture_names_no_folder_and_is_short(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(JobNotFoundError) as raised:
        draw_quicklook(build_job(tmp_path), "a.tif", path, None)
    cause = raised.value.diagnosis.cause
    assert not {str(tmp_path), "/vsi"} & {word.strip("'") for word in cause.split()}
    assert "/" not in cause
    assert len(cause) < 400
    assert describe(ValueError("'/vsiriopener_0a1b/raster.tif' is\n" + "x" * 1000)) == f"the file is {'x' * 288}"


def test_a_file_that_was_removed_meanwhile_has_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, path = build_job(tmp_path), write(tmp_path / "a.tif", np.ones((1, 10, 20), "uint8"))
    found, tag = find_raster(job, "a.tif", None)
    assert (found, tag) == (path, build_tag(path, None))
    monkeypatch.setattr(quicklook, "find_result_file", lambda *_: path)
    path.unlink()
    with pytest.raises(JobNotFoundError, match="removed meanwhile"):
        find_raster(job, "a.tif", None)
    with pytest.raises(JobNotFoundError, match="removed meanwhile"):
        draw_quicklook(job, "a.tif", path, None)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"<VRTDataset/>", b"\x89PNG\r\n"])
def test_what_is_no_raster_is_not_drawn(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(rasterio.errors.RasterioIOError):
        draw(str(path), None)


def test_only_kinds_that_have_a_driver_are_drawn() -> None:
    assert all(can_draw(name) for name in ("a.tif", "b/a.TIFF", "a.jp2"))
    assert not any(can_draw(name) for name in ("a.vrt", "a.nc", "tif"))


def test_a_picture_has_another_tag_once_its_file_or_part_is_another(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"1")
    first = build_tag(path, None)
    assert first == build_tag(path, None) != build_tag(path, BOX)
    path.write_bytes(b"12")
    assert build_tag(path, None) != first


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,x", "3,0,1,2", "0,0,181,1", "0,1,2,1", "nan,0,1,1", "0,0,inf,1"])
def test_a_box_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_box(text)


def test_a_box_is_read() -> None:
    assert (read_box(None), read_box("10,46,12,47")) == (None, BOX)


def build_stored_job(s3: S3Server, name: str) -> tuple[Job, StorageProfile, Path]:
    """A job whose results lie in a bucket, and the folder that the bucket has for them."""
    (folder := s3.folder / "quicklooks" / name).mkdir(parents=True)
    options = s3.options
    variables = {
        "AWS_ENDPOINT_URL": str(options.endpoint),
        "AWS_ACCESS_KEY_ID": str(options.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(options.secret_access_key),
    }
    return replace(build_job(folder), destination=f"s3://quicklooks/{name}"), StorageProfile(variables), folder


NOISE = np.random.default_rng(7).integers(0, 250, (1, 3000, 2000), "uint8")


FOREIGN = ["../other/a.tif", "./a.tif", "/a.tif", "x//a.tif", "a.tif/", f"{'a' * 2000}.tif", ".tif"]


def is_there(job: Job, storage: StorageProfile) -> bool:
    try:
        find_stored_raster(job, "a.tif", None, storage)
    except JobNotFoundError:
        return False
    return True


class TestBuckets:
    @pytest.mark.parametrize("box", [None, BOX])
    @pytest.mark.parametrize("driver", ["COG", "GTiff"])
    def test_a_raster_in_a_bucket_is_drawn_as_one_on_the_server(self, s3: S3Server, box: Any, driver: str) -> None:
        job, storage, folder = build_stored_job(s3, f"drawn-{driver}-{box is None}")
        path = write(folder / "a.tif", NOISE, driver=driver)
        raster, tag = find_stored_raster(job, "a.tif", box, storage)
        assert (raster.size, tag) == (path.stat().st_size, find_stored_raster(job, "a.tif", box, storage)[1])
        assert draw_quicklook(job, "a.tif", raster, box) == draw(str(path), box)

    def test_what_is_read_of_a_raster_is_limited(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        job, storage, folder = build_stored_job(s3, "large")
        write(folder / "a.tif", NOISE)
        raster, _ = find_stored_raster(job, "a.tif", None, storage)
        monkeypatch.setattr(result_bucket, "LARGEST_READ_BYTES", 1 << 20)
        with pytest.raises(JobNotFoundError, match=r"MiB|bytes"):
            draw_quicklook(job, "a.tif", raster, None)

    def test_of_a_raster_with_overviews_a_small_part_is_asked_for(self, web: FileServer, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tif", NOISE, driver="COG")
        web.put("quicklooks/ranges/a.tif", path.read_bytes())
        storage = StorageProfile({"AWS_ENDPOINT_URL": web.url})
        bucket = ResultBucket.open(replace(build_job(tmp_path), destination="s3://quicklooks/ranges"), storage)
        tag = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        raster = StoredFile(bucket, "a.tif", path.stat().st_size, f'"{tag}"')
        assert draw_quicklook(build_job(tmp_path), "a.tif", raster, None) == draw(str(path), None)
        asked = [headers.get("Range", "") for _, headers in web.headers]
        read = sum(int(end) - int(begin) + 1 for begin, end in re.findall(r"bytes=(\d+)-(\d+)", " ".join(asked)))
        assert (all(asked), read < raster.size / 4) == (True, True)
        changed = replace(raster, validator='"another"')
        with pytest.raises(JobNotFoundError):
            draw_quicklook(build_job(tmp_path), "a.tif", changed, None)

    def test_a_bucket_that_is_too_slow_is_not_waited_for(self, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
        job, storage, folder = build_stored_job(s3, "slow")
        write(folder / "a.tif", NOISE[:, :10, :10])
        raster, _ = find_stored_raster(job, "a.tif", None, storage)
        monkeypatch.setattr(quicklook, "_LONGEST_SECONDS", 0)
        with pytest.raises(JobNotFoundError) as raised:
            draw_quicklook(job, "a.tif", raster, None)
        assert raised.value.diagnosis.code == "job.no-quicklook"

    def test_a_raster_that_is_another_one_meanwhile_is_not_drawn(self, s3: S3Server) -> None:
        job, storage, folder = build_stored_job(s3, "changed")
        path = write(folder / "a.tif", NOISE[:, :500, :500])
        raster, tag = find_stored_raster(job, "a.tif", None, storage)
        path.unlink()
        with pytest.raises(JobNotFoundError):
            draw_quicklook(job, "a.tif", raster, None)
        with pytest.raises(JobNotFoundError):
            find_stored_raster(job, "a.tif", None, storage)
        write(folder / "a.tif", NOISE[:, :400, :500])
        # the server of the store notices what is written below it a moment later
        wait_for(partial(is_there, job, storage), 10)
        assert find_stored_raster(job, "a.tif", None, storage)[1] != tag

    @pytest.mark.parametrize("path", FOREIGN, ids=range(len(FOREIGN)))
    def test_only_results_of_the_job_are_drawn(self, s3: S3Server, path: str) -> None:
        job, storage, folder = build_stored_job(s3, f"own-{FOREIGN.index(path)}")
        write(folder / "a.tif", NOISE[:, :10, :10])
        (folder.parent / "other").mkdir(exist_ok=True)
        write(folder.parent / "other" / "a.tif", NOISE[:, :10, :10])
        with pytest.raises(JobNotFoundError) as raised:
            find_stored_raster(job, path, None, storage)
        assert raised.value.diagnosis.code == "job.no-quicklook"

    def test_a_job_that_has_not_ended_has_none_and_wrong_credentials_are_not_shown(self, s3: S3Server) -> None:
        job, storage, folder = build_stored_job(s3, "refused")
        write(folder / "a.tif", NOISE[:, :10, :10])
        with pytest.raises(JobNotFoundError):
            find_stored_raster(replace(job, status=Status.RUNNING), "a.tif", None, storage)
        other = StorageProfile({**storage.variables, "AWS_SECRET_ACCESS_KEY": "canary-of-the-store"})
        with pytest.raises(JobNotFoundError) as raised:
            find_stored_raster(job, "a.tif", None, other)
        assert "canary" not in str(raised.value.diagnosis)

    def test_the_items_of_results_in_a_bucket_are_found(self, s3: S3Server) -> None:
        job, storage, folder = build_stored_job(s3, "items")
        (folder / "s").mkdir()
        asset = {"href": "./red.tif", "type": "image/tiff; application=geotiff", "title": "Red"}
        item = {
            "type": "Feature",
            "id": "scene",
            "bbox": [*BOX],
            "assets": {"red": asset, "far": {"href": "/etc/a.tif"}},
        }
        (folder / "s" / "item.json").write_text(json.dumps(item))
        links = [{"rel": "item", "href": "s/item.json"}, {"rel": "child", "href": "catalog.json"}]
        (folder / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": links}))
        (folder / "broken.json").write_text("{")
        hrefs = ("s3://quicklooks/items/catalog.json", "broken.json", "none.json", "s3://other/items/a.json")
        collection = {"links": [{"rel": "child", "href": href} for href in hrefs]}
        (found,) = list_items(BucketFiles.open(job, storage), collection)
        assert (found.title, found.path, found.box) == ("scene", "s/item.json", BOX)
        assert [(one.title, one.path) for one in found.assets] == [("Red", "s/red.tif")]
        refused = StorageProfile({**storage.variables, "AWS_SECRET_ACCESS_KEY": "another"})
        assert list_items(BucketFiles.open(job, refused), collection) == []
