"""Formats of files: media types of web requests, and the format URIs of CWL that mean the same."""

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimetypes import MimeTypes

MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[A-Za-z0-9][\w.+-]*(\s*;[^\x00-\x1f]*)?")
IANA = "https://www.iana.org/assignments/media-types/"
IANA_URI = re.compile(r"https?://www\.iana\.org/assignments/media-types/([\w.+-]+/[\w.+-]+)")
EDAM_URI = re.compile(r"https?://edamontology\.org/format_(\d{4})")
# EDAM 1.25, the formats that EO packages use
EDAM_MEDIA_TYPES: Mapping[str, str] = {
    "2330": "text/plain",
    "2331": "text/html",
    "2332": "application/xml",
    "3464": "application/json",
    "3475": "text/tab-separated-values",
    "3579": "image/jpeg",
    "3590": "application/x-hdf5",
    "3591": "image/tiff",
    "3603": "image/png",
    "3650": "application/x-netcdf",
    "3750": "application/yaml",
    "3752": "text/csv",
    "3987": "application/zip",
}
EXTENSIONS: Mapping[str, str] = {
    "application/geo+json": ".geojson",
    "application/yaml": ".yaml",
    "application/x-netcdf": ".nc",
    "application/x-hdf5": ".h5",
    "application/octet-stream": ".bin",
    "image/tiff": ".tif",
    "text/plain": ".txt",
}


def media_type_uri(media_type: str) -> str:
    """Return the format URI of a media type without parameters."""
    return f"{IANA}{_plain(media_type)}"


def media_type_of(format_uri: str) -> str | None:
    """Return the media type that a format URI of IANA or EDAM means; None for any other."""
    iana = IANA_URI.fullmatch(format_uri)
    if iana:
        return iana[1].lower()
    edam = EDAM_URI.fullmatch(format_uri)
    return EDAM_MEDIA_TYPES.get(edam[1]) if edam else None


def extension_of(media_type: str) -> str:
    """Return the usual file name extension, with its dot; empty if there is none."""
    plain = _plain(media_type)
    return EXTENSIONS.get(plain) or _open_registry().guess_extension(plain) or ""


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


@cache
def _open_registry() -> "MimeTypes":
    """Open Python's built-in table, which does not depend on this machine; few jobs have media types without names."""
    from mimetypes import MimeTypes

    return MimeTypes()
