"""What was found on disk for the outputs of a job, as plain values: the input of planning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

StacKind = Literal["Catalog", "Collection", "Item"]


@dataclass(frozen=True)
class RasterFacts:
    """What a raster says about itself.

    `bbox` (west, south, east, north) and `geometry` are in degrees on WGS 84, None when it is not
    georeferenced; `projection` are fields of the STAC projection extension v2.0.0; `bands` STAC 1.1 band
    objects.
    """

    bbox: tuple[float, float, float, float] | None
    geometry: Mapping[str, Any] | None
    projection: Mapping[str, Any]
    bands: tuple[Mapping[str, Any], ...]
    cloud_optimized: bool


@dataclass(frozen=True)
class FoundFile:
    """A regular file; `name` is where it lies below its output (`/`-separated), `sha256` hex if needed."""

    path: Path
    name: str
    size_bytes: int
    media_type: str
    sha256: str | None = None
    raster: RasterFacts | None = None


@dataclass(frozen=True)
class StacDocument:
    """A STAC document as its author wrote it.

    `path` and `parent` lie below the output folder. `targets` says where each href leads below the folder, or
    None when the link leads nowhere and goes away; hrefs not in it lead to another machine and stay as they
    are.
    """

    path: str
    kind: StacKind
    body: Mapping[str, Any]
    depth: int
    parent: str | None
    targets: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundCatalog:
    """A folder with a STAC catalog: its documents, root first, and every file that they refer to."""

    documents: tuple[StacDocument, ...]
    files: tuple[FoundFile, ...]


@dataclass(frozen=True)
class FoundData:
    """A File (the first of `files`, then its secondary files) or a Directory without STAC."""

    kind: Literal["File", "Directory"]
    title: str
    files: tuple[FoundFile, ...]


@dataclass(frozen=True)
class FoundLiteral:
    """A value that is its own result: string, number, boolean or null."""

    value: object


@dataclass(frozen=True)
class FoundArray:
    """Values in order."""

    values: tuple["Found", ...]


@dataclass(frozen=True)
class FoundRecord:
    """Values by field name."""

    fields: Mapping[str, "Found"]


Found = FoundCatalog | FoundData | FoundLiteral | FoundArray | FoundRecord
