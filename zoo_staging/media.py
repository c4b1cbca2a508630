"""Media types and STAC asset roles of files, by name; pure."""

import posixpath
from mimetypes import MimeTypes
from pathlib import PurePosixPath

GEOTIFF = "image/tiff; application=geotiff"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
GEOJSON = "application/geo+json"
JSON = "application/json"
BINARY = "application/octet-stream"
ZARR = "application/vnd.zarr"

_BY_SUFFIX = {
    ".tif": GEOTIFF,
    ".tiff": GEOTIFF,
    ".jp2": "image/jp2",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".json": JSON,
    ".geojson": GEOJSON,
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".nc": "application/netcdf",
    ".nc4": "application/netcdf",
    ".h5": "application/x-hdf5",
    ".hdf5": "application/x-hdf5",
    ".he5": "application/x-hdf5",
    ".hdf": "application/x-hdf",
    ".grb": "application/grib",
    ".grib": "application/grib",
    ".grb2": "application/wmo-grib2",
    ".grib2": "application/wmo-grib2",
    ".zarr": ZARR,
    ".parquet": "application/vnd.apache.parquet",
    ".geoparquet": "application/vnd.apache.parquet",
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/vnd.flatgeobuf",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".laz": "application/vnd.laszip",
    ".las": "application/vnd.las",
    ".shp": "application/vnd.shp",
    ".shx": "application/vnd.shx",
    ".dbf": "application/vnd.dbf",
    ".sqlite": "application/vnd.sqlite3",
    ".pmtiles": "application/vnd.pmtiles",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".tar": "application/x-tar",
    # what is compressed has the type of its compression
    ".gz": "application/gzip",
    ".tgz": "application/gzip",
    ".svgz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".tbz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".txz": "application/x-xz",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
}
# those of Python, not of the machine (/etc/mime.types): a result has the same type wherever it was made
_OTHERS = MimeTypes().types_map[True]
_IANA = "https://www.iana.org/assignments/media-types/"
_PICTURES = ("image/png", "image/jpeg", "image/webp")
_SMALL_PICTURE_WORDS = ("thumb", "preview", "quicklook", "browse")


def get_media_type(name: str, cwl_format: str | None = None) -> str:
    """Return the media type of a file: from a CWL `format` that is an IANA media type, else from its name."""
    if cwl_format and cwl_format.startswith(_IANA):
        return cwl_format.removeprefix(_IANA)
    # no Path: it costs more than the rest, and this runs for each of thousands of files
    suffix = posixpath.splitext(name.rstrip("/").lower())[1]
    return _BY_SUFFIX.get(suffix) or _OTHERS.get(suffix) or BINARY


def build_roles(name: str, media_type: str) -> list[str]:
    """Return the STAC roles of an asset (STAC 1.1, asset roles)."""
    lowered = PurePosixPath(name.lower()).name
    if media_type in _PICTURES and any(word in lowered for word in _SMALL_PICTURE_WORDS):
        return ["thumbnail"]
    if media_type == "application/xml":
        return ["metadata"]
    return ["data"]
