"""The values of stage-out: its options, what was found on disk, what will be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo_staging.settings import CloudOptions, S3Options
from zoo_staging.stac import StacType

Bbox = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True)
class RasterFacts:
    """Metadata of a raster.

    `bbox` (west, south, east, north) and `geometry` are in degrees on WGS 84, None when it is not
    georeferenced; `projection` are fields of the STAC projection extension v2.0.0; `bands` STAC 1.1 band
    objects.
    """

    bbox: Bbox | None
    geometry: Mapping[str, Any] | None
    projection: Mapping[str, Any]
    bands: tuple[Mapping[str, Any], ...]
    cloud_optimized: bool


@dataclass(frozen=True)
class FoundFile:
    """A regular file; `name` is its path below its output, `sha256` hex where needed, `cwl_format` its CWL format."""

    path: Path
    name: str
    size_bytes: int
    media_type: str
    sha256: str | None = None
    raster: RasterFacts | None = None
    cwl_format: str | None = None


@dataclass(frozen=True)
class StacDocument:
    """A STAC document as its author wrote it.

    `path` and `parent` are below the output folder. `targets` has the path below the folder of each href, or
    None for a dangling link, which is removed; hrefs not in it are on another machine and stay as they
    are.
    """

    path: str
    type: StacType
    body: Mapping[str, Any]
    depth: int
    parent: str | None
    targets: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundCatalog:
    """A folder with a STAC catalog: its documents, root first, every other file, and `folders` that are empty."""

    documents: tuple[StacDocument, ...]
    files: tuple[FoundFile, ...]
    title: str = ""
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundData:
    """A File (the first of `files`, then its secondary files) or a Directory without STAC; `title` is its basename.

    `folders` are empty, and kept; by their paths below the output.
    """

    kind: Literal["File", "Directory"]
    title: str
    files: tuple[FoundFile, ...]
    folders: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class PlannedFile:
    """A file to copy as it is, to a key below the destination."""

    source: Path
    key: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class PlannedDocument:
    """A JSON document to write to a key below the destination; bytes are written as they are."""

    key: str
    body: Mapping[str, Any] | bytes
    media_type: str


@dataclass(frozen=True)
class Plan:
    """Everything to write: `files` first, then `documents` wave by wave, each after all before it.

    `folders` are the keys of empty ones.
    `results` is the results document, `outputs` the same as a CWL output object, `collection` the STAC Collection that
    the last wave writes to `collection_href`, `catalog_hrefs` the addresses of the root catalogs of outputs with STAC.
    """

    files: tuple[PlannedFile, ...]
    documents: tuple[tuple[PlannedDocument, ...], ...]
    results: Mapping[str, Any]
    collection: Mapping[str, Any]
    collection_href: str
    catalog_hrefs: tuple[str, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageOutOptions:
    """How results are named, where they may come from and how they are uploaded.

    `title` is the title of the process. `collection_id` and `collection_title` name the STAC Collection of the
    results; without an id it is `col_<job-id>`. With `public_base_url`, links read `<public_base_url>/<key>`
    instead of `s3://…` or `file://…`. When `outputs_folder` is given, a File or Directory outside of it, links
    followed, is refused, and so is everything where it is a link itself: set it to the engine's output folder
    unless the tools are trusted. An empty folder is no result for `optional` outputs, and an error for all others,
    unless `keep_empty_folders`: then it is a result without files, and so are those in it.
    `takes_files`: nobody else needs the files of the outputs, so that those on the disk of the destination get their
    names there instead of being copied.
    `max_files` and `max_bytes` bound the results of a job. `concurrency` is the number of files that move at the same
    time.
    """

    job_id: str
    workflow_id: str = "workflow"
    title: str | None = None
    s3: S3Options = field(default_factory=S3Options)
    clouds: CloudOptions = field(default_factory=CloudOptions)
    collection_id: str | None = None
    collection_title: str | None = None
    public_base_url: str | None = None
    outputs_folder: Path | None = None
    optional: frozenset[str] = frozenset()
    keep_empty_folders: bool = False
    takes_files: bool = False
    max_files: int | None = None
    max_bytes: int | None = None
    concurrency: int = 8
