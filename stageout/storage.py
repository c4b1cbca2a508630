"""Describes the object store of results by the STAC storage extension (v2.0.0); pure.

Only an address, a region and names are written, never a credential.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from zoo_staging.settings import CloudOptions, S3Options

STORAGE_EXTENSION = "https://stac-extensions.github.io/storage/v2.0.0/schema.json"

_ANY_VERSION = "https://stac-extensions.github.io/storage/"
_AWS = "https://{bucket}.s3.{region}.amazonaws.com"
_AZURE = "https://{account}.blob.core.windows.net"
_GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True)
class Storage:
    """A bucket or container: what `storage:schemes` has under `key`."""

    key: str
    scheme: Mapping[str, Any]


def describe_store(place: tuple[str, str], s3: S3Options, clouds: CloudOptions) -> Storage:
    """Describe a bucket or container; `place` is the scheme of its URL (`s3`, `gs`, `az`) and its name."""
    scheme, name = place
    build = {"s3": _describe_s3, "gs": _describe_google, "az": _describe_azure}[scheme]
    return Storage(f"{scheme}-{name}", build(name, s3, clouds))


def add_storage(body: dict[str, Any], placed: Iterable[dict[str, Any]], storage: Storage | None) -> None:
    """Add their object store to the assets and links `placed` of a new STAC document.

    A document that uses an earlier version of the extension stays as it is: the two cannot be combined.
    """
    extensions: list[Any] = list(body.get("stac_extensions") or [])
    others = [each for each in extensions if str(each).startswith(_ANY_VERSION) and each != STORAGE_EXTENSION]
    entries = list(placed)
    if storage is None or not entries or others:
        return
    for entry in entries:
        entry["storage:refs"] = [storage.key]
    holder = dict(body["properties"]) if body["type"] == "Feature" else body
    schemes = holder.get("storage:schemes")
    known = schemes if isinstance(schemes, dict) else {}
    holder["storage:schemes"] = {**known, storage.key: dict(storage.scheme)}
    if holder is not body:
        body["properties"] = holder
    body["stac_extensions"] = list(dict.fromkeys([*extensions, STORAGE_EXTENSION]))


def _describe_s3(bucket: str, s3: S3Options, _: CloudOptions) -> dict[str, Any]:
    names = {"bucket": bucket, "region": s3.region}
    if s3.endpoint:
        return {"type": "custom-s3", "platform": _strip(s3.endpoint), **names}
    return {"type": "aws-s3", "platform": _AWS, **names}


def _describe_google(bucket: str, _: S3Options, clouds: CloudOptions) -> dict[str, Any]:
    endpoint = clouds.google_endpoint
    return {"type": "gcp-storage", "platform": _strip(endpoint) if endpoint else _GOOGLE, "bucket": bucket}


def _describe_azure(container: str, _: S3Options, clouds: CloudOptions) -> dict[str, Any]:
    names = {"container": container, **({"account": clouds.azure_account} if clouds.azure_account else {})}
    if clouds.azure_endpoint:
        return {"type": "custom-azure", "platform": _strip(clouds.azure_endpoint), **names}
    return {"type": "ms-azure", "platform": _AZURE, **names}


def _strip(endpoint: str) -> str:
    """Return the address alone: user information, query and fragment may be secret."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
