"""Object storage: S3, Google Cloud Storage, Azure Blob Storage."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from urllib.parse import quote

from stagein.progress import check_files
from stagein.settings import PREFIX, StageInOptions
from stagein.sources.protocol import Content, Entry, Source
from zoo_staging.errors import Kind, StagingError
from zoo_staging.object_store import Store, list_objects, open_store, read_object, split_url
from zoo_staging.ranges import ByteRange
from zoo_staging.settings import S3Options, name_address, name_keys
from zoo_staging.signed_parts import SignedParts

# the stream of a large object may take long; the read time-out detects a stalled one
WHOLE_OBJECT_SECONDS = 7 * 24 * 3600.0


@asynccontextmanager
async def open_s3(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the services that the options name as a source."""
    async with SignedParts(options.proxies, options.read_timeout_seconds) as signed:
        yield S3Source(options, signed)


class S3Source:
    """Addresses of the form `s3://bucket/key`, also `gs:` and `az:`; ending in a slash, a folder."""

    def __init__(self, options: StageInOptions, signed: SignedParts) -> None:
        self._options = options
        self._signed = signed
        self._buckets: dict[tuple[str, str], Store] = {}

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Start reading an object."""
        return self._open(href, part)

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return the objects under a key that ends in `/` (or a whole bucket)."""
        scheme, bucket, prefix = split_url(href)
        if prefix and not prefix.endswith("/"):
            return None
        options = self._options
        with _naming_settings(scheme):
            opened, timeout = self._open_bucket(scheme, bucket), options.read_timeout_seconds
            found = await list_files(
                list_objects(opened, prefix, href, read_timeout_seconds=timeout), prefix, href, options.max_files
            )
        return [
            Entry(f"{scheme}://{bucket}/{quote(key)}", key.removeprefix(prefix), size) for key, size in sorted(found)
        ]

    @asynccontextmanager
    async def _open(self, href: str, part: ByteRange | None) -> AsyncIterator[Content]:
        scheme, bucket, key = split_url(href)
        async with AsyncExitStack() as stack:
            with _naming_settings(scheme):
                if part is not None and scheme == "s3":
                    options = self._find_settings(bucket)
                    pieces = await self._signed.open(stack, bucket, options, key, part, href)
                    if pieces is not None:
                        yield Content(href, part.end - part.start, _join(pieces), part.validator, pieces=pieces)
                        return
                found = await read_object(
                    self._open_bucket(scheme, bucket),
                    key,
                    href,
                    read_timeout_seconds=self._options.read_timeout_seconds,
                    part=part,
                )
            yield Content(href, found.size_bytes, found.chunks, found.validator, version=found.version)

    def _find_settings(self, bucket: str) -> S3Options:
        return self._options.buckets.get(bucket, self._options.s3)

    def _open_bucket(self, scheme: str, bucket: str) -> Store:
        place, options = (scheme, bucket), self._options
        if place not in self._buckets:
            s3 = self._find_settings(bucket)
            # no retries here: stage-in tries again itself, also after a broken body
            self._buckets[place] = open_store(
                place, s3, options.clouds, retries=0, request_timeout_seconds=WHOLE_OBJECT_SECONDS
            )
        return self._buckets[place]


async def _join(pieces: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for each in pieces:
        yield b"".join(each)


async def list_files(
    objects: AsyncIterator[tuple[str, int]], prefix: str, href: str, max_files: int | None
) -> list[tuple[str, int]]:
    """Return the keys and sizes of what is a file; raises `StagingError` for more than `max_files`."""
    found = []
    async for key, size in objects:
        # consoles and Hadoop mark folders by objects
        if key != prefix and not key.endswith("/"):
            found.append((key, size))
            check_files(len(found), href, max_files)
    return found


@contextmanager
def _naming_settings(scheme: str) -> Iterator[None]:
    """Name the settings of the store in the remedies of errors."""
    address, keys = name_address(PREFIX, scheme), name_keys(PREFIX, scheme)
    single = ", or what STAGEIN_BUCKETS_FILE has for this bucket" if scheme == "s3" else ""
    remedies = {
        Kind.FORBIDDEN: f"Check {keys}{single}, and that they have permission to read.",
        Kind.SETTINGS: f"Check {keys}, and {address}.",
        Kind.UNREACHABLE: f"Check {address}, and that the service runs and is reachable.",
        Kind.UNTRUSTED: f"Ask the operator of {address} for a valid certificate, or install its authority.",
    }
    try:
        yield
    except StagingError as error:
        error.remedy = remedies.get(error.kind, error.remedy)
        raise
