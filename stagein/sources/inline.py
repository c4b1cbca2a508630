"""Data inside an address itself: `data:` URLs (RFC 2397), made from file content in execute requests."""

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import unquote_to_bytes

from stagein.settings import StageInOptions
from stagein.sources.protocol import Content, Entry, Source
from zoo_staging.errors import Kind, StagingError
from zoo_staging.ranges import ByteRange


@asynccontextmanager
async def open_inline(options: StageInOptions) -> AsyncIterator[Source]:
    """Open the source of `data:` URLs; it needs nothing."""
    yield InlineSource()


class InlineSource:
    """Decodes `data:` URLs."""

    def open(self, href: str, part: ByteRange | None = None) -> AbstractAsyncContextManager[Content]:
        """Decode `href`; parts are never requested."""
        return self._open(href)

    async def list_folder(self, href: str) -> list[Entry] | None:
        """Return None: a `data:` URL is one document."""
        return None

    @asynccontextmanager
    async def _open(self, href: str) -> AsyncIterator[Content]:
        data = decode(href)

        async def give() -> AsyncIterator[bytes]:
            yield data

        yield Content(href, len(data), give())


def decode(href: str) -> bytes:
    """Return the bytes of a `data:` URL; raises `StagingError`."""
    head, comma, body = href.partition(",")
    try:
        data = unquote_to_bytes(body)
        decoded = base64.b64decode(data, validate=True) if head.lower().endswith(";base64") else data
    except (binascii.Error, ValueError, UnicodeError) as error:
        raise _malformed(href, str(error)) from error
    if not comma:
        raise _malformed(href, "no comma")
    return decoded


def _malformed(href: str, reason: str) -> StagingError:
    remedy = "Write it as data:<media type>;base64,<data>."
    return StagingError(Kind.UNSUPPORTED, href, f"invalid data URL: {reason}", remedy)
