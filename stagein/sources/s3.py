"""S3 object storage."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote

from stagein.settings import StageInOptions
from stagein.sources.content import Content, Entry, Source
from staging.parts import Part
from staging.s3 import S3Store, list_objects, open_bucket, read_object, split_s3_url

# the stream of a large object may last; that bytes keep coming is watched by the read time-out
WHOLE_OBJECT_SECONDS = 7 * 24 * 3600.0


@asynccontextmanager
async def open_s3(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the S3 services that the options name as a source."""
    yield S3Source(options)


class S3Source:
    """Addresses of the form `s3://bucket/key`; ending in a slash, a folder."""

    def __init__(self, options: StageInOptions) -> None:
        self._options = options
        self._buckets: dict[str, S3Store] = {}

    def open(self, href: str, part: Part | None = None) -> AbstractAsyncContextManager[Content]:
        """Begin to read an object."""
        return self._open(href, part)

    async def list_folder(self, href: str) -> list[Entry] | None:
        """The objects under a key that ends in `/` (or a whole bucket)."""
        bucket, prefix = split_s3_url(href)
        if prefix and not prefix.endswith("/"):
            return None
        return [
            Entry(f"s3://{bucket}/{quote(key)}", key.removeprefix(prefix), size)
            for key, size in await list_objects(self._open_bucket(bucket), prefix, href)
            if key != prefix and not key.endswith("/")
        ]

    @asynccontextmanager
    async def _open(self, href: str, part: Part | None) -> AsyncIterator[Content]:
        bucket, key = split_s3_url(href)
        found = await read_object(
            self._open_bucket(bucket), key, href, read_timeout_seconds=self._options.read_timeout_seconds, part=part
        )
        yield Content(href, found.size_bytes, found.chunks, found.validator)

    def _open_bucket(self, bucket: str) -> S3Store:
        if bucket not in self._buckets:
            options = self._options.buckets.get(bucket, self._options.s3)
            # no retries inside: stage-in tries again itself, a broken body too
            self._buckets[bucket] = open_bucket(
                bucket, options, retries=0, request_timeout_seconds=WHOLE_OBJECT_SECONDS
            )
        return self._buckets[bucket]
