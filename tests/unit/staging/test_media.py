import mimetypes
from pathlib import Path

import numpy
import pytest
import rasterio  # type: ignore[import-untyped]  # it ships none
from rasterio.transform import Affine  # type: ignore[import-untyped]  # as above

from stageout.stage import stage_out
from tests.unit.stageout.catalogs import NOW, OPTIONS, describe_folder, read_json
from zoo_staging.media import BINARY, COG, GEOTIFF, build_roles, get_media_type

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "cwl_format", "wanted"),
    [
        ("ndvi.TIF", None, GEOTIFF),
        ("a/b.geojson", None, "application/geo+json"),
        ("x.nc", None, "application/netcdf"),
        ("no-suffix", None, BINARY),
        ("a.tif.bz2", None, "application/x-bzip2"),
        ("a.csv.xz", None, "application/x-xz"),
        ("a.tar.gz", None, "application/gzip"),
        ("a.tgz", None, "application/gzip"),
        ("a.shp", None, "application/vnd.shp"),
        ("a.grb2", None, "application/wmo-grib2"),
        ("x.bin", "https://www.iana.org/assignments/media-types/text/csv", "text/csv"),
        ("x.csv", "http://edamontology.org/format_3752", "text/csv"),
    ],
)
def test_a_media_type_comes_from_the_format_else_from_the_name(name: str, cwl_format: str | None, wanted: str) -> None:
    assert get_media_type(name, cwl_format) == wanted


def test_a_media_type_is_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mime.types"
    table.write_text("application/vnd.lotus-notes ntf\napplication/vnd.fastcopy-disk-image dim\n")
    with monkeypatch.context() as context:
        context.setattr(mimetypes, "knownfiles", [str(table)])
        mimetypes.init()
        assert mimetypes.guess_type("a.ntf")[0] == "application/vnd.lotus-notes"
        assert get_media_type("a.ntf") == get_media_type("a.dim") == BINARY
    mimetypes.init()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("S2_thumbnail.png", "thumbnail"),
        ("quicklook.jpg", "thumbnail"),
        ("preview.tif", "data"),
        ("picture.png", "data"),
        ("inspire.xml", "metadata"),
    ],
)
def test_small_pictures_and_metadata_are_distinguished_from_data(name: str, wanted: str) -> None:
    assert build_roles(name, get_media_type(name)) == [wanted]


def test_a_thumbnail_beside_a_cloud_optimised_raster_stays_one(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_500_000)}
    profile = {"width": 16, "height": 16, "count": 1, "dtype": "uint8", **place}
    with rasterio.open(made / "ndvi.tif", "w", driver="COG", **profile) as dataset:
        dataset.write(numpy.ones((1, 16, 16), "uint8"))
    (made / "thumbnail.png").write_bytes(b"PNG")
    stage_out({"out": describe_folder(made)}, str(tmp_path / "to"), OPTIONS, now=NOW)
    assets = read_json(tmp_path / "to/out/ndvi-7-out.json")["assets"]
    assert (assets["ndvi.tif"]["type"], assets["ndvi.tif"]["roles"]) == (COG, ["data"])
    assert (assets["thumbnail.png"]["type"], assets["thumbnail.png"]["roles"]) == ("image/png", ["thumbnail"])
