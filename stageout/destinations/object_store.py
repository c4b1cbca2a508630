"""Results in a bucket of any S3 service; large files are uploaded in parts, with bounded memory."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError

from stageout.destinations.etags import compute_etag, is_comparable, open_source
from stageout.model import StageOutOptions
from stageout.names import FOLDER_MARKER
from stageout.storage import Storage, describe_store
from zoo_staging.errors import Kind, StagingError
from zoo_staging.media import BINARY
from zoo_staging.object_store import Store, open_store, split_url
from zoo_staging.object_store_errors import name_container, translate
from zoo_staging.settings import name_address, name_keys

# The S3 API allows 10,000 parts of at least 5 MiB; parts in flight times their size bounds the memory.
_PART_BYTES = 5 * 1024 * 1024
_MOST_PARTS = 10_000
_PARTS_AT_ONCE = 6
# up to this size a file is held in memory: read once, sent and digested from there
_SMALL_BYTES = 1 << 20
_LARGE_FILES_AT_ONCE = 2


@dataclass(frozen=True)
class S3Destination:
    """A prefix in a bucket (`prefix` without slashes at its ends, may be empty).

    `other_tags` are the kinds of object, `whole` and `parts`, whose entity tags are not MD5 digests here.
    """

    bucket: str
    prefix: str
    store: Store
    anonymous: bool
    storage: Storage
    scheme: str = "s3"
    other_tags: set[str] = field(default_factory=set)
    large_files: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_FILES_AT_ONCE))

    @classmethod
    def open(cls, destination: str, options: StageOutOptions) -> "S3Destination":
        """Open `s3://<bucket>/<prefix>`, an address that was checked before."""
        scheme, bucket, prefix = split_url(destination)
        parts = prefix.strip("/").split("/") if prefix.strip("/") else []
        services = (scheme, bucket), options.s3, options.clouds
        anonymous = scheme == "s3" and options.s3.anonymous
        try:
            store = open_store(*services)
        except StagingError as error:
            error.remedy = _build_remedies(scheme).get(error.kind, error.remedy)
            raise
        return cls(bucket, "/".join(parts), store, anonymous, describe_store(*services), scheme)

    def get_path(self, key: str) -> str:
        """Return the whole key in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def get_href(self, key: str) -> str:
        """Return an `s3://` (`gs:`, `az:`) URL, percent-encoded."""
        return f"{self.scheme}://{self.bucket}/{quote(self.get_path(key))}"

    async def put_file(self, key: str, source: Path, media_type: str) -> bool:
        """Upload a file, one larger than a part in parts; return whether the entity tag says that all is there."""
        size_bytes = source.stat().st_size
        if size_bytes <= _SMALL_BYTES:
            return await self.put_bytes(key, source.read_bytes(), media_type)
        if size_bytes <= _PART_BYTES:
            return await self._put(key, source, media_type, _PART_BYTES)
        async with self.large_files:
            return await self._put(key, source, media_type, max(_PART_BYTES, -(-size_bytes // _MOST_PARTS)))

    async def put_bytes(self, key: str, body: bytes, media_type: str) -> bool:
        """Upload a small object; return whether the entity tag says that all is there."""
        return await self._put(key, body, media_type, max(_PART_BYTES, len(body)))

    async def put_folder(self, key: str) -> None:
        """Upload an empty object in the place of a folder."""
        await self.put_bytes(f"{key}/{FOLDER_MARKER}", b"", BINARY)

    async def get_size(self, key: str) -> int | None:
        """Return the size of the object in bytes."""
        try:
            return (await obstore.head_async(self.store, self.get_path(key)))["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._explain(error, key) from error

    async def get_bytes(self, key: str) -> bytes | None:
        """Return the bytes of a small object."""
        try:
            found = await obstore.get_async(self.store, self.get_path(key))
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._explain(error, key) from error

    async def sign(self, key: str, valid: timedelta) -> str:
        """Return an address by which anybody reads an object for a time."""
        try:
            return await obstore.sign_async(self.store, "GET", self.get_path(key), valid)
        except (BaseError, OSError, ValueError) as error:
            raise self._explain(error, key) from error

    async def remove(self, keys: Sequence[str]) -> None:
        """Delete objects, many in one request where the service can."""
        try:
            await obstore.delete_async(self.store, [self.get_path(key) for key in keys])
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._explain(error, keys[0]) from error

    async def discard(self, keys: Sequence[str]) -> None:
        """Delete objects; an upload that was broken off has left no object."""
        await self.remove(keys)

    def probe(self) -> None:
        """Write an empty object under the prefix and delete it."""
        asyncio.run(self._probe())

    async def _probe(self) -> None:
        key = f".probe-{uuid4().hex}"
        await self.put_bytes(key, b"", "text/plain")
        with suppress(FileNotFoundError):
            try:
                await obstore.delete_async(self.store, self.get_path(key))
            except (BaseError, PermissionError) as error:
                raise self._explain(error, key) from error

    async def _put(self, key: str, body: Path | bytes, media_type: str, part_bytes: int) -> bool:
        computing = asyncio.create_task(compute_etag(body, part_bytes)) if self.scheme == "s3" else None
        try:
            put = await obstore.put_async(
                self.store,
                self.get_path(key),
                body,
                attributes={"Content-Type": media_type},
                chunk_size=part_bytes,
                max_concurrency=_PARTS_AT_ONCE,
            )
            if computing is None:
                return False
            return await self._compare(key, body, (put["e_tag"] or "").strip('"'), await computing)
        except (BaseError, OSError) as error:
            raise self._explain(error, key) from error
        finally:
            if computing is not None:
                computing.cancel()

    async def _compare(self, key: str, body: Path | bytes, etag: str, computed: str) -> bool:
        """Whether the service has what was sent; if its tag differs, the stored object is read back once and compared.

        False if its tags are not MD5 digests, which proves nothing.
        """
        kind = "parts" if "-" in etag else "whole"
        if etag == computed:
            return True
        if kind in self.other_tags or not is_comparable(etag, computed):
            return False
        if not await self._is_stored(key, body):
            raise StagingError(
                Kind.CHECKSUM,
                self.get_href(key),
                f"the stored object differs from what was sent (entity tag {etag}, sent {computed})",
                "Try again; if it persists, contact the operator of the service.",
            )
        self.other_tags.add(kind)
        return True

    async def _is_stored(self, key: str, body: Path | bytes) -> bool:
        stored = await obstore.get_async(self.store, self.get_path(key))
        with open_source(body) as sent:
            async for chunk in stored.stream(_PART_BYTES):
                if sent.read(len(chunk)) != bytes(chunk):
                    return False
            return not sent.read(1)

    def _explain(self, error: Exception, key: str) -> StagingError:
        translated = translate(error, self.get_href(key))
        remedy = _build_remedies(self.scheme).get(translated.kind, translated.remedy)
        if self.anonymous and translated.kind in (Kind.FORBIDDEN, Kind.SERVICE):
            remedy = f"Set STAGEOUT_AWS_ACCESS_KEY_ID; without it requests are not signed. {remedy}"
        return StagingError(translated.kind, translated.href, translated.reason, remedy)


def _build_remedies(scheme: str) -> dict[Kind, str]:
    address, keys = name_address("STAGEOUT", scheme), name_keys("STAGEOUT", scheme)
    permissions = " (s3:PutObject, s3:DeleteObject, s3:GetObject)" if scheme == "s3" else ""
    region = " and STAGEOUT_AWS_REGION" if scheme == "s3" else ""
    return {
        Kind.FORBIDDEN: f"Check {keys}, and their permissions to write, delete and read{permissions}.",
        Kind.SETTINGS: f"Check {keys}, and {address}.",
        Kind.NOT_FOUND: (
            f"Create the {name_container(scheme)}, or choose another one (--output, or STAGEOUT_OUTPUT); check that"
            f" {address} is the service that holds it."
        ),
        Kind.UNREACHABLE: f"Check {address}, and that the service runs and is reachable.",
        Kind.TIMEOUT: f"Check {address} and the network; try again.",
        Kind.SERVICE: f"Check {address}{region}; else contact the service's operator.",
    }
