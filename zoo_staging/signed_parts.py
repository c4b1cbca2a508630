"""Parts of large objects of S3 by libcurl, at addresses that the S3 client signs: each byte is copied once less.

The first request for an object is always that of the S3 client, whose answer and errors count. Where a signed address
has no answer as it should, the part is asked for by that client too.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

from zoo_staging.errors import RetryableError, StagingError
from zoo_staging.http import HttpClient, HttpOptions
from zoo_staging.object_store import Signer
from zoo_staging.object_store_errors import restate
from zoo_staging.proxies import Proxies
from zoo_staging.ranges import ByteRange
from zoo_staging.settings import S3Options

Pieces = AsyncIterator[list[bytes]]


class SignedParts:
    """Reads parts of objects; use as an async context manager. No signed address leaves it: errors name the object."""

    def __init__(self, proxies: Proxies, read_timeout_seconds: float) -> None:
        # metadata addresses are refused, as everywhere; a redirect would need another signature
        options = HttpOptions(proxies=proxies, read_timeout_seconds=read_timeout_seconds, redirects=False)
        self._client = HttpClient(options)
        self._signers: dict[str, Signer] = {}
        self._without: set[str] = set()

    async def __aenter__(self) -> "SignedParts":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def open(
        self, stack: AsyncExitStack, bucket: str, options: S3Options, key: str, part: ByteRange, href: str
    ) -> Pieces | None:
        """Start reading a part, until `stack` is closed; None where the S3 client has to be asked."""
        if bucket in self._without:
            return None
        if bucket not in self._signers:
            self._signers[bucket] = Signer(bucket, options)
        address = self._signers[bucket].sign(key)
        try:
            answer = await stack.enter_async_context(self._client.get(address, replace(part, condition="If-Match")))
        except StagingError as error:
            if not isinstance(error, RetryableError):
                self._without.add(bucket)
            return None
        return None if answer.pieces is None else _restated(answer.pieces, href)


async def _restated(pieces: Pieces, href: str) -> Pieces:
    try:
        async for each in pieces:
            yield each
    except StagingError as error:
        # without its cause, whose words could have the address
        raise restate(error, href) from None
