"""Where rasters lie, as STAC has it."""

from pathlib import Path

import numpy
import pytest
import rasterio  # type: ignore[import-untyped]  # it ships none
from rasterio.crs import CRS  # type: ignore[import-untyped]  # as above
from rasterio.errors import CRSError  # type: ignore[import-untyped]  # as above
from rasterio.transform import Affine  # type: ignore[import-untyped]  # as above

from stageout.model import RasterFacts
from stageout.raster import read_raster, wrap_bbox

pytestmark = pytest.mark.unit


def write(path: Path, crs: CRS | str, transform: Affine) -> RasterFacts:
    shape = {"width": 10, "height": 10, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape) as dataset:
        dataset.write(numpy.ones((1, 10, 10), "uint8"))
    facts = read_raster(path, [])
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    ("box", "wrapped"),
    [
        ((0, -90, 360, 90), (-180, -90, 180, 90)),
        ((-0.125, -90.125, 359.875, 90.125), (-180, -90, 180, 90)),
        ((10, 0, 20, 5), (10, 0, 20, 5)),
        ((170, 0, 190, 5), (170, 0, -170, 5)),
        ((190, 0, 200, 5), (-170, 0, -160, 5)),
        ((180, 0, 270, 5), (-180, 0, -90, 5)),
        ((90, 0, 180, 5), (90, 0, 180, 5)),
        ((-180, 0, 180, 5), (-180, 0, 180, 5)),
        ((-190, 0, -180, 5), (170, 0, 180, 5)),
        ((177, 0, -178, 5), (177, 0, -178, 5)),
    ],
)
def test_longitudes_are_those_of_geojson(box: tuple[float, ...], wrapped: tuple[float, ...]) -> None:
    assert wrap_bbox(*box) == wrapped


def test_a_grid_from_0_to_360_degrees_is_the_whole_earth(tmp_path: Path) -> None:
    facts = write(tmp_path / "era5.tif", "EPSG:4326", Affine(36, 0, 0, 0, -18, 90))
    assert facts.geometry is not None
    assert list(facts.bbox or ()) == [-180, -90, 180, 90]
    assert {x for x, _ in facts.geometry["coordinates"][0]} == {-180, 180}


def test_a_raster_whose_rows_go_north_has_an_ordered_box(tmp_path: Path) -> None:
    facts = write(tmp_path / "south-up.tif", "EPSG:32632", Affine(10, 0, 500_000, 0, 10, 5_000_000))
    assert facts.projection["proj:bbox"] == [500_000, 5_000_000, 500_100, 5_000_100]
    assert facts.projection["proj:code"] == "EPSG:32632"
    assert facts.bbox is not None
    assert facts.bbox[1] < facts.bbox[3]


@pytest.mark.parametrize(
    ("proj4", "start"),
    [
        ("+proj=sinu +R=6371007.181 +units=m", "PROJCRS["),
        ("+proj=utm +zone=32 +ellps=GRS80 +towgs84=100,50,20 +units=m", "BOUNDCRS["),
    ],
)
def test_a_system_without_a_code_of_its_own_is_published_as_wkt2(tmp_path: Path, proj4: str, start: str) -> None:
    facts = write(tmp_path / "a.tif", CRS.from_proj4(proj4), Affine(10, 0, 5e5, 0, -10, 5e6))
    assert "proj:code" not in facts.projection
    assert facts.projection["proj:wkt2"].startswith(start)


def test_a_raster_in_a_local_system_has_bands_and_no_place(tmp_path: Path) -> None:
    local = CRS.from_wkt('LOCAL_CS["Arbitrary",UNIT["metre",1]]')
    facts = write(tmp_path / "drone.tif", local, Affine(10, 0, 5e5, 0, -10, 5e6))
    assert (facts.bbox, facts.geometry, len(facts.bands)) == (None, None, 1)


def test_a_code_that_the_database_does_not_have_leaves_all_other_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Older:
        @staticmethod
        def from_authority(*_: str) -> None:
            raise CRSError("crs not found")

    monkeypatch.setattr("rasterio.crs.CRS", Older)
    facts = write(tmp_path / "a.tif", CRS.from_epsg(32632), Affine(10, 0, 5e5, 0, -10, 5e6))
    assert facts.projection["proj:wkt2"].startswith("PROJCRS[")
    assert (facts.bbox is not None, len(facts.bands)) == (True, 1)
