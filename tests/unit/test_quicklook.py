"""Pictures of rasters, as their process draws them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio  # type: ignore[import-untyped]  # it ships none
from rasterio.transform import from_bounds  # type: ignore[import-untyped]  # as above

from zoo_runner.model.errors import InputError
from zoo_runner.server.quicklook import build_tag, can_draw, read_box
from zoo_runner.server.quicklook_process import LONGEST_SIDE, draw

BOX = (10.0, 46.0, 12.0, 47.0)


def write(path: Path, bands: Any, **more: Any) -> Path:
    count, height, width = bands.shape
    place = {"crs": "EPSG:4326", "transform": from_bounds(*BOX, width, height), **more}
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=bands.dtype, **place
    ) as raster:
        raster.write(bands)
    return path


def look(picture: bytes) -> Any:
    with warnings.catch_warnings():
        # a PNG image has no place on Earth
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.MemoryFile(picture) as file, file.open(driver="PNG") as drawn:
            return drawn.read()


# the library's own, about how it multiplies, and about pictures that have no place
@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
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
