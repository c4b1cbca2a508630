"""What stage-out is going to write, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PlannedFile:
    """A file to copy as it is, to a key below the destination."""

    source: Path
    key: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class PlannedDocument:
    """A JSON document to write to a key below the destination."""

    key: str
    body: Mapping[str, Any]
    media_type: str


@dataclass(frozen=True)
class Plan:
    """All that is to be written: `files` first, then `documents` wave by wave, each after all before it.

    `results` is the results document, `collection` the STAC Collection that the last wave writes to
    `collection_href`, `catalog_hrefs` where the root catalogs of outputs with STAC will lie.
    """

    files: tuple[PlannedFile, ...]
    documents: tuple[tuple[PlannedDocument, ...], ...]
    results: Mapping[str, Any]
    collection: Mapping[str, Any]
    collection_href: str
    catalog_hrefs: tuple[str, ...]
